"""`audit`: shows, exports and verifies the audit; and has a person accept that lines of it are lost."""

import argparse
import json
from collections.abc import Iterator
from functools import partial

from ink_infra_mcp.cli.store import Desk, opened
from ink_infra_mcp.cli.terminal import Ask, Terminal, columns, decide_in_person, in_words, operator, readable, when
from ink_infra_mcp.core.errors import InputError, StateCorrupt
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.audit import GENESIS
from ink_infra_mcp.state.records import AuditEvent, AuditLine
from ink_infra_mcp.state.store import Connection
from ink_infra_mcp.state.witness import End

HEAD = ("line", "at", "event", "tool", "target", "by", "outcome", "operation", "approval")
SHOWN = 50
PAGE = 500
MAX_REASON = 300
ACCEPT = "accept-loss"
WORD = "lost"


def run(arguments: argparse.Namespace) -> int:
    """Show the newest lines, export them (all, unless --limit says how many), verify the chain, or accept a loss.

    Raises:
        InputError: a loss is to be accepted without a reason. ApprovalInvalid: no person sits at this terminal.
    """
    if arguments.action == ACCEPT:
        in_words(arguments)
        reason = _reason(arguments)
        decide_in_person()
        return accept(arguments, reason, Terminal())
    # what is left is shown, however little it is
    with opened(arguments, checked=False) as desk, readable():
        if arguments.action == "verify":
            return _verify(desk, as_json=arguments.json)
        if arguments.json:
            _export(desk, arguments.limit)
        else:
            _show(desk, arguments.limit or SHOWN)
    return 0


def accept(arguments: argparse.Namespace, reason: str, person: Ask) -> int:
    """Have a lost end accepted by the person who types the word; the exit status is 0 when that was done."""
    with opened(arguments, checked=False, anew=True) as desk:
        known, unreadable = _known(desk)
        lost = unreadable or desk.store.missing() or desk.read(lambda connection: audit.loss(connection, known))
        if not lost:
            person.tell("The audit ends where it should. There is nothing to accept, and nothing was changed.")
            return 1
        person.tell(
            f"{lost}\nAccepting brings nothing back. It writes into the audit that you accepted this, and lets the "
            "store be opened again. A backup that can be restored is better."
        )
        if person.text(f"To accept it, type {WORD}").strip() != WORD:
            person.tell(f"That is not {WORD}. Nothing was changed.")
            return 1
        line = desk.read(lambda connection: audit.accept_loss(connection, _accepted(desk, lost, reason)))
        if desk.store.witness is not None:
            desk.store.witness.put(End(line.seq, line.hash))
    person.tell(f"Accepted, in line {line.seq} of the audit.")
    return 0


def _known(desk: Desk) -> tuple[End | None, str]:
    """What is remembered, or why that cannot be told: that is a loss, too."""
    try:
        return desk.store.remembered(), ""
    except StateCorrupt as error:
        return None, error.failed


def _accepted(desk: Desk, lost: str, reason: str) -> AuditEvent:
    return AuditEvent(
        at=desk.clock.now().timestamp(),
        event="loss accepted",
        principal=f"terminal:{operator()}",
        tool="",
        detail={"lost": lost, "reason": reason},
    )


def _reason(arguments: argparse.Namespace) -> str:
    reason = clean_name(arguments.reason or "", limit=MAX_REASON)
    if not reason:
        raise InputError(
            "To accept a loss, a reason must be given.",
            next=f"Write `audit {ACCEPT} --reason TEXT`; the audit keeps the reason.",
        )
    return reason


def _export(desk: Desk, limit: int | None) -> None:
    """Print one JSON array, a line of the audit on each line of it: it may be larger than memory."""
    between = "["
    for line in _lines(desk, limit):
        print(f"{between}\n{line.model_dump_json()}", end="")
        between = ","
    print("[]" if between == "[" else "\n]")


def _show(desk: Desk, limit: int) -> None:
    rows = [_row(line) for line in _lines(desk, limit)]
    print(columns([HEAD, *rows]) if rows else "The audit is empty.")


def _verify(desk: Desk, *, as_json: bool) -> int:
    """Say how far the chain holds. Who cuts it and what is remembered beside it leaves a whole one: compare copies."""
    try:
        count, last = desk.read(partial(_whole, remembered=desk.store.remembered()))
    except StateCorrupt as error:
        print(json.dumps({"whole": False, "why": str(error)}) if as_json else f"BROKEN. {error}")
        return 1
    if as_json:
        print(json.dumps({"whole": True, "lines": count, "last_hash": last}))
    else:
        print(f"The audit is whole. Lines: {count}; hash of the last one: {last}.")
    return 0


def _whole(connection: Connection, *, remembered: End | None) -> tuple[int, str]:
    count = audit.verify(connection, remembered)
    end = audit.read(connection, after=count - 1, limit=1)
    return count, end[0].hash if count else GENESIS


def _lines(desk: Desk, limit: int | None) -> Iterator[AuditLine]:
    """Yield the newest `limit` lines (None: all), oldest first, in bites that fit into memory."""
    after = max(0, desk.read(audit.last_seq) - limit) if limit else 0
    while bite := desk.read(partial(audit.read, after=after, limit=PAGE)):
        yield from bite
        after = bite[-1].seq


def _row(line: AuditLine) -> tuple[str, ...]:
    return (
        str(line.seq),
        when(line.at),
        line.event,
        line.tool,
        line.target,
        line.principal,
        line.outcome,
        line.operation_id,
        line.approval_id,
    )
