"""Reads one line of iptables-save into a rule: its options by the module that they belong to, and its target."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import Condition, parted
from ink_infra_mcp.core.firewall.iptables_match import Option, builtin, matched
from ink_infra_mcp.core.firewall.rules import Rule, Translation, Verdict

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_TO_TARGET = frozenset({"-j", "-g"})
_BUILTIN = frozenset({"-s", "-d", "-i", "-o", "-p", "-f"})
_ONE_VALUE = frozenset({"--comment", "--log-prefix", "--nflog-prefix", "--string", "--name"})
_PASSING = frozenset(
    {
        *("LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CONNSECMARK", "SECMARK", "TCPMSS", "TCPOPTSTRIP", "CHECKSUM"),
        *("TRACE", "SET", "CLASSIFY", "DSCP", "TOS", "TTL", "HL", "AUDIT", "IDLETIMER", "LED", "RATEEST", "ECN"),
        *("TEE", "MASQUERADE", "SNAT"),
    }
)
_VERDICTS = {
    "": Verdict.CONTINUE,
    **dict.fromkeys(_PASSING, Verdict.CONTINUE),
    "ACCEPT": Verdict.ACCEPT,
    "DROP": Verdict.DROP,
    "REJECT": Verdict.REJECT,
    "RETURN": Verdict.RETURN,
    "DNAT": Verdict.DNAT,
    "REDIRECT": Verdict.DNAT,
    "NETMAP": Verdict.DNAT,
    "NOTRACK": Verdict.UNTRACK,
}
_TO = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+)|(?P<bare>[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*))?(?::(?P<port>\d+))?"
)


@dataclass(frozen=True, slots=True)
class _Target:
    name: str = ""
    goto: bool = False
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def read_rule(line: str, kind: type[A]) -> Rule[A]:
    """Read `-A CHAIN ...`; a match that is not understood becomes an opaque condition, a target a jump to its name.

    Raises:
        ValueError: a value of the rule is not what its option takes.
    """
    return _read(line, kind)


@lru_cache(maxsize=65_536)
def _read(line: str, kind: type[A]) -> Rule[A]:
    options = list(_options(_words(line)))
    cut = next((at for at, option in enumerate(options) if option.name in _TO_TARGET), len(options))
    target = _target(options[cut:])
    sources, conditions = parted(_asked(options[1:cut], kind), kind)
    verdict = _verdict(target)
    return Rule(
        verdict=verdict,
        sources=sources,
        conditions=conditions,
        target=target.name,
        translation=_translation(target, kind) if verdict is Verdict.DNAT else None,
        origin=line,
    )


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


def _asked(options: list[Option], kind: type[A]) -> Iterator[Condition | Addresses]:
    module, own = "", list[Option]()
    for option in (*options, Option("-m", False, ("",))):
        if option.name in _BUILTIN:
            yield from builtin(option, kind)
        elif option.name == "-m":
            yield from matched(module, own, kind) if module else ()
            module, own = option.value, []
        else:
            own.append(option)


def _target(options: list[Option]) -> _Target:
    if not options:
        return _Target()
    first, *rest = options
    return _Target(first.value, first.name == "-g", {option.name: "".join(option.values[:1]) for option in rest})


def _verdict(target: _Target) -> Verdict:
    if target.goto:
        return Verdict.GOTO
    if target.name == "CT":
        return Verdict.UNTRACK if "--notrack" in target.options else Verdict.CONTINUE
    return _VERDICTS.get(target.name, Verdict.JUMP)


def _translation(target: _Target, kind: type[A]) -> Translation:
    if target.name == "REDIRECT":
        port = target.options.get("--to-ports", "")
        return Translation(
            port=int(port) if port.isdigit() else None, vague=not port.isdigit() and bool(port), redirected=True
        )
    found = _TO.fullmatch(target.options.get("--to-destination", "?"))
    return _to(found.groupdict(), kind) if found else Translation(vague=True)


def _to(said: Mapping[str, str | None], kind: type[A]) -> Translation:
    texts = [text for name, text in said.items() if text and name != "port"]
    port = said["port"]
    return Translation(kind.parse(texts[0]).spans[0][0] if texts else None, int(port) if port else None)
