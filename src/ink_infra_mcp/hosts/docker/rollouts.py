"""Whether an app's containers are those of its newest rollout: none from before, one for each promised service."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.hosts.docker.containers import ContainerFacts, is_preview, isolation_problems, service_of

_FALLEN = 6
"""How many times longer than others a container has to stay up that has fallen since it was made."""
UP = frozenset({"running", "restarting", "paused"})


@dataclass(frozen=True, slots=True)
class Promise:
    """What shall run of an app. `noted` are the containers from before, id -> start; empty for a fresh app.

    `services` are those of its compose file that must run, `once` those that may also have ended well; both are empty
    for an app of one container. A container counts by its id: Coolify makes new ones whenever it deploys, starts or
    restarts (source, version 4.3.11), while Docker itself gives a crashed one another start under the same id.
    `ports` are those that it shall publish, as `0.0.0.0:8080->80/tcp`, or `8080->80/tcp` for every address. `hosts` are
    those of its URLs, None where they are not known.
    """

    app: str
    services: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    noted: frozenset[str] = frozenset()
    ports: tuple[str, ...] = ()
    hosts: frozenset[str] | None = None


def noted(found: Iterable[ContainerFacts]) -> list[JsonValue]:
    """Return what a note holds of containers: the id of each, and when it was started."""
    return [{"id": c.id, "started_at": c.started_at.isoformat() if c.started_at else ""} for c in found]


def promise_of(app: str, params: JsonObject, results: Results) -> Promise:
    """Return the promise in the parameters of a step, with the note that an earlier step took; an app that is not
    rolled out has an empty one in its place.

    Raises:
        KeyError: the plan that made the step is wrong.
    """
    note = _note(params["noted"], results)
    return Promise(
        app=app,
        services=tuple(map(str, items(params["services"]))),
        once=tuple(map(str, items(params["once"]))),
        noted=frozenset(str(table(entry)["id"]) for entry in note),
        ports=tuple(map(str, items(params.get("ports", [])))),
        hosts=frozenset(map(str, items(params["hosts"]))) if "hosts" in params else None,
    )


def _note(source: JsonValue, results: Results) -> list[JsonValue]:
    if isinstance(source, list):
        return source
    place = table(source)
    return items(results[str(place["step"])][str(place["field"])])


def lingering(found: Iterable[ContainerFacts], promise: Promise) -> tuple[str, ...]:
    """Return the containers from before that are still up; previews are left out, which no rollout replaces."""
    old = (c for c in found if c.id in promise.noted and not is_preview(c, promise.app))
    return tuple(_since(c) for c in _still_up(old))


def _still_up(containers: Iterable[ContainerFacts]) -> list[ContainerFacts]:
    return [container for container in containers if container.state in UP]


def _new(found: Iterable[ContainerFacts], promise: Promise) -> list[ContainerFacts]:
    return [c for c in found if c.id not in promise.noted and not is_preview(c, promise.app)]


def missing(found: Iterable[ContainerFacts], promise: Promise) -> str:
    """Return in words what has no new container that runs, or an empty text."""
    new = _new(found, promise)
    running = {service_of(c, promise.app) for c in new if c.state == "running"}
    if promise.services + promise.once:
        return _missing_services(new, running, promise)
    return "" if running else "the app"


def _missing_services(new: Iterable[ContainerFacts], running: Collection[str], promise: Promise) -> str:
    over = {service_of(c, promise.app) for c in new if _ended_well(c)}
    wanting = (*_without(promise.services, running), *_without(promise.once, over.union(running)))
    return f"its service {', '.join(wanting)}" if wanting else ""


def judged(found: Iterable[ContainerFacts], promise: Promise) -> tuple[ContainerFacts, ...]:
    """Return the containers that must be isolated: all that run, and those that ended as they may."""
    return tuple(c for c in found if c.state == "running" or _counts_as_ended(c, promise))


def problems(containers: Iterable[ContainerFacts], policy: Isolation, promise: Promise) -> tuple[str, ...]:
    """Return in words what makes containers less isolated than they must be, each with its container's name."""
    return tuple(
        f"{container.name}: {problem}"
        for container in containers
        for problem in isolation_problems(container, policy, app=promise.app, ports=promise.ports, hosts=promise.hosts)
    )


def settling_s(containers: Iterable[ContainerFacts], policy: Isolation) -> float:
    """Return for how many seconds containers have to stay up: longer where one has fallen already.

    Docker starts a container again at once after it has run for ten seconds: one that falls each half minute has run
    all the time whenever somebody looks twice within ten seconds.
    """
    has_fallen = any(container.restart_count for container in containers)
    return policy.settle_s * (_FALLEN if has_fallen else 1)


def unsettled(before: Iterable[ContainerFacts], after: Iterable[ContainerFacts]) -> tuple[str, ...]:
    """Return in words which of the containers that counted did not stay up until they were read a second time.

    One whose start moved or whose restarts grew was started anew by Docker in between: it crash-loops.
    """
    now = {container.id: container for container in after}
    return tuple(words for c in before if (words := _moved(c, now.get(c.id))))


def restarting(found: Iterable[ContainerFacts], promise: Promise) -> tuple[str, ...]:
    """Return in words which new containers Docker starts again and again, as it says itself."""
    return tuple(_loops(c) for c in _new(found, promise) if c.state == "restarting")


def _moved(was: ContainerFacts, now: ContainerFacts | None) -> str:
    if now is None:
        return f"{was.name} did not stay: it is gone"
    if _started_anew(was, now):
        return _loops(now)
    return "" if now.state == was.state else f"{now.name} did not stay up: it is {now.state}, exit code {now.exit_code}"


def _started_anew(was: ContainerFacts, now: ContainerFacts) -> bool:
    return now.state == "restarting" or now.restart_count > was.restart_count or now.started_at != was.started_at


def _loops(container: ContainerFacts) -> str:
    """Docker forgets how a container ended as soon as it has started it again (seen, 26.1)."""
    ended = "" if container.state == "running" else f", last exit code {container.exit_code}"
    times = f"restarted {container.restart_count} times{ended}"
    return f"{container.name} crash-loops: {times}" + (", out of memory" if container.oom_killed else "")


def _since(container: ContainerFacts) -> str:
    started = f" (since {container.started_at:%Y-%m-%d %H:%M:%S} UTC)" if container.started_at else ""
    return container.name + started


def _without(names: Iterable[str], there: Collection[str]) -> list[str]:
    return [name for name in names if name not in there]


def _counts_as_ended(container: ContainerFacts, promise: Promise) -> bool:
    is_new = container.id not in promise.noted
    return is_new and _ended_well(container) and service_of(container, promise.app) in promise.once


def _ended_well(container: ContainerFacts) -> bool:
    return container.state == "exited" and container.exit_code == 0
