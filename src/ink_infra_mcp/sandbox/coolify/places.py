"""Finds where a new application or service is to go."""

from dataclasses import dataclass

from ink_infra_mcp.sandbox.coolify import rows
from ink_infra_mcp.sandbox.coolify.call import Call, found, invalid, refusal
from ink_infra_mcp.sandbox.state_coolify import Destination, Environment, Server

NO_ENVIRONMENT = "You need to provide at least one of environment_name or environment_uuid."
NO_CHOICE = "Server has multiple destinations and you do not set destination_uuid."
BUILD_SERVER = "The specified server is configured as a build server and cannot host resources."
FOREIGN = "Provided destination_uuid does not belong to the specified server."


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, a server, and one of its networks."""

    environment: Environment
    server: Server
    destination: Destination


def place_for(call: Call) -> Place:
    """Return the place that the request names.

    Raises:
        Refusal: 404 for what does not exist, 400 or 422 for what cannot host.
    """
    wanted = call.text("environment_name") or call.text("environment_uuid")
    if not wanted:
        raise refusal(422, NO_ENVIRONMENT)
    project = found(rows.by_uuid(call.coolify.projects, call.text("project_uuid")), "Project not found.")
    named = rows.environment_named(project, wanted)
    named = named or rows.by_uuid(project.environments, call.text("environment_uuid"))
    environment = found(named, "Environment not found.")
    server = found(rows.by_uuid(call.coolify.servers, call.text("server_uuid")), "Server not found.")
    if server.settings.is_build_server:
        raise invalid({"server_uuid": [BUILD_SERVER]})
    return Place(environment, server, _destination(call, server))


def _destination(call: Call, server: Server) -> Destination:
    """With exactly one destination, whatever was asked for is ignored."""
    if not server.destinations:
        raise refusal(400, "Server has no destinations.")
    if len(server.destinations) == 1:
        return server.destinations[0]
    if not call.text("destination_uuid"):
        raise refusal(400, NO_CHOICE)
    destination = rows.by_uuid(server.destinations, call.text("destination_uuid"))
    if destination is None:
        raise invalid({"destination_uuid": FOREIGN})
    return destination
