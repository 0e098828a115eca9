"""Apps that do not run as they should, as their Muscle's Docker tells: those too that have no name to be visited by."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services, promised, promised_by
from ink_infra_mcp.areas.machines.drift import Drift, named
from ink_infra_mcp.areas.told import Containers, own_in, said_of
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.core.diagnosis_facts import Box
from ink_infra_mcp.core.diagnosis_pages import Unread
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.gathering import HostFacts


def app_drifts(facts: HostFacts, apps: Iterable[App], now: datetime) -> Iterator[Drift]:
    """Yield which apps of a Muscle have fallen, lack a part or are stopped, held against what Coolify has of them.

    Nothing where its Docker did not tell its containers: that is told elsewhere.
    """
    stopped: list[str] = []
    for app in apps:
        if app.muscle == facts.host:
            yield from _of_one(facts, app, now, stopped)
    if stopped:
        what = "apps have no container: they are stopped or were never started, and are not visited"
        yield Drift(facts.host, "info", "stopped", what, named(stopped), "get_app, for each that should run")


def _of_one(facts: HostFacts, app: App, now: datetime, stopped: list[str]) -> Iterator[Drift]:
    """Yield what is wrong with an app, and note one that is stopped."""
    found = own_in(facts, app.uuid, _services(app), now)
    if isinstance(found, Unread):
        return
    told = [*(_unwell(app, found) if found.own else _lost(app))]
    yield from told
    if not found.own and not told:
        stopped.append(app.name)


def _services(app: App) -> Services:
    """What the list of apps tells: a compose file that is not in it promises one container."""
    if isinstance(app.source, Application):
        return promised(app.source.docker_compose_raw) if app.source.docker_compose_raw else NO_SERVICES
    return promised_by(app.source)


def _lost(app: App) -> Iterator[Drift]:
    """Yield that an app without any container should have one: Coolify takes one away that somebody stops."""
    said = said_of(app)
    if said.runs:
        yield _fallen(app, "does not run", f"no container of it is there; Coolify: {said.status}", "lost")
    elif said.crashes:
        why = f"Coolify counted {said.crashes} starts after a crash, and no container of it is there"
        yield _fallen(app, "does not run", why, "lost")


def _unwell(app: App, found: Containers) -> Iterator[Drift]:
    ill = [box for box in found.boxes if not box.well]
    serves = not found.missing and len(ill) < len(found.boxes)
    yield from (_ill(app, box, serves=serves) for box in ill)
    if found.missing and not ill:
        yield _fallen(app, "lacks a part", f"no container of {found.missing} runs", "missing")


def _ill(app: App, box: Box, *, serves: bool) -> Drift:
    return _starting(app, box) if _starts(box) else _fallen(app, _does(box), _told(box), box.name, serves=serves)


def _starts(box: Box) -> bool:
    return box.runs and box.health == "starting" and not box.loops


def _starting(app: App, box: Box) -> Drift:
    what = f"whether {app.name} comes up is not known: its health check has not passed yet"
    return Drift(app.muscle, "warning", "app_starting", what, _told(box), _mend(app), box.name, unknown=True)


def _fallen(app: App, does: str, why: str, subject: str, *, serves: bool = False) -> Drift:
    severity = "warning" if serves else "high"
    return Drift(app.muscle, severity, "app_fallen", f"{app.name} {does}", why, _mend(app), f"{app.uuid}/{subject}")


def _mend(app: App) -> str:
    return f"diagnose_app app={app.name}"


def _does(box: Box) -> str:
    if box.loops:
        return "ends soon after each start"
    return "runs and fails its health check" if box.runs else "has a container that does not run"


def _told(box: Box) -> str:
    ended = "" if box.runs else f", exit code {box.exit_code}"
    again = f", started again {box.restarts} times" if box.restarts else ""
    health = f", health {clean_name(box.health)}" if box.health else ""
    return f"docker inspect: {box.name} is {clean_name(box.state)}{ended}{health}{again}"
