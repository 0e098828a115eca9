"""Whether an app's containers are those of its newest rollout: none from before, one for each promised service."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.hosts.containers import ContainerFacts, is_preview, isolation_problems, service_of

UP = frozenset({"running", "restarting", "paused"})


@dataclass(frozen=True, slots=True)
class Promise:
    """What shall run of an app. `noted` are the containers from before, id -> start; empty for a fresh app.

    `services` are those of its compose file that must run, `once` those that may also have ended well; both are empty
    for an app of one container. A container counts by its id: Coolify makes new ones whenever it deploys, starts or
    restarts (source, version 4.3.11), while Docker itself gives a crashed one another start under the same id.
    """

    app: str
    services: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    noted: frozenset[str] = frozenset()


def noted(found: Iterable[ContainerFacts]) -> list[JsonValue]:
    """Return what a note holds of containers: the id of each, and when it was started."""
    return [{"id": c.id, "started_at": c.started_at.isoformat() if c.started_at else ""} for c in found]


def promise_of(app: str, params: JsonObject, results: Results) -> Promise:
    """Return the promise in the parameters of a step, with the note that an earlier step took.

    Raises:
        KeyError: the plan that made the step is wrong.
    """
    source = table(params["noted"])
    note = items(results[str(source["step"])][str(source["field"])])
    return Promise(
        app=app,
        services=tuple(map(str, items(params["services"]))),
        once=tuple(map(str, items(params["once"]))),
        noted=frozenset(str(table(entry)["id"]) for entry in note),
    )


def lingering(found: Iterable[ContainerFacts], promise: Promise) -> tuple[str, ...]:
    """Return the containers from before that are still up; previews are left out, which no rollout replaces."""
    return tuple(
        f"{c.name} (since {c.started_at:%Y-%m-%d %H:%M:%S} UTC)" if c.started_at else c.name
        for c in found
        if c.id in promise.noted and c.state in UP and not is_preview(c, promise.app)
    )


def missing(found: Iterable[ContainerFacts], promise: Promise) -> str:
    """Return in words what has no new container that runs, or an empty text."""
    new = [c for c in found if c.id not in promise.noted and not is_preview(c, promise.app)]
    running = {service_of(c, promise.app) for c in new if c.state == "running"}
    over = {service_of(c, promise.app) for c in new if _ended_well(c)}
    if not promise.services and not promise.once:
        return "" if running else "the app"
    absent = [name for name in promise.services if name not in running]
    absent += [name for name in promise.once if name not in running | over]
    return f"its service {', '.join(absent)}" if absent else ""


def judged(found: Iterable[ContainerFacts], promise: Promise) -> tuple[ContainerFacts, ...]:
    """Return the containers that must be isolated: all that run, and those that ended as they may."""
    once = set(promise.once)
    return tuple(
        c
        for c in found
        if c.state == "running" or (_ended_well(c) and c.id not in promise.noted and service_of(c, promise.app) in once)
    )


def problems(containers: Iterable[ContainerFacts], *, runtime: str) -> tuple[str, ...]:
    """Return in words what makes containers less isolated than they must be, each with its container's name."""
    return tuple(f"{c.name}: {problem}" for c in containers for problem in isolation_problems(c, runtime=runtime))


def _ended_well(container: ContainerFacts) -> bool:
    return container.state == "exited" and container.exit_code == 0
