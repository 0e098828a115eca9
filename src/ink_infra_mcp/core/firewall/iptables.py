"""Reads what iptables-save and ip6tables-save say, of either variant, into tables; a text that is cut is unreadable."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.ipsets import NONE, Ipsets, with_members
from ink_infra_mcp.core.firewall.iptables_rule import read_rules
from ink_infra_mcp.core.firewall.iptables_text import SavedTable, read_text
from ink_infra_mcp.core.firewall.queues import UNTOLD, Queues
from ink_infra_mcp.core.firewall.rules import (
    DSTNAT,
    FILTER,
    MANGLE,
    RAW,
    SECURITY,
    SRCNAT,
    Base,
    Hook,
    Rule,
    Rules,
    Table,
    Tables,
    Verdict,
)

_PRIORITIES = {"raw": RAW, "mangle": MANGLE, "nat": DSTNAT, "filter": FILTER, "security": SECURITY}
_HOOKS: Mapping[str, Hook] = {
    "PREROUTING": "prerouting",
    "INPUT": "input",
    "FORWARD": "forward",
    "OUTPUT": "output",
    "POSTROUTING": "postrouting",
}
_NF_TABLES = re.compile(r"\(nf_tables\)|xtables-save")
_HIDDEN = re.compile(r"# Table `(\w+)' (?:is incompatible|contains incompatible base-chains)")


@dataclass(frozen=True, slots=True)
class Saved(Generic[A]):
    """What an iptables-save said.

    `nf_tables` says that its header tells that variant; older versions of both have the same header. `hidden` are the
    tables of nf_tables that it does not show, or not the whole of.
    """

    texts: tuple[SavedTable, ...]
    tables: Tables[A]
    nf_tables: bool = False
    hidden: frozenset[str] = frozenset()


def read_iptables(
    answer: Answer, kind: type[A], label: str = "iptables", *, sets: Ipsets = NONE, queues: Queues = UNTOLD
) -> Saved[A] | Unreadable:
    """Read an iptables-save (V4) or ip6tables-save (V6); an empty text of a good status is one without tables.

    A text that is cut between two tables looks whole: that its end was seen is for the asker to know. `sets` are the
    ipsets whose members are known.
    """
    if bad := failed(answer, f"{label}-save"):
        return bad
    try:
        texts, comments = read_text(answer.text)
        tables = tuple(_table(text, kind, label, sets=sets, queues=queues) for text in texts)
    except ValueError as why:
        return Unreadable(f"{label}-save: {why}")
    said = "\n".join(comments)
    return Saved(texts, tables, bool(_NF_TABLES.search(said)), frozenset(_HIDDEN.findall(said)))


def _table(text: SavedTable, kind: type[A], label: str, *, sets: Ipsets, queues: Queues) -> Table[A]:
    if text.name not in _PRIORITIES:
        raise Damaged(f"the table {text.name} is not one that is known")
    chains = {name: _rules(lines, text, kind, sets=sets, queues=queues) for name, lines in text.chains.items()}
    bases = tuple(_base(text.name, chain, Verdict(policy)) for chain, policy in text.policies.items())
    return Table(f"{label} {text.name}", MappingProxyType(chains), bases)


def _rules(lines: tuple[str, ...], text: SavedTable, kind: type[A], *, sets: Ipsets, queues: Queues) -> Rules[A]:
    return tuple(
        told
        for line in lines
        for rule in _read(line, kind, queues)
        for told in with_members(_known(rule, text), sets, kind)
    )


def _read(line: str, kind: type[A], queues: Queues) -> Rules[A]:
    """Return what a line says; one with a value that is not what its option takes may do anything."""
    try:
        return read_rules(line, kind, queues)
    except ValueError:
        return (Rule(Verdict.UNKNOWN, origin=line),)


def _known(rule: Rule[A], text: SavedTable) -> Rule[A]:
    jumps = rule.verdict in {Verdict.JUMP, Verdict.GOTO}
    return replace(rule, verdict=Verdict.UNKNOWN) if jumps and rule.target not in text.chains else rule


def _base(table: str, chain: str, policy: Verdict) -> Base:
    if chain not in _HOOKS:
        raise Damaged(f"{chain} has a policy and is no built-in chain")
    source_nat = table == "nat" and chain in {"INPUT", "POSTROUTING"}
    priority = SRCNAT if source_nat else _PRIORITIES[table]
    return Base(chain, _HOOKS[chain], priority, policy, "nat" if table == "nat" else "filter")
