"""add_muscle: from a machine that is there, or one that is bought, to a Muscle that is proved by a canary."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ink_infra_mcp.areas.apps.home import Project, find_project, home_steps
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.audits import lynis_before
from ink_infra_mcp.areas.machines.coming import asked_for, machines_of, refuse_over_budget
from ink_infra_mcp.areas.machines.costs import MONEY_LOCK, Costs
from ink_infra_mcp.areas.machines.joining import KINDS, Joining, zone_locks
from ink_infra_mcp.areas.machines.proofs import of_muscle
from ink_infra_mcp.areas.machines.sources import MOST, Existing, HetznerCloud, HetznerRobot, Source
from ink_infra_mcp.areas.machines.unfinished import monthly, unfinished
from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.fleet import Domain, Name, SshAccess
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, placed
from ink_infra_mcp.core.systems import DEPLOY, DNS, FACTORY, HETZNER, MUSCLE, ROBOT, STATE, WRITE, Needs


class Args(BaseModel):
    """What add_muscle takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST, description="Names")]
    source: Annotated[Source, Field(description="Machines")]
    domains: Annotated[
        tuple[Domain, ...],
        Field(max_length=MOST),
        Mark.OPTION,
    ] = ()
    production: Annotated[bool, Mark.OPTION] = False
    access: Annotated[SshAccess, Mark.OPTION] = "public"
    max_monthly_eur: Annotated[int | None, Field(ge=0), Mark.OPTION] = None
    wait_s: Annotated[int, Field(ge=0, le=3600), Mark.OPTION] = 45

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(set(self.names)) < len(self.names):
            raise ValueError("each name once")
        if len(self.domains) not in (0, len(self.names)):
            raise ValueError("give as many domains as names, or none")
        if len(_given(self.source, self.names)) != len(self.names):
            raise ValueError("give as many machines as names")
        _check_access(self.source, self.access)
        return self


def _check_access(source: Source, access: SshAccess) -> None:
    inside = source.inside if isinstance(source, Existing) else 0
    known = inside == len(source.machines) if isinstance(source, Existing) else getattr(source, "network", None)
    if access == "public" and inside:
        raise ValueError("inner= goes with access=private")
    if access == "private" and not known:
        raise ValueError(
            "private access takes a source with a network, or inner= of each machine; else connect_private_network "
            "comes first"
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What each machine lacks, and for what is bought what all of them share, and the prices."""

    machines: tuple[Joining, ...]
    project: Project
    shared: tuple[Step, ...] = ()
    costs: Costs | None = None
    lynis_before: JsonObject = field(default_factory=dict[str, JsonValue])
    """lynis' index before anything of ours, by machine, where it was run there."""


class AddMuscle(Mutation[Args, Look, Facts]):
    """Make Muscles of servers that are there, rented at Robot, or bought at Hetzner, price first. A canary
    proves each.
    """

    name: ClassVar[str] = "add_muscle"
    title: ClassVar[str] = "Add Muscles"
    hint: ClassVar[str] = "buy, get, provision, rent a new server, machine, more capacity; dedicated host"
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs((STATE, WRITE, DEPLOY, FACTORY), (MUSCLE, HETZNER, ROBOT, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what each machine lacks of being a Muscle.

        Raises:
            InputError: a name, an address or a key is not what it should be, or a type cannot be had.
            RefusedByPolicy: a machine is too small or not supported, or the budget would not hold.
            HostError: a machine that is there cannot be read.
        """
        project = await find_project(look)
        asked = asked_for(look, project, args.names, args.domains, production=args.production, access=args.access)
        found = await machines_of(look, args.source, asked)
        refuse_over_budget(found.costs, args.max_monthly_eur)
        before = await _before(look, found.machines, approved)
        return Facts(found.machines, project, shared=found.shared, costs=found.costs, lynis_before=before)

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return a lane for each machine that lacks something, after what they share."""
        lanes = [step for machine in facts.machines for step in machine.steps()]
        names = ", ".join(args.names)
        if not lanes:
            reason = f"{names}: in the fleet, and nothing of it is missing."
            return Plan(tool=self.name, title=f"Add {names}", target=names, locks=(), reason=reason)
        shared = placed((*facts.shared, *home_steps(facts.project)), servers=args.names)
        return Plan(
            tool=self.name,
            title=f"Make {names} {'Muscles' if len(args.names) > 1 else 'a Muscle'}",
            target=names,
            locks=_locks(args, facts, lanes),
            steps=(*shared, *lanes),
            production=args.production,
            blast_radius="nobody: no app runs there yet",
            keeps=(
                "every other server, its apps and their names",
                "keys and settings that others made on these machines",
            ),
            warnings=(*_prices(facts), *(words for machine in facts.machines for words in machine.warnings)),
            phrase=names,
            pinned=_pinned(facts),
            **_money(facts),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return for each lane that came to its end what is true of the Muscle now."""
        lanes = dict.fromkeys(step.lane for step in plan.steps if step.lane)
        done = [name for name in lanes if all(s.id in results for s in plan.steps if s.lane == name)]
        found = await asyncio.gather(*(of_muscle(look, name, plan, results) for name in done))
        return [check for checks in found for check in checks]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return for each Muscle what there is now, and the call that undoes it; and what is paid for and is none."""
        lines: list[JsonValue] = [_line(name, plan, results, checks) for name in _lanes(plan)]
        left = unfinished(plan, results)
        return {"muscles": lines, "paid_for": left} if left else {"muscles": lines}


async def _before(look: Look, machines: tuple[Joining, ...], approved: Plan | None) -> JsonObject:
    """A person approved the plan with these figures; lynis may have run again since."""
    if approved is None:
        return await lynis_before(look, machines)
    kept = approved.pinned.get("lynis_before")
    return kept if isinstance(kept, dict) else {}


def _given(source: Source, names: tuple[str, ...]) -> tuple[object, ...]:
    match source:
        case Existing():
            return source.machines
        case HetznerRobot():
            return source.numbers
        case HetznerCloud():
            return names


def _locks(args: Args, facts: Facts, lanes: list[Step]) -> tuple[str, ...]:
    machines = tuple(f"{of}:{name}" for of in ("muscle", "firewall") for name in args.names)
    return (*machines, *((MONEY_LOCK,) if _buys(facts) else ()), *zone_locks(lanes))


def _buys(facts: Facts) -> bool:
    return facts.costs is not None and bool(facts.costs.added)


def _money(facts: Facts) -> dict[str, Any]:
    if facts.costs is None or not _buys(facts):
        return {}
    return {"monthly_cost_eur": facts.costs.monthly_eur, "monthly_total_eur": facts.costs.total_eur}


def _pinned(facts: Facts) -> JsonObject:
    before: JsonObject = {"lynis_before": facts.lynis_before} if facts.lynis_before else {}
    return before | monthly(facts.costs)


def _prices(facts: Facts) -> tuple[str, ...]:
    return facts.costs.words if facts.costs is not None and _buys(facts) else ()


def _lanes(plan: Plan) -> list[str]:
    return list(dict.fromkeys(step.lane for step in plan.steps if step.lane))


def _line(name: str, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
    own = {step.id: step.kind for step in plan.steps if step.lane == name}
    done = sum(id_ in results for id_ in own)
    mark = f"{name} "
    proofs = {check.name.removeprefix(mark): check.status for check in checks if check.name.startswith(mark)}
    nothing: JsonObject = {}
    made = next((results[id_] for id_ in own if _is_purchase(results.get(id_, nothing))), nothing)
    return {
        "name": name,
        "state": "muscle" if done == len(own) else f"{done} of {len(own)} steps",
        "address": made.get("ipv4") or made.get("ipv6"),
        "provider_id": made.get("server_id"),
        "proofs": {**proofs},
        "warnings": _warnings(name, checks),
        "undo": f"remove_muscle {name}",
    }


def _warnings(name: str, checks: list[Check]) -> list[JsonValue]:
    own = f"{name} auditors"
    return [check.evidence for check in checks if check.name == own and check.status == "failed"]


def _is_purchase(result: JsonObject) -> bool:
    return {"server_id", "ipv4"} <= result.keys()
