"""Which services of a compose app must run, and which may have ended well: what its proof is held to."""

from dataclasses import dataclass, replace

from ink_infra_mcp.areas.apps.limits import compose_of, services_of
from ink_infra_mcp.clients.coolify.apps import Service
from ink_infra_mcp.core.compose.published import ports_of
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table


@dataclass(frozen=True, slots=True)
class Services:
    """The services that must run, and those that may also have ended; none of either for an app of one container.

    `ports` are those that they publish on their Muscle, as Docker tells them for every address: `25->25/tcp`.
    """

    must_run: tuple[str, ...] = ()
    may_end: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


NO_SERVICES = Services()


def promised(compose: str) -> Services:
    """Return the services that a compose file promises.

    Those may end that Coolify leaves out of its own judgement: `exclude_from_hc`, or `restart: no` (source, version
    4.3.11, which sets `unless-stopped` where nothing is said). Those with profiles or without replicas are not started.
    """
    file = compose_of(compose) or {}
    services = services_of(file)
    found = _sorted_out({name: _may_end(service) for name, service in services.items() if _starts(service)})
    return replace(found, ports=tuple(port.told for service in services.values() for port in ports_of(service)))


def promised_by(service: Service) -> Services:
    """Return the services that a compose app promises as Coolify has it; its file may not be readable to the token."""
    if compose_of(service.docker_compose_raw) is not None:
        return promised(service.docker_compose_raw)
    return _sorted_out({part.name: part.may_end for part in (*service.applications, *service.databases)})


def _sorted_out(may_end: dict[str, bool]) -> Services:
    return Services(
        must_run=tuple(name for name, ends in may_end.items() if not ends),
        may_end=tuple(name for name, ends in may_end.items() if ends),
    )


def _may_end(service: JsonObject) -> bool:
    return service.get("restart") == "no" or bool(service.get("exclude_from_hc"))


def _starts(service: JsonObject) -> bool:
    replicas = table(service.get("deploy")).get("replicas", service.get("scale", 1))
    return not service.get("profiles") and replicas != 0
