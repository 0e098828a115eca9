"""Names of apps below the fleet's domain: a record of its own for each, which follows the app to its Muscle."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from ink_infra_mcp.areas.dns.addresses import Addresses, fleet_addresses
from ink_infra_mcp.areas.dns.steps import Wanted, all_or_none, prove_step, remove_step, set_step, type_id, wanted
from ink_infra_mcp.areas.dns.zones import given_away, nodes_of, sets_at, zone_for
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.names import STAR, above, is_below, wildcard
from ink_infra_mcp.core.dns.records import ADDRESSES, RecordSet
from ink_infra_mcp.core.dns.services import bindings_of, diverted
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.plan import Frozen, Step

_HOST = attrgetter("host")


class AppName(Frozen):
    """One host name of an app, and the Muscle that the app is on; empty: a server that fleet.toml does not have.

    `shared` says in words why no record can serve it: apps on several servers have it, or it is a Muscle's own name.
    One that is `recorded` no app has: it is known from what our operations did. One `beside` is another app's, below a
    name that may get records.
    """

    app: str
    host: str
    server: str
    shared: str = ""
    recorded: bool = False
    beside: bool = False


class FoundName(Frozen):
    """The records of an app's name as they are and should be. `present` are the addresses there now, and `covered` says
    that the name does not exist, so that the wildcard of its own Muscle leads it there. `others` are values that lead
    elsewhere and that no operation of ours wrote, and `apart` says why no address can be set: it is a CNAME, delegated
    elsewhere, or apps on several servers have it. `diverted` says of what else browsers follow past its addresses.
    """

    name: AppName
    sets: tuple[Wanted, ...]
    present: tuple[RecordSet, ...] = ()
    covered: bool = False
    apart: str = ""
    diverted: str = ""
    others: tuple[str, ...] = ()

    @property
    def why_not(self) -> str:
        """Return why addresses are not set, or would not lead everybody there."""
        return self.apart or self.diverted

    @property
    def foreign(self) -> tuple[str, ...]:
        """Return the values that are there and that no operation of ours wrote: they are nobody's to take away."""
        return tuple(sorted(value for each in self.present for value in each.values - each.ours))

    @property
    def is_so(self) -> bool:
        """Return whether the name leads to the app's Muscle."""
        right = bool(self.sets) and all(each.is_so for each in self.sets)
        return not self.why_not and (self.covered or right)

    @property
    def is_wrong(self) -> bool:
        """Return whether it does not lead to the app's Muscle, and could."""
        return bool(self.sets) and not self.why_not and not self.is_so

    @property
    def is_homeless(self) -> bool:
        """Return whether its app is on a server of which no public address is known."""
        return not (self.sets or self.covered or self.why_not)

    @property
    def is_taken(self) -> bool:
        """Return whether the name leads somewhere that is not ours to change."""
        return bool(self.why_not or self.others)


class FoundNames(Frozen):
    """The names of apps in one zone."""

    domain: str
    zone: Zone
    names: tuple[FoundName, ...]
    propagation_s: int


def names_below(fleet: Fleet, names: Iterable[AppName], domain: str) -> tuple[AppName, ...]:
    """Return the names below `domain`, each once, in order.

    One that is deeper than a label below another Muscle's wildcard domain is set apart: a record there would make the
    name above it exist, without an address, which ends the wildcard for that one (RFC 4592, 2.2.2).
    """
    below = sorted((n for n in names if n.host != domain and is_below(n.host, domain)), key=_HOST)
    return tuple(_one_of(fleet, list(same)) for _, same in groupby(below, key=_HOST))


def _one_of(fleet: Fleet, names: Sequence[AppName]) -> AppName:
    others = (muscle for muscle in fleet.muscles if muscle.name != names[0].server and muscle.wildcard_domain)
    why = next(filter(None, (_of_another(names[0].host, muscle) for muscle in others)), "")
    if not why and len({name.server for name in names}) > 1:
        why = _shared(names)
    return names[0].model_copy(update={"shared": why})


def _of_another(host: str, muscle: Muscle) -> str:
    domain = str(muscle.wildcard_domain)
    if host == domain:
        return f"it is the name of {muscle.name} itself"
    between = _in_between(host, wildcard(domain)) if is_below(host, domain) else ()
    return f"a record of it would hide {between[-1]} from the wildcard of {muscle.name}" if between else ""


def _shared(names: Iterable[AppName]) -> str:
    have = sorted(f"{name.app} on {name.server or 'another server'}" for name in names)
    return f"{' and '.join(have)} have it"


async def names_of(look: Look, names: Sequence[AppName], domain: str) -> FoundNames:
    """Return the records of these names, each for the Muscle that its app is on.

    Raises:
        InkError: as `zone_for` and `sets_at`.
    """
    served = await zone_for(look, domain)
    places = await fleet_addresses(look)
    stars = _stars(look.fleet, names)
    present = await sets_at(look, served.zone, tuple(dict.fromkeys((*(name.host for name in names), *stars.values()))))
    nodes = await nodes_of(look, served.zone) if stars else frozenset[str]()
    found = _Found(present, nodes, stars, look.dns.rules.app_ttl)
    return FoundNames(
        domain=domain,
        zone=served.zone,
        names=found.all_of(names, places),
        propagation_s=look.dns.rules.propagation_s,
    )


def _stars(fleet: Fleet, names: Iterable[AppName]) -> dict[str, str]:
    """Return the wildcard of its own Muscle for each host below it."""
    found = ((name.host, wildcard_above(fleet, name)) for name in names)
    return {host: wildcard(domain) for host, domain in found if domain}


def wildcard_above(fleet: Fleet, name: AppName) -> str:
    """Return the wildcard domain of the name's own Muscle that it is below, or an empty text."""
    domains = {muscle.name: muscle.wildcard_domain for muscle in fleet.muscles}
    domain = domains.get(name.server) or ""
    return domain if name.host != domain and is_below(name.host, domain) else ""


def _in_between(host: str, star: str) -> tuple[str, ...]:
    """Return the names between a host and the domain of a wildcard: where one exists the wildcard ends."""
    domain = star.removeprefix(f"{STAR}.")
    return tuple(name for name in above(host) if name != domain and is_below(name, domain))


async def app_names(look: Look, names: Iterable[AppName]) -> FoundNames | None:
    """Return the records that names of apps below the fleet's domain need, as the tools of apps keep them.

    None: none of them is below it, the fleet has no domain, or its records are not ours to make.

    Raises:
        InkError: as `names_of`.
    """
    domain = kept_domain(look)
    below = names_below(look.fleet, names, domain) if domain is not None else ()
    return await names_of(look, below, domain) if domain is not None and below else None


def kept_domain(look: Look) -> str | None:
    """Return the fleet's domain where the tools of apps keep records below it."""
    return look.fleet.domains.fleet if look.fleet.domains.dns in look.dns.books else None


class _Found:
    """What of one zone was seen, read for each name; `nodes` are the names that exist there."""

    def __init__(
        self, present: Sequence[RecordSet], nodes: Collection[str], stars: Mapping[str, str], ttl: int
    ) -> None:
        self._present, self._nodes, self._stars, self._ttl = present, set(nodes), stars, ttl

    def all_of(self, names: Sequence[AppName], places: Mapping[str, Addresses]) -> tuple[FoundName, ...]:
        """Return the records of all names in their order. One that gets records ends the wildcard for those below it,
        so that they are looked at after it.
        """
        found: dict[AppName, FoundName] = {}
        for name in sorted(names, key=lambda one: one.host.count(".")):
            found[name] = self.of(name, places.get(name.server))
            self._nodes |= {name.host} if found[name].is_wrong else set()
        return tuple(found[name] for name in names)

    def of(self, name: AppName, of: Addresses | None) -> FoundName:
        """Return the records of a name for a Muscle's addresses."""
        here = self._at(name.host)
        if not here and self._leads(name.host, of):
            return FoundName(name=name, sets=(), covered=True)
        held, right = _addresses(here), of.known if of is not None else frozenset[str]()
        return FoundName(
            name=name,
            sets=self._wanted(name.host, here, of) if of is not None else (),
            present=held,
            apart=name.shared or given_away(self._present, name.host) or _alias(here),
            diverted=diverted(bindings_of(here), name.host, right),
            others=tuple(sorted(value for each in held for value in _strange(each, right))),
        )

    def _at(self, host: str) -> tuple[RecordSet, ...]:
        return tuple(each for each in self._present if each.name == host)

    def _wanted(self, host: str, here: Iterable[RecordSet], of: Addresses) -> tuple[Wanted, ...]:
        sets = (wanted(host, type, here, of, ttl=self._ttl) for type in ADDRESSES)
        return tuple(each.model_copy(update={"exact_ttl": True}) for each in sets)

    def _leads(self, host: str, of: Addresses | None) -> bool:
        """A wildcard in a zone of its own is not seen from here: what its Muscle has there is taken for granted."""
        star = self._stars.get(host)
        if star is None or of is None or not self._nodes.isdisjoint((host, *_in_between(host, star))):
            return False
        there = self._at(star)
        seen = _only_to(_answering(there), of) and not diverted(bindings_of(there), host, of.known)
        return bool(given_away(self._present, star)) or seen


def _strange(found: RecordSet, right: frozenset[str]) -> frozenset[str]:
    """Return the values of others that lead elsewhere, be it through a proxy."""
    theirs = found.values - found.ours
    return theirs if found.is_proxied else theirs - right


def _addresses(sets: Iterable[RecordSet]) -> tuple[RecordSet, ...]:
    return tuple(each for each in sets if each.type in ADDRESSES)


def _alias(sets: Iterable[RecordSet]) -> str:
    return next((each.type for each in sets if each.type == "CNAME"), "")


def _answering(sets: Iterable[RecordSet]) -> tuple[RecordSet, ...]:
    return tuple(each for each in sets if each.type in (*ADDRESSES, "CNAME"))


def _only_to(sets: Sequence[RecordSet], of: Addresses) -> bool:
    """Return whether there are records, and all of them lead there directly."""
    return bool(sets) and all(each.values <= of.known and not each.is_proxied for each in sets)


def follow(found: FoundNames, *, replace: bool = False, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that make each name lead to its app's Muscle, and prove it; none where all do.

    A name that records of others lead elsewhere is left alone unless `replace`; one that is set `apart`, or of which
    browsers follow something else, always is.
    """
    setting: list[Step] = []
    proven: list[Wanted] = []
    for number, each in enumerate(changing(found, replace=replace), start=1):
        proven.extend(each.sets)
        setting.extend(
            set_step(
                found.zone,
                one,
                id=f"{prefix}dns_app{number}_{type_id(one.type)}",
                servers=(each.name.server,),
                apps=(each.name.app,),
            )
            for one in each.sets
            if not one.is_so
        )
    return (*all_or_none(setting), _proof(found, proven, setting, prefix)) if setting else ()


def leave(found: FoundNames, *, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that take what our operations wrote out of the records of these names; values of others stay,
    wherever they lead, and so does a name that is set `apart`.
    """
    return all_or_none(
        step
        for number, each in enumerate(found.names, start=1)
        if not each.apart
        for step in _leaving(found, each, f"{prefix}dns_app{number}")
    )


def _leaving(found: FoundNames, each: FoundName, id: str) -> Iterator[Step]:
    for one in each.present:
        step = remove_step(
            found.zone,
            Wanted(name=one.name, type=one.type, before=one),
            one.ours,
            id=f"{id}_{type_id(one.type)}_away",
            servers=tuple(filter(None, (each.name.server,))),
            apps=tuple(filter(None, (each.name.app,))),
        )
        if step is not None:
            yield step


def changing(found: FoundNames, *, replace: bool) -> tuple[FoundName, ...]:
    """Return the names whose records are set, the deepest first: one above ends the wildcard that leads them now."""
    wrong = (each for each in found.names if each.is_wrong and (replace or not each.is_taken))
    return tuple(sorted(wrong, key=_above_last))


def _above_last(each: FoundName) -> int:
    return -each.name.host.count(".")


def _proof(found: FoundNames, sets: Sequence[Wanted], setting: Sequence[Step], prefix: str) -> Step:
    servers = dict.fromkeys(name for step in setting for name in step.servers)
    apps = dict.fromkeys(name for step in setting for name in step.apps)
    return prove_step(
        found.zone,
        sets,
        id=f"{prefix}dns_prove",
        servers=tuple(servers),
        apps=tuple(apps),
        within_s=found.propagation_s,
    )
