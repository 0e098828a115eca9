"""What the statements of nft do to a packet: verdicts, translations, marks; one that is not known may do anything."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A, family_of
from ink_infra_mcp.core.firewall.conditions import Never, Opaque
from ink_infra_mcp.core.firewall.marks import ALL_BITS, Bearer, SetMark
from ink_infra_mcp.core.firewall.nft_match import Known, any_of, matched
from ink_infra_mcp.core.firewall.nft_values import NotUnderstood, bare, bits
from ink_infra_mcp.core.firewall.outcomes import UNKNOWN, Asks, Outcome, Pool
from ink_infra_mcp.core.firewall.queues import Queues
from ink_infra_mcp.core.firewall.rules import Verdict
from ink_infra_mcp.core.plan import JsonObject

PASSING = frozenset(("counter", "log", "snat", "masquerade", "flow", "secmark", "last")) | {
    *("ct timeout", "ct secmark"),
}
"""Statements that leave a packet on its way as it is; where one looks something up, it may end its rule."""
_KEPT = frozenset(
    {
        *(("ip", "dscp"), ("ip", "ecn"), ("ip", "ttl"), ("ip6", "dscp"), ("ip6", "ecn"), ("ip6", "hoplimit")),
        *(("ip6", "flowlabel"), ("maxseg", "size"), ("meta", "priority"), ("meta", "nftrace"), ("meta", "secmark")),
        *(("ct", "label"), ("ct", "secmark"), ("ct", "event"), ("ct", "zone")),
    }
)
"""Fields that may be set and say nothing of where a packet goes."""
_VERDICTS = {what: Verdict(what) for what in ("accept", "drop", "reject", "return", "continue")}


def outcomes(what: str, body: JsonValue, kind: type[A], named: Known, queues: Queues) -> tuple[Outcome, ...] | None:
    """Return what a statement makes of a packet, the first that is met; None where it is none that decides.

    Raises:
        ValueError: an address in it is none of the family.
    """
    match what, body:
        case _, _ if verdict := _VERDICTS.get(what):
            return (Outcome(verdict),)
        case (("jump" | "goto"), {"target": str(target)}):
            return (Outcome(Verdict(what), target),)
        case (("ct helper" | "ct expectation"), _):
            return (Outcome(Verdict.CONTINUE, helps=True),)
        case "notrack", _:
            return (Outcome(Verdict.UNTRACK),)
        case (("dnat" | "redirect"), None | dict()):
            return tuple(_translated(what, body or {}, kind, named))
        case "queue", None | dict():
            return (Outcome(_queued(body or {}, queues)),)
        case "vmap", dict():
            return _mapped(body, kind, named)
        case _:
            return None


def _queued(body: JsonObject, queues: Queues) -> Verdict:
    flags = body.get("flags", [])
    bypass = flags == "bypass" or (isinstance(flags, list) and "bypass" in flags)
    match body.get("num", 0):
        case int(number):
            return queues.verdict(number, number, bypass=bypass)
        case {"range": [int(first), int(last)]}:
            return queues.verdict(first, last, bypass=bypass)
        case _:
            return Verdict.UNKNOWN


def _mapped(body: JsonObject, kind: type[A], named: Known) -> tuple[Outcome, ...]:
    """Return an outcome for each entry of a verdict map, or one that cannot be told where rules change the map."""
    entries = _entries(body, named)
    if entries is None:
        return (UNKNOWN,)
    found: list[Outcome] = []
    for key, value in _default_last(entries):
        said = outcomes(*next(iter(value.items())), kind, {}, Queues()) if isinstance(value, dict) and value else None
        for asks in _of_key(body["key"], key, kind):
            found.extend(Outcome(one.verdict, one.target, one.pool, asks) for one in said or (UNKNOWN,))
    return tuple(found)


def _entries(body: JsonObject, named: Known) -> Sequence[JsonValue] | None:
    match body:
        case {"data": str(name)}:
            found = named.get(name)
            return None if found is None or found.filled else found.elements
        case {"data": {"set": list(entries)}}:
            return entries
        case _:
            return None


def _default_last(entries: Sequence[JsonValue]) -> list[tuple[JsonValue, JsonValue]]:
    """Return keys and values; the one for all other keys, a star, comes last."""
    pairs = [(bare(entry[0]), entry[1]) for entry in entries if isinstance(entry, list) and len(entry) == 2]
    if len(pairs) != len(entries):
        raise ValueError("an entry of a map is not a key and a value")
    return sorted(pairs, key=lambda pair: pair[0] == "*")


def _of_key(field: JsonValue, key: JsonValue, kind: type[A]) -> tuple[Asks, ...]:
    """Return what is asked of the packet that an entry of a map is for."""
    if key == "*":
        return (tuple(any_of(field, kind)),)
    return matched({"op": "==", "left": field, "right": {"set": [key]}}, kind, {})


def _translated(what: str, body: JsonObject, kind: type[A], named: Known) -> Iterator[Outcome]:
    """Yield where a translation sends packets; an address of the other family is for packets of that one."""
    family = body.get("family")
    if family is not None and family != ("ip" if kind.BITS == 32 else "ip6"):
        yield Outcome(Verdict.CONTINUE, asks=(Never(f"a packet of {family}"),))
        return
    looked_up = [name for name in ("addr", "port") if _is_map(body.get(name))]
    if not looked_up:
        yield Outcome(Verdict.DNAT, pool=_pool(what, body, kind))
    elif len(looked_up) == 1:
        yield from _by_map(what, body, kind, named)
    else:
        yield UNKNOWN


def _is_map(value: JsonValue) -> bool:
    return isinstance(value, dict) and "map" in value


def _by_map(what: str, body: JsonObject, kind: type[A], named: Known) -> Iterator[Outcome]:
    """Yield a translation for each entry of the map that it looks up; a packet of no entry goes on."""
    name = "addr" if _is_map(body.get("addr")) else "port"
    match body[name]:
        case {"map": dict() as lookup} if (entries := _entries(lookup, named)) is not None:
            for key, value in _default_last(entries):
                place: JsonObject = {**body, **_parts(name, bare(value))}
                for asks in _of_key(lookup["key"], key, kind):
                    yield Outcome(Verdict.DNAT, pool=_pool(what, place, kind), asks=asks)
        case _:
            yield UNKNOWN


def _parts(name: str, value: JsonValue) -> JsonObject:
    match value:
        case {"concat": [address, port]}:
            return {"addr": address, "port": port}
        case _:
            return {name: value}


def _pool(what: str, body: JsonObject, kind: type[A]) -> Pool | None:
    """Return the places that a translation names, None where they cannot be told."""
    flags = body.get("flags", [])
    given = set(map(str, flags)) if isinstance(flags, list) else {str(flags)}
    try:
        ends = _ends(body.get("addr"), kind), _port_ends(body.get("port"))
    except NotUnderstood:
        return None
    if "netmap" in given or "type_flags" in body:
        return None
    return Pool(*ends, redirected=what == "redirect", spread=bool(given - {"persistent"}))


def _ends(value: JsonValue, kind: type[A]) -> tuple[int, int] | None:
    match value:
        case None:
            return None
        case str(text):
            family_of(text)
            return kind.parse(text).spans[0]
        case {"range": [str(first), str(last)]}:
            return kind.parse(f"{first}-{last}").spans[0]
        case _:
            raise NotUnderstood


def _port_ends(value: JsonValue) -> tuple[int, int] | None:
    match value:
        case None:
            return None
        case int(port):
            return port, port
        case {"range": [int(first), int(last)]}:
            return first, last
        case _:
            raise NotUnderstood


def marks_set(body: JsonValue) -> tuple[SetMark, ...] | None:
    """Return what a statement that sets a field does to marks, none where it does nothing to where a packet goes.

    None is a field that does, or that is not known.
    """
    match body:
        case {"key": {"meta": {"key": "mark"}}, "value": value}:
            return (_set_mark("packet", value),)
        case {"key": {"ct": {"key": "mark"}}, "value": value}:
            return (_set_mark("connection", value),)
        case {"key": dict() as key} if _field(key) in _KEPT:
            return ()
        case _:
            return None


def _field(key: Mapping[str, JsonValue]) -> tuple[str, str]:
    match key:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return protocol, field
        case {"tcp option": {"name": str(name), "field": str(field)}}:
            return name, field
        case {"meta": {"key": str(field)}}:
            return "meta", field
        case {"ct": {"key": str(field)}}:
            return "ct", field
        case _:
            return "", ""


def _set_mark(of: Bearer, value: JsonValue) -> SetMark:
    try:
        packet, connection, flip = _bitwise(value)
    except NotUnderstood:
        return SetMark(of, told=False)
    keep, take = (packet, connection) if of == "packet" else (connection, packet)
    return SetMark(of, keep, take, flip)


_Mark = tuple[int, int, int]


def _bitwise(value: JsonValue) -> _Mark:
    """Return a mark that is worked out, as (the packet's & one) ^ (the connection's & another) ^ a constant."""
    match value:
        case {"meta": {"key": "mark"}}:
            return ALL_BITS, 0, 0
        case {"ct": {"key": "mark"}}:
            return 0, ALL_BITS, 0
        case {"&": [inner, *operands]}:
            return reduce(_masked, map(bits, operands), _bitwise(inner))
        case {"|": [inner, *operands]}:
            return reduce(_joined, map(bits, operands), _bitwise(inner))
        case {"^": [inner, *operands]}:
            return reduce(_flipped, map(bits, operands), _bitwise(inner))
        case _:
            return 0, 0, bits(value)


def _masked(left: _Mark, operand: int) -> _Mark:
    packet, connection, flip = left
    return packet & operand, connection & operand, flip & operand


def _joined(left: _Mark, operand: int) -> _Mark:
    packet, connection, flip = _masked(left, ALL_BITS & ~operand)
    return packet, connection, flip | operand


def _flipped(left: _Mark, operand: int) -> _Mark:
    packet, connection, flip = left
    return packet, connection, flip ^ operand


def may_break(value: JsonValue) -> bool:
    """Return whether a statement looks something up, so that its rule ends where that is not found."""
    match value:
        case {"map": _}:
            return True
        case dict():
            return any(map(may_break, value.values()))
        case list():
            return any(map(may_break, value))
        case _:
            return False


def opaque_statement(what: str, body: JsonValue) -> Opaque | None:
    """Return what a statement asks that ends its rule where a rate is overstepped, or a set full; None asks nothing."""
    match what, body:
        case (("limit" | "ct count" | "quota"), dict()):
            return Opaque(what, ordinary=not body.get("inv", False))
        case (("limit" | "ct count" | "quota"), _):
            return Opaque(what)
        case (("set" | "meter" | "map"), dict()):
            return Opaque(what, ordinary="'inv': True" not in str(body))
        case _:
            return Opaque(what) if may_break(body) else None
