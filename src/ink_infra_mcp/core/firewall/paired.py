"""Pairs a rule as nft shows it with the line that iptables-save has for it, where the two surely speak of one rule.

nft tells matches and targets of xtables by their names alone; what they ask stands in iptables-save, which in turn
leaves out what it cannot say. So the kernel's words decide, and the line tells what is behind the names, nothing else.
"""

from collections import Counter
from collections.abc import Sequence

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import Arrives, Condition, Leaves, Protocol, ToAddress, ToPort
from ink_infra_mcp.core.firewall.iptables_rule import Line, parse_line, read_rules
from ink_infra_mcp.core.firewall.iptables_target import outcome_of
from ink_infra_mcp.core.firewall.nft_match import matched
from ink_infra_mcp.core.firewall.nft_rule import Extensions
from ink_infra_mcp.core.firewall.outcomes import Asks, Outcome, Part, narrowed
from ink_infra_mcp.core.firewall.queues import Queues
from ink_infra_mcp.core.firewall.rules import Rule, Verdict
from ink_infra_mcp.core.plan import JsonObject

_COMPARED = (Arrives, Leaves, Protocol, ToAddress, ToPort)
"""What both tools say in one form, so that it is in both where they speak of one rule."""
_ENDING = {"accept": "ACCEPT", "drop": "DROP", "reject": "REJECT", "return": "RETURN"}


def extensions(expressions: Sequence[JsonObject], text: str, kind: type[A], queues: Queues) -> Extensions | None:
    """Return what the line says of the xtables in a rule, or None where they are not surely of one rule."""
    line = parse_line(text)
    try:
        asks = line.asks(kind)
        if not (_has_names(expressions, line) and _ends_so(expressions, line) and _asks_so(expressions, asks, kind)):
            return None
        outcome = None if _verdict(expressions) else outcome_of(line.target, kind, queues)
    except ValueError:
        return None
    return Extensions(asks, _of_target(outcome))


def _of_target(outcome: Outcome | None) -> Outcome | None:
    """Return what a target of xtables does; one that would be a chain is none that is known."""
    jumps = outcome is not None and outcome.verdict in {Verdict.JUMP, Verdict.GOTO}
    return Outcome(Verdict.UNKNOWN) if jumps else outcome


def _has_names(expressions: Sequence[JsonObject], line: Line) -> bool:
    """Return whether the line has every match and the target of xtables that the rule has."""
    named, nameless = Counter[str](), 0
    for body in (expression["xt"] for expression in expressions if "xt" in expression):
        match body:
            case {"type": "match", "name": str(name)}:
                named[name] += 1
            case {"type": "target", "name": str(name)} if name == line.target.name:
                pass
            case None:
                nameless += 1
            case _:
                return False
    has_target = bool(line.target.name) and not _verdict(expressions)
    return named <= Counter(line.modules) and nameless <= len(line.modules) + has_target


def _verdict(expressions: Sequence[JsonObject]) -> tuple[str, str] | None:
    """Return the verdict that nft itself shows, in the words of iptables, or None where xtables has it or none."""
    for expression in expressions:
        match expression:
            case {"jump": {"target": str(chain)}}:
                return "-j", chain
            case {"goto": {"target": str(chain)}}:
                return "-g", chain
            case _:
                if found := _ENDING.keys() & expression.keys():
                    return "-j", _ENDING[min(found)]
    return None


def _ends_so(expressions: Sequence[JsonObject], line: Line) -> bool:
    """Return whether the verdict that nft shows is the target of the line; where it shows none, xtables has it."""
    shown = _verdict(expressions)
    return shown is None or shown == ("-g" if line.target.goto else "-j", line.target.name)


def _asks_so(expressions: Sequence[JsonObject], asks: Asks, kind: type[A]) -> bool:
    """Return whether the line asks all that nft itself shows of a source, a destination, a card and a port."""
    anybody: Part[A] = (None, ())
    shown = anybody
    for body in (expression["match"] for expression in expressions if "match" in expression):
        alternatives = matched(body, kind, {}) if isinstance(body, dict) else ()
        if len(alternatives) != 1:
            return False
        shown = narrowed(shown, alternatives[0], kind)
    told = narrowed(anybody, asks, kind)
    return _within(told[0], shown[0]) and _compared(shown[1]) <= _compared(told[1])


def _within(told: Addresses | None, shown: Addresses | None) -> bool:
    return shown is None or (told is not None and told <= shown)


def _compared(conditions: Sequence[Condition]) -> set[Condition]:
    return {condition for condition in conditions if isinstance(condition, _COMPARED)}


def says_the_same(rules: Sequence[Rule[A]], text: str, kind: type[A], queues: Queues) -> bool:
    """Return whether a line of iptables-save says just what the rules say, so that it may be shown for them."""
    try:
        told = read_rules(text, kind, queues)
    except ValueError:
        return False
    return list(map(_content, told)) == list(map(_content, rules))


def _content(rule: Rule[A]) -> tuple[object, ...]:
    return rule.verdict, rule.sources, frozenset(rule.conditions), _led_to(rule), rule.translation, rule.marks


def _led_to(rule: Rule[A]) -> str:
    return rule.target if rule.verdict in {Verdict.JUMP, Verdict.GOTO} else ""
