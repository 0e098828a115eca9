"""Copies of applications on other servers, and the Docker networks of servers that they can go to."""

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.app_checks import write_labels
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, JsonObject, found
from ink_infra_mcp.sandbox.coolify.domains import own_domain
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.laravel import stamp
from ink_infra_mcp.sandbox.coolify.release import V4_2, V4_3
from ink_infra_mcp.sandbox.coolify.rules import Rules, switch, text, validate
from ink_infra_mcp.sandbox.state_coolify import Application, Destination, EnvVar, Server, Volume

CLONE_RULES: Rules = {"destination_uuid": text().needed(), "name": text(255, nullable=True), "clone_volumes": switch()}


def _destinations(call: Call) -> Answer:
    server = found(rows.by_uuid(call.coolify.servers, call.path["uuid"]), "Server not found.")
    return Answer([_shown(server, destination) for destination in server.destinations])


def _shown(server: Server, destination: Destination) -> JsonValue:
    return {
        "uuid": destination.uuid,
        "name": destination.name,
        "network": destination.network,
        "type": "standalone",
        "server_uuid": server.uuid,
        "created_at": stamp(server.created_at),
        "updated_at": stamp(server.updated_at),
    }


def _clone(call: Call) -> Answer:
    """As clone_application of bootstrap/helpers/applications.php does it, without the data of volumes."""
    call.require_json()
    validate(call, CLONE_RULES, allowed=CLONE_RULES)
    source = found(rows.by_uuid(call.coolify.applications, call.path["uuid"]), "Application not found.")
    server, destination = found(_place(call, call.text("destination_uuid")), "Destination not found.")
    number, uuid = new_id(call.coolify), new_uuid(call.coolify)
    copy = source.model_copy(
        deep=True,
        update={
            "id": number,
            "uuid": uuid,
            "server_uuid": server.uuid,
            "destination_uuid": destination.uuid,
            "status": "exited",
            "images": [],
            "built_with": "",
            "created_at": call.now,
            "updated_at": call.now,
        },
    )
    copy.envs = [_variable(call, env) for env in source.envs]
    copy.volumes = [_volume(call, source, uuid, volume) for volume in source.volumes]
    copy.columns |= _renamed(call, source, server, uuid)
    write_labels(copy)
    call.coolify.applications.append(copy)
    body: JsonObject = {"uuid": uuid, "message": "Application cloned."}
    return Answer(body, 201)


def _place(call: Call, uuid: str) -> tuple[Server, Destination] | None:
    """A build server and one that Coolify cannot use take nothing (Server::canHostResources)."""
    for server in call.coolify.servers:
        destination = rows.by_uuid(server.destinations, uuid)
        if destination is not None and not server.settings.is_build_server:
            return server, destination
    return None


def _renamed(call: Call, source: Application, server: Server, uuid: str) -> JsonObject:
    """Only an application whose labels Coolify keeps gets a domain of its own; another one has its source's, too."""
    own = rows.has_proxy(server) and source.is_on("is_container_label_readonly_enabled")
    name = call.text("name") or f"clone-of-{source.text('name')[:20]}-{uuid}"
    return {"name": name, "fqdn": own_domain(call.coolify, server, uuid) if own else source.columns.get("fqdn")}


def _variable(call: Call, env: EnvVar) -> EnvVar:
    ids = {"id": new_id(call.coolify), "uuid": new_uuid(call.coolify)}
    return env.model_copy(update={**ids, "created_at": call.now, "updated_at": call.now})


def _volume(call: Call, source: Application, uuid: str, volume: Volume) -> Volume:
    """A name that does not begin with the source's uuid becomes one of the new uuid and its last word."""
    last = volume.name.rpartition("-")[2]
    named = volume.name.startswith(source.uuid)
    name = volume.name.replace(source.uuid, uuid) if named else f"{uuid}-{last}"
    ids = {"id": new_id(call.coolify), "uuid": new_uuid(call.coolify)}
    return volume.model_copy(update=ids if volume.is_file else {**ids, "name": name})


ENDPOINTS = (
    Endpoint("GET", "/servers/{uuid}/destinations", _destinations, since=V4_2),
    Endpoint("POST", "/applications/{uuid}/clone", _clone, "write", since=V4_3),
)
