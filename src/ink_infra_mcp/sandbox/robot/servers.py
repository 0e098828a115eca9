"""Dedicated servers as Robot lists them, and their cancellation."""

from datetime import UTC, date, datetime

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route, invalid
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


def server_fields(server: RobotServer) -> JsonObject:
    """Return the fields with which most answers say which server they are about."""
    return {"server_ip": server.ipv4, "server_ipv6_net": server.ipv6_net, "server_number": server.number}


def _shown(server: RobotServer) -> JsonObject:
    subnet: JsonValue = {"ip": server.ipv6_net, "mask": "64"}
    return {
        **server_fields(server),
        "server_name": server.name,
        "product": server.product,
        "dc": server.dc,
        "traffic": "unlimited",
        "status": server.status,
        "cancelled": server.cancelled_to is not None,
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


def _earliest(call: Call) -> str:
    return datetime.fromtimestamp(call.now, UTC).date().isoformat()


def _cancellation(call: Call) -> JsonValue:
    server = find_server(call)
    return {
        "cancellation": {
            **server_fields(server),
            "server_name": server.name,
            "earliest_cancellation_date": _earliest(call),
            "cancelled": server.cancelled_to is not None,
            "reservation_possible": server.can_reserve,
            "reservation": False,
            "cancellation_date": server.cancelled_to,
            "cancellation_reason": None if server.cancelled_to else ["Upgrade to a new server"],
        }
    }


def _cancel(call: Call) -> JsonValue:
    """A server that goes at once is in no list any more, and nobody answers at its address."""
    server = find_server(call)
    if server.cancelled_to is not None or server.is_moving:
        raise RobotError(409, "CONFLICT", "The server is already cancelled or being transferred")
    day = _day(call)
    _check_reservation(call, server)
    server.cancelled_to = day
    shown = _cancellation(call)
    if call.form["cancellation_date"] == "now":
        call.account.servers.remove(server)
        call.state.hosts = {name: host for name, host in call.state.hosts.items() if host.address != server.address}
    return shown


def _day(call: Call) -> str:
    asked = call.form.get("cancellation_date")
    if asked is None:
        raise invalid(missing=("cancellation_date",))
    try:
        day = _earliest(call) if asked == "now" else date.fromisoformat(str(asked)).isoformat()
    except ValueError as error:
        raise invalid("cancellation_date") from error
    if day < _earliest(call):
        raise invalid("cancellation_date")
    return day


def _check_reservation(call: Call, server: RobotServer) -> None:
    asked = call.form.get("reserve_location")
    if asked is None and server.can_reserve:
        raise invalid(missing=("reserve_location",))
    if asked not in (None, "true", "false"):
        raise invalid("reserve_location")
    if asked == "true" and not server.can_reserve:
        words = "It is not possible to reserve the location"
        raise RobotError(409, "SERVER_CANCELLATION_RESERVE_LOCATION_FALSE_ONLY", words)


def _withdraw(call: Call) -> JsonValue:
    server = find_server(call)
    if server.cancelled_to is None:
        raise RobotError(409, "CONFLICT", "The cancellation cannot be revoked")
    server.cancelled_to = None
    return None


ROUTES = (
    Route("GET", "/server", _list, LIMIT),
    Route("GET", "/server/{server}", _get, LIMIT),
    Route("GET", "/server/{server}/cancellation", _cancellation, LIMIT),
    Route("POST", "/server/{server}/cancellation", _cancel, LIMIT),
    Route("DELETE", "/server/{server}/cancellation", _withdraw, LIMIT),
)
