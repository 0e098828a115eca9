"""The wildcard domain of a Muscle: `*.sN.domain`, and `sN.domain` itself, lead to its addresses."""

from collections.abc import Iterable, Sequence

from ink_infra_mcp.areas.dns.addresses import Addresses, addresses_of
from ink_infra_mcp.areas.dns.steps import Wanted, all_or_none, prove_step, remove_step, set_step, type_id, wanted
from ink_infra_mcp.areas.dns.zones import refuse_given_away, sets_at, zone_for
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.names import wildcard
from ink_infra_mcp.core.dns.records import ADDRESSES, RecordSet
from ink_infra_mcp.core.dns.services import bindings_of, diverted
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.plan import Frozen, Step


class FoundWildcard(Frozen):
    """The records of a wildcard domain as they are and should be; `base` are those of the domain's own name."""

    server: str
    domain: str
    zone: Zone
    addresses: Addresses
    stars: tuple[Wanted, ...]
    base: tuple[Wanted, ...] = ()
    aliases: tuple[str, ...] = ()
    """Names of these that are CNAME: nothing can stand beside one."""
    diverted: dict[str, str] = {}
    """Of names of these what else browsers follow, past their addresses."""
    propagation_s: int

    @property
    def is_so(self) -> bool:
        """Return whether every name leads where it should."""
        return not (self.aliases or self.diverted) and all(each.is_so for each in (*self.stars, *self.base))

    @property
    def why_not(self) -> dict[str, str]:
        """Return the names of these of which addresses cannot be set, or would not lead everybody, and why."""
        return {**self.diverted, **{name: "is a CNAME, beside which no address can stand" for name in self.aliases}}


async def wildcard_of(look: Look, target: str | Addresses, domain: str, *, server: str = "") -> FoundWildcard:
    """Return the records of a wildcard domain, for a server of the fleet by its name or for addresses.

    Of addresses each may stand for what an earlier step will return; `server` is then the name that the server will
    have.

    Raises:
        InkError: as `zone_for`, `addresses_of` and `sets_at`.
    """
    served = await zone_for(look, domain)
    of = target if isinstance(target, Addresses) else await addresses_of(look, target)
    name = target if isinstance(target, str) else server
    star, rules = wildcard(domain), look.dns.rules
    present = await sets_at(look, served.zone, (star, domain))
    refuse_given_away(present, star, served.zone)
    has_base = rules.base_name and domain != served.zone.name

    def sets(at: str) -> tuple[Wanted, ...]:
        ttl = rules.wildcard_ttl
        return tuple(wanted(at, type, present, of, ttl=ttl) for type in ADDRESSES)

    return FoundWildcard(
        server=name,
        domain=domain,
        zone=served.zone,
        addresses=of,
        stars=sets(star),
        base=sets(domain) if has_base else (),
        aliases=tuple(sorted(each.name for each in present if each.type == "CNAME")),
        diverted=_diverted(present, (star, domain) if has_base else (star,), of),
        propagation_s=rules.propagation_s,
    )


def _diverted(present: Sequence[RecordSet], names: Iterable[str], of: Addresses) -> dict[str, str]:
    at = {name: bindings_of(each for each in present if each.name == name) for name in names}
    said = {name: diverted(found, name, of.known) for name, found in at.items()}
    return {name: f"does not lead by its addresses alone: {words}" for name, words in said.items() if words}


def wildcard_steps(found: FoundWildcard, *, replace: bool = False, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that make the names lead to the server, and prove it; none where they do.

    The domain's own name is left alone where it leads elsewhere, unless `replace`.

    Raises:
        RefusedByPolicy: as `refuse_conflicts`.
    """
    refuse_conflicts(found, replace=replace)
    changing = [
        (part, each)
        for part, sets in (("wildcard", found.stars), ("base", base_to_set(found, replace=replace)))
        for each in sets
        if not each.is_so
    ]
    if not changing:
        return ()
    setting = all_or_none(
        set_step(found.zone, each, id=f"{prefix}dns_{part}_{type_id(each.type)}", servers=(found.server,))
        for part, each in changing
    )
    proven = (*found.stars, *base_to_set(found, replace=replace))
    proof = prove_step(
        found.zone, proven, id=f"{prefix}dns_prove", servers=(found.server,), within_s=found.propagation_s
    )
    return (*setting, proof)


def removal_steps(found: FoundWildcard, *, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that take the server's addresses out of the records of its domain; values of others stay."""
    made = [(part, each) for part, sets in (("wildcard", found.stars), ("base", found.base)) for each in sets]
    steps = (
        remove_step(
            found.zone,
            each,
            found.addresses.known,
            id=f"{prefix}dns_{part}_{type_id(each.type)}_away",
            servers=(found.server,),
        )
        for part, each in made
    )
    return all_or_none(step for step in steps if step is not None)


def base_to_set(found: FoundWildcard, *, replace: bool) -> tuple[Wanted, ...]:
    """Return the records of the domain's own name, as far as they are ours to set."""
    if found.domain in found.why_not or (conflicts(found.base) and not replace):
        return ()
    return found.base


def refuse_conflicts(found: FoundWildcard, *, replace: bool) -> None:
    """Let pass what takes nothing away from anybody, or was asked for.

    Raises:
        RefusedByPolicy: the wildcard leads elsewhere and `replace` is not said, is a CNAME, or browsers follow another
            record of it.
    """
    star = wildcard(found.domain)
    if words := found.why_not.get(star):
        raise RefusedByPolicy(f"{star} {words}.", next=f"Take that record of {star} away first.")
    others = conflicts(found.stars)
    if others and not replace:
        raise RefusedByPolicy(
            f"{star} leads elsewhere: {told(others)}; {found.server or 'the server'} has {found.addresses.told()}.",
            next="Call again with replace=true to send everything below it to this server instead.",
        )


def conflicts(sets: Iterable[Wanted]) -> tuple[RecordSet, ...]:
    """Return the record sets that are there and would be replaced."""
    return tuple(each.before for each in sets if each.before is not None and not each.is_so)


def told(sets: Iterable[RecordSet]) -> str:
    """Return record sets as a person reads them."""
    return "; ".join(f"{each.type} {each.told()}" for each in sets)
