"""rotate_fork_image: put another image of Coolify into service, rehearsed before anything stops, and proved after."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.exchange import KINDS
from ink_infra_mcp.areas.factory.exchange_plan import exchange_plan, nothing_to_exchange
from ink_infra_mcp.areas.factory.exchange_proofs import of_exchange, summary_of
from ink_infra_mcp.areas.factory.rotation import RotationFacts, exchange_of, rotation_facts, warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import DEPLOY, FACTORY, GITHUB, MUSCLE, OPTION, READ, RUNTIME, STATE, WRITE, Needs


class Args(BaseModel):
    """What rotate_fork_image takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Annotated[str, Field(min_length=1, max_length=400, description="name@sha256:..., or name:tag (pinned)")]
    wait_s: Wait = 45


class RotateForkImage(Mutation[Args, Look, RotationFacts]):
    """Put an image of Coolify's fork into service: backup, rehearsal on a copy, then a swap that the Factory takes back
    by itself unless every proof passes. Apps run on; it refuses images that drop --runtime.
    """

    name: ClassVar[str] = "rotate_fork_image"
    title: ClassVar[str] = "Rotate the Coolify image"
    hint: ClassVar[str] = "switch, update Coolify to a new fork build"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE, DEPLOY, FACTORY, MUSCLE, RUNTIME), (OPTION, GITHUB))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> RotationFacts:
        """Return what the rotation would meet.

        Raises:
            InputError: the image is none, or no registry has it. RefusedByPolicy: see `rotation_facts`.
            HostError: the Factory cannot be reached.
        """
        return await rotation_facts(look, args.image, approved)

    def plan(self, args: Args, facts: RotationFacts) -> Plan:
        """Return the steps; none where the image runs, is what the override names, and auto-update is off."""
        host = facts.host
        if facts.is_so:
            reason = f"{facts.image} runs on {host}, the override names it, and auto-update is off."
            return nothing_to_exchange(self.name, f"Rotate Coolify's image on {host}", host, reason)
        title = f"Rotate Coolify's image on {host} to {facts.image}"
        return exchange_plan(self.name, title, exchange_of(facts), warnings=warnings_of(facts))

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether image, configuration and auto-update are as promised, and every app still is isolated."""
        return await of_exchange(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the image, how long the dashboard was away, and what the rehearsal found."""
        return summary_of(results)
