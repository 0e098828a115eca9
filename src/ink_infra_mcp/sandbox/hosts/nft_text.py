"""Reads the rules that nft is given as text, as far as the pretend servers meet it, and judges packets by them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from pydantic import JsonValue

Json = dict[str, JsonValue]
_TOKEN = re.compile(r'"[^"]*"|[{}]|[^\s{},]+|,')
_TYPE = re.compile(r"type filter hook (\w+) priority (-?\d+); policy (\w+);")
_VERDICTS = ("accept", "drop")
_STATES = {"established", "related", "new", "invalid"}


class NotNft(Exception):
    """The text is not one that the pretend nft takes; the message is what it says."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection. `port` is the one that it was sent to, before Docker rewrites it."""

    protocol: str
    source: str
    port: int
    card: str = "eth0"
    dnat: bool = False


@dataclass(slots=True)
class Chain:
    """A chain: where it hangs, if anywhere, and its rules as the JSON of nft has their expressions."""

    name: str
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    rules: list[tuple[list[Json], str]] = field(default_factory=list[tuple[list[Json], str]])


def read_table(text: str) -> tuple[Chain, ...]:
    """Return the chains of the one table in the text; the lines before it, which delete an older one, are skipped.

    Raises:
        NotNft: it has something that is not known here.
    """
    chains: list[Chain] = []
    for line in (line.strip() for line in text.splitlines()):
        if opened := re.fullmatch(r"chain (\w+) \{", line):
            chains.append(Chain(opened[1]))
        elif typed := _TYPE.fullmatch(line):
            chains[-1].hook, chains[-1].priority, chains[-1].policy = typed[1], int(typed[2]), typed[3]
        elif chains and line not in {"", "}"}:
            chains[-1].rules.append(_rule(line))
    return tuple(chains)


def as_json(chains: tuple[Chain, ...], *, family: str, table: str) -> Iterator[Json]:
    """Yield the objects that `nft -j list ruleset` has for a table."""
    where: Json = {"family": family, "table": table}
    yield {"table": {"family": family, "name": table, "handle": 1}}
    for number, chain in enumerate(chains, 1):
        hung: Json = {"type": "filter", "hook": chain.hook, "prio": chain.priority, "policy": chain.policy}
        yield {"chain": {**where, "name": chain.name, "handle": number, **(hung if chain.hook else {})}}
    numbered = ((chain, rule) for chain in chains for rule in chain.rules)
    for number, (chain, (expressions, comment)) in enumerate(numbered, len(chains) + 1):
        said: Json = {"comment": comment} if comment else {}
        expr: list[JsonValue] = [*expressions]
        yield {"rule": {**where, "chain": chain.name, "handle": number, **said, "expr": expr}}


def admits(chains: tuple[Chain, ...], hook: str, packet: Packet) -> bool:
    """Return whether the table lets a packet through at a hook; without a chain there it does."""
    by_name = {chain.name: chain for chain in chains}
    hung = sorted((chain for chain in chains if chain.hook == hook), key=lambda chain: chain.priority)
    return all((_walk(by_name, chain, packet) or chain.policy) != "drop" for chain in hung)


def _walk(chains: dict[str, Chain], chain: Chain, packet: Packet) -> str:
    """Return the verdict of a chain, empty when it has none."""
    for expressions, _ in chain.rules:
        if all(_met(one, packet) for one in expressions) and (verdict := _verdict(chains, expressions, packet)):
            return verdict
    return ""


def _verdict(chains: dict[str, Chain], expressions: list[Json], packet: Packet) -> str:
    for expression in expressions:
        match expression:
            case {"jump": {"target": str(target)}}:
                return _walk(chains, chains[target], packet)
            case {"accept": None} | {"drop": None}:
                return next(iter(expression))
            case _:
                pass
    return ""


def _met(expression: Json, packet: Packet) -> bool:
    match expression:
        case {"match": {"op": op, "left": left, "right": right}}:
            found = any(_is(left, value, packet) for value in (_values(right)))
            return found is not (op == "!=")
        case _:
            return True


def _values(right: JsonValue) -> list[JsonValue]:
    match right:
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
        case {"payload": {"protocol": ("ip" | "ip6"), "field": "saddr"}}:
            return ip_address(packet.source) in ip_network(_address(value))
        case {"payload": {"field": "daddr"}}:
            # what is judged here comes from outside, to the server itself
            return False
        case {"payload": {"protocol": "udp"}}:
            # the port of a client and of a DHCP server are never the same
            return False
        case {"ct": {"key": "proto-dst"}}:
            return _in_range(packet.port, value)
        case {"ct": {"key": "state"}}:
            return value == "new"
        case {"ct": {"key": "status"}}:
            return packet.dnat
        case _:
            raise NotNft(f"cannot judge {left}")


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
            case [verdict, *rest] if verdict in _VERDICTS:
                expressions.append({verdict: None})
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
        case ["meta", ("l4proto" | "nfproto") as key, *rest]:
            return {"meta": {"key": key}}, rest
        case [("ip" | "ip6") as family, ("saddr" | "daddr") as end, *rest]:
            return {"payload": {"protocol": family, "field": end}}, rest
        case ["udp", ("sport" | "dport") as side, *rest]:
            return {"payload": {"protocol": "udp", "field": side}}, rest
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
