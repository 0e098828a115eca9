"""What ran on a server before a reboot, and what of it is not back as it was: containers, runtimes, and pages."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import TypeAdapter

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts
from ink_infra_mcp.hosts.facts.sections import MISSING
from ink_infra_mcp.hosts.web.visiting import Visit

Page = Literal["good", "untrusted", "bad", "unknown"]
"""What a visitor gets: an answer of the app, one behind a certificate that is refused, none; or nobody can tell."""
ANSWERED: Mapping[Page, int] = {"good": 2, "untrusted": 1}
COME_BACK = frozenset({"always", "unless-stopped"})
"""Restart policies under which Docker starts a container at its own start (moby, daemon.go: restore).

Under `on-failure` it does where the container ended with an error, which a shutdown may be or not."""
NO_ROUTE, SERVER_ERRORS = 404, 500
_NO_ROUTE_WORDS = "404 page not found"


class Noted(Frozen):
    """A container that ran. `comes_back` is whether Docker starts it at boot by its restart policy."""

    id: str
    name: str
    runtime: str
    comes_back: bool
    healthy: bool = False


class Note(Frozen):
    """What ran on a server in one boot: what its Docker knew, where it has one, and what each URL gave from there."""

    boot_id: str
    has_docker: bool = True
    runtimes: tuple[str, ...]
    containers: tuple[Noted, ...]
    pages: dict[str, Page]


NOTE: TypeAdapter[Note] = TypeAdapter(Note)


def has_docker(facts: HostFacts) -> bool:
    """Return whether there is a Docker, or may be: only a server that has no such program has none."""
    return not facts.unknown.get("docker_version", "").endswith(MISSING)


def comes_back(container: ContainerFacts) -> bool:
    """Return whether Docker starts a container that runs now again after a reboot."""
    policy = container.host_config.get("RestartPolicy")
    removed = container.host_config.get("AutoRemove") is not False
    return not removed and isinstance(policy, dict) and policy.get("Name") in COME_BACK


def running(containers: Iterable[ContainerFacts]) -> tuple[Noted, ...]:
    """Return what is noted of the containers that run."""
    return tuple(
        Noted(id=c.id, name=c.name, runtime=c.runtime, comes_back=comes_back(c), healthy=c.health == "healthy")
        for c in containers
        if c.state == "running"
    )


def not_back(note: Note, facts: HostFacts) -> tuple[str, ...]:
    """Return in words what of the noted is not as it was; what was not promised to come back is left out."""
    return tuple(_not_back(note, facts))


def left_down(note: Note, containers: Iterable[ContainerFacts]) -> tuple[str, ...]:
    """Return the names of noted containers that do not run, whatever their restart policy says."""
    up = _up(containers)
    return tuple(clean_name(each.name) for each in note.containers if _now(each, up) is None)


def page_of(visit: Visit) -> Page:
    """Return what a visitor gets: no answer from 500 on, and none of a proxy that knows no route."""
    if visit.status is None or visit.status >= SERVER_ERRORS or _has_no_route(visit):
        return "bad"
    return "untrusted" if visit.refused else "good"


def _has_no_route(visit: Visit) -> bool:
    return visit.status == NO_ROUTE and visit.untrusted_start.strip() == _NO_ROUTE_WORDS


def worse(before: Mapping[str, Page], now: Mapping[str, Page]) -> tuple[str, ...]:
    """Return the URLs that answered, and do not answer as well now."""
    return tuple(url for url, page in before.items() if _rank(now.get(url, "unknown")) < _rank(page))


def _rank(page: Page) -> int:
    return ANSWERED.get(page, 0)


def _not_back(note: Note, facts: HostFacts) -> Iterator[str]:
    if not note.has_docker:
        return
    if facts.docker_version is None or facts.docker_runtimes is None or facts.containers is None:
        yield f"Docker does not answer ({'; '.join(sorted(set(facts.unknown.values()))[:1])})"
        return
    yield from (f"Docker has no runtime {name} any more" for name in note.runtimes if name not in facts.docker_runtimes)
    up = _up(facts.containers)
    for each in note.containers:
        now = _now(each, up)
        if now is None and each.comes_back:
            yield f"{clean_name(each.name)} does not run"
        elif now is not None:
            yield from _changed(each, now)


def _changed(each: Noted, now: ContainerFacts) -> Iterator[str]:
    if each.healthy and now.health != "healthy":
        yield f"{clean_name(each.name)} is {clean_name(now.health) or 'without a health check'}"
    if now.runtime != each.runtime:
        yield f"{clean_name(each.name)} runs under {clean_name(now.runtime)}, not {clean_name(each.runtime)}"


def _up(containers: Iterable[ContainerFacts]) -> dict[str, ContainerFacts]:
    """Return what runs by id and by name: an app that was deployed meanwhile has another id under a name that stays."""
    return {key: c for c in containers if c.state == "running" for key in (c.id, c.name)}


def _now(each: Noted, up: Mapping[str, ContainerFacts]) -> ContainerFacts | None:
    return up.get(each.id) or up.get(each.name)
