"""The one model of a rule that every firewall is translated into: rules in chains, chains in tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, Literal

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Arrives, Condition, InState, Opaque, Protocol, ToAddress, ToPort
from ink_infra_mcp.core.firewall.marks import SetMark

Hook = Literal["ingress", "prerouting", "input", "forward", "output", "postrouting"]
Work = Literal["filter", "nat"]
RAW, MANGLE, DSTNAT, FILTER, SECURITY, SRCNAT = -300, -150, -100, 0, 50, 100
"""Priorities of the kernel's standard places; the smaller comes first (linux/netfilter_ipv4.h)."""


class Verdict(StrEnum):
    """What becomes of a packet that a rule matches.

    `unknown` is anything: it may be dropped, changed, delivered, sent elsewhere or go on, so that nothing behind it is
    told any more.
    """

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    JUMP = "jump"
    GOTO = "goto"
    RETURN = "return"
    DNAT = "dnat"
    UNTRACK = "untrack"
    CONTINUE = "continue"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Translation:
    """Where a destination is rewritten to. `address` None keeps it; `vague` is one that we cannot tell.

    `redirected` is to the address that the interface has on which the packet came in.
    """

    address: int | None = None
    port: int | None = None
    vague: bool = False
    redirected: bool = False


@dataclass(frozen=True, slots=True)
class Rule(Generic[A]):
    """One rule. `sources` None is anybody; every condition must hold; `origin` is the rule as its layer says it.

    `marks` are set on whatever it matches, before its verdict. Rules that stand together with one `lookup` are the
    entries of one verdict map: a packet meets the first that it matches and no other, also where that lets it go on.
    `helps`: it has connection tracking expect further connections.
    """

    verdict: Verdict
    sources: A | None = None
    conditions: tuple[Condition, ...] = ()
    target: str = ""
    translation: Translation | None = None
    origin: str = ""
    marks: tuple[SetMark, ...] = ()
    lookup: int = 0
    helps: bool = False
    ports: tuple[ToPort, ...] = field(init=False, repr=False, compare=False)
    """What it asks of the destination port."""

    def __post_init__(self) -> None:
        asked = tuple(condition for condition in self.conditions if isinstance(condition, ToPort))
        object.__setattr__(self, "ports", asked)

    @property
    def opaque(self) -> tuple[str, ...]:
        """Return what the rule asks that cannot be told from the rules."""
        return tuple(condition.what for condition in self.conditions if isinstance(condition, Opaque))

    @property
    def stateful(self) -> bool:
        """Return whether it asks for the state of the connection."""
        return any(isinstance(condition, InState) for condition in self.conditions)

    @property
    def destinations(self) -> tuple[ToAddress, ...]:
        """Return what it asks of the destination address."""
        return tuple(condition for condition in self.conditions if isinstance(condition, ToAddress))

    @property
    def interfaces(self) -> tuple[Arrives, ...]:
        """Return what it asks of the interface that the packet came in by."""
        return tuple(condition for condition in self.conditions if isinstance(condition, Arrives))


Rules = tuple[Rule[A], ...]


@dataclass(frozen=True, slots=True)
class Base:
    """Where a chain hangs in the packet's way, and what becomes of what its rules do not decide."""

    chain: str
    hook: Hook
    priority: int = FILTER
    policy: Verdict = Verdict.ACCEPT
    work: Work = "filter"
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table(Generic[A]):
    """Chains that may jump to each other, and those of them that hang at a hook; `name` is what evidence calls it."""

    name: str
    chains: Mapping[str, Rules[A]]
    bases: tuple[Base, ...]
    _inbound: list[Rule[A]] = field(default_factory=list[Rule[A]], init=False, repr=False, compare=False)

    def inbound(self) -> Sequence[Rule[A]]:
        """Return every rule that a packet from outside may come to, once."""
        if not self._inbound:
            self._inbound.extend(_inbound(self))
        return self._inbound


Tables = tuple[Table[A], ...]


INBOUND = frozenset({"ingress", "prerouting", "input", "forward"})
"""The hooks that packets from outside pass on their way in."""
_OPENING = frozenset({Verdict.ACCEPT, Verdict.DNAT, Verdict.UNKNOWN})


def _inbound(table: Table[A]) -> Iterator[Rule[A]]:
    waiting = dict.fromkeys(base.chain for base in table.bases if base.hook in INBOUND)
    done: set[str] = set()
    while waiting:
        name, _ = waiting.popitem()
        done.add(name)
        yield from table.chains[name]
        waiting.update(dict.fromkeys(_led_to(table, name) - done))


def _led_to(table: Table[A], name: str) -> set[str]:
    return {rule.target for rule in table.chains[name] if rule.target} & table.chains.keys()


def opened_ports(tables: Tables[A]) -> Iterator[tuple[str | None, ToPort]]:
    """Yield the ports that rules let in or send on by name, with the protocol where the rule says one."""
    for table in tables:
        for rule in table.inbound():
            if rule.ports and _may_open(table, rule, frozenset()):
                yield from ((_protocol(rule), ports) for ports in rule.ports)


def sources_named(tables: Tables[A]) -> frozenset[A]:
    """Return the sources that rules tell from others."""
    return frozenset(rule.sources for table in tables for rule in table.inbound() if rule.sources is not None)


def _may_open(table: Table[A], rule: Rule[A], seen: frozenset[str]) -> bool:
    """Return whether a rule, or one of a chain that it leads to, lets anything through."""
    if rule.verdict in _OPENING:
        return True
    if rule.target not in table.chains or rule.target in seen:
        return False
    return any(_may_open(table, inner, seen | {rule.target}) for inner in table.chains[rule.target])


def _protocol(rule: Rule[A]) -> str | None:
    names = [names for c in rule.conditions if isinstance(c, Protocol) for names in c.wanted.names]
    return names[0] if len(names) == 1 else None


def single(name: str, rules: Rules[A], policy: Verdict) -> Table[A]:
    """Return a table of one ordered list, such as a provider's firewall."""
    return Table(name, MappingProxyType({"rules": rules}), (Base("rules", "prerouting", policy=policy),))
