"""Reads the rules that nft is given as text, as far as the pretend servers meet it, and judges packets by them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from pydantic import JsonValue

Json = dict[str, JsonValue]
_TOKEN = re.compile(r'"[^"]*"|[{}()|]|[^\s{},()|]+|,')
_TYPE = re.compile(r"type filter hook (\w+) priority (-?\d+); policy (\w+);")
_SET = re.compile(r"set (\w+) \{ type (\w+); flags interval; elements = \{ (.*) \}; \}")
_FINAL = ("drop", "reject")
_STATES = {"established", "related", "new", "invalid"}


class NotNft(Exception):
    """The text is not one that the pretend nft takes; the message is what it says."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection. `port` is the one that it was sent to, before Docker rewrites it.

    `kind` is what the kernel calls the card that it comes in by, `leaving` the card that it goes out by, if it does.
    """

    protocol: str
    source: str
    port: int
    card: str = "eth0"
    kind: str = ""
    leaving: str = ""
    dnat: bool = False


@dataclass(slots=True)
class Chain:
    """A chain: where it hangs, if anywhere, and its rules as the JSON of nft has their expressions."""

    name: str
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    rules: list[tuple[list[Json], str]] = field(default_factory=list[tuple[list[Json], str]])


@dataclass(slots=True)
class Table:
    """A table: its chains, and its sets of networks with the type that nft calls them by."""

    family: str
    name: str
    chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    sets: dict[str, tuple[str, list[JsonValue]]] = field(default_factory=dict[str, tuple[str, list[JsonValue]]])

    def take(self, line: str) -> None:
        """Take in one line of its text.

        Raises:
            NotNft: it has something that is not known here.
        """
        if opened := re.fullmatch(r"chain (\w+) \{", line):
            self.chains[opened[1]] = Chain(opened[1])
        elif named := _SET.fullmatch(line):
            self.sets[named[1]] = named[2], [_value(word) for word in named[3].split(", ")]
        elif self.chains and line not in {"", "}"}:
            _take_rule(list(self.chains.values())[-1], line)


def _take_rule(chain: Chain, line: str) -> None:
    if typed := _TYPE.fullmatch(line):
        chain.hook, chain.priority, chain.policy = typed[1], int(typed[2]), typed[3]
    else:
        chain.rules.append(_rule(line))


def read_tables(text: str) -> tuple[Table, ...]:
    """Return the tables in the text; the lines before one, which delete an older one, are skipped.

    Raises:
        NotNft: it has something that is not known here.
    """
    tables: list[Table] = []
    for line in (line.strip() for line in text.splitlines()):
        if opened := re.fullmatch(r"table (\w+) (\w+) \{", line):
            tables.append(Table(opened[1], opened[2]))
        elif tables:
            tables[-1].take(line)
    return tuple(tables)


def as_json(table: Table, *, handle: int) -> Iterator[Json]:
    """Yield the objects that `nft -j list ruleset` has for a table."""
    where: Json = {"family": table.family, "table": table.name}
    yield {"table": {"family": table.family, "name": table.name, "handle": handle}}
    for number, chain in enumerate(table.chains.values(), 1):
        hung: Json = {"type": "filter", "hook": chain.hook, "prio": chain.priority, "policy": chain.policy}
        yield {"chain": {**where, "name": chain.name, "handle": number, **(hung if chain.hook else {})}}
    for name, (kind, elements) in table.sets.items():
        flags: list[JsonValue] = ["interval"]
        yield {
            "set": {**where, "name": name, "type": kind, "handle": len(table.chains), "flags": flags, "elem": elements}
        }
    yield from _rules_as_json(table, where)


def _rules_as_json(table: Table, where: Json) -> Iterator[Json]:
    numbered = ((chain, rule) for chain in table.chains.values() for rule in chain.rules)
    for number, (chain, (expressions, comment)) in enumerate(numbered, len(table.chains) + len(table.sets) + 1):
        said: Json = {"comment": comment} if comment else {}
        expr: list[JsonValue] = [*expressions]
        yield {"rule": {**where, "chain": chain.name, "handle": number, **said, "expr": expr}}


def judged(tables: tuple[Table, ...], hook: str, packet: Packet) -> str:
    """Return what becomes of a packet at a hook: accept, or the first drop or reject; without a chain it passes."""
    hung = sorted(_hung(tables, hook), key=lambda one: one[1].priority)
    verdicts = (_walk(table, chain, packet) or chain.policy for table, chain in hung)
    return next((verdict for verdict in verdicts if verdict in _FINAL), "accept")


def _hung(tables: tuple[Table, ...], hook: str) -> Iterator[tuple[Table, Chain]]:
    for table in tables:
        yield from ((table, chain) for chain in table.chains.values() if chain.hook == hook)


def _walk(table: Table, chain: Chain, packet: Packet) -> str:
    """Return the verdict of a chain, empty when it has none."""
    for expressions, _ in chain.rules:
        if all(_met(table, one, packet) for one in expressions) and (verdict := _verdict(table, expressions, packet)):
            return verdict
    return ""


def _verdict(table: Table, expressions: list[Json], packet: Packet) -> str:
    for expression in expressions:
        match expression:
            case {"jump": {"target": str(target)}}:
                return _walk(table, table.chains[target], packet)
            case {"accept": _} | {"drop": _} | {"reject": _}:
                return next(iter(expression))
            case _:
                pass
    return ""


def _met(table: Table, expression: Json, packet: Packet) -> bool:
    match expression:
        case {"match": {"op": op, "left": left, "right": right}}:
            found = any(_is(left, value, packet) for value in _values(table, right))
            return found is not (op == "!=")
        case _:
            return True


def _values(table: Table, right: JsonValue) -> list[JsonValue]:
    match right:
        case str(name) if name.startswith("@"):
            return table.sets[name[1:]][1]
        case {"set": list(values)}:
            return values
        case list(values):
            return values
        case value:
            return [value]


def _is(left: JsonValue, value: JsonValue, packet: Packet) -> bool:
    match left:
        case {"meta": {"key": "iifname"}}:
            name = str(value)
            return packet.card.startswith(name[:-1]) if name.endswith("*") else packet.card == name
        case {"meta": {"key": "l4proto"}}:
            return packet.protocol == value
        case {"meta": {"key": "nfproto"}}:
            return f"ipv{ip_address(packet.source).version}" == value
        case {"payload": {"protocol": str(protocol), "field": str(name)}}:
            return _is_in_header(protocol, name, value, packet)
        case {"ct": {"key": "proto-dst"}}:
            return _in_range(packet.port, value)
        case {"meta": {"key": "iifkind"}}:
            return packet.kind == value
        case {"meta": {"key": "oifname"}}:
            return packet.leaving == value
        case {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, _]}:
            return value == "syn"
        case {"ct": {"key": "state"}}:
            return value == "new"
        case {"ct": {"key": "status"}}:
            return packet.dnat
        case _:
            raise NotNft(f"cannot judge {left}")


def _is_in_header(protocol: str, name: str, value: JsonValue, packet: Packet) -> bool:
    """What is judged comes from outside to the server itself, and from a port that no DHCP server has."""
    if name == "saddr":
        return ip_address(packet.source) in ip_network(_address(value))
    return (protocol, name, packet.protocol) == ("tcp", "dport", "tcp") and _in_range(packet.port, value)


def _address(value: JsonValue) -> str:
    match value:
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case _:
            return str(value)


def _in_range(port: int, value: JsonValue) -> bool:
    match value:
        case {"range": [int(first), int(last)]}:
            return first <= port <= last
        case _:
            return port == value


def _rule(line: str) -> tuple[list[Json], str]:
    words = _TOKEN.findall(line)
    expressions: list[Json] = []
    comment = ""
    while words:
        match words:
            case ["comment", text, *rest]:
                comment, words = text.strip('"'), rest
            case ["counter", *rest]:
                expressions.append({"counter": {"packets": 0, "bytes": 0}})
                words = rest
            case ["jump", target, *rest]:
                expressions.append({"jump": {"target": target}})
                words = rest
            case ["accept" | "drop" as verdict, *rest]:
                expressions.append({verdict: None})
                words = rest
            case ["reject", "with", "icmpx", kind, *rest]:
                expressions.append({"reject": {"type": "icmpx", "expr": kind}})
                words = rest
            case ["reject", "with", "tcp", "reset", *rest]:
                expressions.append({"reject": {"type": "tcp reset"}})
                words = rest
            case _:
                expression, words = _matched(words)
                expressions.append(expression)
    return expressions, comment


def _matched(words: list[str]) -> tuple[Json, list[str]]:
    left, rest = _left(words)
    op = "=="
    if rest and rest[0] == "!=":
        op, rest = "!=", rest[1:]
    values, rest = _right(rest)
    if left == {"ct": {"key": "state"}}:
        return {"match": {"op": "in", "left": left, "right": values}}, rest
    if left == {"ct": {"key": "status"}}:
        return {"match": {"op": "in", "left": left, "right": values[0]}}, rest
    return {"match": {"op": op, "left": left, "right": values[0] if len(values) == 1 else {"set": values}}}, rest


def _left(words: list[str]) -> tuple[Json, list[str]]:
    match words:
        case ["iifname", *rest]:
            return {"meta": {"key": "iifname"}}, rest
        case ["oifname", *rest]:
            return {"meta": {"key": "oifname"}}, rest
        case ["meta", ("l4proto" | "nfproto" | "iifkind") as key, *rest]:
            return {"meta": {"key": key}}, rest
        case ["tcp", "flags", "&", "(", *rest]:
            end = rest.index(")")
            mask: list[JsonValue] = [word for word in rest[:end] if word != "|"]
            return {"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, mask]}, rest[end + 1 :]
        case [("ip" | "ip6") as family, ("saddr" | "daddr") as end, *rest]:
            return {"payload": {"protocol": family, "field": end}}, rest
        case ["udp" | "tcp" as protocol, ("sport" | "dport") as side, *rest]:
            return {"payload": {"protocol": protocol, "field": side}}, rest
        case ["ct", "original", "proto-dst", *rest]:
            return {"ct": {"key": "proto-dst", "dir": "original"}}, rest
        case ["ct", ("state" | "status") as key, *rest]:
            return {"ct": {"key": key}}, rest
        case _:
            raise NotNft(f"syntax error, unexpected {' '.join(words[:4])}")


def _right(words: list[str]) -> tuple[list[JsonValue], list[str]]:
    if words[0] == "{":
        end = words.index("}")
        return [_value(word) for word in words[1:end] if word != ","], words[end + 1 :]
    values = [_value(words[0])]
    rest = words[1:]
    while rest[:1] == [","]:
        values.append(_value(rest[1]))
        rest = rest[2:]
    return values, rest


def _value(word: str) -> JsonValue:
    if word.startswith('"'):
        return word.strip('"')
    if word.isdigit():
        return int(word)
    if spans := re.fullmatch(r"(\d+)-(\d+)", word):
        return {"range": [int(spans[1]), int(spans[2])]}
    if "/" in word:
        network = ip_network(word)
        one = network.num_addresses == 1
        return (
            str(network.network_address)
            if one
            else {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
        )
    return word
