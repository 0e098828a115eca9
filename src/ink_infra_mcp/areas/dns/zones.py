"""Which zone of ours a name is in, and whether the world asks there: without that no record is worth setting."""

from collections.abc import Iterable
from typing import Literal

from ink_infra_mcp.areas.look import Dns, Look
from ink_infra_mcp.core.dns.names import between, is_below
from ink_infra_mcp.core.dns.records import RecordSet
from ink_infra_mcp.core.dns.zones import TITLES, Delegation, Zone, closest, judged
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy, SecretMissing
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name

_SECRETS = {"hetzner": "hetzner_cloud_token", "cloudflare": "cloudflare_token"}
Dnses = Literal["hetzner", "cloudflare", "none"]


class Served(Frozen):
    """A zone that we can write to, and how it is known that the world asks it."""

    zone: Zone
    delegation: Delegation


async def zone_for(look: Look, name: str) -> Served:
    """Return the zone of ours that a name is in: at the provider of fleet.toml, or at another whose token is stored.

    Raises:
        SecretMissing: no provider's token is stored.
        InputError: fleet.toml says that records are not ours to make, or no zone holds the name.
        RefusedByPolicy: the zone is a copy, or it is not known that the world asks it.
    """
    found = await _candidates(look, name)
    judged_ones = [Served(zone=zone, delegation=await delegation_of(look.dns, zone)) for zone in found]
    served = next((one for one in judged_ones if one.delegation.known == "right"), judged_ones[0])
    _refuse(served)
    return served


async def delegation_of(dns: Dns, zone: Zone) -> Delegation:
    """Return whether the zone above names the zone's own servers."""
    return judged(zone, await dns.nameservers.named_by_parent(zone.name))


async def sets_at(look: Look, zone: Zone, names: tuple[str, ...]) -> tuple[RecordSet, ...]:
    """Return the record sets at these names of the zone, and the NS records at and above them that give them away."""
    ways = dict.fromkeys(way for name in names for way in between(name, zone.name))
    found = await look.dns.books[zone.provider].record_sets(zone, ways)
    return tuple(each for each in found if each.name in names or each.type == "NS")


async def nodes_of(look: Look, zone: Zone) -> frozenset[str]:
    """Return every name below the zone's own that exists in it: those that have records, and those above them, which
    exist without any (RFC 4592, 2.2.2).
    """
    sets = await look.dns.books[zone.provider].all_record_sets(zone)
    return frozenset(node for each in sets for node in between(each.name, zone.name))


def given_away(present: Iterable[RecordSet], name: str) -> str:
    """Return in words to whom a name is delegated, or nothing where it is the zone's own."""
    cut = next((each for each in present if each.type == "NS" and is_below(name, each.name)), None)
    if cut is None:
        return ""
    return f"{cut.name} is delegated to {', '.join(map(clean_name, sorted(cut.values)))}"


def refuse_given_away(present: Iterable[RecordSet], name: str, zone: Zone) -> None:
    """Let a name pass that the zone itself answers for.

    Raises:
        RefusedByPolicy: it is in a part of the zone that is delegated elsewhere.
    """
    if words := given_away(present, name):
        raise RefusedByPolicy(
            f"{words}: nobody asks {zone.name} for it.", next="Set the records there, or take the NS records away."
        )


async def _candidates(look: Look, name: str) -> list[Zone]:
    """Return the longest zones that hold the name, that of the provider in fleet.toml first."""
    wanted: Dnses = look.fleet.domains.dns
    if wanted == "none":
        raise InputError(
            f'fleet.toml says `dns = "none"`: the records of {name} are not ours to make.',
            next="Set [domains] dns to hetzner or cloudflare, or make the records by hand.",
        )
    if wanted not in look.dns.books:
        raise SecretMissing(
            f"The zones are at {TITLES[wanted]}, and {_SECRETS[wanted]} is not stored.",
            next=f"Store it: ink-infra-mcp secret set {_SECRETS[wanted]}.",
        )
    order = (wanted, *(provider for provider in look.dns.books if provider != wanted))
    held = [zone for provider in order if (zone := closest(await look.dns.books[provider].zones(), name)) is not None]
    if not held:
        where = " or ".join(TITLES[provider] for provider in order)
        raise InputError(
            f"No zone at {where} holds {name}.", next="Create the zone of the domain there, and delegate it."
        )
    longest = max(len(zone.name) for zone in held)
    return [zone for zone in held if len(zone.name) == longest]


def _refuse(served: Served) -> None:
    zone, title = served.zone, TITLES[served.zone.provider]
    if not zone.writable:
        failed = f"The records of {zone.name} are not set at {title}: {zone.why_not}."
        raise RefusedByPolicy(failed, next="Set them there.")
    if served.delegation.known == "wrong":
        raise RefusedByPolicy(
            f"The world does not ask {title} for {zone.name}: {served.delegation.evidence}.",
            next=f"At the registrar of {zone.name} set the name servers {', '.join(zone.served_by)}, then call again.",
        )
    if served.delegation.known == "unknown":
        raise RefusedByPolicy(
            f"It is not known whether the world asks {title} for {zone.name}: {served.delegation.evidence}.",
            next="Let this machine ask name servers (port 53, UDP and TCP), then call again.",
        )
