"""The machines that are to be Muscles, from whichever source: each looked at, with what they share and cost."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from ink_infra_mcp.areas.apps.home import Project
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import Asked, existing
from ink_infra_mcp.areas.machines.bought import bought, wanted_of
from ink_infra_mcp.areas.machines.buying import group_steps, key_steps
from ink_infra_mcp.areas.machines.cloud_servers import facts_of
from ink_infra_mcp.areas.machines.costs import Costs, costs_of
from ink_infra_mcp.areas.machines.joining import Joining
from ink_infra_mcp.areas.machines.private_places import refuse_unfit_network
from ink_infra_mcp.areas.machines.rented import rented
from ink_infra_mcp.areas.machines.sources import Existing, HetznerCloud, HetznerRobot, Source
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.fleet import Fleet, SshAccess
from ink_infra_mcp.core.plan import Step


@dataclass(frozen=True, slots=True)
class Coming:
    """The machines, the steps that all of them share, and the prices where any is bought."""

    machines: tuple[Joining, ...]
    shared: tuple[Step, ...] = ()
    costs: Costs | None = None


def asked_for(
    look: Look,
    project: Project,
    names: tuple[str, ...],
    domains: tuple[str, ...],
    *,
    production: bool,
    access: SshAccess = "public",
) -> tuple[Asked, ...]:
    """Return each machine as it is wanted: with the domain that is given, that it has, or that the fleet's gives it."""
    given = domains or tuple(_usual_domain(look.fleet, name) for name in names)
    return tuple(
        Asked(name=name, wildcard_domain=domain, production=production, project=project, access=access)
        for name, domain in zip(names, given, strict=True)
    )


def _usual_domain(fleet: Fleet, name: str) -> str | None:
    known = {muscle.name: muscle.wildcard_domain for muscle in fleet.muscles}
    return known.get(name) or (f"{name}.{fleet.domains.fleet}" if fleet.domains.fleet else None)


async def machines_of(look: Look, source: Source, asked: tuple[Asked, ...]) -> Coming:
    """Return the machines, all looked at side by side.

    Raises:
        InkError: one cannot be a Muscle, is not what it should be, or cannot be read.
    """
    if isinstance(source, HetznerCloud):
        return await _to_buy(look, source, asked)
    return Coming(tuple(await asyncio.gather(*_there(look, source, asked))))


def _there(look: Look, source: Existing | HetznerRobot, asked: tuple[Asked, ...]) -> list[Awaitable[Joining]]:
    if isinstance(source, Existing):
        return [existing(look, one, machine) for one, machine in zip(asked, source.machines, strict=True)]
    pairs = zip(asked, source.numbers, strict=True)
    return [rented(look, one, number, install=source.install) for one, number in pairs]


async def _to_buy(look: Look, source: HetznerCloud, asked: tuple[Asked, ...]) -> Coming:
    if source.network is not None and any(one.access == "private" for one in asked):
        await refuse_unfit_network(look, source.network)
    wanted = [await wanted_of(look, one, source) for one in asked]
    facts = await facts_of(look, wanted)
    new = [server for server in wanted if server.name not in facts.servers]
    pairs = zip(asked, wanted, strict=True)
    machines = await asyncio.gather(*(bought(look, one, server, facts) for one, server in pairs))
    there = {server.name: facts.servers[server.name].id for server in wanted if server.name in facts.servers}
    shared = (*key_steps(new, facts), *group_steps(new, facts))
    return Coming(tuple(machines), shared, await costs_of(look, new, there=there))


def refuse_over_budget(costs: Costs | None, max_monthly_eur: int | None) -> None:
    """Let pass what a budget holds; what is not known to be within it is not.

    Raises:
        RefusedByPolicy: it is over the budget, or nobody knows.
    """
    if costs is None or max_monthly_eur is None or costs.after.held_by(max_monthly_eur) == "within":
        return
    raise RefusedByPolicy(
        f"The Cloud project would cost {costs.total_eur} EUR a month; max_monthly_eur is {max_monthly_eur}.",
        next="Raise the budget, choose a smaller type, or remove what is not needed.",
    )
