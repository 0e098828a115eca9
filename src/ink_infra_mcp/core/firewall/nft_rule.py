"""Reads the expressions of one nft rule into rules of the model; a verdict map becomes one rule for each entry."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import Condition, Opaque
from ink_infra_mcp.core.firewall.nft_match import Named, matched
from ink_infra_mcp.core.firewall.rules import Rule, Translation, Verdict
from ink_infra_mcp.core.plan import JsonObject

_PASSING = frozenset(
    ("counter", "log", "mangle", "snat", "masquerade", "flow", "secmark", "notrack", "dup", "last", "set", "meter")
) | {"ct helper", "ct timeout", "ct expectation", "ct secmark"}
_PASSING_TARGETS = frozenset({"LOG", "NFLOG", "MASQUERADE", "SNAT", "MARK", "CONNMARK", "TCPMSS", "CHECKSUM", "TRACE"})


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    target: str = ""
    translation: Translation | None = None


_UNKNOWN = _Outcome(Verdict.UNKNOWN)
_OUTCOMES = {
    **{what: _Outcome(Verdict(what)) for what in ("accept", "drop", "reject", "return", "continue")},
    **dict.fromkeys(("queue", "tproxy", "synproxy", "fwd"), _UNKNOWN),
    "notrack": _Outcome(Verdict.UNTRACK),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    sources: Addresses | None
    conditions: tuple[Condition, ...]


def read_rules(
    expressions: Sequence[JsonObject], kind: type[A], named: Mapping[str, Named], origin: str
) -> Iterator[Rule[A]]:
    """Yield what the expressions of a rule say; `named` are the sets and maps of its table, None where they change.

    Raises:
        ValueError: a value in them is not what its field takes.
    """
    asked = _Asked(None, ())
    outcome = _Outcome(Verdict.CONTINUE)
    for expression in expressions:
        for what, body in expression.items():
            if what == "vmap":
                yield from _mapped(body, kind, named, asked=asked, origin=origin)
                return
            asked = _also(asked, _asks(what, body, kind, named))
            outcome = _outcome(what, body, kind) or outcome
    yield _rule(asked, outcome, kind, origin)


def _rule(asked: _Asked, outcome: _Outcome, kind: type[A], origin: str) -> Rule[A]:
    sources = None if asked.sources is None else kind(asked.sources.spans)
    return Rule(outcome.verdict, sources, asked.conditions, outcome.target, outcome.translation, origin)


def _also(asked: _Asked, found: Iterator[Condition | Addresses]) -> _Asked:
    sources, conditions = asked.sources, list(asked.conditions)
    for one in found:
        if isinstance(one, Addresses):
            sources = one if sources is None else sources & one
        else:
            conditions.append(one)
    return _Asked(sources, tuple(conditions))


def _asks(what: str, body: JsonValue, kind: type[A], named: Mapping[str, Named]) -> Iterator[Condition | Addresses]:
    match what, body:
        case "match", dict():
            yield from matched(body, kind, named)
        case (("limit" | "ct count" | "quota"), dict()):
            yield Opaque(what, ordinary=not body.get("inv", False))
        case (("set" | "meter"), {"stmt": inner}):
            yield Opaque(what, ordinary="'inv': True" not in str(inner))
        case _:
            yield from () if what in _PASSING or _outcome(what, body, kind) else (Opaque(what),)


def _outcome(what: str, body: JsonValue, kind: type[A]) -> _Outcome | None:
    match what, body:
        case (("jump" | "goto"), {"target": str(target)}):
            return _Outcome(Verdict(what), target)
        case (("dnat" | "redirect"), _):
            return _Outcome(Verdict.DNAT, translation=_translation(what, body, kind))
        case "xt", {"type": "target", "name": str(name)}:
            return _Outcome(Verdict.CONTINUE if name in _PASSING_TARGETS else Verdict.UNKNOWN)
        case _:
            return _OUTCOMES.get(what)


def _translation(what: str, body: JsonValue, kind: type[A]) -> Translation:
    match what, body:
        case "redirect", None:
            return Translation(redirected=True)
        case "redirect", {"port": int(port)}:
            return Translation(port=port, redirected=True)
        case "dnat", {"addr": str(address), "port": int(port)}:
            return Translation(kind.parse(address).spans[0][0], port)
        case "dnat", {"addr": str(address), **others} if "port" not in others:
            return Translation(kind.parse(address).spans[0][0])
        case "dnat", {"port": int(port), **others} if "addr" not in others:
            return Translation(port=port)
        case _:
            return Translation(vague=True)


def _mapped(
    body: JsonValue, kind: type[A], named: Mapping[str, Named], *, asked: _Asked, origin: str
) -> Iterator[Rule[A]]:
    """Yield one rule for each entry of a verdict map, or one that cannot be told where the map may change."""
    entries = _entries(body, named)
    if entries is None or not isinstance(body, dict):
        yield _rule(asked, _UNKNOWN, kind, origin)
        return
    for entry in entries:
        key, outcome = _entry(entry, kind)
        test: JsonObject = {"op": "==", "left": body["key"], "right": {"set": [key]}}
        yield _rule(_also(asked, matched(test, kind, named)), outcome, kind, origin)


def _entry(entry: JsonValue, kind: type[A]) -> tuple[JsonValue, _Outcome]:
    match entry:
        case [key, dict() as verdict]:
            outcomes = (_outcome(what, said, kind) for what, said in verdict.items())
            return _bare(key), next(outcomes, None) or _UNKNOWN
        case _:
            return None, _UNKNOWN


def _entries(body: JsonValue, named: Mapping[str, Named]) -> Sequence[JsonValue] | None:
    match body:
        case {"data": str(name)}:
            return named.get(name)
        case {"data": {"set": list(entries)}}:
            return entries
        case _:
            return None


def _bare(key: JsonValue) -> JsonValue:
    match key:
        case {"elem": {"val": value}}:
            return value
        case _:
            return key
