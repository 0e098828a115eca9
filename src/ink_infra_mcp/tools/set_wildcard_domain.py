"""set_wildcard_domain: every name below a domain leads to one Muscle, proved at the zone's own name servers."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.dns import proofs
from ink_infra_mcp.areas.dns.addresses import addresses
from ink_infra_mcp.areas.dns.coolify_setting import CoolifySetting, coolify_setting
from ink_infra_mcp.areas.dns.wildcards import (
    FoundWildcard,
    base_to_set,
    conflicts,
    told,
    wildcard_of,
    wildcard_steps,
)
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError, UnknownName
from ink_infra_mcp.core.fleet import Address, Domain, Muscle, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.systems import HETZNER, READ, STATE, Needs


class Args(BaseModel):
    """What set_wildcard_domain takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="A Muscle")]
    domain: Annotated[Domain | None, Field(description="Without *; default: fleet.toml's")] = None
    addresses: Annotated[tuple[Address, ...], Field(max_length=2, description="Default: those that are known")] = ()
    replace: Annotated[bool, Field(description="Also another's records")] = False
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The records as they are and should be, what Coolify has, and which domain fleet.toml has for the Muscle."""

    found: FoundWildcard
    coolify: CoolifySetting
    in_fleet: str
    production: bool


class SetWildcardDomain(Mutation[Args, Look, Facts]):
    """Make every name below a domain (*.s1.example.com) lead to one Muscle, proved at the zone's name servers. Names
    that lead elsewhere stay unless replace=true.
    """

    name: ClassVar[str] = "set_wildcard_domain"
    title: ClassVar[str] = "Send a wildcard domain to a Muscle"
    hint: ClassVar[str] = "wildcard dns record, all subdomains point at a server, correct dns"
    toolset: ClassVar[Toolset] = "network"
    needs: ClassVar[Needs] = Needs((STATE, READ), (HETZNER,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "hetzner_dns.set_records",
        "cloudflare.set_records",
        "nameservers.prove_records",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the records of the domain and what Coolify has.

        Raises:
            UnknownName: the fleet has no such Muscle. InputError: no domain is given or known, or no address.
            InkError: no zone of ours holds the domain, or it is not known that the world asks there.
        """
        muscle = _muscle(args.server, look)
        domain = args.domain or muscle.wildcard_domain
        if domain is None:
            raise InputError(f"fleet.toml has no wildcard_domain for {muscle.name}.", next="Give `domain`.")
        _refuse_taken(domain, muscle, look)
        target = addresses(*args.addresses) if args.addresses else muscle.name
        return Facts(
            found=await wildcard_of(look, target, domain, server=muscle.name),
            coolify=await coolify_setting(look, muscle),
            in_fleet=muscle.wildcard_domain or "",
            production=muscle.production,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for each record set that differs, and the proof.

        Raises:
            RefusedByPolicy: the names lead elsewhere, and `replace` was not said.
        """
        found = facts.found
        steps = wildcard_steps(found, replace=args.replace)
        return Plan(
            tool=self.name,
            title=f"Send *.{found.domain} to {found.server}",
            target=found.domain,
            locks=(f"dns:{found.zone.name}",),
            steps=steps,
            production=facts.production,
            blast_radius=_blast_radius(found) if steps else "",
            keeps=(f"all other records of {found.zone.name}",) if steps else (),
            warnings=_warnings(args, facts),
            phrase=found.domain,
            reason="" if steps else f"*.{found.domain} leads to {found.addresses.told()} already.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the zone is delegated, its servers and the world answer so, and Coolify has the domain."""
        server = next(name for step in plan.steps for name in step.servers)
        found = await wildcard_of(look, server, plan.target)
        records = await proofs.of_records(look, plan, results, found.zone)
        setting = await coolify_setting(look, _muscle(server, look))
        return [*records, setting.check(plan.target)]


def _muscle(name: str, look: Look) -> Muscle:
    found = {muscle.name: muscle for muscle in look.fleet.muscles}
    if name not in found:
        raise UnknownName(f"No Muscle is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]


def _refuse_taken(domain: str, muscle: Muscle, look: Look) -> None:
    for other in look.fleet.muscles:
        if other.name != muscle.name and other.wildcard_domain == domain:
            raise InputError(f"{domain} is the wildcard domain of {other.name}.", next="Choose another domain.")


def _blast_radius(found: FoundWildcard) -> str:
    others = conflicts((*found.stars, *found.base))
    if not others:
        return f"nobody: the names below {found.domain} lead nowhere yet"
    return f"whoever asks for a name below {found.domain}, which leads elsewhere now: {told(others)}"


def _warnings(args: Args, facts: Facts) -> tuple[str, ...]:
    """Return what a person has to know or do beside the records."""
    found, said = facts.found, list[str]()
    if found.base and not base_to_set(found, replace=args.replace):
        held = found.why_not.get(found.domain) or f"leads elsewhere ({told(conflicts(found.base))})"
        said.append(f"{found.domain} itself {held} and is left so")
    if facts.in_fleet != found.domain:
        said.append(f"fleet.toml has {facts.in_fleet or 'no domain'} for {found.server}: write {found.domain} there")
    if words := facts.coolify.words(found.domain):
        said.append(words)
    return tuple(said)
