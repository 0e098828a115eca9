"""Memory limits as Docker and Coolify write them, and what a compose file promises to its services in all."""

import re
from typing import cast

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject

_LIMIT = re.compile(r"^(\d+(?:\.\d+)?)([bkmg]?)b?$", re.IGNORECASE)
_UNIT = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def limit_bytes(limit: str) -> int:
    """Return a memory limit in bytes; 0 for none or one that cannot be read."""
    match = _LIMIT.match(limit.strip())
    return int(float(match[1]) * _UNIT[match[2].lower()]) if match else 0


def with_limits(compose: JsonObject, *, memory: str, cpus: str) -> JsonObject:
    """Return a compose file with limits in every service that has none of its own.

    Docker refuses a file that names one limit both in the service and under `deploy`.
    """
    limited: JsonObject = {name: _limited(s, memory=memory, cpus=cpus) for name, s in services_of(compose).items()}
    return {**compose, "services": limited}


def promised_bytes(compose: JsonObject, *, otherwise: int) -> int:
    """Return the sum of the memory limits of a compose file; a service without one counts as `otherwise`."""
    return sum(_memory(service) or otherwise for service in services_of(compose).values())


def compose_of(text: str) -> JsonObject | None:
    """Return the compose file in `text`, or None when it is none (or may not be read, and so is empty)."""
    import yaml

    try:
        loaded: object = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return None
    return cast(JsonObject, loaded) if isinstance(loaded, dict) and services_of(cast(JsonObject, loaded)) else None


def services_of(compose: JsonObject) -> dict[str, JsonObject]:
    """Return the services of a compose file by name; what is no service is left out."""
    services = compose.get("services")
    return {n: s for n, s in services.items() if isinstance(s, dict)} if isinstance(services, dict) else {}


def _limited(service: JsonObject, *, memory: str, cpus: str) -> JsonObject:
    own = _deployed(service)
    added: JsonObject = {} if "memory" in own else {"mem_limit": memory}
    return {**added, **({} if "cpus" in own else {"cpus": cpus}), **service}


def _memory(service: JsonObject) -> int:
    return limit_bytes(str(service.get("mem_limit") or _deployed(service).get("memory") or ""))


def _deployed(service: JsonObject) -> JsonObject:
    """Return `deploy.resources.limits` of a service."""
    return _table(_table(_table(service.get("deploy")).get("resources")).get("limits"))


def _table(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
