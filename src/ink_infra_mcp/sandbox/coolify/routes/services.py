"""Services from a compose file: made, changed, started, stopped and deleted; there are no deployments of them."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.app_checks import decoded
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found, invalid, refusal
from ink_infra_mcp.sandbox.coolify.compose import BadCompose, ComposeService, parse_compose
from ink_infra_mcp.sandbox.coolify.containers import of_service
from ink_infra_mcp.sandbox.coolify.domains import domain_errors, listed, normalized, own_domain, refuse_taken
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.jobs import DELETE_S, STOP_S
from ink_infra_mcp.sandbox.coolify.logs import container_log
from ink_infra_mcp.sandbox.coolify.places import place_for
from ink_infra_mcp.sandbox.coolify.release import OLDEST, V4_0, V4_2, Release
from ink_infra_mcp.sandbox.coolify.rules import Rule, Rules, switch, text, validate
from ink_infra_mcp.sandbox.state_coolify import Job, JobKind, Server, Service, ServicePart

COMMON_RULES: Rules = {
    "name": text(255),
    "description": text(nullable=True),
    "instant_deploy": switch(),
    "connect_to_docker_network": switch(),
    "docker_compose_raw": text(nullable=True),
    "urls": Rule("array", nullable=True),
    "force_domain_override": switch(),
    "is_container_label_escape_enabled": switch(),
}
NEW_RULES: Rules = {
    **COMMON_RULES,
    "docker_compose_raw": text(),
    "type": text(),
    "project_uuid": text().needed(),
    "environment_name": text(nullable=True),
    "environment_uuid": text(nullable=True),
    "server_uuid": text().needed(),
    "destination_uuid": text(nullable=True),
    "tags": Rule("array", nullable=True),
}
NEW_FIELDS = [name for name in NEW_RULES if name != "connect_to_docker_network"]
"""`connect_to_docker_network` is not among the fields of a new service, although a later check allows it."""

SINCE: dict[str, Release] = {"is_container_label_escape_enabled": V4_0, "tags": V4_2}


def create_from_compose(call: Call) -> Answer:
    """Make a service of an inline compose file: POST /applications/dockercompose of versions before 4.1."""
    call.require_json()
    rules = {**NEW_RULES, "docker_compose_raw": text().needed()}
    validate(call, rules, allowed=[name for name in _new_fields(call) if name not in {"urls", "type"}])
    return _made(call)


def _all(call: Call) -> Answer:
    return Answer([shape.service(call, service) for service in call.coolify.services])


def _one(call: Call) -> Answer:
    return Answer(shape.service(call, _service(call)))


def _create(call: Call) -> Answer:
    call.require_json()
    validate(call, NEW_RULES, allowed=_new_fields(call), short=False)
    match bool(call.text("type")), bool(call.text("docker_compose_raw")):
        case False, False:
            words = "The {} field is required when {} is not present."
            one, other = "docker compose raw", "type"
            raise invalid({"type": [words.format(other, one)], "docker_compose_raw": [words.format(one, other)]})
        case True, True:
            raise refusal(422, "You cannot provide both service type and docker_compose_raw. Use one or the other.")
        case True, False:
            raise refusal(404, "Invalid service type.", valid_service_types=[])
        case _:
            return _made(call)


def _made(call: Call) -> Answer:
    place = place_for(call)
    uuid = new_uuid(call.coolify)
    service = Service(
        id=new_id(call.coolify),
        uuid=uuid,
        name=call.text("name") or f"service-{uuid[:10]}",
        description=call.text("description") or None,
        environment_uuid=place.environment.uuid,
        server_uuid=place.server.uuid,
        destination_uuid=place.destination.uuid,
        docker_compose_raw="",
        is_container_label_escape_enabled=call.switch("is_container_label_escape_enabled", default=True),
        tags=[str(tag) for tag in call.items("tags")],
        created_at=call.now,
        updated_at=call.now,
    )
    _read_compose(call, service, place.server)
    answer = _settled(call, service, 201)
    call.coolify.services.append(service)
    return answer


def _change(call: Call) -> Answer:
    call.require_json()
    service = _service(call)
    validate(call, COMMON_RULES, allowed=COMMON_RULES.keys() & {*_new_fields(call), "connect_to_docker_network"})
    service.name = call.text("name") or service.name
    service.description = call.text("description") or service.description
    service.connect_to_docker_network = call.switch(
        "connect_to_docker_network", default=service.connect_to_docker_network
    )
    if call.text("docker_compose_raw"):
        _read_compose(call, service, found(rows.server_of(call.coolify, service), "Server not found."))
    service.updated_at = call.now
    return _settled(call, service, 200)


def _settled(call: Call, service: Service, status: int) -> Answer:
    """Give a service its URLs, start it when that was asked for, and answer."""
    _apply_urls(call, service)
    if call.switch("instant_deploy"):
        _order(call, "start_service", service.start_seconds, service)
    domains = list[JsonValue](sorted(part.fqdn for part in service.parts if part.fqdn))
    return Answer({"uuid": service.uuid, "domains": domains}, status)


def _delete(call: Call) -> Answer:
    service = _service(call)
    _order(call, "delete_service", DELETE_S, service, volumes=call.switch("delete_volumes", default=True))
    return Answer({"message": "Service deletion request queued."})


def _start(call: Call) -> Answer:
    service = _service(call)
    if "running" in rows.service_status(service):
        raise refusal(400, "Service is already running.")
    _order(call, "start_service", service.start_seconds, service)
    return Answer({"message": "Service starting request queued."})


def _stop(call: Call) -> Answer:
    service = _service(call)
    if "exited" in rows.service_status(service):
        raise refusal(400, "Service is already stopped.")
    _order(call, "stop_service", STOP_S, service)
    return Answer({"message": "Service stopping request queued."})


def _restart(call: Call) -> Answer:
    service = _service(call)
    _order(call, "start_service", service.start_seconds, service)
    return Answer({"message": "Service restarting request queued."})


def _logs(call: Call) -> Answer:
    wanted = call.text("sub_service_name")
    if not wanted:
        raise refusal(400, "Sub service name is required.")
    service = _service(call)
    host = rows.machine_of(call.state, rows.server_of(call.coolify, service))
    by_name = {c.name: c for c in of_service(host, service)} if host else {}
    container = found(by_name.get(f"{wanted}-{service.uuid}"), "Container not found.")
    if container.state != "running":
        raise refusal(400, "Container is not running.")
    return Answer({"logs": container_log(call, [], container)})


def _read_compose(call: Call, service: Service, server: Server) -> None:
    raw = decoded(call, "docker_compose_raw")
    try:
        parsed = parse_compose(raw)
    except BadCompose as error:
        raise invalid({"docker_compose_raw": str(error)}) from error
    old = {part.name: part for part in service.parts}
    service.docker_compose_raw = raw
    service.parts = [old.get(part.name) or _part(call, server, part, service) for part in parsed]
    for part, described in zip(service.parts, parsed, strict=True):
        part.exclude_from_status = described.is_excluded


def _part(call: Call, server: Server, part: ComposeService, service: Service) -> ServicePart:
    """A part that asks for it by a SERVICE_FQDN or SERVICE_URL variable gets a domain of Coolify's own making."""
    asks = any(name.startswith(("SERVICE_FQDN", "SERVICE_URL")) for name in part.env)
    url = own_domain(call.coolify, server, f"{part.name}-{service.uuid}") if asks else None
    return ServicePart(id=new_id(call.coolify), uuid=new_uuid(call.coolify), name=part.name, image=part.image, fqdn=url)


def _apply_urls(call: Call, service: Service) -> None:
    """Wrong URLs make `errors` a bare list."""
    entries = list(_urls(call))
    parts = {part.name: part for part in service.parts}
    errors = [error for entry in entries for error in _url_errors(entry, parts)]
    if errors:
        raise invalid(list[JsonValue](errors))
    for entry in entries:
        part = parts[str(entry["name"])]
        refuse_taken(call, listed(normalized(entry.get("url"))), own_uuid=part.uuid)
        part.fqdn = normalized(entry.get("url"))


def _url_errors(entry: JsonObject, parts: Mapping[str, ServicePart]) -> list[str]:
    unknown = [] if entry["name"] in parts else [f"Service container with '{entry['name']}' not found."]
    return [*domain_errors(entry.get("url")), *unknown]


def _urls(call: Call) -> Iterator[JsonObject]:
    for number, entry in enumerate(call.items("urls")):
        if not isinstance(entry, dict) or set(entry) - {"name", "url"}:
            words = "An item in the urls array has invalid fields. Only name and url fields are supported."
            raise invalid({f"urls.{number}": [words]})
        if not entry.get("name"):
            raise invalid({f"urls.{number}.name": [f"The urls.{number}.name field is required."]})
        yield entry


def _new_fields(call: Call) -> list[str]:
    return [name for name in NEW_FIELDS if call.is_at_least(SINCE.get(name, OLDEST))]


def _order(call: Call, kind: JobKind, after_s: float, service: Service, *, volumes: bool = True) -> None:
    job = Job(kind=kind, due=call.now + after_s, target=service.uuid, volumes=volumes)
    call.coolify.jobs.append(job)


def _service(call: Call) -> Service:
    return found(rows.by_uuid(call.coolify.services, call.uuid), "Service not found.")


ENDPOINTS = (
    Endpoint("GET", "/services", _all),
    Endpoint("POST", "/services", _create, "write"),
    Endpoint("GET", "/services/{uuid}", _one),
    Endpoint("PATCH", "/services/{uuid}", _change, "write"),
    Endpoint("DELETE", "/services/{uuid}", _delete, "write"),
    Endpoint("GET", "/services/{uuid}/logs", _logs),
    Endpoint("POST", "/services/{uuid}/start", _start, "deploy", was="both", old_ability="write"),
    Endpoint("POST", "/services/{uuid}/stop", _stop, "deploy", was="both", old_ability="write"),
    Endpoint("POST", "/services/{uuid}/restart", _restart, "deploy", was="both", old_ability="write"),
)
