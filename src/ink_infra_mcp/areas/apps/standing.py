"""How an app stands now: its host's word first; Coolify's, which is from its last look, beside it where they differ."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.services import promised_by
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.status import Status
from ink_infra_mcp.core.diagnosis_facts import FRESH, LOOPS
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import is_preview, service_of
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

UNKNOWN = "?"
NONE = "no container"
_RUNS = frozenset({"running", "starting", "degraded"})


def standing(app: App, containers: Sequence[ContainerFacts] | None, now: datetime) -> str:
    """Return how an app stands by its containers (None: its host did not tell), with Coolify's word if it differs.

    `now` is by the clock of its host, where that told it. A container that Docker has started again and again, the last
    time a moment ago, runs only in between: it is restarting.
    """
    return f"{UNKNOWN} ({_coolifys(app)})" if containers is None else _stands(app, containers, now)


def _stands(app: App, containers: Iterable[ContainerFacts], now: datetime) -> str:
    own = [container for container in containers if not is_preview(container, app.uuid)]
    stay = [container for container in own if not _loops(container, now)]
    lacks = _lacking(app, own)
    word = f"{_word(stay, own)}; none of {', '.join(lacks)}" if lacks else _word(stay, own)
    agrees = len(stay) == len(own) and not lacks and _agrees(own, app.status)
    return word if agrees else f"{word} ({_coolifys(app)})"


def _word(stay: Sequence[ContainerFacts], own: Sequence[ContainerFacts]) -> str:
    """Return one word for all; of several where only some run and stay up, how many."""
    running = _running(stay)
    if not running:
        return _states(stay, loops=len(stay) < len(own)) or NONE
    word = _health(running) or "running"
    return word if len(running) == len(own) else f"{word} {len(running)} of {len(own)}"


def _loops(container: ContainerFacts, now: datetime) -> bool:
    if container.state != "running" or container.restart_count < LOOPS:
        return False
    return container.started_at is not None and now - container.started_at < FRESH


def _lacking(app: App, own: Sequence[ContainerFacts]) -> list[str]:
    """Return which parts of a compose app have no container at all, as far as Coolify tells its parts."""
    there = {service_of(container, app.uuid) for container in own}
    parts = () if isinstance(app.source, Application) else promised_by(app.source).must_run
    return [clean_name(name) for name in parts if there and name not in there]


def _states(containers: Iterable[ContainerFacts], *, loops: bool) -> str:
    return "/".join(sorted({*(container.state for container in containers), *(["restarting"] if loops else [])}))


def _running(containers: Iterable[ContainerFacts]) -> list[ContainerFacts]:
    return [container for container in containers if container.state == "running"]


def _health(running: Iterable[ContainerFacts]) -> str:
    """Return the worst that health checks say, or nothing: a container without one says nothing of its health."""
    said = {container.health for container in running}
    return next((word for word in ("unhealthy", "starting") if word in said), "healthy" if said == {"healthy"} else "")


def _agrees(containers: Sequence[ContainerFacts], status: Status) -> bool:
    """Return whether Coolify says the same of whether it runs, and all of it, and of a running one whether it is
    unhealthy.
    """
    running = _running(containers)
    if bool(running) != (status.state in _RUNS) or _hides_degraded(running, containers, status):
        return False
    unhealthy = _health(running) == "unhealthy"
    return not running or status.state != "running" or unhealthy == (status.health == "unhealthy")


def _hides_degraded(running: Sequence[ContainerFacts], all_of: Sequence[ContainerFacts], status: Status) -> bool:
    """Return whether Coolify misses a part of what looks whole."""
    return status.state == "degraded" and len(running) == len(all_of) and _health(running) != "unhealthy"


def _coolifys(app: App) -> str:
    source = app.source
    seen = source.last_online_at if isinstance(source, Application) else None
    made = source.created_at if isinstance(source, Application) else None
    return f"Coolify: {app.status}, {_seen(seen, made)}"


def _seen(seen: datetime | None, made: datetime | None) -> str:
    """Return when Coolify last saw it online; before it was made is the column's own default."""
    if seen is None:
        return "how old is not known"
    return "never seen online" if made is not None and seen < made else f"last online {seen:%Y-%m-%d %H:%M:%S} UTC"
