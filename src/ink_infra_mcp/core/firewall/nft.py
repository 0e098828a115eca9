"""Reads what `nft -j list ruleset` says into tables of one family; a document that is cut or odd is unreadable."""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Generic, cast

from pydantic import BaseModel, ConfigDict, JsonValue

from ink_infra_mcp.core.firewall.addresses import A, Family
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.nft_match import Named
from ink_infra_mcp.core.firewall.nft_rule import read_rules
from ink_infra_mcp.core.firewall.rules import Base, Hook, Rule, Table, Tables, Verdict
from ink_infra_mcp.core.plan import JsonObject

_FAMILIES = {Family.V4: ("ip", "inet", "netdev"), Family.V6: ("ip6", "inet", "netdev")}
_HOOKS = frozenset({"ingress", "prerouting", "input", "forward", "output", "postrouting"})
_ORDER = {"table": 0, "chain": 1, "set": 2, "map": 2, "rule": 3}
"""In which order things are read, so that what a rule names is there."""
_OF_IPTABLES = frozenset({"ip", "ip6"})
Item = tuple[str, JsonObject]
"""One thing of a document, such as a table or a rule, and what it says."""
Key = tuple[str, str]
"""The family and the name of a table, as nft says them."""


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    family: str
    table: str = ""
    name: str = ""

    @property
    def key(self) -> Key:
        """Return the table that it belongs to."""
        return self.family, self.table


class _Chain(_Seen):
    hook: str = ""
    type: str = "filter"
    prio: int = 0
    policy: str = "accept"
    dev: str | tuple[str, ...] = ()


class _Rule(_Seen):
    chain: str
    handle: int = 0
    comment: str = ""
    expr: tuple[JsonObject, ...] = ()


class _Set(_Seen):
    flags: str | tuple[str, ...] = ()
    elem: tuple[JsonValue, ...] = ()


@dataclass(slots=True)
class _Draft(Generic[A]):
    """What has been read of one table."""

    chains: dict[str, list[Rule[A]]] = field(default_factory=dict[str, list[Rule[A]]])
    bases: list[Base] = field(default_factory=list[Base])
    named: dict[str, Named] = field(default_factory=dict[str, Named])


def read_nft(answer: Answer, kind: type[A], skip: Set[str] = frozenset()) -> Tables[A] | Unreadable:
    """Read the tables that see packets of a family, but for those of `skip`, which iptables-save shows better.

    `skip` names tables of the families ip and ip6 only: iptables makes no others.
    """
    if bad := failed(answer, "nft -j list ruleset"):
        return bad
    try:
        return _tables(_items(answer.text), kind, skip)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as why:
        return Unreadable(f"nft -j list ruleset: {str(why).partition(chr(10))[0][:160] or 'not its JSON'}")


@lru_cache(maxsize=2)
def _items(text: str) -> tuple[Item, ...]:
    """Return what a document holds, one after the other; both families of a host are read from the same document."""
    document: dict[str, list[dict[str, JsonObject]]] = json.loads(text)
    items = tuple(item for entry in document["nftables"] for item in entry.items())
    if not items or items[0][0] != "metainfo":
        raise Damaged("it does not begin with its version")
    return items


def _tables(items: Iterable[Item], kind: type[A], skip: Set[str]) -> Tables[A]:
    drafts: dict[Key, _Draft[A]] = {}
    filled = frozenset(_filled(items))
    wanted = sorted(_wanted(items, kind, skip), key=lambda item: _ORDER.get(item[0], len(_ORDER)))
    for what, body in wanted:
        if what == "table":
            seen = _Seen.model_validate(body)
            drafts[seen.family, seen.name] = _Draft()
        elif what in _ORDER:
            _take(drafts, what, body, kind=kind, filled=filled)
    return tuple(_finished(key, draft) for key, draft in drafts.items())


def _filled(items: Iterable[Item]) -> Iterator[tuple[str, str, str]]:
    """Yield the sets that rules fill, each with its family and table: older versions need no flag for that."""
    for what, body in items:
        if what == "rule":
            rule = _Rule.model_validate(body)
            yield from ((*rule.key, name) for expression in rule.expr for name in _fills(expression))


def _fills(expression: JsonObject) -> Iterator[str]:
    match expression:
        case {"set": {"set": str(name)}} | {"map": {"map": str(name)}}:
            yield name
        case _:
            pass


def _take(
    drafts: Mapping[Key, _Draft[A]], what: str, body: JsonObject, *, kind: type[A], filled: Set[tuple[str, str, str]]
) -> None:
    if what == "chain":
        _take_chain(drafts, _Chain.model_validate(body))
    elif what == "rule":
        _take_rule(drafts, _Rule.model_validate(body), kind)
    else:
        _take_set(drafts, _Set.model_validate(body), filled)


def _wanted(items: Iterable[Item], kind: type[A], skip: Set[str]) -> Iterator[Item]:
    families = _FAMILIES[kind.FAMILY]
    for what, body in items:
        family = body.get("family")
        table = body.get("name" if what == "table" else "table")
        if family in families and not (table in skip and family in _OF_IPTABLES):
            yield what, body


def _draft(drafts: Mapping[Key, _Draft[A]], seen: _Seen) -> _Draft[A]:
    if seen.key not in drafts:
        raise Damaged(f"something belongs to the table {' '.join(seen.key)}, which is missing")
    return drafts[seen.key]


def _take_chain(drafts: Mapping[Key, _Draft[A]], chain: _Chain) -> None:
    draft = _draft(drafts, chain)
    draft.chains[chain.name] = []
    if chain.hook not in _HOOKS:
        return
    devices = (chain.dev,) if isinstance(chain.dev, str) else chain.dev
    draft.bases.append(
        Base(
            chain.name,
            cast("Hook", chain.hook),
            chain.prio,
            Verdict(chain.policy),
            "nat" if chain.type == "nat" else "filter",
            devices,
        )
    )


def _take_set(drafts: Mapping[Key, _Draft[A]], found: _Set, filled: Set[tuple[str, str, str]]) -> None:
    flags = (found.flags,) if isinstance(found.flags, str) else found.flags
    # members that time out are members now; a set that rules fill has those that the next packet puts there, too
    name = f"@{found.name}"
    fixed = "dynamic" not in flags and (*found.key, name) not in filled
    _draft(drafts, found).named[name] = found.elem if fixed else None


def _take_rule(drafts: Mapping[Key, _Draft[A]], rule: _Rule, kind: type[A]) -> None:
    draft = _draft(drafts, rule)
    if rule.chain not in draft.chains:
        raise Damaged(f"rule {rule.handle} belongs to the chain {rule.chain}, which is missing")
    origin = f"{rule.chain} handle {rule.handle}: {rule.comment or _shown(rule.expr)}"
    for one in read_rules(rule.expr, kind, draft.named, origin):
        missing = one.verdict in {Verdict.JUMP, Verdict.GOTO} and one.target not in draft.chains
        if missing:
            raise Damaged(f"rule {rule.handle} jumps to the chain {one.target}, which is missing")
        draft.chains[rule.chain].append(one)


def _shown(expressions: tuple[JsonObject, ...]) -> str:
    told = [expression for expression in expressions if "counter" not in expression]
    return json.dumps(told, separators=(",", ":"))[:240]


def _finished(key: Key, draft: _Draft[A]) -> Table[A]:
    chains = {name: tuple(rules) for name, rules in draft.chains.items()}
    return Table(f"nft {' '.join(key)}", MappingProxyType(chains), tuple(draft.bases))
