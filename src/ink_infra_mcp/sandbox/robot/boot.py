"""What a server boots at its next start: rescue system and installation, one of them at most."""

from datetime import UTC, datetime

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route, invalid
from ink_infra_mcp.sandbox.robot.keys import find_key, read_key, reference
from ink_infra_mcp.sandbox.robot.servers import find_server, server_fields
from ink_infra_mcp.sandbox.state_robot import RobotKey, RobotServer, RobotSystem

LIMIT = 500
SYSTEMS = ["linux", "vkvm"]
DISTS = ["Rescue system", "Debian 12 base", "Debian 13 base", "Rocky Linux 9.6 base", "Ubuntu 24.04 LTS base"]
LANGS = ["en"]
PASSWORD = "jEt0dtUvomlyOwRr"


def _server(call: Call) -> RobotServer:
    server = find_server(call)
    if not server.boots:
        raise RobotError(404, "BOOT_NOT_AVAILABLE", "No boot configuration available for this server")
    return server


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _common(call: Call, server: RobotServer, system: RobotSystem | None, *, active: bool) -> JsonObject:
    told = system.host_keys if system and call.account.tells_host_keys else []
    return {
        **server_fields(server),
        "active": active,
        "password": system.password if system else None,
        "authorized_key": [reference(key) for key in system.keys] if system else [],
        "host_key": [_host_key(line) for line in told],
        "boot_time": _time(system.booted_at) if system else None,
    }


def _host_key(line: str) -> JsonValue:
    """As orders show them: without a name, by the MD5."""
    key = read_key("", line)
    return {"key": {"fingerprint": key.fingerprint, "type": key.type, "size": key.size}}


def _rescue(call: Call, server: RobotServer, system: RobotSystem | None, *, active: bool) -> JsonObject:
    chosen: JsonValue = system.system if system else [*SYSTEMS]
    arch: JsonValue = 64 if system else [64]
    return {**_common(call, server, system, active=active), "os": chosen, "@deprecated arch": arch}


def _linux(call: Call, server: RobotServer, system: RobotSystem | None, *, active: bool) -> JsonObject:
    chosen: JsonValue = system.system if system else [*DISTS]
    lang: JsonValue = system.lang if system else [*LANGS]
    arch: JsonValue = 64 if system else [64]
    shown = {**_common(call, server, system, active=active), "dist": chosen, "lang": lang}
    return {**shown, "@deprecated arch": arch}


def _now(call: Call, way: str) -> JsonObject:
    server = _server(call)
    if way == "rescue":
        return _rescue(call, server, server.rescue, active=server.rescue is not None)
    return _linux(call, server, server.linux, active=server.linux is not None)


def _all(call: Call) -> JsonValue:
    server = _server(call)
    vnc: JsonObject = {"dist": ["centOS-5.0"], "lang": ["en_US"], "active": server.vnc, "password": None}
    return {
        "boot": {
            "rescue": _now(call, "rescue"),
            "linux": _now(call, "linux"),
            "vnc": {**server_fields(server), **vnc, "@deprecated arch": [64]},
            "windows": None,
            "plesk": None,
            "cpanel": None,
        }
    }


def _keys(call: Call) -> list[RobotKey]:
    """One fingerprint, or a list of them; each has to be one of the account's."""
    given = call.form.get("authorized_key", {})
    wanted = [given] if isinstance(given, str) else [str(one) for one in given.values()]
    found = [find_key(call, one) for one in wanted]
    if not all(found):
        raise invalid("authorized_key")
    return [key for key in found if key]


def _arm_rescue(call: Call) -> JsonValue:
    server = _server(call)
    if call.form.get("os") not in SYSTEMS:
        raise invalid("os") if "os" in call.form else invalid(missing=("os",))
    system = RobotSystem(system=str(call.form["os"]), keys=_keys(call), password=PASSWORD)
    _refuse_second(server)
    server.rescue = system
    return {"rescue": _now(call, "rescue")}


def _arm_linux(call: Call) -> JsonValue:
    server = _server(call)
    if missing := tuple(name for name in ("dist", "lang") if name not in call.form):
        raise invalid(missing=missing)
    dist, lang = str(call.form["dist"]), str(call.form["lang"])
    if wrong := [name for name, fits in (("dist", dist in DISTS), ("lang", lang in LANGS)) if not fits]:
        raise invalid(*wrong)
    system = RobotSystem(system=dist, lang=lang, keys=_keys(call), password=PASSWORD)
    _refuse_second(server)
    server.linux = system
    return {"linux": _now(call, "linux")}


def _refuse_second(server: RobotServer) -> None:
    """There is one active configuration at most (documentation); which error a second one gets is not told."""
    if server.rescue or server.linux or server.vnc:
        raise RobotError(500, "BOOT_ACTIVATION_FAILED", "Activation failed due to an internal error")


def _disarm_rescue(call: Call) -> JsonValue:
    _server(call).rescue = None
    return {"rescue": _now(call, "rescue")}


def _disarm_linux(call: Call) -> JsonValue:
    _server(call).linux = None
    return {"linux": _now(call, "linux")}


def _last_rescue(call: Call) -> JsonValue:
    server = _server(call)
    last = server.rescue or server.last_rescue
    if last is None:
        raise RobotError(404, "BOOT_NOT_AVAILABLE", "No boot configuration available for this server")
    return {"rescue": _rescue(call, server, last, active=server.rescue is not None)}


def _last_linux(call: Call) -> JsonValue:
    """One that is still to be booted counts as the last: the documented example is active, and has its password."""
    server = _server(call)
    last = server.linux or server.last_linux
    if last is None:
        raise RobotError(404, "BOOT_NOT_AVAILABLE", "No boot configuration available for this server")
    return {"linux": _linux(call, server, last, active=server.linux is not None)}


ROUTES = (
    Route("GET", "/boot/{server}", _all, LIMIT),
    Route("GET", "/boot/{server}/rescue", lambda call: {"rescue": _now(call, "rescue")}, LIMIT),
    Route("POST", "/boot/{server}/rescue", _arm_rescue, LIMIT),
    Route("DELETE", "/boot/{server}/rescue", _disarm_rescue, LIMIT),
    Route("GET", "/boot/{server}/rescue/last", _last_rescue, LIMIT),
    Route("GET", "/boot/{server}/linux", lambda call: {"linux": _now(call, "linux")}, LIMIT),
    Route("POST", "/boot/{server}/linux", _arm_linux, LIMIT),
    Route("DELETE", "/boot/{server}/linux", _disarm_linux, LIMIT),
    Route("GET", "/boot/{server}/linux/last", _last_linux, LIMIT),
)
