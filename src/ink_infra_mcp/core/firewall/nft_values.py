"""The right side of an nft match: values as words, addresses, ports, flags and marks, whichever way nft prints them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import OneOf, TcpFlags
from ink_infra_mcp.core.firewall.marks import ALL_BITS
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.spans import Span, Spans, complement, normal

_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr")
"""The flags of TCP from the lowest bit up, as nft calls them."""
_ALL_FLAGS = frozenset(_FLAGS)
_BESIDE = frozenset({"timeout", "expires", "comment", "counter"})
_UNTYPED = re.compile(r"0x([0-9a-f]{1,4}) \[invalid type\]")
_EQUAL = frozenset({"==", "!=", "in"})
_ORDERED = frozenset({"<", ">", "<=", ">="})


class NotUnderstood(Exception):
    """The expression asks something that we do not model."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The right side of a match: the values that are meant, or all others where it is negated."""

    values: Sequence[JsonValue]
    negated: bool
    op: str

    def words(self) -> tuple[str, ...]:
        """Return the values as words.

        Raises:
            NotUnderstood: some of them are more than a word.
        """
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in self.values):
            raise NotUnderstood
        return tuple(str(value) for value in self.values)

    def one_of(self, *, named: Callable[[str], str] = str) -> OneOf:
        """Return the values as the names of a test.

        Raises:
            NotUnderstood: it is no test of names, or one of them ends in a star that is no wildcard.
        """
        words = self.words()
        if self.op not in _EQUAL or any(word.endswith("\\*") for word in words):
            raise NotUnderstood
        return OneOf(tuple(named(word) for word in words), self.negated)

    def addresses(self, kind: type[A]) -> A:
        """Return the values as addresses.

        Raises:
            NotUnderstood: it is no test of addresses.
            ValueError: a value is no address of the family.
        """
        if self.op not in _EQUAL:
            raise NotUnderstood
        found = kind.all() if "*" in self.values else kind.of(map(_address_text, self.values))
        return ~found if self.negated else found

    def ports(self) -> Ports:
        """Return the values as ports.

        Raises:
            NotUnderstood: they are none.
            ValueError: a number is larger than a port.
        """
        return Ports(self.numbers(Ports.LIMIT))

    def ports_in_hex(self) -> Ports:
        """Return the values as ports where nft 1.0.6 has no type for them: `0x50 [invalid type]` for 80 in a set.

        Raises:
            NotUnderstood, ValueError: as `ports`.
        """
        return replace(self, values=[*map(_from_hex, self.values)]).ports()

    def numbers(self, limit: int) -> Spans:
        """Return the values as numbers of 0 to `limit`.

        Raises:
            NotUnderstood: they are none.
            ValueError: a number is larger.
        """
        if self.op in _ORDERED:
            return self._compared(limit)
        if self.op not in _EQUAL:
            raise NotUnderstood
        spans = normal(_span(value, limit) for value in self.values)
        return complement(spans, limit) if self.negated else spans

    def _compared(self, limit: int) -> Spans:
        first, last = _span(self.values[0], limit) if len(self.values) == 1 else (0, 1)
        if first != last:
            raise NotUnderstood
        least, most = {"<": (0, first - 1), "<=": (0, first), ">": (first + 1, limit), ">=": (first, limit)}[self.op]
        return ((least, most),) if least <= most else ()

    def flags(self) -> TcpFlags:
        """Return the values as the flags of TCP, all eight of which are looked at unless it asks for any of some.

        Raises:
            NotUnderstood: they are none.
        """
        match self.op:
            case "in":
                words = frozenset[str]().union(*map(flag_set, self.values))
                return TcpFlags(tuple((frozenset({word}), frozenset({word})) for word in sorted(words)))
            case "!":
                return TcpFlags(((frozenset[str]().union(*map(flag_set, self.values)), frozenset()),))
            case "==" | "!=":
                return TcpFlags(tuple((_ALL_FLAGS, flag_set(value)) for value in self.values), self.negated)
            case _:
                raise NotUnderstood

    def flags_of(self, mask: JsonValue) -> TcpFlags:
        """Return the values as what is left of the flags under a mask.

        Raises:
            NotUnderstood: they are none.
        """
        if self.op not in {"==", "!="}:
            raise NotUnderstood
        return TcpFlags(tuple((flag_set(mask), flag_set(value)) for value in self.values), self.negated)


def _from_hex(value: JsonValue) -> JsonValue:
    match value:
        case str(text) if found := _UNTYPED.fullmatch(text):
            return int(found[1], 16)
        case {"range": [first, last]}:
            return {"range": [_from_hex(first), _from_hex(last)]}
        case _:
            return value


def flag_set(value: JsonValue) -> frozenset[str]:
    """Return flags that are named alone, in a list, joined by `|` however deep, or given as a number.

    Raises:
        NotUnderstood: it is none of these.
    """
    match value:
        case bool():
            raise NotUnderstood
        case str(word) if word in _ALL_FLAGS:
            return frozenset({word})
        case int(bits):
            return frozenset(name for at, name in enumerate(_FLAGS) if bits >> at & 1)
        case {"|": list(parts)} | list(parts):
            return frozenset[str]().union(*map(flag_set, parts))
        case _:
            raise NotUnderstood


def bits(value: JsonValue) -> int:
    """Return a number that is a mask or a mark.

    Raises:
        NotUnderstood: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= ALL_BITS:
        raise NotUnderstood
    return value


def bare(value: JsonValue) -> JsonValue:
    """Return an element without what is said beside it, such as how long it stays.

    Raises:
        NotUnderstood: what is said beside it is asked, too.
    """
    match value:
        case {"elem": {"val": inner, **more}}:
            if more.keys() - _BESIDE:
                # a rate, or the like, decides with it
                raise NotUnderstood
            return inner
        case _:
            return value


def parts_of(value: JsonValue) -> Iterator[JsonValue]:
    """Yield the parts of a value that is put together of several.

    Raises:
        NotUnderstood: it is not.
    """
    match value:
        case {"concat": list(parts)}:
            yield from parts
        case _:
            raise NotUnderstood


def _address_text(value: JsonValue) -> str:
    match value:
        case str(text):
            return text
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return f"{address}/{length}"
        case {"range": [str(first), str(last)]}:
            return f"{first}-{last}"
        case _:
            raise NotUnderstood


def _span(value: JsonValue, limit: int) -> Span:
    match value:
        case bool():
            raise NotUnderstood
        case "*":
            return 0, limit
        case int(number):
            first = last = number
        case {"range": [int(first), int(last)]}:
            pass
        case _:
            raise NotUnderstood
    if last > limit:
        raise ValueError(f"{last} is more than {limit}")
    return first, last
