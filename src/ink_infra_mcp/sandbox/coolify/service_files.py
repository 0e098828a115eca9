"""The files that Coolify writes to a server for a service when it starts (read in its Service.php, 4.3.11)."""

from ink_infra_mcp.sandbox.compose.project import Given
from ink_infra_mcp.sandbox.coolify import dotenv, rows
from ink_infra_mcp.sandbox.coolify.containers import row_values
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Service
from ink_infra_mcp.sandbox.state_hosts import HostState


def folder_of(service: Service) -> str:
    """Return where the files of a service lie."""
    return f"/data/coolify/services/{service.uuid}"


def values_of(service: Service) -> dict[str, str]:
    """Return the variables of a service's `.env`: the names of its parts, then its rows."""
    return {**_part_names(service), **row_values(service)}


def _part_names(service: Service) -> dict[str, str]:
    return {f"SERVICE_NAME_{_shouted(part.name)}": part.name for part in service.parts}


def _shouted(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").upper()


def given_of(service: Service) -> Given:
    """Return the file that runs, with all that Compose needs to read it."""
    folder, values = folder_of(service), values_of(service)
    text, files = service.docker_compose or "", {f"{folder}/.env": values}
    return Given(text, service.uuid, folder, f"{folder}/docker-compose.yml", values, files)


def service_files(state: WorldState, host: HostState) -> dict[str, str]:
    """Return the texts of the files of services on a server, by path: of those that were started."""
    found: dict[str, str] = {}
    for service in state.coolify.services:
        server = rows.server_of(state.coolify, service)
        if service.on_server is not None and rows.host_of(state, server) is host:
            found[f"{folder_of(service)}/docker-compose.yml"] = service.on_server
            found[f"{folder_of(service)}/.env"] = _env(service)
    return found


def _env(service: Service) -> str:
    names = [f"{name}={value}" for name, value in _part_names(service).items()]
    return "\n".join([*names, *(dotenv.line(row) for row in service.envs if row.is_runtime and not row.is_preview)])
