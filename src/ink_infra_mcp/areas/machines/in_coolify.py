"""What Coolify has of a Muscle, held against the baseline: builds at the same time, and when Docker is cleaned up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.apps.app import muscle_by_server
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import wanted_server
from ink_infra_mcp.areas.machines.drift import HERE, Drift
from ink_infra_mcp.clients.coolify.era import Era
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.registering import settings_of
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Change, Step

NAME = "coolify"
"""The part that repair_server calls so."""
_STRANGE = "Coolify does not know {}: what it should have of it was not looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class InCoolify:
    """What Coolify lacks of one Muscle: the step that mends it, and what its API does not take and a person clicks."""

    steps: tuple[Step, ...] = ()
    to_click: tuple[str, ...] = ()
    unknown: str = ""
    """Why it is not known."""

    @property
    def words(self) -> str:
        """Return how Coolify stands where nothing is to be planned: all is so, a person clicks, or nobody knows."""
        if self.unknown:
            return self.unknown
        return (
            f"in Coolify a person has to act: {' '.join(self.to_click)}" if self.to_click else "Coolify has it so, too"
        )


async def in_coolify(look: Look, muscle: Muscle) -> InCoolify:
    """Return what Coolify lacks of a Muscle of the fleet.

    Raises:
        VendorError: Coolify does not answer.
    """
    known = await muscle_by_server(look.coolify, look.fleet)
    found = [uuid for uuid, other in known.items() if other.name == muscle.name]
    if len(found) != 1:
        return InCoolify(unknown=_STRANGE.format(muscle.name) if not found else f"Coolify has {muscle.name} twice")
    server = await look.coolify.server(found[0])
    steps, clicks = settings_of(wanted_server(look, muscle, server.ip), server, await look.coolify.era())
    return InCoolify(steps=steps, to_click=clicks)


async def proof(look: Look, muscle: Muscle) -> Check:
    """Return whether Coolify, read anew, has of the Muscle what the baseline says, as far as its API takes it."""
    it = await in_coolify(look, muscle)
    if it.unknown or it.steps:
        changes = "; ".join(step.summary for step in it.steps)
        return Check(name=NAME, status="failed", evidence=it.unknown or f"still otherwise: {changes}")
    return Check(name=NAME, status="skipped" if it.to_click else "passed", evidence=it.words)


def settings_drifts(look: Look, servers: Iterable[Server], known: dict[str, Muscle], era: Era) -> Iterator[Drift]:
    """Yield which Muscles Coolify has other settings of than the baseline says; `known` has their uuids in Coolify."""
    for server in servers:
        if server.uuid in known:
            yield from _of_one(look, server, known[server.uuid], era)


def _of_one(look: Look, server: Server, muscle: Muscle, era: Era) -> Iterator[Drift]:
    what = "Coolify builds or cleans up there otherwise than the baseline says"
    steps, clicks = settings_of(wanted_server(look, muscle, server.ip), server, era)
    for step in steps:
        evidence = ", ".join(map(_said, step.changes))
        yield Drift(muscle.name, "warning", "coolify_settings", what, evidence, f"repair_server server={HERE}")
    for click in clicks:
        mend = click.replace(muscle.name, HERE)
        yield Drift(muscle.name, "warning", "coolify_settings", what, "this version's API does not take it", mend, mend)


def _said(change: Change) -> str:
    return f"{change.name}: {change.before or 'not told'}, not {change.after}"
