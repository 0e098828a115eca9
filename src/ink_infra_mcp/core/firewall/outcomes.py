"""What becomes of packets that a rule matches, in one form for all tools: verdicts, translations to a pool, marks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import Condition, Opaque, ToPort, and_both, parted
from ink_infra_mcp.core.firewall.marks import SetMark
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Rule, Translation, Verdict

Found = Condition | Addresses
Asks = tuple[Found, ...]
"""What must hold all at once."""
Part = tuple[A | None, tuple[Condition, ...]]
"""Whom a rule is about: of which sources, None are all, and what else it asks."""

MAX_CHOICES = 256
"""Of a pool of more addresses and ports than that, nothing is told."""
_ONE_OF = Opaque("the kernel takes one of several")


@dataclass(frozen=True, slots=True)
class Pool:
    """The destinations that a translation takes one of: the ends of their addresses and ports; None is kept.

    `redirected` is to an address of the interface that the packet came in by. `spread` says that the port is taken anew
    also where the packet's own is one of them.
    """

    addresses: tuple[int, int] | None = None
    ports: tuple[int, int] | None = None
    redirected: bool = False
    spread: bool = False

    @property
    def translations(self) -> Sequence[Translation]:
        """Return each of its destinations, or a vague one where there are too many, or none at all."""
        addresses, ports = _all(self.addresses), _all(self.ports)
        if not 0 < len(addresses) * len(ports) <= MAX_CHOICES:
            return (Translation(vague=True),)
        return [Translation(address, port, redirected=self.redirected) for address in addresses for port in ports]


def _all(ends: tuple[int, int] | None) -> Sequence[int | None]:
    return [None] if ends is None else range(ends[0], ends[1] + 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a packet: a verdict with the chain or the places that belong to it, for whom the rest is `asked`.

    A translation without a pool is one of which nobody can tell where it goes.
    """

    verdict: Verdict
    target: str = ""
    pool: Pool | None = None
    asks: Asks = ()
    marks: tuple[SetMark, ...] = ()
    helps: bool = False


UNKNOWN = Outcome(Verdict.UNKNOWN)


def rules_for(part: Part[A], outcome: Outcome, kind: type[A], origin: str) -> Iterator[Rule[A]]:
    """Yield the rules that do with whom they are about what the outcome says."""
    sources, conditions = narrowed(part, outcome.asks, kind)
    untold = Translation(vague=True) if outcome.verdict is Verdict.DNAT and outcome.pool is None else None
    rule = Rule(
        outcome.verdict, sources, conditions, outcome.target, untold, origin, outcome.marks, helps=outcome.helps
    )
    yield from to_pool(rule, outcome.pool) if outcome.pool else (rule,)


def narrowed(part: Part[A], asks: Asks, kind: type[A]) -> Part[A]:
    """Return whom a rule is about once it asks more, each thing once."""
    sources, conditions = part
    more, others = parted(asks, kind)
    if sources is not None and more is not None:
        more = and_both(sources, more)
    return (sources if more is None else more), tuple(dict.fromkeys((*conditions, *others)))


def to_pool(rule: Rule[A], pool: Pool) -> Iterator[Rule[A]]:
    """Yield a rule that translates as one for each destination: which one it is, is opaque, and one it is for sure.

    A port that is one of them already is kept (nf_nat_core.c: get_unique_tuple), unless the ports are spread.
    """
    if pool.ports and pool.ports[0] < pool.ports[1] and not pool.spread and not _is_vague(pool):
        kept = ToPort(Ports.of_spans([pool.ports]))
        yield from chosen(replace(rule, conditions=(*rule.conditions, kept)), replace(pool, ports=None).translations)
    yield from chosen(rule, pool.translations)


def _is_vague(pool: Pool) -> bool:
    return any(each.vague for each in pool.translations)


def chosen(rule: Rule[A], translations: Iterable[Translation]) -> Iterator[Rule[A]]:
    """Yield the rule with each of the translations, of which the last one takes what none before has taken."""
    *some, last = translations
    for each in some:
        yield replace(rule, translation=each, conditions=(*rule.conditions, _ONE_OF))
    yield replace(rule, translation=last)
