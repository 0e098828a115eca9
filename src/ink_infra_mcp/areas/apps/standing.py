"""How an app stands now: its host's word first; Coolify's, which is from its last look, beside it where they differ."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.status import Status
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

UNKNOWN = "?"
NONE = "no container"
_PREVIEW = re.compile(r"-pr-\d+$")
_RUNS = frozenset({"running", "starting", "degraded"})


def standing(app: App, containers: Sequence[ContainerFacts] | None) -> str:
    """Return how an app stands by its containers (None: its host did not tell), with Coolify's word if it differs."""
    if containers is None:
        return f"{UNKNOWN} ({_coolifys(app)})"
    own = [container for container in containers if not _PREVIEW.search(container.name)]
    word = _word(own)
    return word if _agrees(own, app.status) else f"{word} ({_coolifys(app)})"


def _word(containers: Sequence[ContainerFacts]) -> str:
    """Return one word for all; of several where only some run, how many."""
    running = _running(containers)
    if not running:
        return _states(containers) or NONE
    word = _health(running) or "running"
    return word if len(running) == len(containers) else f"{word} {len(running)} of {len(containers)}"


def _states(containers: Iterable[ContainerFacts]) -> str:
    return "/".join(sorted({container.state for container in containers}))


def _running(containers: Iterable[ContainerFacts]) -> list[ContainerFacts]:
    return [container for container in containers if container.state == "running"]


def _health(running: Iterable[ContainerFacts]) -> str:
    """Return the worst that health checks say, or nothing: a container without one says nothing of its health."""
    said = {container.health for container in running}
    return next((word for word in ("unhealthy", "starting") if word in said), "healthy" if said == {"healthy"} else "")


def _agrees(containers: Sequence[ContainerFacts], status: Status) -> bool:
    """Return whether Coolify says the same of whether it runs, and of a running one whether it is unhealthy."""
    running = _running(containers)
    if bool(running) != (status.state in _RUNS):
        return False
    unhealthy = _health(running) == "unhealthy"
    return not running or status.state != "running" or unhealthy == (status.health == "unhealthy")


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
