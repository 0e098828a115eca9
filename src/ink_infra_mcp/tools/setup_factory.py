"""setup_factory: set the Factory up, part by part; what is so already is left alone."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.data_disk import FORMAT, GUARD, MOVE, STEP
from ink_infra_mcp.areas.factory.docker_data import MOVE as MOVE_DOCKER
from ink_infra_mcp.areas.factory.moves import PINNED, Asked, PartName, as_approved, sizes_of
from ink_infra_mcp.areas.factory.parts import PARTS, checks_of, in_order, planned
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Frozen, JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.systems import FACTORY, STATE, Needs
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.disks import Ground, ground, is_whole


class Args(BaseModel):
    """What setup_factory takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: Annotated[tuple[PartName, ...], Field(min_length=1, description="What to set up")]
    disk: Annotated[str, Field(max_length=130, description="Its name in /dev/disk/by-id")] = ""
    erase: Annotated[bool, Field(description="Lose what it holds")] = False
    wait_s: Wait = 45


class Facts(Frozen):
    """What is asked for, and what a move of data would meet on the Factory."""

    asked: Asked
    ground: Ground


class SetupFactory(Mutation[Args, Look, Facts]):
    """Put the control plane's data on a volume: `data_disk` /data, `docker_data` Docker's own. It copies, compares and
    switches, or goes back, by itself; old data is kept.
    """

    name: ClassVar[str] = "setup_factory"
    title: ClassVar[str] = "Set up the Factory"
    hint: ClassVar[str] = "set up, mount an external disk; move Coolify's data to it"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), ())
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (FORMAT, MOVE, GUARD, MOVE_DOCKER)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what is asked for, and what it would meet.

        Raises:
            HostError: the Factory cannot be reached, or its answer is not understood.
        """
        facts = await _facts(look, args.parts, args.disk, erase=args.erase)
        if approved is None or PINNED not in approved.pinned:
            return facts
        return Facts(asked=facts.asked, ground=as_approved(facts.ground, table(approved.pinned[PINNED])))

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return each part's step; none where all is so.

        Raises:
            RefusedByPolicy: a part cannot be set up; every reason is said.
        """
        host, all_parts = facts.asked.host, planned(facts.asked, facts.ground)
        title = f"Set up {', '.join(facts.asked.parts)} on {host}"
        if not all_parts.steps:
            return Plan(tool=self.name, title=title, target=host, locks=(), reason=f"{all_parts.so}.")
        return Plan(
            tool=self.name,
            title=title,
            target=host,
            locks=("coolify", f"muscle:{host}", f"server:{host}"),
            steps=all_parts.steps,
            blast_radius=all_parts.stops or "nothing that runs",
            keeps=all_parts.keeps,
            warnings=all_parts.warnings,
            pinned={PINNED: {**sizes_of(facts.ground)}},
            phrase=all_parts.phrase or host,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return what a look that is made anew says of each part that the plan sets up."""
        steps = {step.id: step for step in plan.steps}
        parts = in_order(name for name in PARTS if name in steps)
        facts = await _facts(look, parts, _disk_of(steps.get(STEP)), erase=False)
        return checks_of(parts, facts.asked, facts.ground)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return for how many seconds each part kept Docker stopped, and how to go back."""
        stopped: JsonObject = {name: told.get("seconds") for name, told in results.items()}
        return {"stopped_s": stopped, "go_back": "/var/lib/ink-infra/disk/rollback on the Factory"}


async def _facts(look: Look, parts: tuple[PartName, ...], disk: str, *, erase: bool) -> Facts:
    host, known = look.fleet.factory.name, is_whole(disk)
    asked = Asked(host=host, parts=in_order(parts), disk=disk if known else clean_name(disk), erase=erase)
    return Facts(asked=asked, ground=await ground(look.hosts, host, disk if known else ""))


def _disk_of(step: Step | None) -> str:
    return str(table(step.params["orders"])["disk"]) if step else ""
