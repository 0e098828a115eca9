"""Everything that is asked about a way in, as the bits of one number: a cell for each port and each kind of source.

Sources that no rule and no class tells apart are one kind. Walking all ports and all kinds at once is what makes it
cheap to judge a fleet.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.spans import Span

Cells = int
"""A set of cells: `&` and `|` as with sets, `a & ~b` for the difference."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid(Generic[A]):
    """The cells of some ports and some kinds of sources, which together are everybody who comes this way."""

    kinds: tuple[A, ...]
    ports: tuple[int, ...]
    nobody: A
    _rows: dict[int, Cells] = field(default_factory=dict[int, Cells])
    _columns: dict[A, Cells] = field(default_factory=dict[A, Cells])
    _at: dict[Ports, Cells] = field(default_factory=dict[Ports, Cells])

    @property
    def whole(self) -> Cells:
        """Return every cell."""
        return (1 << len(self.kinds) * len(self.ports)) - 1

    def of(self, sources: A) -> Cells:
        """Return the cells of sources, at every port; sources are made of whole kinds, or have nobody of them."""
        found = self._columns.get(sources)
        if found is None:
            width = len(self.kinds)
            row = sum(1 << at for at, kind in enumerate(self.kinds) if kind.spans[0][0] in sources)
            found = sum(row << width * at for at in range(len(self.ports)))
            self._columns[sources] = found
        return found

    def at(self, ports: Ports) -> Cells:
        """Return the cells of those of its ports that are among these."""
        found = self._at.get(ports)
        if found is None:
            found = sum(self.row(port) for port in self.ports if port in ports)
            self._at[ports] = found
        return found

    def row(self, port: int) -> Cells:
        """Return the cells of one of its ports."""
        found = self._rows.get(port)
        if found is None:
            width = len(self.kinds)
            found = ((1 << width) - 1) << width * self.ports.index(port)
            self._rows[port] = found
        return found

    def sources(self, cells: Cells, port: int) -> A:
        """Return the sources whose cells at a port are among these."""
        here = (cells & self.row(port)) >> len(self.kinds) * self.ports.index(port)
        spans = (span for at, kind in enumerate(self.kinds) if here >> at & 1 for span in kind.spans)
        return type(self.nobody).of_spans(spans)


@lru_cache(maxsize=256)
def grid(everybody: A, told_apart: frozenset[A], ports: tuple[int, ...]) -> Grid[A]:
    """Return the cells of everybody, told apart by these sets, at these ports."""
    return Grid(tuple(_kinds(everybody, tuple(told_apart))), ports, everybody - everybody)


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
