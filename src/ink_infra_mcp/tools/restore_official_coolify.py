"""restore_official_coolify: from the fork to the official image, which keeps isolation or loses it by name only."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.exchange import KINDS, UNISOLATED
from ink_infra_mcp.areas.factory.exchange_plan import exchange_plan, nothing_to_exchange
from ink_infra_mcp.areas.factory.exchange_proofs import of_exchange, summary_of
from ink_infra_mcp.areas.factory.official import OfficialFacts, exchange_of, official_facts, warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import DEPLOY, FACTORY, GITHUB, MUSCLE, OPTION, READ, RUNTIME, STATE, WRITE, Needs

AppName = Annotated[str, Field(min_length=1, max_length=255)]


class Args(BaseModel):
    """What restore_official_coolify takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(min_length=1, max_length=40, description="Release, such as 4.3.11")]
    accept_unisolated: Annotated[
        tuple[AppName, ...],
        Field(max_length=200, description="Every app that would lose gVisor"),
    ] = ()
    wait_s: Wait = 45


class RestoreOfficialCoolify(Mutation[Args, Look, OfficialFacts]):
    """Go from the fork back to the official Coolify of a release, as rotate_fork_image does it. It refuses an image
    that drops --runtime, unless accept_unisolated names exactly the apps that lose isolation. Compose files stay.
    """

    name: ClassVar[str] = "restore_official_coolify"
    title: ClassVar[str] = "Go back to the official Coolify"
    hint: ClassVar[str] = "leave our fork, return to the original, upstream, stock Coolify release"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE, DEPLOY, FACTORY, MUSCLE, RUNTIME), (OPTION, GITHUB))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (*KINDS, UNISOLATED)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> OfficialFacts:
        """Return what it would meet.

        Raises:
            InputError: the version is none, or no registry has it. RefusedByPolicy: see `official_facts`.
            HostError: the Factory cannot be reached.
        """
        return await official_facts(look, args.version, args.accept_unisolated, approved)

    def plan(self, args: Args, facts: OfficialFacts) -> Plan:
        """Return the steps; none where that image runs, is what files and .env name, and auto-update is off."""
        host = facts.host
        title = f"Go back to the official Coolify {facts.version} on {host}"
        if facts.is_so:
            reason = f"{facts.image} runs on {host}, .env names it, no file names another, and auto-update is off."
            return nothing_to_exchange(self.name, title, host, reason)
        lost = f", and isolation of {len(facts.accepted)} apps from their next deployment on" if facts.accepted else ""
        return exchange_plan(self.name, title, exchange_of(facts), warnings=warnings_of(facts), lost=lost)

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether image, version, configuration and auto-update are as promised, and who is isolated."""
        return await of_exchange(plan, results, look)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the image, how long the dashboard was away, what the rehearsal found, and who may lose isolation."""
        swap = next((step for step in plan.steps if step.kind == UNISOLATED), None)
        return {**summary_of(results), "accepted_unisolated": [*swap.apps] if swap else []}
