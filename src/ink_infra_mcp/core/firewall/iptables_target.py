"""What the targets of iptables do to a packet; one that is not known may do anything."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.marks import ALL_BITS, SetMark
from ink_infra_mcp.core.firewall.outcomes import UNKNOWN, Outcome, Pool
from ink_infra_mcp.core.firewall.queues import Queues
from ink_infra_mcp.core.firewall.rules import Verdict

_PASSING = frozenset(
    {
        *("LOG", "NFLOG", "ULOG", "CONNSECMARK", "SECMARK", "TCPMSS", "TCPOPTSTRIP", "CHECKSUM", "TRACE", "SET"),
        *("CLASSIFY", "DSCP", "TOS", "TTL", "HL", "AUDIT", "IDLETIMER", "LED", "RATEEST", "ECN", "MASQUERADE", "SNAT"),
    }
)
_VERDICTS = {
    "": Verdict.CONTINUE,
    **dict.fromkeys(_PASSING, Verdict.CONTINUE),
    "ACCEPT": Verdict.ACCEPT,
    "DROP": Verdict.DROP,
    "REJECT": Verdict.REJECT,
    "RETURN": Verdict.RETURN,
    "NOTRACK": Verdict.UNTRACK,
}
_CHANGING = frozenset({"TEE", "TPROXY", "SYNPROXY", "CLUSTERIP", "NETMAP", "DNPT", "SNPT"})
"""Targets that send packets, or copies of them, where the rule alone does not tell."""
_PORTS = r"(?P<port>\d+)(?:-(?P<last_port>\d+))?"
_TO = re.compile(
    r"(?:(?P<four>[0-9.]+)(?:-(?P<last_four>[0-9.]+))?|\[(?P<six>[0-9a-fA-F:.]+)(?:\]?-\[?(?P<last_six>[0-9a-fA-F:.]+))?\]"
    rf"|(?P<bare>[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*)(?:-(?P<last_bare>[0-9a-fA-F:.]+))?)?(?::{_PORTS})?"
)
_RANGE = re.compile(_PORTS)
_MARK = re.compile(r"(?:0x)?([0-9a-fA-F]+)(?:/(?:0x)?([0-9a-fA-F]+))?")
_SPREADING = frozenset({"--random", "--random-fully"})


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a rule with its options, each with its first value."""

    name: str = ""
    goto: bool = False
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def outcome_of(target: Target, kind: type[A], queues: Queues) -> Outcome:
    """Return what becomes of a packet; a target that is none of iptables' own is a chain of that name.

    Raises:
        ValueError: an address in it is none of the family.
    """
    if target.goto:
        return Outcome(Verdict.GOTO, target.name)
    match target.name:
        case "CT":
            helps = "--helper" in target.options
            return Outcome(Verdict.UNTRACK if "--notrack" in target.options else Verdict.CONTINUE, helps=helps)
        case "DNAT" | "REDIRECT":
            return Outcome(Verdict.DNAT, pool=_pool(target, kind))
        case "MARK" | "CONNMARK":
            return Outcome(Verdict.CONTINUE, marks=(_set_mark(target),))
        case "NFQUEUE" | "QUEUE":
            return Outcome(_queued(target.options, queues))
        case name if name in _CHANGING:
            return UNKNOWN
        case name:
            verdict = _VERDICTS.get(name)
            return Outcome(Verdict.JUMP, name) if verdict is None else Outcome(verdict)


def _queued(options: Mapping[str, str], queues: Queues) -> Verdict:
    ends = options.get("--queue-balance", options.get("--queue-num", "0")).split(":")
    if not all(end.isascii() and end.isdigit() for end in ends):
        return Verdict.UNKNOWN
    return queues.verdict(int(ends[0]), int(ends[-1]), bypass="--queue-bypass" in options)


def _pool(target: Target, kind: type[A]) -> Pool | None:
    """Return the places that a translation names, None where they cannot be told."""
    spread = bool(_SPREADING & target.options.keys())
    if target.name == "REDIRECT":
        said = target.options.get("--to-ports", "")
        found = _RANGE.fullmatch(said)
        if found is None:
            return None if said else Pool(redirected=True)
        return Pool(None, _ends(found["port"], found["last_port"]), redirected=True, spread=spread)
    found = _TO.fullmatch(target.options.get("--to-destination", "?"))
    if found is None:
        return None
    places = found.groupdict()
    port = places["port"]
    ports = _ends(port, places["last_port"]) if port else None
    return Pool(_address_ends(places, kind), ports, spread=spread)


def _ends(first: str, last: str | None) -> tuple[int, int]:
    return int(first), int(last or first)


def _address_ends(said: Mapping[str, str | None], kind: type[A]) -> tuple[int, int] | None:
    for form in ("four", "six", "bare"):
        if first := said[form]:
            last = said[f"last_{form}"] or first
            return kind.parse(first).spans[0][0], kind.parse(last).spans[0][0]
    return None


def _set_mark(target: Target) -> SetMark:
    """Return what becomes of a mark: iptables-save says everything by --set-xmark, but for copies of a mark."""
    of = "packet" if target.name == "MARK" else "connection"
    options = target.options
    if found := _MARK.fullmatch(options.get("--set-xmark", options.get("--set-mark", "?"))):
        mask = int(found[2], 16) if found[2] else ALL_BITS
        flip = int(found[1], 16)
        return SetMark(of, keep=ALL_BITS & ~mask, flip=flip) if len(options) == 1 else SetMark(of, told=False)
    return _copied(options) if of == "connection" else SetMark(of, told=False)


def _copied(options: Mapping[str, str]) -> SetMark:
    ends = [_MARK.fullmatch(options.get(name, "ffffffff")) for name in ("--nfmask", "--ctmask")]
    packet, connection = (int(end[1], 16) if end else 0 for end in ends)
    rest = options.keys() - {"--nfmask", "--ctmask"}
    if all(ends) and rest == {"--save-mark"}:
        return SetMark("connection", keep=ALL_BITS & ~connection, take=packet)
    if all(ends) and rest == {"--restore-mark"}:
        return SetMark("packet", keep=ALL_BITS & ~packet, take=connection)
    return SetMark("packet" if "--restore-mark" in options else "connection", told=False)
