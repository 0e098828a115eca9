"""The parts `firewall` and `dns`: who gets in to the Factory, and where the dashboard's name leads."""

from collections.abc import Iterator

from ink_infra_mcp.areas.dns.dashboard import FoundDashboard
from ink_infra_mcp.areas.dns.proofs import of_records
from ink_infra_mcp.areas.dns.wildcards import told
from ink_infra_mcp.areas.dns.zones import zone_for
from ink_infra_mcp.areas.factory.coolify_part import Meets
from ink_infra_mcp.areas.factory.moves import Planned
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.closing import closing_steps
from ink_infra_mcp.areas.ports.to_close import ToClose, closed_checks
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan

DNS_KINDS = ("hetzner_dns.set_records", "cloudflare.set_records", "nameservers.prove_records")


def too_early(met: Meets | None, facts: ToClose) -> Iterator[str]:
    """Yield why the ports cannot be closed in the plan that installs Coolify: its network is in no rule before that.

    Other firewalls than ufw drop what comes from outside alone, and let Docker's networks in whenever they come.
    """
    if met is not None and met.installer is not None and facts.wanted is not None and facts.wanted.manager == "ufw":
        yield (
            "its ports are kept by ufw, which takes Docker's networks for strangers, and the one from which "
            "Coolify logs in to its own host is not there yet: set up coolify first, and firewall by a call after it"
        )


def closing(facts: ToClose) -> Planned:
    """Return the steps of apply_firewall for the Factory; none where its firewalls say what policy says."""
    steps = closing_steps(facts)
    if not steps:
        return Planned(so=facts.so, warnings=facts.told)
    return Planned(
        steps=steps,
        stops=facts.blast_radius,
        keeps=facts.keeps,
        warnings=facts.told,
        locks=(f"firewall:{facts.server}",),
    )


def naming(found: FoundDashboard) -> Planned:
    """Return the steps that make the dashboard's name lead to the Factory; none where it does."""
    if not found.steps:
        return Planned(so=f"{found.name} leads to {found.addresses.told()}", warnings=found.by_hand)
    elsewhere = told(found.elsewhere)
    stops = (
        f"whoever asks for {found.name}, which leads elsewhere now ({elsewhere})"
        if elsewhere
        else f"nobody by a name: {found.name} leads nowhere yet"
    )
    return Planned(
        steps=found.steps,
        stops=stops,
        keeps=(f"all other records of {found.zone.name}",),
        warnings=found.by_hand,
        locks=(f"dns:{found.zone.name}",),
    )


async def closed(look: Look, plan: Plan, results: Results) -> list[Check]:
    """Return whether the Factory's ports are as policy wants, computed anew, and what real connects come to."""
    return await closed_checks(look, look.fleet.factory, plan, results)


async def named(look: Look, plan: Plan, results: Results) -> list[Check]:
    """Return whether the zone is delegated, and its servers and the world answer so."""
    name = next(step.target for step in plan.steps if step.kind in DNS_KINDS)
    served = await zone_for(look, name)
    return await of_records(look, plan, results, served.zone)
