"""The parts of a Factory that can be set up: what each would do, as steps, or that it is so already.

A further part is one entry in `PARTS`: what it plans from what was seen, and what is true of it afterwards.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import TypeVar

from ink_infra_mcp.areas.dns.dashboard import FoundDashboard, dashboard_of
from ink_infra_mcp.areas.factory import api_part, coolify_part, data_disk, docker_data, network_parts
from ink_infra_mcp.areas.factory.api_part import Access
from ink_infra_mcp.areas.factory.coolify_part import Meets
from ink_infra_mcp.areas.factory.moves import Asked, PartName, Planned
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.to_close import KINDS as CLOSING_KINDS
from ink_infra_mcp.areas.ports.to_close import ToClose, to_close
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan
from ink_infra_mcp.hosts.factory.disks import Ground, ground, is_whole

_T = TypeVar("_T")
_MOVES = frozenset[PartName]({"data_disk", "docker_data"})
_COOLIFY = frozenset[PartName]({"coolify", "api"})


class Seen(Frozen):
    """What was seen for the parts that are asked for; None: none of them needs it."""

    ground: Ground | None = None
    coolify: Meets | None = None
    api: Access | None = None
    firewall: ToClose | None = None
    dashboard: FoundDashboard | None = None


@dataclass(frozen=True, slots=True)
class After:
    """What a part is judged by afterwards: `seen` is of a look that was made anew."""

    look: Look
    asked: Asked
    seen: Seen
    plan: Plan
    results: Results


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the kinds of its steps, why it cannot be set up, what it plans, and what is true of it after that."""

    kinds: tuple[str, ...]
    reasons: Callable[[Asked, Seen], Iterable[str]]
    plan: Callable[[Asked, Seen], Planned]
    checks: Callable[[After], Awaitable[list[Check]]]


def _moving(
    kinds: tuple[str, ...],
    reasons: Callable[[Asked, Ground], Iterable[str]],
    plan: Callable[[Asked, Ground], Planned],
    checks: Callable[[Asked, Ground], Iterator[Check]],
) -> Part:
    async def checked(after: After) -> list[Check]:
        return [*checks(after.asked, _known(after.seen.ground))]

    def planning(asked: Asked, seen: Seen) -> Planned:
        found, host = plan(asked, _known(seen.ground)), asked.host
        locks = ("coolify", f"muscle:{host}", f"server:{host}") if found.steps else ()
        return found.model_copy(update={"locks": locks})

    return Part(
        kinds=kinds,
        reasons=lambda asked, seen: reasons(asked, _known(seen.ground)),
        plan=planning,
        checks=checked,
    )


def _known(found: _T | None) -> _T:
    if found is None:
        raise ValueError("it is looked for where its part is asked for")
    return found


PARTS: Mapping[PartName, Part] = {
    "data_disk": _moving(
        (data_disk.FORMAT, data_disk.MOVE, data_disk.GUARD), data_disk.reasons, data_disk.planned, data_disk.checks
    ),
    "docker_data": _moving(
        (docker_data.MOVE, docker_data.PLACE), docker_data.reasons, docker_data.planned, docker_data.checks
    ),
    "coolify": Part(
        kinds=(coolify_part.INSTALL,),
        reasons=lambda asked, seen: coolify_part.reasons(asked, _known(seen.coolify)),
        plan=lambda asked, seen: coolify_part.planned(asked, _known(seen.coolify)),
        checks=lambda after: coolify_part.checks(after.look, after.plan, after.results),
    ),
    "firewall": Part(
        kinds=CLOSING_KINDS,
        reasons=lambda asked, seen: network_parts.too_early(seen.coolify, _known(seen.firewall)),
        plan=lambda asked, seen: network_parts.closing(_known(seen.firewall)),
        checks=lambda after: network_parts.closed(after.look, after.plan, after.results),
    ),
    "dns": Part(
        kinds=network_parts.DNS_KINDS,
        reasons=lambda asked, seen: (),
        plan=lambda asked, seen: network_parts.naming(_known(seen.dashboard)),
        checks=lambda after: network_parts.named(after.look, after.plan, after.results),
    ),
    "api": Part(
        kinds=(api_part.ENABLE,),
        reasons=lambda asked, seen: api_part.reasons(asked, _known(seen.coolify), _known(seen.api)),
        plan=lambda asked, seen: api_part.planned(asked, _known(seen.coolify), _known(seen.api)),
        checks=lambda after: api_part.checks(after.look),
    ),
}
"""Every part, in the order in which they are set up."""
KINDS = tuple(dict.fromkeys(chain.from_iterable(part.kinds for part in PARTS.values())))
"""The kinds of all steps that a part may plan."""


def in_order(names: Iterable[PartName]) -> tuple[PartName, ...]:
    """Return the parts in the order in which they are set up, each once."""
    wanted = {*names}
    return tuple(name for name in PARTS if name in wanted)


def parts_in(plan: Plan) -> tuple[PartName, ...]:
    """Return the parts that a plan sets up."""
    kinds = {step.kind for step in plan.steps}
    return tuple(name for name, part in PARTS.items() if kinds.intersection(part.kinds))


async def seen_for(look: Look, asked: Asked, pinned: JsonObject) -> Seen:
    """Return what there is of each part that is asked for; choices that a plan `pinned` are kept.

    Raises:
        InkError: the Factory, or who serves its zone, cannot be read; or a part cannot be set up as fleet.toml is.
    """
    return Seen(
        ground=await ground_for(look, asked),
        coolify=await coolify_part.meets(look, asked, pinned) if _COOLIFY.intersection(asked.parts) else None,
        firewall=await to_close(look, look.fleet.factory) if "firewall" in asked.parts else None,
        dashboard=await dashboard_of(look, asked.domain) if "dns" in asked.parts else None,
        api=await api_part.access(look) if "api" in asked.parts else None,
    )


async def ground_for(look: Look, asked: Asked) -> Ground | None:
    """Return what a move of data would meet, where one is asked for.

    Raises:
        HostError: the Factory cannot be reached, or its answer is not understood.
    """
    disk = asked.disk if is_whole(asked.disk) else ""
    return await ground(look.hosts, asked.host, disk) if _MOVES.intersection(asked.parts) else None


def planned(asked: Asked, seen: Seen) -> Planned:
    """Return what all parts plan together, one after the other.

    Raises:
        RefusedByPolicy: one of them cannot be set up as it is; every reason is said.
    """
    parts = [PARTS[name] for name in in_order(asked.parts)]
    if reasons := _reasons(parts, asked, seen):
        raise RefusedByPolicy(
            f"{asked.host} is not set up so: {'; '.join(reasons)}.",
            next="Mend that, then call again.",
        )
    return reduce(Planned.then, (part.plan(asked, seen) for part in parts))


def _reasons(parts: Iterable[Part], asked: Asked, seen: Seen) -> list[str]:
    return [*dict.fromkeys(chain.from_iterable(part.reasons(asked, seen) for part in parts))]


async def checks_of(look: Look, asked: Asked, plan: Plan, results: Results) -> list[Check]:
    """Return what is true of the parts that a plan sets up, of a look that is made anew."""
    after = After(look, asked, Seen(ground=await ground_for(look, asked)), plan, results)
    return [check for name in asked.parts for check in await PARTS[name].checks(after)]
