"""`audit`: shows, exports and verifies the audit."""

import argparse
import json
from collections.abc import Iterator
from functools import partial

from ink_infra_mcp.cli.store import Desk, opened
from ink_infra_mcp.cli.terminal import columns, readable, when
from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.state import audit
from ink_infra_mcp.state.audit import GENESIS
from ink_infra_mcp.state.records import AuditLine
from ink_infra_mcp.state.store import Connection

HEAD = ("line", "at", "event", "tool", "target", "by", "outcome", "operation", "approval")
SHOWN = 50
PAGE = 500


def run(arguments: argparse.Namespace) -> int:
    """Show the newest lines, export them (all, unless --limit says how many), or verify the chain."""
    with opened(arguments) as desk, readable():
        if arguments.action == "verify":
            return _verify(desk, as_json=arguments.json)
        if arguments.json:
            _export(desk, arguments.limit)
        else:
            _show(desk, arguments.limit or SHOWN)
    return 0


def _export(desk: Desk, limit: int | None) -> None:
    for line in _lines(desk, limit):
        print(line.model_dump_json())


def _show(desk: Desk, limit: int) -> None:
    rows = [_row(line) for line in _lines(desk, limit)]
    print(columns([HEAD, *rows]) if rows else "The audit is empty.")


def _verify(desk: Desk, *, as_json: bool) -> int:
    """Say how far the chain holds. Lines cut off at its end leave a shorter whole chain: compare count and hash."""
    try:
        count, last = desk.read(_whole)
    except StateCorrupt as error:
        print(json.dumps({"whole": False, "why": str(error)}) if as_json else f"BROKEN. {error}")
        return 1
    if as_json:
        print(json.dumps({"whole": True, "lines": count, "last_hash": last}))
    else:
        print(f"The audit is whole. Lines: {count}; hash of the last one: {last}.")
    return 0


def _whole(connection: Connection) -> tuple[int, str]:
    count = audit.verify(connection)
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
