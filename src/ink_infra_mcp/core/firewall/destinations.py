"""Which of a host's own addresses a walk has to be asked about: one of each kind that anything tells apart."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import ToAddress
from ink_infra_mcp.core.firewall.rules import Rule, Tables
from ink_infra_mcp.core.firewall.spans import Span, Spans


@dataclass(frozen=True, slots=True)
class Destinations:
    """Sets of addresses that rules, translations and listeners tell from others."""

    told_apart: frozenset[Spans]

    def others(self, spans: Spans, known: Iterable[int]) -> Iterator[int]:
        """Yield one address of each kind in some spans, but for the kinds that `known` addresses are of."""
        seen = {self._kind(number) for number in known}
        for number in self._begins(spans):
            kind = self._kind(number)
            if kind not in seen:
                seen.add(kind)
                yield number

    def _begins(self, spans: Spans) -> Iterator[int]:
        """Yield every address within the spans at which one of the sets begins or has ended."""
        cuts = {cut for each in self.told_apart for first, last in each for cut in (first, last + 1)}
        for first, last in spans:
            yield first
            yield from sorted(cut for cut in cuts if first < cut <= last)

    def _kind(self, number: int) -> frozenset[Spans]:
        return frozenset(each for each in self.told_apart if _has(each, number))


def _has(spans: Iterable[Span], number: int) -> bool:
    return any(first <= number <= last for first, last in spans)


def destinations_named(tables: Tables[A]) -> frozenset[Spans]:
    """Return the destinations that rules on the way in tell from others, or send to."""
    return frozenset(spans for table in tables for rule in table.inbound() for spans in _named(rule))


def _named(rule: Rule[A]) -> Iterator[Spans]:
    yield from (c.addresses.spans for c in rule.conditions if isinstance(c, ToAddress))
    if rule.translation is not None and rule.translation.address is not None:
        yield ((rule.translation.address, rule.translation.address),)
