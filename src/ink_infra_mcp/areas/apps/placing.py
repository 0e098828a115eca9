"""Measures the Muscles for placement: Coolify's flags, the hosts' memory and runtimes, the limits already promised."""

from collections.abc import Iterable

from ink_infra_mcp.areas.apps.app import App
from ink_infra_mcp.areas.apps.limits import compose_of, limit_bytes, promised_bytes
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.core.errors import HostError, InputError
from ink_infra_mcp.core.fleet import Muscle, memory_bytes
from ink_infra_mcp.core.placement import Candidate, Placement, place
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather_all


async def choose(look: Look, *, muscle: str | None, need_bytes: int, need_runsc: bool) -> Placement:
    """Return where a new app goes; with `muscle`, that one or a refusal.

    Raises:
        InputError: no Muscle of that name, or none that can take the app; says why for each.
    """
    placement = place(await candidates(look, _asked_for(look, muscle)), need_bytes=need_bytes, need_runsc=need_runsc)
    if placement.muscle is None:
        raise _nowhere(placement)
    return placement


async def check_growth(look: Look, placement: Placement, app: App, *, need_bytes: int) -> None:
    """Return when an app that exists has the room on its Muscle for what it shall be, counted without what it is.

    One that asks for no more than it has is let through: refusing it would mend nothing.

    Raises:
        InputError: it has not.
    """
    muscle = next(m for m in look.fleet.muscles if m.name == placement.muscle)
    (measured,) = await candidates(look, [muscle])
    own = _promised(app.source, look)
    left = measured.memory_bytes - measured.committed_bytes
    if need_bytes > own and measured.healthy and need_bytes - own > left:
        raise InputError(
            f"{placement.muscle} has no room for {app.name} with this memory limit: it needs {_mib(need_bytes - own)} "
            f"more, and {_mib(max(0, left))} are not promised to others.",
            next="Lower the memory limit.",
        )


def _mib(size: int) -> str:
    return f"{size // 2**20} MiB"


def _nowhere(placement: Placement) -> InputError:
    why = "; ".join(f"{name}: {reason}" for name, reason in placement.rejected.items()) or "the fleet has none"
    return InputError(
        f"No Muscle can take the app: {why}.", next="Lower the memory limit, name another Muscle, or add one."
    )


def _asked_for(look: Look, muscle: str | None) -> list[Muscle]:
    names = {m.name: m for m in look.fleet.muscles}
    if muscle is not None and muscle not in names:
        raise _no_muscle(muscle, names)
    return [names[muscle]] if muscle else list(names.values())


def _no_muscle(name: str, there: Iterable[str]) -> InputError:
    return InputError(f"There is no Muscle {name!r}.", next=f"The fleet has: {', '.join(there) or 'none'}.")


async def candidates(look: Look, muscles: list[Muscle]) -> list[Candidate]:
    """Return each Muscle as measured now; one that cannot be read is not healthy, and says why."""
    servers = await look.coolify.servers()
    apps = (*await look.coolify.applications(), *await look.coolify.services())
    facts = await gather_all(look.hosts, [m.name for m in muscles])
    found: list[Candidate] = []
    for muscle in muscles:
        server = _server(muscle, servers)
        uuid = server.uuid if server else ""
        here = _on(uuid, apps)
        promised = sum(_promised(app, look) for app in here)
        found.append(_candidate(muscle, uuid, _why_not(server), facts[muscle.name], promised, len(here)))
    return found


def _on(server_uuid: str, apps: Iterable[Application | Service]) -> list[Application | Service]:
    return [app for app in apps if server_uuid and app.server_uuid == server_uuid]


def _server(muscle: Muscle, servers: tuple[Server, ...]) -> Server | None:
    addresses = {muscle.address, muscle.private_address}
    return next((s for s in servers if s.ip in addresses or s.name == muscle.name), None)


def _why_not(server: Server | None) -> str:
    if server is None:
        return "Coolify does not know it"
    return "" if server.reachable and server.usable else "Coolify says it is not reachable or not usable"


def _candidate(
    muscle: Muscle, uuid: str, why_not: str, facts: HostFacts | HostError, promised: int, apps: int
) -> Candidate:
    if isinstance(facts, HostError):
        why_not = why_not or facts.failed
        memory, runsc = 0, False
    else:
        memory = facts.memory_total_bytes or 0
        runsc = "runsc" in (facts.docker_runtimes or ())
        why_not = why_not or ("" if memory else "its memory could not be read")
    return Candidate(
        name=muscle.name,
        server_uuid=uuid,
        healthy=not why_not,
        why_not=why_not,
        runsc=runsc,
        memory_bytes=memory,
        committed_bytes=promised,
        apps=apps,
    )


def _promised(app: Application | Service, look: Look) -> int:
    """An app without a limit is counted as the default one: nothing better is known, and 0 would be wrong."""
    otherwise = memory_bytes(look.fleet.defaults.memory)
    if isinstance(app, Application):
        return limit_bytes(app.limits_memory) or otherwise
    compose = compose_of(app.docker_compose_raw)
    parts = len(app.applications) + len(app.databases)
    return promised_bytes(compose, otherwise=otherwise) if compose else max(1, parts) * otherwise
