"""Everything that is asked about a way in, as the bits of one number: a cell for each door and each kind of source.

Sources that no rule and no class tells apart are one kind. Walking all doors and all kinds at once is what makes it
cheap to judge a fleet.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import OneOf
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.spans import Span, Spans

Cells = int
"""A set of cells: `&` and `|` as with sets, `a & ~b` for the difference."""


Named = tuple[tuple[str, ...], bool]
Door = tuple[str, int]
"""A protocol, `tcp` or `udp`, and a port of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid(Generic[A]):
    """The cells of some doors and some kinds of sources, which together are everybody who comes this way."""

    kinds: tuple[A, ...]
    rows: Mapping[Door, Cells]
    nobody: A
    _columns: dict[Spans, Cells] = field(default_factory=dict[Spans, Cells])
    _at: dict[Spans, Cells] = field(default_factory=dict[Spans, Cells])
    _speaking: dict[Named, Cells] = field(default_factory=dict[Named, Cells])

    @property
    def whole(self) -> Cells:
        """Return every cell."""
        return (1 << len(self.kinds) * len(self.rows)) - 1

    def of(self, sources: A) -> Cells:
        """Return the cells of sources, at every door; sources are made of whole kinds, or have nobody of them."""
        found = self._columns.get(sources.spans)
        if found is None:
            width = len(self.kinds)
            row = sum(1 << at for at, kind in enumerate(self.kinds) if kind.spans[0][0] in sources)
            found = self._columns[sources.spans] = sum(row << width * at for at in range(len(self.rows)))
        return found

    def of_kinds(self, wanted: Callable[[A], bool]) -> Cells:
        """Return the cells of those kinds of sources, at every door."""
        width = len(self.kinds)
        row = sum(1 << at for at, kind in enumerate(self.kinds) if wanted(kind))
        return sum(row << width * at for at in range(len(self.rows)))

    def at(self, ports: Ports) -> Cells:
        """Return the cells of its doors whose port is among these, whatever their protocol."""
        found = self._at.get(ports.spans)
        if found is None:
            found = self._at[ports.spans] = sum(row for (_, port), row in self.rows.items() if port in ports)
        return found

    def speaking(self, protocols: OneOf) -> Cells:
        """Return the cells of its doors whose protocol is meant."""
        named = (protocols.names, protocols.negated)
        found = self._speaking.get(named)
        if found is None:
            rows = (row for (protocol, _), row in self.rows.items() if protocols.any_of((protocol,)))
            found = self._speaking[named] = sum(rows)
        return found

    def sources(self, cells: Cells, door: Door) -> A:
        """Return the sources whose cells at a door are among these."""
        row = self.rows[door]
        here = (cells & row) // (row & -row)
        spans = (span for at, kind in enumerate(self.kinds) if here >> at & 1 for span in kind.spans)
        return type(self.nobody).of_spans(spans)


@lru_cache(maxsize=256)
def grid(everybody: A, told_apart: frozenset[A], doors: tuple[Door, ...]) -> Grid[A]:
    """Return the cells of everybody, told apart by these sets, at these doors, each of them once."""
    kinds = tuple(_kinds(everybody, tuple(told_apart)))
    row = (1 << len(kinds)) - 1
    rows = {door: row << len(kinds) * at for at, door in enumerate(doors)}
    return Grid(kinds, MappingProxyType(rows), everybody - everybody)


def _kinds(everybody: A, told_apart: Sequence[A]) -> Iterator[A]:
    grouped: dict[tuple[bool, ...], list[Span]] = {}
    for first, last in _pieces((everybody, *told_apart)):
        if first in everybody:
            grouped.setdefault(tuple(first in each for each in told_apart), []).append((first, last))
    yield from (type(everybody).of_spans(spans) for spans in grouped.values())


def _pieces(sets: Iterable[A]) -> Iterator[Span]:
    """Yield the pieces between all the places where any of the sets begins or ends."""
    cuts = sorted({cut for each in sets for first, last in each.spans for cut in (first, last + 1)})
    return ((first, following - 1) for first, following in pairwise(cuts))
