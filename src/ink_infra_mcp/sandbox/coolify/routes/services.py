"""Services from a compose file: made, changed, started, stopped and deleted; there are no deployments of them."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.app_checks import decoded
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, found, invalid, is_true, refusal
from ink_infra_mcp.sandbox.coolify.containers import of_service
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.jobs import DELETE_S, STOP_S
from ink_infra_mcp.sandbox.coolify.logs import container_log
from ink_infra_mcp.sandbox.coolify.mounts import Unsafe
from ink_infra_mcp.sandbox.coolify.php import Broken
from ink_infra_mcp.sandbox.coolify.places import place_for
from ink_infra_mcp.sandbox.coolify.release import OLDEST, V4_0, V4_2, Release
from ink_infra_mcp.sandbox.coolify.rules import Rule, Rules, check_tags, switch, text, validate
from ink_infra_mcp.sandbox.coolify.service_file import generate, stored
from ink_infra_mcp.sandbox.coolify.service_urls import apply_urls, check_items
from ink_infra_mcp.sandbox.coolify.symfony_read import BadYaml
from ink_infra_mcp.sandbox.state_coolify import Job, JobKind, Server, Service

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


SERVER_ERROR = "Server Error"


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
    check_items(call)
    check_tags(call)
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
    service.docker_compose_raw = _stored(call)
    if trouble := _generated(call, service, place.server):
        call.coolify.services.append(service)
        return trouble
    answer = _settled(call, service, 201)
    call.coolify.services.append(service)
    return answer


def _change(call: Call) -> Answer:
    call.require_json()
    service = _service(call)
    validate(call, COMMON_RULES, allowed=COMMON_RULES.keys() & {*_new_fields(call), "connect_to_docker_network"})
    check_items(call)
    server = found(rows.server_of(call.coolify, service), "Server not found.")
    if "docker_compose_raw" in call.fields:
        service.docker_compose_raw = _stored(call)
    _rename(call, service)
    service.connect_to_docker_network = call.switch(
        "connect_to_docker_network", default=service.connect_to_docker_network
    )
    if "is_container_label_escape_enabled" in call.fields:
        service.is_container_label_escape_enabled = call.switch("is_container_label_escape_enabled")
    service.updated_at = call.now
    return _generated(call, service, server) or _settled(call, service, 200)


def _rename(call: Call, service: Service) -> None:
    """A description can be emptied, a name not: the rules take no null."""
    service.name = call.text("name") or service.name
    if "description" in call.fields:
        service.description = call.text("description") or None


def _settled(call: Call, service: Service, status: int) -> Answer:
    """Give a service its URLs, start it when that was asked for, and answer."""
    apply_urls(call, service)
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
    """Without newer images it stops first, with them Compose replaces what runs (StartService.php, 4.3.11)."""
    service = _service(call)
    if not is_true(call.fields.get("latest")):
        _order(call, "stop_service", 0.0, service)
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


def _stored(call: Call) -> str:
    """Return the file of the request as it is kept.

    Raises:
        Refusal: 422 with a text, not a list; 500 for what is not YAML.
    """
    raw = decoded(call, "docker_compose_raw")
    try:
        return stored(raw)
    except BadYaml as error:
        raise refusal(500, SERVER_ERROR) from error
    except Unsafe as error:
        raise invalid({"docker_compose_raw": str(error)}) from error


def _generated(call: Call, service: Service, server: Server) -> Answer | None:
    """Make the file that runs; where PHP throws, the answer is 500 and the service stays as far as it got."""
    try:
        generate(call.coolify, service, server, now=call.now)
    except (BadYaml, Broken, Unsafe):
        return Answer({"message": SERVER_ERROR}, 500)
    return None


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
