"""Resets: the server is down at once, and a minute later at its boot loader."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, RobotError, Route, invalid
from ink_infra_mcp.sandbox.robot.servers import find_server, server_fields
from ink_infra_mcp.sandbox.robot.settling import BOOT_S, host_of
from ink_infra_mcp.sandbox.state_robot import RobotServer

READ_LIMIT = 500
WRITE_LIMIT = 50


def _server(call: Call) -> RobotServer:
    server = find_server(call)
    if not server.resets:
        raise RobotError(404, "RESET_NOT_AVAILABLE", "The server has no reset option")
    return server


def _get(call: Call) -> JsonValue:
    server = _server(call)
    return {"reset": {**server_fields(server), "type": [*server.resets], "operating_status": "not supported"}}


def _post(call: Call) -> JsonValue:
    server, kind = _server(call), call.form.get("type")
    if kind not in server.resets:
        raise invalid("type") if kind is not None else invalid(missing=("type",))
    if server.technician:
        raise RobotError(409, "RESET_MANUAL_ACTIVE", "There is already a running manual reset")
    if kind == "man":
        server.technician = True
    else:
        _cut(call, server)
    return {"reset": {**server_fields(server), "type": kind}}


def _cut(call: Call, server: RobotServer) -> None:
    """A reset in the middle of an installation leaves half a system, which does not come up."""
    host = host_of(call.state, server)
    if host is not None:
        host.up = False
    if server.installed_at is not None:
        server.installed_at = None
        call.state.hosts = {name: one for name, one in call.state.hosts.items() if one is not host}
    server.starts_at = call.now + BOOT_S


ROUTES = (Route("GET", "/reset/{server}", _get, READ_LIMIT), Route("POST", "/reset/{server}", _post, WRITE_LIMIT))
