"""Whether the Coolify in service is as it shall be: what is not known is a fault."""

from collections.abc import Iterator

from ink_infra_mcp.hosts.factory.artisan import pending_in
from ink_infra_mcp.hosts.factory.swapping import Service

_SHOWN = 3


_SWITCH = {True: "on", False: "off"}


def faults(service: Service, image_id: str, *, auto_update: bool = False) -> Iterator[str]:
    """Yield what is not as it shall be: the image by its id, health, migrations, the queue, auto-update on or off."""
    yield from _of_container(service, image_id)
    yield from _of_migrations(service)
    if service.horizon_status != 0 or "is running" not in service.untrusted_horizon:
        yield "its queue (horizon) does not run"
    if service.auto_update is not auto_update:
        unknown = f"not known to be {_SWITCH[auto_update]}"
        yield f"auto-update is {unknown if service.auto_update is None else _SWITCH[service.auto_update]}"


def worse(first: Service, now: Service) -> Iterator[str]:
    """Yield what has become worse since a first look."""
    if _more(first.restarts, now.restarts):
        yield "its container was started again"
    if _more(first.failed_jobs, now.failed_jobs):
        yield "jobs have failed"


def _more(before: int | None, now: int | None) -> bool:
    return before is None or now is None or now > before


def _of_container(service: Service, image_id: str) -> Iterator[str]:
    if service.image != image_id:
        yield f"the container runs {service.image[:19] or 'an unknown image'}, not {image_id[:19]}"
    if (service.container, service.health) != ("running", "healthy"):
        yield f"the container is {service.container or 'unknown'} and its health {service.health or 'unknown'}"


def _of_migrations(service: Service) -> Iterator[str]:
    pending = _pending(service)
    if pending is None:
        yield "whether all migrations ran is not known"
    elif pending:
        yield f"{len(pending)} migrations did not run: {', '.join(pending[:_SHOWN])}"


def _pending(service: Service) -> tuple[str, ...] | None:
    if service.migrations_status != 0:
        return None
    try:
        return pending_in(service.untrusted_migrations)
    except ValueError:
        return None
