"""What contradicts itself within a service or between two, though each key is right: Docker starts nothing of it."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ink_infra_mcp.core.compose.forms import as_texts, is_nothing
from ink_infra_mcp.core.compose.published import ports_of
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table


def between_services(services: JsonObject) -> Iterator[str]:
    """Yield what no order of starting can give: a circle of needs, a need that is behind a profile, a port twice."""
    needs = {name: frozenset(_needed(table(service))) for name, service in services.items()}
    yield from (
        f"{name}: depends_on: leads back to {name} itself" for name in sorted(needs) if _leads_back(name, needs)
    )
    for name, service in services.items():
        hidden = [other for other in sorted(needs[name] - {name}) if _is_hidden(other, table(service), services)]
        yield from (f"{name}: depends_on: {other} is in a profile that {name} is not in" for other in hidden)
        off = _unhealthy(table(service), services)
        yield from (
            f"{name}: depends_on: {o} has its health check off, so that it never is service_healthy" for o in off
        )
    yield from _published_twice(services)


def _published_twice(services: JsonObject) -> Iterator[str]:
    ports = Counter(port.name for service in services.values() for port in ports_of(table(service)))
    yield from (f"port {port} of the Muscle is published {times} times" for port, times in ports.items() if times > 1)


def within_service(service: JsonObject) -> Iterator[str]:
    """Yield which keys of a service exclude each other."""
    if service.get("network_mode") is not None:
        taken = [key for key in ("networks", "ports") if not is_nothing(service.get(key))]
        yield from (f"{key} stands beside network_mode: Docker takes one of them" for key in taken)
    if service.get("read_only") is True:
        given = [key for key in ("configs", "secrets") if not is_nothing(service.get(key))]
        yield from (f"{key} cannot be written into a container that is read_only" for key in given)


def _needed(service: JsonObject) -> list[str]:
    needs = service.get("depends_on")
    return list(needs) if isinstance(needs, dict) else as_texts(needs or []) or []


def _leads_back(name: str, needs: Mapping[str, frozenset[str]]) -> bool:
    seen: set[str] = set()
    ahead = set(needs[name])
    while ahead:
        one = ahead.pop()
        seen.add(one)
        ahead |= needs.get(one, frozenset()) - seen
    return name in seen


def _unhealthy(service: JsonObject, services: JsonObject) -> Iterator[str]:
    for name, need in table(service.get("depends_on")).items():
        check = table(table(services.get(name)).get("healthcheck"))
        is_off = check.get("disable") is True or check.get("test") in ("NONE", ["NONE"])
        if is_off and table(need).get("condition") == "service_healthy" and table(need).get("required", True):
            yield name


def _is_hidden(name: str, service: JsonObject, services: JsonObject) -> bool:
    """Coolify names no profile when it starts Compose: what is in one is not there, for who is in none."""
    theirs = items(table(services.get(name)).get("profiles"))
    return bool(theirs) and not set(map(str, theirs)) & set(map(str, items(service.get("profiles"))))
