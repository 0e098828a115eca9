"""Marks of packets and connections: what a rule asks of one, and what a rule makes of one."""

from dataclasses import dataclass, replace
from typing import Literal

from ink_infra_mcp.core.firewall.conditions import Opaque
from ink_infra_mcp.core.firewall.spans import Spans

Bearer = Literal["packet", "connection"]
ALL_BITS = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Marked(Opaque):
    """Whether, of the bits in `mask`, the mark of its bearer is in `values`; opaque where marks are not followed."""

    of: Bearer = "packet"
    mask: int = ALL_BITS
    values: Spans = ((0, 0),)
    negated: bool = False


@dataclass(frozen=True, slots=True)
class SetMark:
    """What becomes of a bearer's mark: (its own & keep) ^ (the other bearer's & take) ^ flip.

    `told` False is one of which nobody can tell.
    """

    of: Bearer
    keep: int = 0
    take: int = 0
    flip: int = 0
    told: bool = True


@dataclass(frozen=True, slots=True)
class Marks:
    """Both marks as they are at a place of the way; a first packet from outside begins with 0. None is not told."""

    packet: int | None = 0
    connection: int | None = 0

    def after(self, change: SetMark) -> "Marks":
        """Return the marks once a rule has set one."""
        own, other = (self.packet, self.connection) if change.of == "packet" else (self.connection, self.packet)
        found = _result(change, own, other)
        return replace(self, packet=found) if change.of == "packet" else replace(self, connection=found)

    def meets(self, asked: Marked) -> bool | None:
        """Return whether a mark is what is asked for; None where it is not told."""
        mark = self.packet if asked.of == "packet" else self.connection
        if mark is None:
            return None
        return any(first <= mark & asked.mask <= last for first, last in asked.values) is not asked.negated


def _result(change: SetMark, own: int | None, other: int | None) -> int | None:
    if not change.told or (own is None and change.keep) or (other is None and change.take):
        return None
    return ((own or 0) & change.keep) ^ ((other or 0) & change.take) ^ change.flip
