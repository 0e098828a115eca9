"""One server of several that are patched: what moves away before, and the steps until all that stayed is back."""

from collections.abc import Iterator
from dataclasses import dataclass

from ink_infra_mcp.areas.machines import reboots
from ink_infra_mcp.areas.machines.draining import UNASKED, Drain
from ink_infra_mcp.areas.machines.reboots import RebootFacts
from ink_infra_mcp.core.plan import JsonObject, Step, placed
from ink_infra_mcp.core.step import result_of

SHOWN = 6


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server that needs updates or a reboot: what is installed, what moves away, what is away while it reboots."""

    reboot: RebootFacts
    updates: tuple[str, ...] = ()
    is_stale: bool = False
    """Whether more may be pending than apt has heard of."""
    drain: Drain = UNASKED

    @property
    def locks(self) -> tuple[str, ...]:
        """Return what is locked for it."""
        return (*self.reboot.locks, *self.drain.locks)

    @property
    def production(self) -> bool:
        """Return whether production stands on it, or on where its apps go."""
        return self.reboot.production or self.drain.production

    @property
    def blast_radius(self) -> str:
        """Return what users notice: of the moves first, then of the rest."""
        rest = f"services restart, and where an update waits for a reboot {reboots.blast_radius(self.reboot)}"
        return f"{self.reboot.server}: {'; '.join((*self.drain.blast_radius, rest))}"

    def warnings(self) -> Iterator[str]:
        """Yield what a person has to know of it."""
        name = self.reboot.server
        yield from (f"{name}: not moved away: {why}" for why in self.drain.stays)
        yield from self.drain.warnings
        yield from (f"{name}: {words}" for words in reboots.warnings(self.reboot))


@dataclass(frozen=True, slots=True)
class Turn:
    """When a server is begun: its number from 1 on, the pause before each but the first, and the end of the window."""

    number: int
    pause_s: int
    not_after: str


def steps_of(one: ServerFacts, turn: Turn) -> tuple[Step, ...]:
    """Return its steps: turn, moves, note, updates, reboot where an update waits for it, all up, and apps back."""
    name = one.reboot.server
    update = Step(
        id=f"updates_{turn.number}",
        kind="hosts.apply_security_updates",
        target=name,
        summary=f"Install security updates on {name}: {_pending(one)}",
        params={"host": name, "not_after": turn.not_after},
        undo_words="updates are not taken back; apt can install an older version by hand",
    )
    between = placed((update,), servers=[name], apps=[app.name for app in one.reboot.apps])
    last = reboots.reboot_steps(one.reboot, ending=f"_{turn.number}", between=between, only_if_required=True)
    return (*_turn_steps(one, turn), *one.drain.steps, *last, *one.drain.returning)


def _turn_steps(one: ServerFacts, turn: Turn) -> tuple[Step, ...]:
    """Apps do not move away of a server that is not begun any more."""
    pause_s = turn.pause_s if turn.number > 1 else 0
    if not pause_s and not (one.drain.steps and turn.not_after):
        return ()
    name = one.reboot.server
    since: JsonObject = {"since": result_of(f"await_apps_{turn.number - 1}", "ended_at")} if pause_s else {}
    when = ", ".join(
        (
            *((f"{pause_s} s after the last server",) if pause_s else ()),
            *((f"until {turn.not_after}",) if turn.not_after else ()),
        )
    )
    step = Step(
        id=f"turn_{turn.number}",
        kind="hosts.await_turn",
        target=name,
        summary=f"Wait for the turn of {name}: {when}",
        reads=True,
        params={"pause_s": pause_s, "not_after": turn.not_after, **since},
        undo_words="nothing to undo: it only waits",
    )
    return placed((step,), servers=[name])


def _pending(one: ServerFacts) -> str:
    told = named(one.updates) or "none is pending now"
    return f"{told}; its lists are old, so that more may come" if one.is_stale else told


def named(names: tuple[str, ...]) -> str:
    """Return the first of the names, and how many there are beside."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
