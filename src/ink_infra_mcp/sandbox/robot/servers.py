"""Dedicated servers as Robot lists them."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route
from ink_infra_mcp.sandbox.state_robot import RobotServer

LIMIT = 200


def find_server(call: Call) -> RobotServer:
    """Return the server in the path, by its number or by its main IPv4 address, which is deprecated.

    Raises:
        RobotError: 404 SERVER_NOT_FOUND.
    """
    key = call.parts["server"]
    for server in call.account.servers:
        if key in {str(server.number), server.ipv4}:
            return server
    raise RobotError(404, "SERVER_NOT_FOUND", f"Server with id {key} not found")


def _shown(server: RobotServer) -> JsonObject:
    subnet: JsonValue = {"ip": server.ipv6_net, "mask": "64"}
    return {
        "server_ip": server.ipv4,
        "server_ipv6_net": server.ipv6_net,
        "server_number": server.number,
        "server_name": server.name,
        "product": server.product,
        "dc": server.dc,
        "traffic": "unlimited",
        "status": "ready",
        "cancelled": False,
        "paid_until": "2027-01-31",
        "ip": [server.ipv4] if server.ipv4 else [],
        "subnet": [subnet],
    }


def _list(call: Call) -> JsonValue:
    """An account without servers is an error, not an empty list."""
    if not call.account.servers:
        raise RobotError(404, "SERVER_NOT_FOUND", "No server found")
    return [{"server": _shown(server)} for server in call.account.servers]


def _get(call: Call) -> JsonValue:
    more: JsonObject = dict.fromkeys(("reset", "rescue", "vnc", "wol", "hot_swap"), True)
    more |= dict.fromkeys(("windows", "plesk", "cpanel"), False)
    return {"server": {**_shown(find_server(call)), **more, "linked_storagebox": None}}


ROUTES = (Route("GET", "/server", _list, LIMIT), Route("GET", "/server/{server}", _get, LIMIT))
