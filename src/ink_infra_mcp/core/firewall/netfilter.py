"""The packet's way through a Linux host: what drops it, what rewrites its destination, and where it arrives.

All base chains of a hook count, by priority, whoever made them (iptables-nft, iptables-legacy, nft): what one accepts
another may still drop, and a drop is final. Only the first translation of a connection counts. Source: the kernel's
nf_hook_slow and nf_nat_inet_fn.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.rules import DSTNAT, Base, Hook, Rule, Table, Tables, Work
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, Walk, ordinary, union

HOST = "host"
"""What results call the layer of the host's own packet filters."""


@dataclass(frozen=True, slots=True)
class Arrival(Generic[A]):
    """Where packets of some sources are delivered: to this host, or on to `address`; `vague` is not known where."""

    sources: A
    address: int
    port: int
    local: bool = True
    vague: bool = False


@dataclass(frozen=True, slots=True)
class Passage(Generic[A]):
    """What the host's filters do with the sources, and where those that they let through arrive."""

    judgement: Judgement[A]
    arrivals: tuple[Arrival[A], ...]


@dataclass(frozen=True, slots=True)
class Way(Generic[A]):
    """A host's packet filters of one family, in the order in which a packet meets them."""

    early: tuple[tuple[Table[A], Base], ...]
    translating: tuple[tuple[Table[A], Base], ...]
    late: tuple[tuple[Table[A], Base], ...]
    inbound: tuple[tuple[Table[A], Base], ...]
    onward: tuple[tuple[Table[A], Base], ...]


def way(tables: Tables[A]) -> Way[A]:
    """Put the base chains of all tables in the packet's order: hook by hook, and by priority within a hook."""
    before = _hung(tables, "prerouting", "filter")
    return Way(
        early=(*_hung(tables, "ingress", "filter"), *(hung for hung in before if hung[1].priority < DSTNAT)),
        translating=_hung(tables, "prerouting", "nat"),
        late=tuple(hung for hung in before if hung[1].priority >= DSTNAT),
        inbound=_hung(tables, "input", "filter"),
        onward=_hung(tables, "forward", "filter"),
    )


def passage(filters: Way[A], question: Question[A], sources: A, interfaces: Interfaces) -> Passage[A]:
    """Walk the sources through the host; who would pass as an ordinary packet counts as passing."""
    found, benign = _passage(filters, question, sources, interfaces)
    if not benign or not found.judgement.unknown:
        return found
    usual, _ = _passage(filters, ordinary(question), sources, interfaces)
    settled = replace(found.judgement, stopped=found.judgement.stopped - usual.judgement.admitted)
    return replace(found, judgement=settled)


def _hung(tables: Tables[A], hook: Hook, work: Work) -> tuple[tuple[Table[A], Base], ...]:
    found = [(table, base) for table in tables for base in table.bases if base.hook == hook and base.work == work]
    return tuple(sorted(found, key=lambda hung: hung[1].priority))


def _passage(filters: Way[A], question: Question[A], sources: A, interfaces: Interfaces) -> tuple[Passage[A], bool]:
    nobody = sources - sources
    early = Walk(question, nobody)
    survivors = _through(early, filters.early, sources)
    translating = Walk(question, nobody)
    arrivals = _arrivals(translating, filters, sources, interfaces=interfaces, tracked=not early.untracked)
    walks = [early, translating]
    passed = nobody
    for arrival in arrivals:
        walk = Walk(_arrived(question, arrival, interfaces, tracked=not early.untracked), nobody)
        passed = passed | _delivered(walk, filters, arrival, survivors)
        walks.append(walk)
    judgement = Judgement(
        layer=HOST,
        passed=passed,
        stopped=union([evidence.sources for walk in walks for evidence in walk.stops], nobody),
        passes=_pieces(walks, attrgetter("passes")),
        stops=_pieces(walks, attrgetter("stops")),
        doubts=_pieces(walks, attrgetter("doubts")),
    )
    return Passage(judgement, arrivals), any(walk.benign for walk in walks)


def _pieces(walks: Iterable[Walk[A]], of: Callable[[Walk[A]], list[Evidence[A]]]) -> tuple[Evidence[A], ...]:
    return tuple(piece for walk in walks for piece in of(walk))


def _through(walk: Walk[A], hung: Iterable[tuple[Table[A], Base]], sources: A) -> A:
    for table, base in hung:
        if base.devices and walk.question.interface not in (None, *base.devices):
            continue
        sources = walk.base(table, base, sources)
    return sources


def _arrivals(
    walk: Walk[A], filters: Way[A], sources: A, *, interfaces: Interfaces, tracked: bool
) -> tuple[Arrival[A], ...]:
    """Return where the sources arrive, those that no translation takes last; a drop in a nat chain is in the walk."""
    here, found = sources, list[Arrival[A]]()
    for table, base in filters.translating:
        before = len(walk.rewrites)
        came_through = walk.base(table, base, here)
        taken = walk.rewrites[before:]
        found.extend(_rewritten(walk.question, covered, rule, interfaces) for covered, rule in taken)
        here = came_through - (_surely_taken(walk, taken, came_through) if tracked else came_through - came_through)
    whole = Arrival(here, walk.question.destination, walk.question.port)
    return (*found, whole) if here else tuple(found)


def _surely_taken(walk: Walk[A], taken: list[tuple[A, Rule[A]]], here: A) -> A:
    doubted = union([piece.sources for piece in walk.doubts], walk.nobody)
    return union([covered for covered, _ in taken], walk.nobody) & here - doubted


def _rewritten(question: Question[A], covered: A, rule: Rule[A], interfaces: Interfaces) -> Arrival[A]:
    new = rule.translation
    if new is None or new.vague:
        return Arrival(covered, question.destination, question.port, vague=True)
    address = question.destination if new.address is None else new.address
    port = question.port if new.port is None else new.port
    return Arrival(covered, address, port, local=new.address is None or interfaces.has(address, covered.FAMILY))


def _arrived(question: Question[A], arrival: Arrival[A], interfaces: Interfaces, *, tracked: bool) -> Question[A]:
    moved = (arrival.address, arrival.port) != (question.destination, question.port)
    return replace(
        question,
        port=arrival.port,
        destination=arrival.address,
        local=arrival.local,
        leaving=None if arrival.local else interfaces.towards(arrival.address, arrival.sources.FAMILY),
        translated=moved,
        tracked=tracked,
    )


def _delivered(walk: Walk[A], filters: Way[A], arrival: Arrival[A], survivors: A) -> A:
    """Return who of an arrival may get through the chains behind the translation."""
    here = arrival.sources & survivors
    if arrival.vague:
        reason = Evidence(here, HOST, "the destination is rewritten in a way that the rules do not tell")
        walk.doubts.append(reason)
        walk.stops.append(reason)
        return here
    here = _through(walk, filters.late, here)
    return _through(walk, filters.inbound if arrival.local else filters.onward, here)
