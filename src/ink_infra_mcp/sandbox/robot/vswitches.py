"""vSwitches: which servers are on each, and which Cloud network it is coupled to. Answers have no envelope."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route, invalid
from ink_infra_mcp.sandbox.state_robot import RobotServer, VSwitch

READ_LIMIT, WRITE_LIMIT = 500, 100
CHANGE_S = 20.0


def _listed(vswitch: VSwitch) -> JsonObject:
    return {"id": vswitch.id, "name": vswitch.name, "vlan": vswitch.vlan, "cancelled": vswitch.cancelled}


def _list(call: Call) -> JsonValue:
    return [_listed(vswitch) for vswitch in call.account.vswitches]


def _get(call: Call) -> JsonValue:
    vswitch = _find(call)
    return {
        **_listed(vswitch),
        "server": [_member(call, vswitch, server) for server in _members(call, vswitch)],
        "subnet": [],
        "cloud_network": [dict[str, JsonValue](network) for network in vswitch.cloud_networks],
    }


def _member(call: Call, vswitch: VSwitch, server: RobotServer) -> JsonObject:
    """The documentation says `in process`; what is really sent meanwhile is `processing` (community.hrobot)."""
    status = "ready" if vswitch.ready_at <= call.now else "processing"
    return {
        "server_ip": server.ipv4,
        "server_ipv6_net": server.ipv6_net,
        "server_number": server.number,
        "status": status,
    }


def _members(call: Call, vswitch: VSwitch) -> list[RobotServer]:
    return [server for server in call.account.servers if server.number in vswitch.servers]


def _find(call: Call) -> VSwitch:
    for vswitch in call.account.vswitches:
        if call.parts["vswitch"] == str(vswitch.id):
            return vswitch
    raise RobotError(404, "NOT_FOUND", "vSwitch not found")


def _add(call: Call) -> JsonValue:
    vswitch, server = _changed(call)
    others = [other for other in call.account.vswitches if server.number in other.servers]
    if any(other.vlan == vswitch.vlan for other in others):
        raise RobotError(409, "VSWITCH_VLAN_NOT_UNIQUE", "Vlan of vswitch is already in use at server")
    vswitch.servers.append(server.number)
    vswitch.ready_at = call.now + CHANGE_S
    return None


def _remove(call: Call) -> JsonValue:
    vswitch, server = _changed(call)
    if server.number not in vswitch.servers:
        raise RobotError(404, "NOT_FOUND", "server is not part of the vswitch")
    vswitch.servers.remove(server.number)
    vswitch.ready_at = call.now + CHANGE_S
    return None


def _changed(call: Call) -> tuple[VSwitch, RobotServer]:
    vswitch, given = _find(call), call.form.get("server")
    names = list(given.values()) if isinstance(given, dict) else []
    if len(names) != 1:
        raise invalid(missing=("server",))
    if vswitch.ready_at > call.now:
        raise RobotError(409, "VSWITCH_IN_PROCESS", "There is an update in progress, therefore changes are locked")
    for server in call.account.servers:
        if names[0] in {str(server.number), server.ipv4}:
            return vswitch, server
    raise RobotError(404, "SERVER_NOT_FOUND", "server not found")


ROUTES = (
    Route("GET", "/vswitch", _list, READ_LIMIT),
    Route("GET", "/vswitch/{vswitch}", _get, READ_LIMIT),
    Route("POST", "/vswitch/{vswitch}/server", _add, WRITE_LIMIT, status=201),
    Route("DELETE", "/vswitch/{vswitch}/server", _remove, WRITE_LIMIT),
)
