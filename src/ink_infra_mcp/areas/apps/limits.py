"""Memory limits as Docker and Coolify write them, and what a compose file promises to its services in all."""

from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.resources import memory_limit
from ink_infra_mcp.core.compose.sizes import count, size_bytes
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table


def limit_bytes(limit: str) -> int:
    """Return a memory limit in bytes; 0 for none or one that cannot be read."""
    return size_bytes(limit.strip()) or 0


def promised_bytes(compose: JsonObject, *, otherwise: int) -> int:
    """Return the sum of the memory limits of a compose file, each as often as its service runs; a service without one
    counts as `otherwise`.
    """
    return sum((size_bytes(memory_limit(s)) or otherwise) * _copies(s) for s in services_of(compose).values())


def compose_of(text: str) -> JsonObject | None:
    """Return the compose file in `text`, or None when it is none (or may not be read, and so is empty)."""
    try:
        found = read_compose(text)
    except InputError:
        return None
    return found if services_of(found) else None


def services_of(compose: JsonObject) -> dict[str, JsonObject]:
    """Return the services of a compose file by name; what is no service is left out."""
    services = compose.get("services")
    return {n: s for n, s in services.items() if isinstance(s, dict)} if isinstance(services, dict) else {}


def _copies(service: JsonObject) -> int:
    return max(count(table(service.get("deploy")).get("replicas")) or 1, count(service.get("scale")) or 1)
