"""Reads one line of iptables-save into rules: its options by the module that they belong to, and its target."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.conditions import Opaque
from ink_infra_mcp.core.firewall.iptables_match import ROUTED, Option, builtin, matched
from ink_infra_mcp.core.firewall.iptables_target import Target, outcome_of
from ink_infra_mcp.core.firewall.outcomes import Asks, Found, Part, narrowed, rules_for
from ink_infra_mcp.core.firewall.queues import UNTOLD, Queues
from ink_infra_mcp.core.firewall.rules import Rule

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_TO_TARGET = frozenset({"-j", "-g"})
_BUILTIN = frozenset({"-s", "-d", "-i", "-o", "-p", "-f"})
_ONE_VALUE = frozenset({"--comment", "--log-prefix", "--nflog-prefix", "--string", "--name"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of iptables-save in its parts: the options of its matches, their modules, and the target."""

    text: str
    options: tuple[Option, ...]
    modules: tuple[str, ...]
    target: Target

    def asks(self, kind: type[A]) -> Asks:
        """Return what it asks of a packet, all at once.

        Raises:
            ValueError: a value is not what its option takes.
        """
        found = tuple(_asked(self.options, kind))
        if self.target.name in _STOPPING:
            return found
        return tuple(Opaque(ROUTED.what, ordinary=False) if each is ROUTED else each for each in found)


def read_rules(line: str, kind: type[A], queues: Queues = UNTOLD) -> tuple[Rule[A], ...]:
    """Read `-A CHAIN ...`; a match that is not understood becomes an opaque condition, a target a jump to its name.

    Raises:
        ValueError: a value of the rule is not what its option takes.
    """
    return _read(line, kind, queues)


_STOPPING = frozenset({"DROP", "REJECT"})


@lru_cache(maxsize=65_536)
def _read(line: str, kind: type[A], queues: Queues) -> tuple[Rule[A], ...]:
    parsed = parse_line(line)
    anybody: Part[A] = (None, ())
    part = narrowed(anybody, parsed.asks(kind), kind)
    return tuple(rules_for(part, outcome_of(parsed.target, kind, queues), kind, line))


@lru_cache(maxsize=65_536)
def parse_line(line: str) -> Line:
    """Take a line of iptables-save apart; nothing of it is judged yet."""
    options = list(_options(_words(line)))
    cut = next((at for at, option in enumerate(options) if option.name in _TO_TARGET), len(options))
    asked = tuple(options[1:cut])
    modules = tuple(option.values[0] for option in asked if option.name == "-m" and option.values)
    return Line(line, asked, modules, _target(options[cut:]))


def _words(line: str) -> list[tuple[str, bool]]:
    """Return the words, each with whether it was quoted: a quoted one is never an option."""
    return [
        (re.sub(r"\\(.)", r"\1", quoted), True) if bare == "" else (bare, False)
        for quoted, bare in _TOKEN.findall(line)
    ]


def _options(words: list[tuple[str, bool]]) -> Iterator[Option]:
    at, negated = 0, False
    while at < len(words):
        word = words[at][0]
        at += 1
        if word == "!":
            negated = True
            continue
        end = at + 1 if word in _ONE_VALUE else _end(words, at)
        yield Option(word, negated, tuple(value for value, _ in words[at:end]))
        at, negated = end, False


def _end(words: list[tuple[str, bool]], start: int) -> int:
    """Return where the next option begins."""
    return next((at for at in range(start, len(words)) if _begins(*words[at])), len(words))


def _begins(word: str, quoted: bool) -> bool:
    return not quoted and (word == "!" or (word.startswith("-") and len(word) > 1))


def _asked(options: tuple[Option, ...], kind: type[A]) -> Iterator[Found]:
    module, own = "", list[Option]()
    for option in (*options, Option("-m", False, ("",))):
        if option.name in _BUILTIN:
            yield from builtin(option, kind)
        elif option.name == "-m":
            yield from matched(module, own, kind) if module else ()
            module, own = option.value, []
        else:
            own.append(option)


def _target(options: list[Option]) -> Target:
    if not options:
        return Target()
    first, *rest = options
    return Target(first.value, first.name == "-g", {option.name: "".join(option.values[:1]) for option in rest})
