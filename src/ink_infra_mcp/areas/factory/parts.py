"""The parts of a Factory that can be set up: what each would do, as steps, or that it is so already.

A further part is one entry in `PARTS`: what it plans from the facts, and what is true of it afterwards.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain

from ink_infra_mcp.areas.factory import data_disk, docker_data
from ink_infra_mcp.areas.factory.moves import Asked, PartName, Planned
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.hosts.factory.disks import Ground


@dataclass(frozen=True, slots=True)
class Part:
    """One part: why it cannot be set up, what it plans, and what is true of it after that."""

    reasons: Callable[[Asked, Ground], Iterable[str]]
    plan: Callable[[Asked, Ground], Planned]
    checks: Callable[[Asked, Ground], Iterator[Check]]


PARTS: Mapping[PartName, Part] = {
    "data_disk": Part(data_disk.reasons, data_disk.planned, data_disk.checks),
    "docker_data": Part(docker_data.reasons, docker_data.planned, docker_data.checks),
}
"""Every part, in the order in which they are set up."""


def in_order(names: Iterable[PartName]) -> tuple[PartName, ...]:
    """Return the parts in the order in which they are set up, each once."""
    wanted = {*names}
    return tuple(name for name in PARTS if name in wanted)


def planned(asked: Asked, ground: Ground) -> Planned:
    """Return what all parts plan together, one after the other.

    Raises:
        RefusedByPolicy: one of them cannot be set up as it is; every reason is said.
    """
    parts = [PARTS[name] for name in in_order(asked.parts)]
    if reasons := _reasons(parts, asked, ground):
        raise RefusedByPolicy(
            f"{asked.host} is not set up so: {'; '.join(reasons)}.",
            next="Mend that, then call again.",
        )
    return reduce(Planned.then, (part.plan(asked, ground) for part in parts))


def _reasons(parts: Iterable[Part], asked: Asked, ground: Ground) -> list[str]:
    return [*dict.fromkeys(chain.from_iterable(part.reasons(asked, ground) for part in parts))]


def checks_of(names: Iterable[PartName], asked: Asked, ground: Ground) -> list[Check]:
    """Return what is true of the parts, of a look that was made anew."""
    return [*chain.from_iterable(PARTS[name].checks(asked, ground) for name in names)]
