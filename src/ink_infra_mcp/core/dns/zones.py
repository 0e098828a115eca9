"""Zones: which one a name is in, who serves it, and whether the rest of the world asks there."""

from collections.abc import Iterable, Sequence
from typing import Literal

from ink_infra_mcp.core.dns.names import is_below
from ink_infra_mcp.core.plan import Frozen, JsonObject

Provider = Literal["hetzner", "cloudflare"]
Known = Literal["right", "wrong", "unknown"]
KIND_OF = {"hetzner": "hetzner_dns", "cloudflare": "cloudflare"}
"""The first part of the step kinds that change a zone of that provider."""
TITLES = {"hetzner": "Hetzner DNS", "cloudflare": "Cloudflare"}


class Zone(Frozen):
    """A zone in a vendor's account. `served_by` are the name servers that the vendor assigned to it, `vendor_says` what
    it knows itself of the delegation; a zone that is not `writable` gets its records from elsewhere, and `why_not` says
    from where.
    """

    provider: Provider
    id: str
    name: str
    served_by: tuple[str, ...] = ()
    vendor_says: Known = "unknown"
    writable: bool = True
    why_not: str = ""

    def as_param(self) -> JsonObject:
        """Return what a step needs of it."""
        return {"id": self.id, "name": self.name}


class Delegation(Frozen):
    """Whether the world asks the zone's own servers, and how that is known."""

    known: Known
    evidence: str


class Told(Frozen):
    """What one name server answered: found, none (no such record), failed (no usable answer)."""

    server: str
    status: Literal["found", "none", "failed"]
    values: tuple[str, ...] = ()
    authoritative: bool = False


def closest(zones: Iterable[Zone], name: str) -> Zone | None:
    """Return the zone that a name is in, the longest of those that hold it, or None."""
    return max((z for z in zones if is_below(name, z.name)), key=lambda zone: len(zone.name), default=None)


def judged(zone: Zone, parent: Sequence[str] | None) -> Delegation:
    """Return whether the servers that the parent zone names are the vendor's; `parent` is None where it was not seen.

    Only what was seen, by us or by the vendor, is right; anything else is wrong or unknown.
    """
    ours = frozenset(map(_bare, zone.served_by))
    if parent is None:
        return Delegation(known=zone.vendor_says, evidence=f"the parent zone was not seen; {_said(zone)}")
    theirs = frozenset(map(_bare, parent))
    named = ", ".join(sorted(theirs)) or "nobody"
    if theirs and ours and theirs <= ours:
        return Delegation(known="right", evidence=f"the parent zone names {named}")
    if not ours:
        return Delegation(known="unknown", evidence=f"the parent zone names {named}; the vendor names no server")
    return Delegation(known="wrong", evidence=f"the parent zone names {named}, the zone is at {_listed(ours)}")


def agree(told: Iterable[Told], values: frozenset[str]) -> bool:
    """Return whether every server that was asked gave exactly these values, as the zone's own; nobody is no proof."""
    every = tuple(told)
    return bool(every) and all(_gives(each, values) for each in every)


def _gives(told: Told, values: frozenset[str]) -> bool:
    status = "found" if values else "none"
    return told.authoritative and told.status == status and frozenset(told.values) == values


def told_in_words(told: Iterable[Told]) -> str:
    """Return who said what, in one line."""
    return "; ".join(f"{each.server}: {', '.join(each.values) or each.status}" for each in told) or "nobody was asked"


def _said(zone: Zone) -> str:
    return f"{TITLES[zone.provider]} says that it is {zone.vendor_says}"


def _bare(name: str) -> str:
    return name.lower().rstrip(".")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
