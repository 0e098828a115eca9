"""What a server's filters will be with our table in them: the table in the model that every firewall is judged by."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from ink_infra_mcp.core.firewall.addresses import A, Family
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Condition,
    InState,
    OneOf,
    Opaque,
    Protocol,
    TcpFlags,
    ToPort,
)
from ink_infra_mcp.core.firewall.outside import OF_CONTAINERS
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Base, Rule, Rules, Table, Tables, Verdict
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule
from ink_infra_mcp.core.host_firewall.nftables import BEFORE_OTHERS, TABLE

NAME = f"nft {TABLE}"
_OPENING = frozenset({"syn"})
_TELLING = frozenset({"fin", "syn", "rst", "ack"})
_UNDER_WAY = InState(OneOf(("established", "related")))
_UNTRACKED = InState(OneOf(("untracked",)))
_TCP = Protocol(OneOf(("tcp",)))


def with_ours(tables: Tables[A], firewall: HostFirewall, kind: type[A]) -> Tables[A]:
    """Return the filters of one family as they are once our table is loaded, in place of an older one of ours."""
    return (*(table for table in tables if table.name != NAME), _table(firewall, kind))


def _table(firewall: HostFirewall, kind: type[A]) -> Table[A]:
    admitted = tuple(rule for each in firewall.rules for rule in _admits(each, kind))
    chains: dict[str, Rules[A]] = {"admitted": admitted}
    bases: list[Base] = []
    for hook in ("input", "forward"):
        chains[hook] = tuple(_chain(hook, firewall))
        bases.append(Base(hook, "input" if hook == "input" else "forward", BEFORE_OTHERS))
    return Table(NAME, MappingProxyType(chains), tuple(bases))


def _chain(hook: str, firewall: HostFirewall) -> Iterator[Rule[Any]]:
    yield _rule(Verdict.ACCEPT, _UNDER_WAY)
    yield _rule(Verdict.ACCEPT, _UNTRACKED, _TCP, TcpFlags(((_TELLING, _OPENING),), negated=True))
    yield _rule(Verdict.ACCEPT, Arrives(OneOf(("lo",))))
    inside = Arrives(OneOf(firewall.outside, negated=True))
    for link in OF_CONTAINERS:
        yield _rule(Verdict.ACCEPT, inside, Opaque(f"meta iifkind {link}"))
    if firewall.inside:
        yield _rule(Verdict.ACCEPT, inside, Arrives(OneOf(firewall.inside)))
    if hook == "forward":
        yield _rule(Verdict.JUMP, InState(OneOf(("dnat",)), more=True), target="admitted")
    else:
        yield _rule(Verdict.JUMP, target="admitted")
    yield _rule(Verdict.DROP)


def _admits(rule: HostRule, kind: type[A]) -> Iterator[Rule[A]]:
    v4, v6 = rule.networks()
    sources = kind((v4 if kind.FAMILY is Family.V4 else v6).spans)
    protocol, ports = Protocol(OneOf((rule.protocol,))), Ports.parse(rule.ports)
    if not sources:
        return
    yield _rule(Verdict.ACCEPT, protocol, ToPort(ports, original=True), sources=sources, origin=rule.why)
    yield _rule(Verdict.ACCEPT, _UNTRACKED, protocol, ToPort(ports), sources=sources, origin=rule.why)


def _rule(
    verdict: Verdict, *conditions: Condition, sources: A | None = None, target: str = "", origin: str = ""
) -> Rule[A]:
    return Rule(verdict, sources, conditions, target, origin=origin or "our own table")
