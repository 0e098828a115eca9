"""Servers: their list, one with its settings, what lives on them, and how they are entered, changed and validated."""

import ipaddress
import re
from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, server_shape, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, invalid, refusal
from ink_infra_mcp.sandbox.coolify.domains import host_of_url, urls_of
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.release import OLDEST, V4_0, V4_1, V4_2, V4_3, Release
from ink_infra_mcp.sandbox.coolify.rules import Rule, Rules, switch, text, validate, whole
from ink_infra_mcp.sandbox.coolify.statuses import CHECK_S
from ink_infra_mcp.sandbox.coolify.validation import BEGIN_S, DEAD_S, VALIDATE_S
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, Destination, Job, Server, ServerSettings

HOST_NAME = r"(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
PROXIES = frozenset({"none", "traefik", "nginx", "caddy"})
RHYTHMS = ("hourly", "daily", "weekly", "monthly", "yearly")
NOT_FOUND = "Server not found."
CRON_WORDS = ("every_minute", *(f"{at}{word}" for at in ("", "@") for word in RHYTHMS))
CRON = re.compile(r"[\dA-Za-z*/,?#-]+(\s+[\dA-Za-z*/,?#-]+){4}")
NO_CRON = "Invalid Cron / Human expression for Disk Usage Check Frequency."
NEVER_NULL = ("name", "ip", "port", "user")
"""Columns that take no null, although the rules let one pass."""


def _address(name: str, value: JsonValue) -> list[str]:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        named = re.fullmatch(HOST_NAME, str(value))
        return [] if named else [f"The {name} must be a valid IPv4 address, IPv6 address, or hostname."]
    return []


NEW_RULES: Rules = {
    "name": text(255),
    "description": text(nullable=True),
    "ip": Rule("string", required=True, check=_address),
    "port": whole(1, 65535, nullable=True),
    "private_key_uuid": text().needed(),
    "user": text(pattern=r"[a-zA-Z0-9._-]+", nullable=True),
    "is_build_server": switch(nullable=True),
    "instant_validate": switch(nullable=True),
    "proxy_type": text(nullable=True),
}
SETTING_RULES: Rules = {
    "concurrent_builds": whole(1),
    "dynamic_timeout": whole(1),
    "deployment_queue_limit": whole(1),
    "server_disk_usage_notification_threshold": whole(1, 100),
    "server_disk_usage_check_frequency": text(),
    "connection_timeout": whole(1, 300),
    "is_terminal_enabled": switch(nullable=True),
}
CHANGE_RULES: Rules = {
    **NEW_RULES,
    **SETTING_RULES,
    "name": text(255, nullable=True),
    "ip": Rule("string", nullable=True, check=_address),
    "private_key_uuid": text(nullable=True),
}
SINCE: dict[str, Release] = {
    **dict.fromkeys(SETTING_RULES, V4_0),
    "connection_timeout": V4_1,
    "is_terminal_enabled": V4_3,
}

CLEANUP_RULES: Rules = {
    "docker_cleanup_frequency": text(),
    "docker_cleanup_threshold": whole(1, 99),
    "force_docker_cleanup": switch(),
    "delete_unused_volumes": switch(),
    "delete_unused_networks": switch(),
    "disable_application_image_retention": switch(),
}
PROXY_S = 6.0
"""How long the workers take to start a proxy, its image pulled."""
PLAIN = {"name", "description", "ip", "port", "user"}
SETTINGS = {*SETTING_RULES, "is_build_server"}


def _all(call: Call) -> Answer:
    return Answer([server_shape.server_listed(call, server) for server in call.coolify.servers])


def _one(call: Call) -> Answer:
    server = _server(call)
    shown = server_shape.server_full(call, server)
    if call.query.get("resources"):
        shown["resources"] = _residents(call, server)
    return Answer(shown)


def _resources(call: Call) -> Answer:
    return Answer(_residents(call, _server(call)))


def _domains(call: Call) -> Answer:
    """`?uuid=<application>` is broken in Coolify: it is taken for the server's own uuid, and not found."""
    server = _server(call)
    hosts = _hosts_on(call, server)
    own_address = call.coolify.public_ipv4 if server.is_coolify_host else None
    return Answer([{"ip": own_address or server.ip, "domains": hosts}] if hosts else [])


def _hosts_on(call: Call, server: Server) -> list[JsonValue]:
    residents = rows.residents(call.coolify, server.uuid)
    return [host_of_url(url) for thing in residents for url in urls_of(thing)]


def _create(call: Call) -> Answer:
    call.require_json()
    validate(call, NEW_RULES, allowed=NEW_RULES)
    proxy = _proxy_type(call)
    key = found(rows.by_uuid(call.coolify.keys, call.text("private_key_uuid")), "Private key not found.")
    if call.text("ip") in [server.ip for server in call.coolify.servers]:
        raise refusal(400, _taken(call))
    server = _new(call, proxy or "TRAEFIK", key.id)
    call.coolify.servers.append(server)
    _maybe_validate(call, server)
    return Answer({"uuid": server.uuid}, 201)


def _taken(call: Call) -> str:
    """Three wordings in three times (ServersController.php of 4.0.0-beta.463, 4.0.0 and 4.3.10)."""
    if not call.is_at_least(V4_0):
        return "Server with this IP already exists."
    by_whom = "" if call.is_at_least(V4_3) else " by another team"
    return f"A server with this IP/Domain is already in use{by_whom}."


def _new(call: Call, proxy: str, key_id: int) -> Server:
    coolify, uuid = call.coolify, new_uuid(call.coolify)
    return Server(
        id=new_id(coolify),
        uuid=uuid,
        name=call.text("name") or f"server-{uuid}",
        description=call.text("description") or None,
        ip=call.text("ip"),
        port=int(call.text("port") or 22),
        user=call.text("user") or "root",
        private_key_id=key_id,
        proxy_type=proxy,
        settings=ServerSettings(is_build_server=call.switch("is_build_server")),
        destinations=[Destination(id=new_id(coolify), uuid=new_uuid(coolify))],
        next_check_at=call.now + CHECK_S,
        created_at=call.now,
        updated_at=call.now,
    )


def _change(call: Call) -> Answer:
    call.require_json()
    fields = [name for name in CHANGE_RULES if call.is_at_least(SINCE.get(name, OLDEST))]
    given = validate(call, {name: CHANGE_RULES[name] for name in fields}, allowed=fields)
    server = _server(call)
    proxy = _proxy_type(call)
    key_id = _key_id(call, server)
    _refuse_bad_cron(call)
    _refuse_busy_build_server(call, server)
    if any(given.get(name, "") is None for name in NEVER_NULL):
        raise refusal(500, "Server Error")
    _apply(server, given)
    server.private_key_id = key_id
    server.proxy_type = proxy or server.proxy_type
    server.updated_at = call.now
    _maybe_validate(call, server)
    return Answer({"uuid": server.uuid}, 201)


def _key_id(call: Call, server: Server) -> int | None:
    wanted = call.text("private_key_uuid")
    if not wanted:
        return server.private_key_id
    return found(rows.by_uuid(call.coolify.keys, wanted), "Private key not found.").id


def _refuse_bad_cron(call: Call) -> None:
    """Fields of a cron line are read loosely here: what is refused is refused there, too."""
    name = "server_disk_usage_check_frequency"
    if name in call.fields and call.text(name) not in CRON_WORDS and not CRON.fullmatch(call.text(name)):
        raise invalid({name: [NO_CRON]})


def _refuse_busy_build_server(call: Call, server: Server) -> None:
    becomes = call.switch("is_build_server") and not server.settings.is_build_server
    if becomes and _residents(call, server):
        raise invalid({"is_build_server": ["A server with existing resources cannot be configured as a build server."]})


def _apply(server: Server, given: JsonObject) -> None:
    """A null empties the description, switches off, and changes nothing else."""
    sent = {name: value for name, value in given.items() if value is not None}
    sent |= {name: False for name in given.keys() & {"is_build_server", "is_terminal_enabled"} - sent.keys()}
    if sent.get("ip", server.ip) != server.ip:
        server.ip_previous, server.host = server.ip, ""
    if "description" in given:
        server.description = None
    _set(server, PLAIN, sent)
    _set(server.settings, SETTINGS, sent)


def _set(row: Server | ServerSettings, names: set[str], sent: Mapping[str, JsonValue]) -> None:
    for name in names & sent.keys():
        setattr(row, name, sent[name])


def _delete(call: Call) -> Answer:
    """With `force` the rows go and the containers stay: the server is gone before the workers could stop them."""
    server = _server(call)
    forced = call.switch("force") and call.is_at_least(V4_0)
    if rows.residents(call.coolify, server.uuid) and not forced:
        if not call.is_at_least(V4_0):
            raise refusal(400, "Server has resources, so you need to delete them before.")
        words = "Use ?force=true to delete all resources and the server, or delete resources manually first."
        raise refusal(400, f"Server has resources. {words}")
    if server.is_coolify_host:
        raise refusal(400, "Local server cannot be deleted.")
    _forget(call.coolify, server)
    return Answer({"message": "Server deleted."})


def _forget(coolify: CoolifyState, server: Server) -> None:
    coolify.applications = [app for app in coolify.applications if app.server_uuid != server.uuid]
    coolify.services = [service for service in coolify.services if service.server_uuid != server.uuid]
    coolify.servers.remove(server)


def _validate(call: Call) -> Answer:
    server = _server(call)
    validate(call, {"install": switch()})
    install = call.switch("install") and call.is_at_least(V4_2)
    _order_validation(call, server, install=install)
    return Answer({"message": "Validation and installation started." if install else "Validation started."}, 201)


def _maybe_validate(call: Call, server: Server) -> None:
    if call.switch("instant_validate"):
        _order_validation(call, server, install=False)


def _order_validation(call: Call, server: Server, *, install: bool) -> None:
    """The answer goes out before the job begins, so that old values still stand for a moment."""
    host = rows.host_of(call.state, server)
    answers = host is not None and host.up
    job = Job(kind="validate", due=call.now + (VALIDATE_S if answers else DEAD_S), target=server.uuid)
    if install:
        job = Job(kind="begin_install", due=call.now + BEGIN_S, target=server.uuid)
    call.coolify.jobs.append(job)


def _cleanup(call: Call) -> Answer:
    return Answer(_cleanup_shown(_server(call)))


def _change_cleanup(call: Call) -> Answer:
    """Without a body of JSON it is no error here: validateIncomingRequest is not called."""
    server = _server(call)
    given = validate(call, CLEANUP_RULES, allowed=CLEANUP_RULES)
    _set(server.settings, set(CLEANUP_RULES), given)
    return Answer(_cleanup_shown(server))


def _cleanup_shown(server: Server) -> JsonObject:
    return server.settings.model_dump(include=set(CLEANUP_RULES))


def _restart_proxy(call: Call) -> Answer:
    """The answer goes out before the job begins; a machine that cannot be entered is told nowhere but in a log."""
    server = _server(call)
    call.coolify.jobs.append(Job(kind="restart_proxy", due=call.now + PROXY_S, target=server.uuid))
    return Answer({"message": "Proxy restart queued."})


def _server(call: Call) -> Server:
    return found(rows.by_uuid(call.coolify.servers, call.uuid), NOT_FOUND)


def _residents(call: Call, server: Server) -> list[JsonValue]:
    return _shown(shape.resource(thing) for thing in rows.residents(call.coolify, server.uuid))


def _shown(things: Iterable[JsonObject]) -> list[JsonValue]:
    return list(things)


def _proxy_type(call: Call) -> str:
    wanted = call.text("proxy_type").lower()
    if wanted and wanted not in PROXIES:
        raise refusal(422, "Invalid proxy type.")
    return wanted.upper()


ENDPOINTS = (
    Endpoint("GET", "/servers", _all),
    Endpoint("POST", "/servers", _create, "write", old_ability="read"),
    Endpoint("GET", "/servers/{uuid}", _one),
    Endpoint("PATCH", "/servers/{uuid}", _change, "write"),
    Endpoint("DELETE", "/servers/{uuid}", _delete, "write"),
    Endpoint("GET", "/servers/{uuid}/resources", _resources),
    Endpoint("GET", "/servers/{uuid}/docker-cleanup", _cleanup, since=V4_3),
    Endpoint("PATCH", "/servers/{uuid}/docker-cleanup", _change_cleanup, "write", since=V4_3),
    Endpoint("POST", "/servers/{uuid}/proxy/restart", _restart_proxy, "write", since=V4_3),
    Endpoint("GET", "/servers/{uuid}/domains", _domains),
    Endpoint("POST", "/servers/{uuid}/validate", _validate, "write", was="get", old_ability="read"),
)
