"""setup_factory: set the Factory up, part by part; what is so already is left alone."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.coolify_part import STEP as COOLIFY
from ink_infra_mcp.areas.factory.data_disk import STEP
from ink_infra_mcp.areas.factory.moves import PINNED, Asked, PartName, as_approved, sizes_of
from ink_infra_mcp.areas.factory.parts import KINDS, Seen, checks_of, in_order, parts_in, planned, seen_for
from ink_infra_mcp.areas.factory.ways_in import by_hand
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Domain
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.systems import DNS, FACTORY, GITHUB, HETZNER, ROBOT, STATE, Needs
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.disks import is_whole

NEXT_CALL = 'setup_factory parts=["api"], once the token is there; then add_muscle, and deploy_app for the first app'


class Args(BaseModel):
    """What setup_factory takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: Annotated[tuple[PartName, ...], Field(min_length=1, description="What to set up")]
    disk: Annotated[str, Field(max_length=130, description="Its name in /dev/disk/by-id")] = ""
    erase: Annotated[bool, Field(description="Lose what it holds")] = False
    domain: Annotated[Domain | None, Field(description="Of the dashboard")] = None
    version: Annotated[str, Field(pattern=r"^(v?[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4})?$", description="Of Coolify")] = ""
    wait_s: Wait = 45


class Facts(Seen):
    """What is asked for, and what was seen for it."""

    asked: Asked


class SetupFactory(Mutation[Args, Look, Facts]):
    """Set up the control plane: `data_disk` moves /data onto a volume, `docker_data` Docker's; old data is kept.
    `coolify` installs it, `api` switches its API on, `firewall` closes ports, `dns` names it.
    """

    name: ClassVar[str] = "setup_factory"
    title: ClassVar[str] = "Set up the Factory"
    hint: ClassVar[str] = "set up, mount an external disk; move Coolify's data to it"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), (GITHUB, HETZNER, ROBOT, DNS))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what is asked for, and what it would meet.

        Raises:
            InputError: an argument is of a part that is not asked for.
            HostError: the Factory cannot be reached, or its answer is not understood.
            InkError: as the parts.
        """
        _refuse_idle(args)
        asked = _asked(look, args.parts, args.disk).model_copy(
            update={
                "erase": args.erase,
                "domain": args.domain or "",
                "version": args.version.removeprefix("v"),
            }
        )
        facts = Facts(asked=asked, **dict(await seen_for(look, asked, approved.pinned if approved else {})))
        if facts.ground is None or approved is None or PINNED not in approved.pinned:
            return facts
        return facts.model_copy(update={"ground": as_approved(facts.ground, table(approved.pinned[PINNED]))})

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return each part's step; none where all is so.

        Raises:
            RefusedByPolicy: a part cannot be set up; every reason is said.
        """
        host, all_parts = facts.asked.host, planned(facts.asked, facts)
        title = f"Set up {', '.join(facts.asked.parts)} on {host}"
        if not all_parts.steps:
            return Plan(
                tool=self.name,
                title=title,
                target=host,
                locks=(),
                warnings=all_parts.warnings,
                reason=f"{all_parts.so}.",
            )
        return Plan(
            tool=self.name,
            title=title,
            target=host,
            locks=all_parts.locks,
            steps=all_parts.steps,
            blast_radius=all_parts.stops or "nothing that runs",
            keeps=all_parts.keeps,
            warnings=all_parts.warnings,
            pinned={**all_parts.pinned, **_sizes(facts)},
            phrase=all_parts.phrase or host,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return what a look that is made anew says of each part that the plan sets up."""
        disk = next((_disk_of(step) for step in plan.steps if step.id == STEP), "")
        return await checks_of(look, _asked(look, parts_in(plan), disk), plan, results)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return how long each part kept Docker stopped, how to go back, what is left to a person, and what is next."""
        stopping = {step.id for step in plan.steps if _stops_docker(step)}
        stopped: JsonObject = {name: told["seconds"] for name, told in results.items() if name in stopping}
        back = {"stopped_s": stopped, "go_back": "/var/lib/ink-infra/disk/rollback on the Factory"} if stopped else {}
        coming = COOLIFY in results
        return {**back, **by_hand(plan), **({"next_call": NEXT_CALL} if coming else {})}


def _sizes(facts: Facts) -> JsonObject:
    return {PINNED: {**sizes_of(facts.ground)}} if facts.ground else {}


def _asked(look: Look, parts: tuple[PartName, ...], disk: str) -> Asked:
    shown = disk if is_whole(disk) else clean_name(disk)
    return Asked(host=look.fleet.factory.name, parts=in_order(parts), disk=shown)


_OF_PART: Mapping[str, PartName] = {
    "disk": "data_disk",
    "erase": "data_disk",
    "domain": "dns",
    "version": "coolify",
}
"""Which part an argument is of."""


def _refuse_idle(args: Args) -> None:
    """What is said for nothing is a mistake: who says it believes that it counts."""
    for name, part in _OF_PART.items():
        if getattr(args, name) and part not in args.parts:
            raise InputError(
                f"{name} is of the part {part}, which is not among parts.", next=f"Add {part}, or leave {name} out."
            )


def _stops_docker(step: Step) -> bool:
    return table(step.params.get("orders")).get("docker") == "yes"


def _disk_of(step: Step) -> str:
    return str(table(step.params["orders"])["disk"])
