"""upgrade_coolify: to a newer release of Coolify, official or the fork built on it, as rotate_fork_image swaps it."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.exchange import KINDS
from ink_infra_mcp.areas.factory.exchange_plan import exchange_plan, nothing_to_exchange
from ink_infra_mcp.areas.factory.exchange_proofs import of_exchange, summary_of
from ink_infra_mcp.areas.factory.fork_build import KINDS as BUILD_KINDS
from ink_infra_mcp.areas.factory.fork_build import PUSH, pinned_of, registry_has
from ink_infra_mcp.areas.factory.stop_steps import summary_of_way
from ink_infra_mcp.areas.factory.upgrade import UpgradeFacts, exchange_of, exchanges_of, upgrade_facts
from ink_infra_mcp.areas.factory.upgrade_words import warnings_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import DEPLOY, FACTORY, GITHUB, MUSCLE, OPTION, READ, RUNTIME, STATE, WRITE, Needs

_KEEPS = ("users' apps, which run on", "Coolify's keys, its settings but for auto-update, its Postgres and its Redis")


class Args(BaseModel):
    """What upgrade_coolify takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(min_length=1, max_length=40, description="As 4.3.11")]
    image: Annotated[str, Field(max_length=400, description="The fork, if built")] = ""
    wait_s: Wait = 45


class UpgradeCoolify(Mutation[Args, Look, UpgradeFacts]):
    """Upgrade Coolify, and its realtime service, to a newer release. A fork is built on it first."""

    name: ClassVar[str] = "upgrade_coolify"
    title: ClassVar[str] = "Upgrade Coolify"
    hint: ClassVar[str] = "update Coolify to a newer release, upgrade the fork, outdated, bump"
    toolset: ClassVar[Toolset] = "factory"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE, DEPLOY, FACTORY, MUSCLE, RUNTIME, GITHUB), (OPTION,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (*BUILD_KINDS, *KINDS)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> UpgradeFacts:
        """Return what the upgrade would meet.

        Raises:
            InkError: see `upgrade_facts`.
        """
        return await upgrade_facts(look, args.version, args.image, approved)

    def plan(self, args: Args, facts: UpgradeFacts) -> Plan:
        """Return the steps; none where that image runs, files and .env are the release's, and auto-update is off."""
        host, version = facts.host, facts.release.version
        title = _title(facts)
        if facts.is_so:
            reason = f"{facts.image} runs on {host}, files and .env are those of {version}, and auto-update is off."
            return nothing_to_exchange(self.name, title, host, reason)
        pinned = pinned_of(facts.build) if facts.build and facts.builds else None
        return exchange_plan(
            self.name,
            title,
            exchange_of(facts),
            stops=exchanges_of(facts),
            warnings=warnings_of(facts),
            keeps=_KEEPS,
            pinned=pinned,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether image, version, configuration and auto-update are as promised, and every app is isolated."""
        pushed = results.get(PUSH)
        told = [await registry_has(look, pushed)] if pushed is not None else []
        return [*told, *await of_exchange(plan, results, look)]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the image, how long the dashboard was away, and what the rehearsal found."""
        pushed = results.get(PUSH)
        built: JsonObject = {"built": pushed["reference"]} if pushed is not None else {}
        return {**summary_of(results), **summary_of_way(plan, results), **built}


def _title(facts: UpgradeFacts) -> str:
    host, version = facts.host, facts.release.version
    if facts.of_realtime_alone:
        return f"Exchange Coolify's realtime service on {host} for the one that {version}, which runs, names"
    way = f" by way of {' and '.join(each.release.version for each in facts.stops)}" if facts.stops else ""
    return f"Upgrade Coolify on {host} to {version}{way}{', with the fork built on it' if facts.builds else ''}"
