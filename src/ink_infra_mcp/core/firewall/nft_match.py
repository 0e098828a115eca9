"""What the match expressions of nft ask, by what they look at; one that is not understood is opaque, never ignored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A, Addresses, Family
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Condition,
    InState,
    Kind,
    Leaves,
    Never,
    OneOf,
    Opaque,
    Protocol,
    TcpFlags,
    TheirPort,
    ToAddress,
    ToPort,
)
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.protocols import protocol_name
from ink_infra_mcp.core.plan import JsonObject

Named = Sequence[JsonValue] | None
"""The elements of a named set or map; None where rules change them as packets come."""
Found = Condition | Addresses

_IP = {Family.V4: "ip", Family.V6: "ip6"}
_PROTOCOLS = {Family.V4: "ipv4", Family.V6: "ipv6"}
_FLAGS = frozenset({"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"})


_NETWORKS = frozenset({"ip", "ip6"})
_WITHOUT_PORTS = frozenset({"icmp", "icmpv6"})
_TRANSPORTS = frozenset({"tcp", "udp", "sctp", "th"}) | _WITHOUT_PORTS
_INTERFACES = {"iifname": Arrives, "iif": Arrives, "oifname": Leaves, "oif": Leaves}


class _NotUnderstood(Exception):
    """The expression asks something that we do not model."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The right side of a match: the values that are meant, or all others where it is negated."""

    values: Sequence[JsonValue]
    negated: bool
    op: str

    def words(self) -> tuple[str, ...]:
        """Return the values as words."""
        if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in self.values):
            raise _NotUnderstood
        return tuple(str(value) for value in self.values)

    def one_of(self, *, named: Callable[[str], str] = str) -> OneOf:
        """Return the values as the names of a test."""
        if self.op not in {"==", "!=", "in"}:
            raise _NotUnderstood
        return OneOf(tuple(named(word) for word in self.words()), self.negated)


def matched(body: JsonObject, kind: type[A], named: Mapping[str, Named]) -> Iterator[Found]:
    """Yield what a match asks of a packet of the family.

    Raises:
        ValueError: a value is not what the field takes, so that the document is damaged.
    """
    try:
        yield from list(_matched(body["left"], _asked(body, named), kind))
    except _NotUnderstood:
        yield Opaque(str(body)[:160])


def _asked(body: JsonObject, named: Mapping[str, Named]) -> _Asked:
    op = str(body.get("op", "=="))
    match body["right"]:
        case {"set": list(values)}:
            found: Named = values
        case list(values):
            found = values
        case str(name) if name.startswith("@"):
            found = named.get(name)
        case value:
            found = [value]
    if found is None:
        raise _NotUnderstood
    return _Asked([_bare(value) for value in found], op == "!=", op)


def _bare(value: JsonValue) -> JsonValue:
    match value:
        case {"elem": {"val": inner}}:
            return inner
        case _:
            return value


def _matched(left: JsonValue, asked: _Asked, kind: type[A]) -> Iterator[Found]:
    match left:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            yield from _payload(protocol, field, asked, kind)
        case {"meta": {"key": str(key)}}:
            yield _meta(key, asked, kind)
        case {"ct": {"key": str(key), **more}}:
            yield _ct(key, str(more.get("dir", "")), asked, kind)
        case {"fib": {"result": str(result), "flags": list(flags)}}:
            yield _fib(result, flags, asked)
        case _:
            yield from _flag_mask(left, asked)


def _flag_mask(left: JsonValue, asked: _Asked) -> Iterator[Condition]:
    match left:
        case {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}:
            yield Protocol(OneOf(("tcp",)))
            yield _masked(mask, asked)
        case _:
            raise _NotUnderstood


def _payload(protocol: str, field: str, asked: _Asked, kind: type[A]) -> Iterator[Found]:
    if protocol in _NETWORKS:
        yield _of_network(protocol, field, asked, kind)
        return
    if protocol not in _TRANSPORTS:
        raise _NotUnderstood
    if protocol != "th":
        yield Protocol(OneOf((protocol,)))
    if protocol not in _WITHOUT_PORTS:
        yield _of_transport(protocol, field, asked)


def _of_network(protocol: str, field: str, asked: _Asked, kind: type[A]) -> Found:
    if protocol != _IP[kind.FAMILY]:
        return Never(f"a packet of {protocol}")
    match field:
        case "saddr":
            return _addresses(asked, kind)
        case "daddr":
            return ToAddress(_addresses(asked, kind))
        case "protocol" | "nexthdr":
            return Protocol(asked.one_of(named=protocol_name))
        case _:
            raise _NotUnderstood


def _of_transport(protocol: str, field: str, asked: _Asked) -> Condition:
    match protocol, field:
        case _, "dport":
            return ToPort(_ports(asked))
        case _, "sport":
            return TheirPort(_ports(asked))
        case "tcp", "flags":
            return _flags(asked)
        case _:
            raise _NotUnderstood


def _meta(key: str, asked: _Asked, kind: type[A]) -> Condition:
    if key in _INTERFACES:
        return _INTERFACES[key](asked.one_of())
    if key == "l4proto":
        return Protocol(asked.one_of(named=protocol_name))
    ours = {"nfproto": _PROTOCOLS[kind.FAMILY], "protocol": _IP[kind.FAMILY], "pkttype": "host"}
    if key not in ours:
        raise _NotUnderstood
    return _certain(asked.one_of().any_of((ours[key],)), f"another {key}")


def _certain(met: bool, what: str) -> Condition:
    """Return a condition that always or never holds."""
    return Protocol(OneOf(("*",))) if met else Never(what)


def _ct(key: str, direction: str, asked: _Asked, kind: type[A]) -> Condition:
    if key == "state" or (key == "status" and asked.words() == ("dnat",)):
        return InState(asked.one_of())
    if key == "direction":
        return InState(asked.one_of(named=_state_of_direction))
    if direction == "original":
        return _as_asked_for(key, asked, kind)
    raise _NotUnderstood


def _as_asked_for(key: str, asked: _Asked, kind: type[A]) -> Condition:
    """Return what is asked of the destination before any translation."""
    if key == "proto-dst":
        return ToPort(_ports(asked), original=True)
    if key in {"ip daddr", "ip6 daddr", "daddr"}:
        return ToAddress(_addresses(asked, kind), original=True)
    raise _NotUnderstood


def _state_of_direction(word: str) -> str:
    return "new" if word in {"original", "0"} else "reply"


def _fib(result: str, flags: Sequence[JsonValue], asked: _Asked) -> Condition:
    if result == "type" and "daddr" in flags:
        return Kind(asked.one_of())
    if "saddr" in flags and list(asked.values) in ([True], [False]):
        return Opaque("the route back", ordinary=bool(asked.values[0]) is not asked.negated)
    raise _NotUnderstood


def _masked(mask: JsonValue, asked: _Asked) -> Condition:
    if asked.op not in {"==", "!="} or len(asked.values) != 1:
        raise _NotUnderstood
    return TcpFlags(((_flag_set(mask), _flag_set(asked.values[0])),), asked.negated)


def _flags(asked: _Asked) -> Condition:
    if asked.op == "in":
        return TcpFlags(tuple((frozenset({word}), frozenset({word})) for word in asked.words()))
    if asked.op not in {"==", "!="}:
        raise _NotUnderstood
    return TcpFlags(tuple((_FLAGS, _flag_set(value)) for value in asked.values), asked.negated)


def _flag_set(value: JsonValue) -> frozenset[str]:
    match value:
        case str(word):
            return frozenset({word})
        case {"|": list(words)} | list(words):
            return frozenset(str(word) for word in words)
        case _:
            raise _NotUnderstood


def _addresses(asked: _Asked, kind: type[A]) -> A:
    if asked.op not in {"==", "!=", "in"}:
        raise _NotUnderstood
    found = kind.of(_address_text(value) for value in asked.values)
    return ~found if asked.negated else found


def _address_text(value: JsonValue) -> str:
    match value:
        case str(text):
            return text
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return f"{address}/{length}"
        case {"range": [str(first), str(last)]}:
            return f"{first}-{last}"
        case _:
            raise _NotUnderstood


def _ports(asked: _Asked) -> Ports:
    if asked.op in {"<", ">", "<=", ">="}:
        return _compared(asked)
    found = Ports.of_spans(_port_span(value) for value in asked.values)
    return ~found if asked.negated else found


def _compared(asked: _Asked) -> Ports:
    first, last = _port_span(asked.values[0])
    if first != last:
        raise _NotUnderstood
    below = Ports.of_spans([(0, first)])
    above = Ports.of_spans([(first, Ports.LIMIT)])
    return {"<": ~above, "<=": below, ">": ~below, ">=": above}[asked.op]


def _port_span(value: JsonValue) -> tuple[int, int]:
    match value:
        case int(port):
            return port, port
        case {"range": [int(first), int(last)]}:
            return first, last
        case _:
            raise _NotUnderstood
