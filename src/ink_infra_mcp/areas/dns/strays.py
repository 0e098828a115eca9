"""Records that our operations made for an app's name and that no app has any more: the address may be somebody else's
tomorrow, and the name then is, too.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from ink_infra_mcp.areas.dns.addresses import fleet_addresses
from ink_infra_mcp.areas.dns.apps import AppName, FoundName, FoundNames, kept_domain
from ink_infra_mcp.areas.dns.steps import is_setting
from ink_infra_mcp.areas.dns.zones import zone_for
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.names import STAR, is_below
from ink_infra_mcp.core.dns.records import ADDRESSES, RecordSet, as_param, from_param
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.plan import Frozen, Step


class Books(Frozen):
    """All addresses that a domain's zone holds at and below the domain, and the Muscle of every address of the fleet.

    `factory` stands for the server of what leads to none of them, so that policy sees one.
    """

    domain: str
    zone: Zone
    sets: tuple[RecordSet, ...]
    places: dict[str, str]
    factory: str
    propagation_s: int

    def strays(self, hosts: Collection[str], *, at: Collection[str] = ()) -> FoundNames:
        """Return the names below the domain whose records we made, but for `hosts`, which apps have, and wildcards with
        the names that they are below: those are set_wildcard_domain's, and a Muscle's. With `at` only names that lead
        to one of these addresses.
        """
        kept = {self.domain, *hosts, *self._wildcards()}
        ours = (each for each in self._besides(kept, self.leading_to(at) if at else None) if each.ours)
        return FoundNames(
            domain=self.domain,
            zone=self.zone,
            names=tuple(self._stray(host, list(sets)) for host, sets in groupby(ours, key=lambda each: each.name)),
            propagation_s=self.propagation_s,
        )

    def _stray(self, host: str, sets: list[RecordSet]) -> FoundName:
        servers = sorted({self.places[value] for each in sets for value in each.ours if value in self.places})
        name = AppName(app="", host=host, server=servers[0] if servers else self.factory, recorded=True)
        return FoundName(name=name, sets=(), present=tuple(sets))

    def _besides(self, kept: Collection[str], wanted: Collection[str] | None) -> Iterator[RecordSet]:
        return (each for each in self.sets if each.name not in kept and (wanted is None or each.name in wanted))

    def _wildcards(self) -> Iterator[str]:
        for each in self.sets:
            if each.name.startswith(f"{STAR}."):
                yield from (each.name, each.name.removeprefix(f"{STAR}."))

    def after(self, steps: Iterable[Step]) -> "Books":
        """Return what is left when these steps have set records."""
        away = {(step.target, step.params["type"]): step.params["after"] for step in steps if is_setting(step)}
        left = (from_param(away.get((each.name, each.type), as_param(each)), {}) for each in self.sets)
        return self.model_copy(update={"sets": tuple(filter(None, left))})

    def leading_to(self, addresses: Collection[str]) -> frozenset[str]:
        """Return the names that have one of these addresses."""
        return frozenset(each.name for each in self.sets if each.values & frozenset(addresses))


async def books_of(look: Look, domain: str) -> Books:
    """Return what the zone of a domain holds of addresses at and below the domain.

    Raises:
        InkError: as `zone_for`, or the vendor does not answer well.
    """
    served = await zone_for(look, domain)
    places = await fleet_addresses(look)
    sets = await look.dns.books[served.zone.provider].all_record_sets(served.zone)
    below = (each for each in sets if each.type in ADDRESSES and is_below(each.name, domain))
    return Books(
        domain=domain,
        zone=served.zone,
        sets=tuple(sorted(below, key=lambda each: (each.name, each.type))),
        places={address: muscle for muscle, each in places.items() for address in each.known},
        factory=look.fleet.factory.name,
        propagation_s=look.dns.rules.propagation_s,
    )


async def kept_books(look: Look) -> Books | None:
    """Return what the fleet's domain holds; None: its records are not ours to make. Raises InkError like `books_of`."""
    domain = kept_domain(look)
    return await books_of(look, domain) if domain is not None else None
