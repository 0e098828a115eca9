"""Reads what iptables-save and ip6tables-save say, of either variant, into tables; a text that is cut is unreadable."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.iptables_rule import read_rule
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
_CHAIN = re.compile(r":(\S+) (ACCEPT|DROP|-)(?: \[\d+:\d+\])?")
_RULE = re.compile(r"(?:\[\d+:\d+\] )?(-A (\S+)(?: .*)?)")
_INCOMPATIBLE = re.compile(r"# Table `(\w+)' is incompatible")


@dataclass(frozen=True, slots=True)
class Saved(Generic[A]):
    """What an iptables-save said. `native` are the tables of nf_tables that it does not show, or not truly."""

    tables: Tables[A]
    nf_tables: bool
    incompatible: frozenset[str]

    @property
    def shown(self) -> frozenset[str]:
        """Return the names of the nf_tables tables that are read here, so that nft need not be read for them."""
        return frozenset(table.name.split()[-1] for table in self.tables) if self.nf_tables else frozenset()


def read_iptables(answer: Answer, kind: type[A], label: str = "iptables") -> Saved[A] | Unreadable:
    """Read an iptables-save (V4) or ip6tables-save (V6); an empty text of a good status is one without tables."""
    if bad := failed(answer, f"{label}-save"):
        return bad
    lines = [line.rstrip() for line in answer.text.splitlines()]
    try:
        tables = tuple(_tables(_numbered(lines), kind, label))
    except ValueError as why:
        return Unreadable(f"{label}-save: {why}")
    return Saved(
        tables,
        nf_tables=any(line.startswith("#") and ("(nf_tables)" in line or "xtables-save" in line) for line in lines),
        incompatible=frozenset(found[1] for line in lines if (found := _INCOMPATIBLE.match(line))),
    )


@dataclass(slots=True)
class _Draft(Generic[A]):
    name: str
    chains: dict[str, list[Rule[A]]] = field(default_factory=dict[str, list[Rule[A]]])
    policies: dict[str, Verdict] = field(default_factory=dict[str, Verdict])


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#"))


def _tables(lines: Iterator[tuple[int, str]], kind: type[A], label: str) -> Iterator[Table[A]]:
    for number, line in lines:
        if not line.startswith("*"):
            raise Damaged(f"line {number} stands outside any table")
        draft: _Draft[A] = _Draft(line[1:])
        for inner, text in lines:
            if text == "COMMIT":
                break
            _take(draft, inner, text, kind)
        else:
            raise Damaged(f"table {draft.name} is cut off: it has no COMMIT")
        yield _finished(draft, label)


def _take(draft: _Draft[A], number: int, line: str, kind: type[A]) -> None:
    if chain := _CHAIN.fullmatch(line):
        draft.chains[chain[1]] = []
        if chain[2] != "-":
            draft.policies[chain[1]] = Verdict(chain[2].lower())
    elif (rule := _RULE.fullmatch(line)) and rule[2] in draft.chains:
        draft.chains[rule[2]].append(read_rule(rule[1], kind))
    else:
        raise Damaged(f"line {number} is neither a chain nor a rule of one")


def _finished(draft: _Draft[A], label: str) -> Table[A]:
    if draft.name not in _PRIORITIES:
        raise Damaged(f"the table {draft.name} is not one that is known")
    chains = {name: tuple(_known(rule, draft) for rule in rules) for name, rules in draft.chains.items()}
    bases = tuple(_base(draft.name, chain, policy) for chain, policy in draft.policies.items())
    return Table(f"{label} {draft.name}", MappingProxyType(chains), bases)


def _known(rule: Rule[A], draft: _Draft[A]) -> Rule[A]:
    jumps = rule.verdict in {Verdict.JUMP, Verdict.GOTO}
    return replace(rule, verdict=Verdict.UNKNOWN) if jumps and rule.target not in draft.chains else rule


def _base(table: str, chain: str, policy: Verdict) -> Base:
    if chain not in _HOOKS:
        raise Damaged(f"{chain} has a policy and is no built-in chain")
    source_nat = table == "nat" and chain in {"INPUT", "POSTROUTING"}
    priority = SRCNAT if source_nat else _PRIORITIES[table]
    return Base(chain, _HOOKS[chain], priority, policy, "nat" if table == "nat" else "filter")
