"""The rules that answers pass on their way out, turned round, so that a walk of those who ask tells who gets answers.

A TCP connect that is let in and whose answer is dropped comes to nothing. What such a rule asks of the source is asked
of the address that was called, what it asks of the destination of those who called, and so with ports and interfaces.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import cast

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Condition,
    InState,
    Kind,
    Leaves,
    Never,
    OneOf,
    Opaque,
    Protocol,
    Question,
    TcpFlags,
    TheirPort,
    ToAddress,
    ToPort,
    parted,
)
from ink_infra_mcp.core.firewall.rules import Base, Hook, Rule, Rules, Table, Tables, Verdict

_HARMLESS = frozenset({Verdict.ACCEPT, Verdict.CONTINUE, Verdict.RETURN, Verdict.JUMP, Verdict.GOTO})
_FIRST_ASKER = "--ctorigsrc"
"""What asks of whoever began the connection, which a rule's `sources` do not tell from who sends this packet."""
_ALWAYS = Protocol(OneOf(("*",)))
_OF_ANY_PACKET = ("a packet of ", "another nfproto", "another protocol", "later fragments", "a routing header")
"""How the reasons begin for which no packet of a connection meets a condition, be it a question or an answer."""


@dataclass(frozen=True, slots=True)
class _Answered(InState):
    """The state of the connection as its answers see it."""

    def met(self, q: Question) -> bool | None:
        """Return whether the answer meets it: it is established, and runs in the direction of replies."""
        if not q.tracked or "snat" in self.wanted.names:
            return None
        return self.wanted.any_of(("established", "reply", *(("dnat",) if q.translated else ())))


def turned(tables: Tables[A], hook: Hook) -> Tables[A]:
    """Return the filters of a hook as those who are answered meet them; tables that stop nothing are left out."""
    return tuple(found for table in tables for base in table.bases if (found := _turned(table, base, hook)))


def _turned(table: Table[A], base: Base, hook: Hook) -> Table[A] | None:
    if base.hook != hook or base.work != "filter":
        return None
    names = _reached(table, base.chain)
    verdicts = {rule.verdict for name in names for rule in table.chains[name]}
    if base.policy in _HARMLESS and verdicts <= _HARMLESS:
        return None
    chains: dict[str, Rules[A]] = {name: tuple(map(_rule, table.chains[name])) for name in names}
    return Table(table.name, MappingProxyType(chains), (replace(base, hook="input", devices=()),))


def _reached(table: Table[A], first: str) -> dict[str, None]:
    waiting, found = [first], dict[str, None]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += [rule.target for rule in table.chains[name] if rule.target in table.chains]
    return found


def _rule(rule: Rule[A]) -> Rule[A]:
    asked: list[Condition | Addresses] = [each for condition in rule.conditions for each in _condition(condition)]
    if rule.sources is not None:
        asked.append(Opaque("who began it") if _FIRST_ASKER in rule.origin else ToAddress(rule.sources))
    kinds = {type(each) for each in asked if isinstance(each, Addresses)}
    if not kinds:
        return replace(rule, sources=None, conditions=tuple(_no_addresses(asked)))
    (kind,) = kinds
    sources, conditions = parted(asked, cast("type[A]", kind))
    return replace(rule, sources=sources, conditions=conditions)


def _no_addresses(asked: Iterable[Condition | Addresses]) -> Iterator[Condition]:
    return (each for each in asked if not isinstance(each, Addresses))


def _condition(asked: Condition) -> Iterator[Condition | Addresses]:
    """Yield what a condition asks of an answer, in terms of its question; what is not known is opaque."""
    match asked:
        case ToAddress(addresses, original=False):
            yield addresses
        case ToPort(ports, original=False):
            yield TheirPort(ports)
        case TheirPort(ports, negated):
            yield ToPort(~ports if negated else ports)
        case Leaves(OneOf(("lo",), negated)):
            # nobody outside is answered over the loopback, whatever is not known of the way
            yield _ALWAYS if negated else Never("the loopback")
        case InState(wanted):
            yield _Answered(wanted)
        case ToAddress() | ToPort() | Protocol() | Arrives() | Leaves() | Kind() | TcpFlags():
            yield asked
        case Never(what) | Opaque(what) if what.startswith(_OF_ANY_PACKET):
            yield asked
        case _:
            yield Opaque(asked.what)
