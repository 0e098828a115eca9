"""Whether the Coolify in service is as it shall be: what is not known is a fault."""

from collections.abc import Iterator

from ink_infra_mcp.hosts.factory.artisan import pending_in
from ink_infra_mcp.hosts.factory.swapping import Seen, Service

_SHOWN = 3


_SWITCH = {True: "on", False: "off"}


def faults(
    service: Service, image_id: str, *, auto_update: bool = False, realtime_id: str = "", inside: bool = False
) -> Iterator[str]:
    """Yield what is not as it shall be: the image by its id, health, migrations, the queue, auto-update on or off.

    With a `realtime_id` realtime has to be that image as well, healthy, and Coolify has to reach it. With `inside` it
    has to answer in Coolify's own container, and no other may run.
    """
    yield from _of_container(service, image_id)
    yield from _of_realtime(service, realtime_id)
    yield from of_inside(service) if inside else ()
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
    if first.realtime.restarts is not None and _more(first.realtime.restarts, now.realtime.restarts):
        yield "realtime was started again"
    if _more(first.failed_jobs, now.failed_jobs):
        yield "jobs have failed"


def _more(before: int | None, now: int | None) -> bool:
    return before is None or now is None or now > before


def _of_container(seen: Seen, image_id: str, called: str = "the container") -> Iterator[str]:
    if seen.image != image_id:
        yield f"{called} runs {seen.image[:19] or 'an unknown image'}, not {image_id[:19]}"
    if (seen.container, seen.health) != ("running", "healthy"):
        yield f"{called} is {seen.container or 'unknown'} and its health {seen.health or 'unknown'}"


def _of_realtime(service: Service, image_id: str) -> Iterator[str]:
    if not image_id:
        return
    yield from _of_container(service.realtime, image_id, "realtime")
    if service.reaches is not True:
        yield "Coolify gets no answer from realtime on its ports 6001 and 6002"


def of_inside(service: Service) -> Iterator[str]:
    """Yield what is not as it shall be where realtime is in Coolify's own container; one that ended may lie there."""
    if (was := service.realtime.container) not in ("", "exited"):
        yield f"the container that realtime had is {was}"
    if service.inside is not True:
        yield "realtime does not answer inside of Coolify's own container, on its ports 6001 and 6002"


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
