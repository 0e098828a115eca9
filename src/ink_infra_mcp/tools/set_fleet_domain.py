"""set_fleet_domain: each app's name below the fleet's domain leads to the Muscle that the app is on."""

from dataclasses import dataclass
from itertools import chain
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps.app import all_apps, hosts_of
from ink_infra_mcp.areas.apps.named import of_app
from ink_infra_mcp.areas.dns import proofs
from ink_infra_mcp.areas.dns.apps import FoundName, FoundNames, changing, follow, leave, names_below, names_of
from ink_infra_mcp.areas.dns.strays import books_of
from ink_infra_mcp.areas.dns.zones import zone_for
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Domain, Fleet
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.systems import HETZNER, READ, STATE, Needs

AT_ONCE = 25
"""How many names one plan changes: two steps each, and policy lets no plan be longer than a person reads."""
SHOWN = 5


class Args(BaseModel):
    """What set_fleet_domain takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: Annotated[Domain | None, Field(description="Default: fleet.toml's")] = None
    replace: Annotated[bool, Field(description="Also names that others' records lead elsewhere")] = False
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The names of apps below the domain with their records, and names with records of ours that no app has;
    `production` are the Muscles that are marked so.
    """

    found: FoundNames
    strays: FoundNames
    production: tuple[str, ...]
    in_fleet: str


class SetFleetDomain(Mutation[Args, Look, Facts]):
    """Make one domain serve apps on all Muscles: each app's name below it gets records that lead to its Muscle; names
    of apps that are gone go. Records that others made stay unless replace=true.
    """

    name: ClassVar[str] = "set_fleet_domain"
    title: ClassVar[str] = "Serve one domain from all Muscles"
    hint: ClassVar[str] = (
        "common domain for the whole fleet, every server, apps wherever they run; clean up dns records"
    )
    toolset: ClassVar[Toolset] = "network"
    needs: ClassVar[Needs] = Needs((STATE, READ), (HETZNER,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "hetzner_dns.set_records",
        "cloudflare.set_records",
        "nameservers.prove_records",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the apps' names below the domain and the records that they have.

        Raises:
            InputError: no domain is given or known.
            InkError: no zone of ours holds the domain, or it is not known that the world asks there.
        """
        domain = args.domain or look.fleet.domains.fleet
        if domain is None:
            raise InputError("fleet.toml has no domain for the fleet.", next="Give `domain`.")
        apps = await all_apps(look)
        names = list(chain.from_iterable(map(of_app, apps)))
        books = await books_of(look, domain)
        return Facts(
            found=await names_of(look, names_below(look.fleet, names, domain), domain),
            strays=books.strays(hosts_of(apps)),
            production=_production(look.fleet),
            in_fleet=look.fleet.domains.fleet or "",
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for the names that lead elsewhere or nowhere, and the proof."""
        all_changing = changing(facts.found, replace=args.replace)
        here = facts.found.model_copy(update={"names": all_changing[:AT_ONCE]})
        room = AT_ONCE - len(here.names)
        going = facts.strays.model_copy(update={"names": facts.strays.names[:room]})
        left = len(all_changing) + len(facts.strays.names) - AT_ONCE
        steps = (*leave(going, prefix="stray_"), *follow(here, replace=args.replace))
        touched = {server for step in steps for server in step.servers}
        return Plan(
            tool=self.name,
            title=f"Serve {facts.found.domain} from all Muscles",
            target=facts.found.domain,
            locks=(f"dns:{facts.found.zone.name}",),
            steps=steps,
            production=not touched.isdisjoint(facts.production),
            blast_radius=_blast_radius(here.names, going.names) if steps else "",
            keeps=(f"all other records of {facts.found.zone.name}",) if steps else (),
            warnings=_warnings(args, facts, left=left),
            phrase=facts.found.domain,
            reason="" if steps else _already(facts),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the zone is delegated, and its servers and the world answer so."""
        served = await zone_for(look, plan.target)
        taken = await proofs.of_taken_away(look, plan, served.zone)
        return [*await proofs.of_records(look, plan, results, served.zone), *taken]


def _production(fleet: Fleet) -> tuple[str, ...]:
    return tuple(muscle.name for muscle in fleet.muscles if muscle.production)


def _blast_radius(names: tuple[FoundName, ...], going: tuple[FoundName, ...]) -> str:
    led = [each.name.host for each in names if any(one.before is not None for one in each.sets)]
    gone = [f"{_listed([each.name.host for each in going])}, which no app has, lead nowhere then"] if going else []
    if not led:
        return "; ".join(gone) or "nobody: the names lead nowhere yet"
    return "; ".join((f"whoever asks for {_listed(led)}, which lead elsewhere now", *gone))


def _warnings(args: Args, facts: Facts, *, left: int) -> tuple[str, ...]:
    """Return what is left as it is, and what else a person has to do."""
    names, domain = facts.found.names, facts.found.domain
    homeless = [each.name.host for each in names if each.is_homeless]
    apart = [f"{each.name.host} ({each.why_not})" for each in names if each.why_not]
    taken = [] if args.replace else _taken(names)
    said = {
        "of apps on servers that fleet.toml does not have, and left alone": homeless,
        "no address that is set would lead there, and left alone": apart,
        "lead elsewhere by records that are not ours, and are left alone without replace=true": taken,
    }
    return (
        *((f"{left} more names differ: call again for them",) if left > 0 else ()),
        *(f"{words}: {_listed(hosts)}" for words, hosts in said.items() if hosts),
        *_fleet_differs(facts.in_fleet, domain),
    )


def _taken(names: tuple[FoundName, ...]) -> list[str]:
    taken = (each for each in names if each.others and not each.why_not and not each.is_so)
    return [f"{each.name.host} ({', '.join(each.others)})" for each in taken]


def _fleet_differs(has: str, domain: str) -> tuple[str, ...]:
    words = f"fleet.toml has {has or 'no domain'} for the fleet: write {domain} there"
    return (words,) if has != domain else ()


def _already(facts: Facts) -> str:
    right = sum(each.is_so for each in facts.found.names)
    return f"{right} names of apps below {facts.found.domain} lead to their Muscles."


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
