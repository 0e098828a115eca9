"""What becomes of a server's ports at its next boot: who will be locked out, and what will no longer be closed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ink_infra_mcp.areas.ports.findings import (
    FATAL_PORTS,
    RANKS,
    Finding,
    Ground,
    Row,
    Severity,
    listed,
    rows_of,
)
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot
from ink_infra_mcp.core.firewall.policy import Agreement
from ink_infra_mcp.core.untrusted import clean_name

LOCKED_OUT = "will_lock_out"
_NOTHING = "no service that is known to load rules is started at boot"
_AT_FAULT = {
    "ufw": "the rules below /etc/ufw (or `ufw disable`)",
    "nftables.service": "/etc/nftables.conf (or `systemctl disable nftables`)",
    "netfilter-persistent": "/etc/iptables/rules.v4 and rules.v6 (or `systemctl disable netfilter-persistent`)",
    "firewalld": "firewalld's permanent configuration (or `systemctl disable firewalld`)",
}
_UFW_AT_BOOT = "On the server: `ufw enable` and `systemctl enable ufw`; then check_firewall again."


@dataclass(frozen=True, slots=True)
class _Turn:
    """A port for a class of sources over a family, now and after the next boot."""

    now: Row
    then: Row


def boot_findings(ground: Ground, rows: tuple[Row, ...]) -> tuple[Finding, ...]:
    """Return what the next boot changes for the worse, one finding for each kind, the worst first.

    Ports are judged with the services and containers that run now, and the provider's firewall as it is now. A layer
    that cannot be read now is told by `findings_of`, and is not told again here.
    """
    if ground.boot is None or _is_unread(ground):
        return ()
    if isinstance(ground.boot, Unreadable):
        turns = _turns(ground, rows, ground.boot, ground.boot)
        return tuple(_untold(ground, _that_become(turns, Agreement.UNPROVEN), ground.boot.reason))
    found = [
        *_changes(ground, ground.boot, _turns(ground, rows, ground.boot.v4, ground.boot.v6)),
        *_stored(ground, ground.boot, rows),
    ]
    return tuple(sorted(found, key=lambda finding: RANKS.index(finding.severity)))


def lasting_trouble(ground: Ground, rows: tuple[Row, ...]) -> tuple[str, ...]:
    """Return in words who will be locked out at boot by rules that we do not take away: ours are only added to them."""
    if ground.ufw:
        return ()
    shut = (found for found in boot_findings(ground, rows) if found.code in {LOCKED_OUT, "closed_at_boot"})
    return tuple(f"{found.what}, and this change does not mend that: {found.mend}" for found in shut)


def _is_unread(ground: Ground) -> bool:
    return any(isinstance(layer, Unreadable) for layer in (ground.facts.v4, ground.facts.v6, ground.facts.interfaces))


def _turns(ground: Ground, rows: Iterable[Row], v4: object, v6: object) -> tuple[_Turn, ...]:
    facts = replace(ground.facts, v4=v4, v6=v6)
    if facts == ground.facts:
        return ()
    then = {_key(row): row for row in rows_of(replace(ground, facts=facts))}
    return tuple(_Turn(row, then[_key(row)]) for row in rows if _key(row) in then)


def _key(row: Row) -> tuple[str, str, int, str]:
    found = row.exposure
    return found.family, found.protocol, found.port, found.source_class


def _changes(ground: Ground, boot: NextBoot, turns: tuple[_Turn, ...]) -> Iterator[Finding]:
    shut = _that_become(turns, Agreement.MISSING)
    unclear = _that_become(turns, Agreement.UNPROVEN)
    yield from _locked_out(ground, boot, _of_ssh(ground, shut))
    yield from _closed(ground, boot, [turn for turn in shut if turn not in _of_ssh(ground, shut)])
    yield from _lost(ground, boot, _that_become(turns, Agreement.EXPOSED))
    yield from _untold(ground, unclear, _said(unclear))


def _locked_out(ground: Ground, boot: NextBoot, ssh: list[_Turn]) -> Iterator[Finding]:
    if ssh:
        what = f"after the next boot SSH ({_ports(ssh)}) is closed for {_names(ssh)}"
        yield _finding(ground, "critical", LOCKED_OUT, what, _evidence(boot, ssh), mend=_opening(ground, boot))


def _closed(ground: Ground, boot: NextBoot, others: list[_Turn]) -> Iterator[Finding]:
    if others:
        what = f"after the next boot {_ports(others)} will be closed for {_names(others)}, though policy wants it open"
        yield _finding(ground, "high", "closed_at_boot", what, _evidence(boot, others), mend=_opening(ground, boot))


def _lost(ground: Ground, boot: NextBoot, lost: list[_Turn]) -> Iterator[Finding]:
    if boot.others:
        yield from _untold(ground, lost, f"these are run at boot and may load rules: {listed(list(boot.others))}")
    elif lost:
        what = f"what keeps {_ports(lost)} from {_names(lost)} is gone after the next boot"
        evidence = f"it is in force now and written down nowhere; {_loads(boot)}"
        yield _finding(ground, _how_bad(lost), "lost_at_boot", what, evidence, mend=_lasting(ground, boot))


def _that_become(turns: Iterable[_Turn], then: Agreement) -> list[_Turn]:
    """Return those that are as policy wants now, and will be otherwise."""
    return [turn for turn in turns if (turn.now.agreement, turn.then.agreement) == (Agreement.AGREES, then)]


def _untold(ground: Ground, turns: list[_Turn], reason: str) -> Iterator[Finding]:
    if turns:
        yield _finding(
            ground,
            "warning",
            "boot_unknown",
            f"whether {_ports(turns)} will be as policy wants after the next boot cannot be told",
            reason,
            mend="Put right what kept it from being told; apply_firewall's own rules last over reboots.",
        )


def _stored(ground: Ground, boot: NextBoot, rows: tuple[Row, ...]) -> Iterator[Finding]:
    """A ufw that is off with rules in store shuts out whom they do not name as soon as somebody switches it on."""
    if boot.stored is None or ground.ufw is not False:
        return
    turns = _turns(ground, rows, boot.stored.v4, boot.stored.v6)
    shut = _of_ssh(ground, _that_become(turns, Agreement.MISSING))
    if shut:
        what = f"ufw is off; if it is enabled, its rules close SSH ({_ports(shut)}) for {_names(shut)}"
        mend = "Before `ufw enable`, let them in with `ufw allow`, or clear its rules with `ufw reset`."
        yield _finding(ground, "info", "ufw_would_lock_out", what, _said(shut), mend=mend)


def _of_ssh(ground: Ground, turns: list[_Turn]) -> list[_Turn]:
    return [turn for turn in turns if turn.now.exposure.port == ground.ssh_port]


def _opening(ground: Ground, boot: NextBoot) -> str:
    """Our own table lets in all that policy requires; another's drop stays a drop, whatever we add."""
    others = [_AT_FAULT[name] for name in boot.loads if name in _AT_FAULT]
    first = f"apply_firewall server={ground.facts.name}; " if ground.ufw else ""
    if not others:
        return f"apply_firewall server={ground.facts.name}"
    return f"{first}correct what is loaded at boot: {' and '.join(others)}; then check_firewall again."


def _lasting(ground: Ground, boot: NextBoot) -> str:
    if ground.ufw and "ufw" not in boot.loads:
        return _UFW_AT_BOOT
    return f"apply_firewall server={ground.facts.name}"


def _how_bad(turns: list[_Turn]) -> Severity:
    return "critical" if any(turn.now.exposure.port in FATAL_PORTS for turn in turns) else "high"


def _loads(boot: NextBoot) -> str:
    return f"loaded at boot: {', '.join(boot.loads)}" if boot.loads else _NOTHING


def _evidence(boot: NextBoot, turns: list[_Turn]) -> str:
    return f"{_loads(boot)}; {_said(turns)}"


def _said(turns: list[_Turn]) -> str:
    said = dict.fromkeys(text for turn in turns for text in turn.then.exposure.evidence)
    return clean_name("; ".join(list(said)[:3]), limit=400)


def _ports(turns: Iterable[_Turn]) -> str:
    return listed(_sorted(turns, lambda turn: turn.now.port))


def _names(turns: Iterable[_Turn]) -> str:
    return listed(_sorted(turns, lambda turn: turn.now.exposure.source_class))


def _sorted(turns: Iterable[_Turn], name: Callable[[_Turn], str]) -> list[str]:
    return sorted({name(turn) for turn in turns})


def _finding(ground: Ground, severity: Severity, code: str, what: str, evidence: str, *, mend: str) -> Finding:
    return Finding(server=ground.facts.name, severity=severity, code=code, what=what, evidence=evidence, mend=mend)
