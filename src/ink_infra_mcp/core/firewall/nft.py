"""Reads what `nft -j list ruleset` says into tables of one family; a document that is cut or odd is unreadable."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import repeat
from types import MappingProxyType
from typing import Generic, cast

from pydantic import BaseModel, ConfigDict, JsonValue, field_validator

from ink_infra_mcp.core.firewall.addresses import A, Family
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.ipsets import NONE, Ipsets, with_members
from ink_infra_mcp.core.firewall.iptables_text import SavedTable
from ink_infra_mcp.core.firewall.nft_match import Known, Named
from ink_infra_mcp.core.firewall.nft_rule import read_rules
from ink_infra_mcp.core.firewall.paired import extensions, says_the_same
from ink_infra_mcp.core.firewall.queues import UNTOLD, Queues
from ink_infra_mcp.core.firewall.rules import Base, Hook, Rule, Rules, Table, Tables, Verdict
from ink_infra_mcp.core.plan import JsonObject

_FAMILIES = {Family.V4: ("ip", "inet", "netdev"), Family.V6: ("ip6", "inet", "netdev")}
_HOOKS = frozenset({"ingress", "prerouting", "input", "forward", "output", "postrouting"})
_ORDER = {"table": 0, "chain": 1, "set": 2, "map": 2, "rule": 3}
"""In which order things are read, so that what a rule names is there."""
_OF_IPTABLES = {Family.V4: "ip", Family.V6: "ip6"}
_FREE_TO_ADD = frozenset({"add", "update"})
_TYPED = "as it is typed"
"""Stands for an expression that nft prints as text: what it does is not read."""
_NAMED_SET = re.compile(r"@[\w/\\.-]+")
Item = tuple[str, JsonObject]
"""One thing of a document, such as a table or a rule, and what it says."""
Key = tuple[str, str]
"""The family and the name of a table, as nft says them."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside nft's answer: the tables of nf_tables as iptables-save shows them, ipsets, and queues."""

    saved: tuple[SavedTable, ...] = ()
    sets: Ipsets = field(default_factory=lambda: NONE)
    queues: Queues = UNTOLD

    def table(self, key: Key, kind: type[A]) -> SavedTable | None:
        """Return what iptables-save shows of a table, or None."""
        if key[0] != _OF_IPTABLES[kind.FAMILY]:
            return None
        return next((table for table in self.saved if table.name == key[1]), None)


ALONE = Beside()


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


class _Table(_Seen):
    flags: str | tuple[str, ...] = ()

    @property
    def dormant(self) -> bool:
        """Return whether it is there and filters nothing."""
        return "dormant" in ((self.flags,) if isinstance(self.flags, str) else self.flags)


class _Rule(_Seen):
    chain: str
    handle: int = 0
    comment: str = ""
    expr: tuple[JsonObject, ...] = ()

    @field_validator("expr", mode="before")
    @classmethod
    def _told(cls, expressions: object) -> object:
        """Take an expression that has no JSON: nft prints `jump { ... }`, a chain without a name, as it is typed."""
        if not isinstance(expressions, list):
            return expressions
        return [{_TYPED: each} if isinstance(each, str) else each for each in cast("list[object]", expressions)]


class _Set(_Seen):
    flags: str | tuple[str, ...] = ()
    elem: tuple[JsonValue, ...] = ()
    stmt: tuple[JsonObject, ...] = ()


@dataclass(slots=True)
class _Draft(Generic[A]):
    """What has been read of one table."""

    dormant: bool
    saved: SavedTable | None
    chains: dict[str, list[_Rule]] = field(default_factory=dict[str, list[_Rule]])
    bases: list[Base] = field(default_factory=list[Base])
    named: dict[str, Named | None] = field(default_factory=dict[str, Named | None])


def read_nft(answer: Answer, kind: type[A], beside: Beside = ALONE) -> Tables[A] | Unreadable:
    """Read the tables that see packets of a family; a dormant one has chains and hangs nowhere.

    Matches and targets of xtables are told from what is known beside, rule by rule; those that are not paired surely
    are opaque.
    """
    if bad := failed(answer, "nft -j list ruleset"):
        return bad
    try:
        return _tables(_items(answer.text), kind, beside)
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


def native_tables(answer: Answer, kind: type[A]) -> Mapping[str, Mapping[str, int]]:
    """Return how many rules the chains of the tables have that iptables could have made; none where it is not told."""
    found: dict[str, dict[str, int]] = {}
    try:
        for what, body in _items(answer.text):
            if body.get("family") == _OF_IPTABLES[kind.FAMILY] and what in {"chain", "rule"}:
                chains = found.setdefault(str(body["table"]), {})
                chain = str(body["name" if what == "chain" else "chain"])
                chains[chain] = chains.get(chain, 0) + (what == "rule")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return found


def _tables(items: Iterable[Item], kind: type[A], beside: Beside) -> Tables[A]:
    drafts: dict[Key, _Draft[A]] = {}
    wanted = sorted(_wanted(items, kind), key=lambda item: _ORDER.get(item[0], len(_ORDER)))
    rules = [_Rule.model_validate(body) for what, body in wanted if what == "rule"]
    filled = _filled(rules)
    for what, body in wanted:
        if what == "table":
            seen = _Table.model_validate(body)
            key = seen.family, seen.name
            drafts[key] = _Draft(seen.dormant, beside.table(key, kind))
        elif what == "chain":
            _take_chain(drafts, _Chain.model_validate(body))
        elif what in {"set", "map"}:
            _take_set(drafts, _Set.model_validate(body), filled)
    for rule in rules:
        _take_rule(drafts, rule)
    return tuple(_finished(key, draft, kind, beside) for key, draft in drafts.items())


Filled = Mapping[tuple[str, str, str], Sequence[tuple[str, bool]]]
"""By family, table and set: each of the ways in which rules change it, and whether only for who oversteps a rate."""


def _filled(rules: Iterable[_Rule]) -> Filled:
    """Return the sets that rules fill: older versions need no flag for that."""
    found: dict[tuple[str, str, str], list[tuple[str, bool]]] = {}
    for rule in rules:
        for at, expression in enumerate(rule.expr):
            for name, how in _fills(expression):
                # the rate may stand within the statement or before it
                rated = "'inv': True" in str(rule.expr[: at + 1])
                found.setdefault((*rule.key, name), []).append((how, rated))
    return found


def _fills(expression: JsonObject) -> Iterator[tuple[str, str]]:
    match expression:
        case {"set": {"set": str(name), **more}} | {"map": {"map": str(name), **more}}:
            yield name, str(more.get("op", ""))
        case {"as it is typed": str(text)}:
            yield from ((name, "") for name in _NAMED_SET.findall(text))
        case _:
            pass


def _wanted(items: Iterable[Item], kind: type[A]) -> Iterator[Item]:
    families = _FAMILIES[kind.FAMILY]
    return ((what, body) for what, body in items if body.get("family") in families)


def _draft(drafts: Mapping[Key, _Draft[A]], seen: _Seen) -> _Draft[A]:
    if seen.key not in drafts:
        raise Damaged(f"something belongs to the table {' '.join(seen.key)}, which is missing")
    return drafts[seen.key]


def _take_chain(drafts: Mapping[Key, _Draft[A]], chain: _Chain) -> None:
    draft = _draft(drafts, chain)
    draft.chains[chain.name] = []
    if chain.hook not in _HOOKS or draft.dormant:
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


def _take_set(drafts: Mapping[Key, _Draft[A]], found: _Set, filled: Filled) -> None:
    """Take the members of now, also those that time out; those that rules take out or meet with a rate are not told."""
    name = f"@{found.name}"
    changes = filled.get((*found.key, name), ())
    asking = any(statement.keys() - {"counter"} for statement in found.stmt)
    lasting = all(how in _FREE_TO_ADD for how, _ in changes)
    changing = bool(changes) or "dynamic" in ((found.flags,) if isinstance(found.flags, str) else found.flags)
    rated = bool(changes) and all(rated for _, rated in changes)
    _draft(drafts, found).named[name] = Named(found.elem, changing, rated) if lasting and not asking else None


def _take_rule(drafts: Mapping[Key, _Draft[A]], rule: _Rule) -> None:
    draft = _draft(drafts, rule)
    if rule.chain not in draft.chains:
        raise Damaged(f"rule {rule.handle} belongs to the chain {rule.chain}, which is missing")
    draft.chains[rule.chain].append(rule)


def _finished(key: Key, draft: _Draft[A], kind: type[A], beside: Beside) -> Table[A]:
    chains = {name: tuple(_rules(name, draft, kind, beside)) for name in draft.chains}
    name = f"nft {' '.join(key)}" if draft.saved is None else f"iptables {key[1]}"
    return Table(name, MappingProxyType(chains), tuple(draft.bases))


def _rules(chain: str, draft: _Draft[A], kind: type[A], beside: Beside) -> Iterator[Rule[A]]:
    rules = draft.chains[chain]
    lines = repeat(None) if draft.saved is None else draft.saved.lines(chain, len(rules))
    for number, (rule, line) in enumerate(zip(rules, lines, strict=False), 1):
        for read in _read(rule, line, draft, kind, beside):
            # each lookup of a map is one of its own
            one = replace(read, lookup=number) if read.lookup else read
            if one.verdict in _LEADING and one.target not in draft.chains:
                raise Damaged(f"rule {rule.handle} jumps to the chain {one.target}, which is missing")
            yield from with_members(one, beside.sets, kind)


_LEADING = frozenset({Verdict.JUMP, Verdict.GOTO})


def _read(rule: _Rule, line: str | None, draft: _Draft[A], kind: type[A], beside: Beside) -> Rules[A]:
    said = json.dumps(rule.expr)
    if "@" in said:
        read, is_line = _pair(rule.expr, line, kind, draft.named, beside.queues)
    else:
        read, is_line = _alike(said, line, kind, beside.queues)
    origin = "" if is_line else _origin(rule)
    return read if is_line else tuple(replace(one, origin=origin) for one in read)


@lru_cache(maxsize=4096)
def _alike(said: str, line: str | None, kind: type[A], queues: Queues) -> tuple[Rules[A], bool]:
    """Return what a rule says that names no set: servers have most of theirs from the same Docker and ufw."""
    return _pair(json.loads(said), line, kind, {}, queues)


def _pair(
    expressions: Sequence[JsonObject], line: str | None, kind: type[A], named: Known, queues: Queues
) -> tuple[Rules[A], bool]:
    """Return what a rule says, and whether the line of iptables-save may be shown for it."""
    has_xt = any("xt" in expression for expression in expressions)
    told = extensions(expressions, line, kind, queues) if has_xt and line is not None else None
    read = read_rules(expressions, kind, named, line or "", queues=queues, extensions=told)
    return read, line is not None and (told is not None or says_the_same(read, line, kind, queues))


def _origin(rule: _Rule) -> str:
    shown = rule.comment or _shown(rule.expr)
    times = [_shown((one,)) for one in rule.expr if rule.comment and _asks_for_time(one)]
    return " ".join([f"{rule.chain} handle {rule.handle}: {shown}", *times])


def _asks_for_time(expression: JsonObject) -> bool:
    match expression:
        case {"match": {"left": {"meta": {"key": "hour" | "day" | "time"}}}}:
            return True
        case _:
            return False


def _shown(expressions: tuple[JsonObject, ...]) -> str:
    told = [expression for expression in expressions if "counter" not in expression]
    return json.dumps(told, separators=(",", ":"))[:240]
