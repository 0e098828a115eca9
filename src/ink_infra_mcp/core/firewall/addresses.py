"""Sets of addresses of one family: read from CIDRs and ranges, printed as the fewest CIDRs that say the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network, summarize_address_range
from typing import ClassVar, Self, TypeVar

from ink_infra_mcp.core.firewall.spans import Span, SpanSet


class Family(StrEnum):
    """The two address families; what holds in one says nothing of the other."""

    V4 = "ipv4"
    V6 = "ipv6"


@dataclass(frozen=True, slots=True)
class Addresses(SpanSet):
    """A set of addresses; use V4 or V6, which can never be combined with each other."""

    FAMILY: ClassVar[Family]
    BITS: ClassVar[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one address, CIDR (bits of the host are ignored, as the kernel does) or range `first-last`.

        Raises:
            ValueError: it is none of these, or of the other family.
        """
        return cls((_span(text.strip(), cls.FAMILY),))

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return the union of what `parse` reads of each text.

        Raises:
            ValueError: one of them cannot be read.
        """
        return cls.of_spans(_span(text.strip(), cls.FAMILY) for text in texts)

    def cidrs(self) -> tuple[str, ...]:
        """Return the fewest CIDRs that hold exactly these addresses, in their order."""
        return _cidrs(self.FAMILY, self.spans)

    def first(self) -> str:
        """Return the lowest address, as an example of the set.

        Raises:
            IndexError: the set is empty.
        """
        return str(_ADDRESS[self.FAMILY](self.spans[0][0]))

    def __str__(self) -> str:
        return "anywhere" if self.is_all else ", ".join(self.cidrs()) or "nobody"


@dataclass(frozen=True, slots=True)
class V4(Addresses):
    """A set of IPv4 addresses."""

    LIMIT: ClassVar[int] = 2**32 - 1
    FAMILY: ClassVar[Family] = Family.V4
    BITS: ClassVar[int] = 32


@dataclass(frozen=True, slots=True)
class V6(Addresses):
    """A set of IPv6 addresses."""

    LIMIT: ClassVar[int] = 2**128 - 1
    FAMILY: ClassVar[Family] = Family.V6
    BITS: ClassVar[int] = 128


A = TypeVar("A", bound=Addresses)
_ADDRESS = {Family.V4: IPv4Address, Family.V6: IPv6Address}
_NETWORK = {Family.V4: IPv4Network, Family.V6: IPv6Network}


def family_of(text: str) -> Family:
    """Return the family of an address or CIDR.

    Raises:
        ValueError: it is neither.
    """
    return Family.V4 if ip_network(text.strip(), strict=False).version == 4 else Family.V6


def split(texts: Iterable[str]) -> tuple[V4, V6]:
    """Return the addresses of a mixed list by family.

    Raises:
        ValueError: one of them is no address and no CIDR.
    """
    found: dict[Family, list[str]] = {Family.V4: [], Family.V6: []}
    for text in texts:
        found[family_of(text)].append(text)
    return V4.of(found[Family.V4]), V6.of(found[Family.V6])


def union(sets: Iterable[A], nobody: A) -> A:
    """Return everybody who is in one of the sets; `nobody` is the empty set of their family."""
    return type(nobody).of_spans(span for each in sets for span in each.spans)


@lru_cache(maxsize=8192)
def _span(text: str, family: Family) -> Span:
    if "-" in text:
        first, _, last = text.partition("-")
        return int(_ADDRESS[family](first)), int(_ADDRESS[family](last))
    network = _NETWORK[family](text, strict=False)
    return int(network.network_address), int(network.broadcast_address)


@lru_cache(maxsize=4096)
def _cidrs(family: Family, spans: tuple[Span, ...]) -> tuple[str, ...]:
    make = _ADDRESS[family]
    return tuple(str(cidr) for first, last in spans for cidr in summarize_address_range(make(first), make(last)))
