"""What the match expressions of nft ask, by what they look at; one that is not understood is opaque, never ignored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A, Family, union
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
    TheirPort,
    ToAddress,
    ToPort,
    parted,
)
from ink_infra_mcp.core.firewall.marks import ALL_BITS, Bearer, Marked
from ink_infra_mcp.core.firewall.nft_values import Asked, NotUnderstood, bare, bits, parts_of
from ink_infra_mcp.core.firewall.outcomes import Asks, Found
from ink_infra_mcp.core.firewall.protocols import protocol_name
from ink_infra_mcp.core.plan import JsonObject


@dataclass(frozen=True, slots=True)
class Named:
    """A named set or map as it is now. `filled` says that rules put further elements in as packets come; `rated` that
    all of them do so only with who oversteps a rate.
    """

    elements: Sequence[JsonValue]
    filled: bool = False
    rated: bool = False


Known = Mapping[str, Named | None]
"""The sets and maps of a table by name, with an `@`; None where nothing can be said of who is in one."""
MAX_ALTERNATIVES = 1_024
"""Of a set of more members than that, which are put together of several parts, nothing is told."""

_IP = {Family.V4: "ip", Family.V6: "ip6"}
_PROTOCOLS = {Family.V4: "ipv4", Family.V6: "ipv6"}
_NETWORKS = frozenset({"ip", "ip6"})
_WITHOUT_PORTS = frozenset({"icmp", "icmpv6"})
_TRANSPORTS = frozenset({"tcp", "udp", "sctp", "th"}) | _WITHOUT_PORTS
_INTERFACES = {"iifname": Arrives, "iif": Arrives, "oifname": Leaves, "oif": Leaves}

_ALWAYS_THERE = frozenset({"l4proto", "nfproto", "protocol", "pkttype", "mark", "length"})

_NOT_NOTHING = Asked([0], negated=True, op="!=")


def matched(body: JsonObject, kind: type[A], named: Known) -> tuple[Asks, ...]:
    """Return what a match asks of a packet of the family: all that is in one of the alternatives must hold.

    Raises:
        ValueError: a value is not what the field takes, so that the document is damaged.
    """
    try:
        return _alternatives(body["left"], body, kind, named)
    except NotUnderstood:
        return ((Opaque(str(body)[:160], ordinary=_usual(body)),),)


def _usual(body: JsonObject) -> bool | None:
    """Return what an ordinary packet meets of a match that is not understood: it has no extension headers."""
    match body:
        case {"left": {"exthdr": _}, "right": True, "op": "=="} | {"left": {"ip option": _}, "right": True, "op": "=="}:
            return False
        case {"left": {"exthdr": {"name": "rt", "field": "type"}}, "op": "=="}:
            return False
        case _:
            return None


def _alternatives(left: JsonValue, body: JsonObject, kind: type[A], named: Known) -> tuple[Asks, ...]:
    asked, found = _asked(body, named)
    match left:
        case {"concat": list(fields)}:
            told = _joined(fields, asked, kind)
        case _:
            told = (tuple(_matched(left, asked, kind)),)
    if found is None or not found.filled:
        return told
    others = Opaque(str(body)[:160], ordinary=asked.negated if found.rated else None)
    return tuple((*each, others) for each in told) if asked.negated else (*told, (others,))


def _asked(body: JsonObject, named: Known) -> tuple[Asked, Named | None]:
    op = str(body.get("op", "=="))
    found: Named | None = None
    match body["right"]:
        case {"set": list(values)} | list(values):
            pass
        case str(name) if name.startswith("@"):
            found = named.get(name)
            if found is None:
                raise NotUnderstood
            values = found.elements
        case value:
            values = [value]
    return Asked([bare(value) for value in values], op == "!=", op), found


def _joined(fields: Sequence[JsonValue], asked: Asked, kind: type[A]) -> tuple[Asks, ...]:
    """Return what is asked of several fields at once; members that differ by their source alone are one."""
    if asked.op not in {"==", "in"}:
        raise NotUnderstood
    by_rest: dict[tuple[Condition, ...], list[A | None]] = {}
    for value in asked.values:
        sources, rest = parted(_of_member(fields, value, kind), kind)
        by_rest.setdefault(rest, []).append(sources)
    if len(by_rest) > MAX_ALTERNATIVES:
        raise NotUnderstood
    return tuple((*_anybody(found, kind), *rest) for rest, found in by_rest.items())


def _of_member(fields: Sequence[JsonValue], value: JsonValue, kind: type[A]) -> Iterator[Found]:
    for field, part in zip(fields, parts_of(value), strict=True):
        try:
            yield from list(_matched(field, Asked([part], negated=False, op="=="), kind))
        except NotUnderstood:
            yield Opaque(f"{field} {part}"[:160])


def _anybody(found: Sequence[A | None], kind: type[A]) -> tuple[A, ...]:
    told = [sources for sources in found if sources is not None]
    return (union(told, kind()),) if len(told) == len(found) else ()


def _matched(left: JsonValue, asked: Asked, kind: type[A]) -> Iterator[Found]:
    match left:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            yield from _payload(protocol, field, asked, kind)
        case {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}:
            yield Protocol(OneOf(("tcp",)))
            yield asked.flags_of(mask)
        case {"&": [{"payload": {"protocol": "ip", "field": "frag-off"}}, 0x1FFF]} if asked == _NOT_NOTHING:
            yield Never("later fragments")
        case {"meta": {"key": "mark"}} | {"ct": {"key": "mark"}} | {"&": _}:
            yield _mark(left, asked)
        case {"meta": {"key": str(key)}}:
            yield _meta(key, asked, kind)
        case {"ct": {"key": str(key), **more}}:
            yield _ct(key, str(more.get("dir", "")), asked, kind)
        case {"fib": {"result": str(result), "flags": str() | list() as flags}}:
            yield _fib(result, [flags] if isinstance(flags, str) else flags, asked)
        case _:
            raise NotUnderstood


def _payload(protocol: str, field: str, asked: Asked, kind: type[A]) -> Iterator[Found]:
    if protocol in _NETWORKS:
        found = _of_network(protocol, field, asked, kind)
        yield found
        if (protocol, field) == ("ip6", "nexthdr") and isinstance(found, Protocol):
            # an extension header may stand between
            if asked.negated:
                raise NotUnderstood
            yield Opaque("a packet without extension headers", ordinary=True)
        return
    if protocol not in _TRANSPORTS:
        raise NotUnderstood
    if protocol != "th":
        yield Protocol(OneOf((protocol,)))
    if protocol in _WITHOUT_PORTS:
        return
    yield _of_transport(protocol, field, asked)


def _of_network(protocol: str, field: str, asked: Asked, kind: type[A]) -> Found:
    if protocol != _IP[kind.FAMILY]:
        return Never(f"a packet of {protocol}")
    match field:
        case "saddr":
            return asked.addresses(kind)
        case "daddr":
            return ToAddress(asked.addresses(kind))
        case "protocol" | "nexthdr":
            return Protocol(asked.one_of(named=protocol_name))
        case _:
            raise NotUnderstood


def _of_transport(protocol: str, field: str, asked: Asked) -> Condition:
    match protocol, field:
        case _, "dport":
            return ToPort(asked.ports())
        case _, "sport":
            return TheirPort(asked.ports())
        case "tcp", "flags":
            return asked.flags()
        case _:
            raise NotUnderstood


def any_of(field: JsonValue, kind: type[A]) -> Iterator[Condition]:
    """Yield what a packet must have for a field of it to be looked up at all, whatever its value is.

    nft leaves out what it asks of protocols by itself.
    """
    match field:
        case {"concat": list(fields)}:
            for each in fields:
                yield from any_of(each, kind)
        case {"&": [inner, *_]}:
            yield from any_of(inner, kind)
        case {"payload": {"protocol": str(protocol)}} if protocol in _NETWORKS:
            if protocol != _IP[kind.FAMILY]:
                yield Never(f"a packet of {protocol}")
        case {"payload": {"protocol": str(protocol)}} if protocol in _TRANSPORTS:
            if protocol != "th":
                yield Protocol(OneOf((protocol,)))
        case {"meta": {"key": str(key)}} if key in _ALWAYS_THERE or key in _INTERFACES:
            pass
        case {"ct": {"key": "state"}}:
            pass
        case {"ct": {"key": "mark" | "status" | "direction"}}:
            yield InState(OneOf(("untracked",), negated=True))
        case _:
            yield Opaque(str(field)[:160])


def _mark(left: JsonValue, asked: Asked) -> Condition:
    mask = ALL_BITS
    match left:
        case {"&": [inner, value]}:
            left, mask = inner, bits(value)
        case _:
            pass
    match left:
        case {"meta": {"key": "mark"}}:
            bearer: Bearer = "packet"
        case {"ct": {"key": "mark"}}:
            bearer = "connection"
        case _:
            raise NotUnderstood
    return Marked(f"the mark of the {bearer}", of=bearer, mask=mask, values=asked.numbers(ALL_BITS))


def _meta(key: str, asked: Asked, kind: type[A]) -> Condition:
    if key in _INTERFACES:
        return _INTERFACES[key](asked.one_of())
    if key == "l4proto":
        return Protocol(asked.one_of(named=protocol_name))
    ours = {"nfproto": (_PROTOCOLS[kind.FAMILY],), "protocol": (_IP[kind.FAMILY],), "pkttype": ("host", "unicast")}
    if key not in ours:
        raise NotUnderstood
    names = asked.one_of()
    met = any(word in names.names for word in ours[key]) is not names.negated
    return Protocol(OneOf(("*",))) if met else Never(f"another {key}")


def _ct(key: str, direction: str, asked: Asked, kind: type[A]) -> Condition:
    if key == "state":
        return InState(asked.one_of())
    if key == "status" and asked.op == "in" and asked.words() == ("dnat",):
        # compared as a whole, a status has more bits than that
        return InState(asked.one_of(), more=True)
    if key == "direction":
        return InState(asked.one_of(named=_state_of_direction), more=True)
    if direction == "original":
        return _as_asked_for(key, asked, kind)
    raise NotUnderstood


def _as_asked_for(key: str, asked: Asked, kind: type[A]) -> Condition:
    """Return what is asked of the destination before any translation."""
    if key == "proto-dst":
        return ToPort(asked.ports_in_hex(), original=True)
    if key in {f"{name} daddr" for name in _NETWORKS} and not key.startswith(f"{_IP[kind.FAMILY]} "):
        return Never(f"a connection of {key.split()[0]}")
    if key in {f"{_IP[kind.FAMILY]} daddr", "daddr"}:
        return ToAddress(asked.addresses(kind), original=True)
    raise NotUnderstood


def _state_of_direction(word: str) -> str:
    return "new" if word in {"original", "0"} else "reply"


def _fib(result: str, flags: Sequence[JsonValue], asked: Asked) -> Condition:
    if result == "type" and flags == ["daddr"]:
        return Kind(asked.one_of())
    if result != "type" and "saddr" in flags and list(asked.values) in ([True], [False]):
        return Opaque("the route back", ordinary=bool(asked.values[0]) is not asked.negated)
    raise NotUnderstood
