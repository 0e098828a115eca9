"""What became of the connects to a random server, beside what the product computes of them, and its smallest form."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.knocks import Knocked, computed
from ink_infra_mcp.core.firewall.exposure import State
from tests.lab.wild.worlds import World

Verdict = Literal["right", "wrong closed", "wrong open", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong closed", "wrong open", "unknown")


def told(ground: Ground, knocked: Knocked) -> State | None:
    """Return what the product says of a connect; None where it does not know that the address is the server's."""
    known = any(way.has(knocked.address) for way in ground.facts.ways)
    return computed(ground, knocked) if known else None


def verdict(state: State | None, knocked: Knocked) -> Verdict:
    """Return how what was computed stands to what was seen; of an address that is not named, nothing may be open."""
    answered = knocked.answer == "open"
    if state in (None, State.CLOSED):
        return "wrong closed" if answered else "right"
    if state is State.OPEN:
        return "right" if answered else "wrong open"
    return "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """One random server: each connect with what was computed of it, and the steps that its tools refused."""

    world: World
    connects: tuple[tuple[Knocked, State | None], ...]
    refused: tuple[str, ...] = ()

    def of(self, wanted: Verdict) -> list[str]:
        """Return the connects of one kind, in words."""
        return [
            f"{k.origin} {k.source} -> {k.address}:{k.port}: computed {state or 'nothing'}, observed {k.answer}"
            for k, state in self.connects
            if verdict(state, k) == wanted
        ]

    @property
    def counted(self) -> Counter[Verdict]:
        """Return how many connects there are of each kind."""
        return Counter(verdict(state, knocked) for knocked, state in self.connects)


@dataclass
class Tally:
    """The sum over many random servers, and each wrong `closed` with the least that shows it."""

    servers: int = 0
    steps: int = 0
    refused: int = 0
    connects: Counter[Verdict] = field(default_factory=Counter[Verdict])
    wrong: list[str] = field(default_factory=list[str])

    def add(self, judged: Judged) -> None:
        """Count one server in."""
        self.servers += 1
        self.steps += len(judged.world.steps)
        self.refused += len(judged.refused)
        self.connects += judged.counted

    @property
    def said(self) -> str:
        """Return the figures on one line."""
        counts = ", ".join(f"{self.connects[each]} {each}" for each in VERDICTS)
        return f"{self.servers} servers, {self.steps} steps ({self.refused} refused), connects: {counts}"


async def shrunk(world: World, shows: Callable[[World], Awaitable[bool]], *, most: int) -> World:
    """Return the world with the fewest steps and listeners that still shows it, after at most so many tries.

    Half of the steps are left out first, then a quarter, and so on to single ones.
    """
    left = [most]

    async def still(candidate: World) -> bool:
        left[0] -= 1
        return left[0] >= 0 and await shows(candidate)

    steps = await _fewest(world.steps, lambda some: still(World(world.seed, some, world.listens)))
    listens = await _fewest(world.listens, lambda some: still(World(world.seed, steps, some)))
    return World(world.seed, steps, listens)


async def _fewest(parts: tuple[str, ...], shows: Callable[[tuple[str, ...]], Awaitable[bool]]) -> tuple[str, ...]:
    size = len(parts)
    while size := size // 2 if size > 1 else 0:
        at = 0
        while at < len(parts):
            rest = (*parts[:at], *parts[at + size :])
            if await shows(rest):
                parts = rest
            else:
                at += size
    return parts


def report(judged: Iterable[str], world: World) -> str:
    """Return a wrong `closed` as a person has to see it: the connects, and the server as it would be typed."""
    return "\n".join((*judged, world.told))
