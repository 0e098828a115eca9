"""The audit: who changed what, when, approved by whom; append-only, each line chained to the one before by SHA-256."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from ink_infra_mcp.core.errors import StateCorrupt
from ink_infra_mcp.core.plan import canonical
from ink_infra_mcp.state.records import AuditEvent, AuditLine
from ink_infra_mcp.state.rows import fields, load
from ink_infra_mcp.state.tables import audit, meta
from ink_infra_mcp.state.witness import WHAT_NEXT, End

GENESIS = "0" * 64
APPENDED = "ink_audit_end"
"""Under which name a connection keeps the end that its transaction wrote, for who remembers it after the commit."""
_END = "audit_end"


def append(connection: Connection, entry: AuditEvent) -> AuditLine:
    """Return the line that was added to the end of the chain, in the caller's transaction."""
    end = _end(connection)
    seq, previous = end.seq + 1, end.hash
    line = AuditLine(**entry.model_dump(), seq=seq, previous=previous, hash=_hash(entry, seq, previous))
    values = line.model_dump()
    connection.execute(audit.insert().values({**values, "detail": json.dumps(values["detail"], sort_keys=True)}))
    _remember_end(connection, line)
    return line


def read(
    connection: Connection, *, after: int = 0, limit: int = 50, operation_id: str | None = None
) -> tuple[AuditLine, ...]:
    """Return up to `limit` lines with a sequence number above `after`, oldest first."""
    query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    if operation_id:
        query = query.where(audit.c.operation_id == operation_id)
    return tuple(_line(row) for row in connection.execute(query))


def has(connection: Connection, operation_id: str, event: str) -> bool:
    """Return whether there is a line of that event about the operation."""
    found = select(audit.c.seq).where(audit.c.operation_id == operation_id, audit.c.event == event).limit(1)
    return connection.execute(found).first() is not None


def end_of(connection: Connection) -> End:
    """Return the number and hash of the last line, as the store knows them; 0 when there is none."""
    return _end(connection)


def last_seq(connection: Connection) -> int:
    """Return the number of the newest line, 0 when there is none."""
    return connection.execute(select(func.max(audit.c.seq))).scalar() or 0


def check_end(connection: Connection, remembered: End | None) -> None:
    """Do nothing when the audit ends where the store says it does, and holds the end that was `remembered` beside it.

    Raises:
        StateCorrupt: lines at its end are gone, or it is another one's.
    """
    if why := loss(connection, remembered):
        raise StateCorrupt(why, next=WHAT_NEXT)


def loss(connection: Connection, remembered: End | None) -> str:
    """Return what of the audit's end is gone or strange, in a sentence; empty when nothing is."""
    told, found = _end(connection), _last(connection)
    if told != found:
        return f"The audit is cut: its last line is {found.seq}, and the store knows of {told.seq}."
    if remembered is None or remembered.seq == 0:
        return ""
    if remembered.seq > found.seq:
        return f"The audit is gone or cut: it has {found.seq} lines, and had {remembered.seq} at least."
    if _hash_of(connection, remembered.seq) != remembered.hash:
        return f"The audit is another one: its line {remembered.seq} is not the one that was written here."
    return ""


def accept_loss(connection: Connection, entry: AuditEvent) -> AuditLine:
    """Return the line that says of a loss that a person accepted it; the chain goes on from what is there."""
    _keep_end(connection, _last(connection))
    return append(connection, entry)


def verify(connection: Connection, remembered: End | None = None) -> int:
    """Return how many lines were checked: every hash, every link, no number missing, and the end where it should be.

    That is where the store says, and behind the end that was `remembered` beside it. Whoever can write to both could
    compute all of it anew: only an exported copy shows that.

    Raises:
        StateCorrupt: a line was changed, removed or put in; the message names the first bad one.
    """
    count, previous = 0, GENESIS
    for line in _all(connection):
        count += 1
        entry = AuditEvent(**line.model_dump(exclude={"seq", "previous", "hash"}))
        if line.seq != count or line.previous != previous or line.hash != _hash(entry, line.seq, line.previous):
            raise StateCorrupt(
                f"The audit is broken at line {count}: it was changed, removed or put in afterwards.",
                next="Compare with an exported copy (`ink-infra-mcp audit --json`); trust no line from there on.",
            )
        previous = line.hash
    if _end(connection) != End(count, previous):
        raise StateCorrupt(
            f"The audit is broken after line {count}: lines at its end were removed or put in afterwards.",
            next="Compare with an exported copy (`ink-infra-mcp audit --json`).",
        )
    check_end(connection, remembered)
    return count


def _remember_end(connection: Connection, line: AuditLine) -> None:
    """Keep which line is the last: links alone do not show that lines at the end are missing, now or later."""
    end = End(line.seq, line.hash)
    _keep_end(connection, end)
    connection.info[APPENDED] = end


def _keep_end(connection: Connection, end: End) -> None:
    value = f"{end.seq} {end.hash}"
    if connection.execute(update(meta).where(meta.c.key == _END).values(value=value)).rowcount == 0:
        connection.execute(meta.insert().values(key=_END, value=value))


def _end(connection: Connection) -> End:
    text = connection.execute(select(meta.c.value).where(meta.c.key == _END)).scalar() or f"0 {GENESIS}"
    seq, _, last_hash = text.partition(" ")
    if not seq.isdecimal():
        raise StateCorrupt("The store does not know where its audit ends.", next="Restore a backup of the state.")
    return End(int(seq), last_hash)


def _last(connection: Connection) -> End:
    row = connection.execute(select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)).first()
    return End(row.seq, row.hash) if row else End(0, GENESIS)


def _hash_of(connection: Connection, seq: int) -> str | None:
    return connection.execute(select(audit.c.hash).where(audit.c.seq == seq)).scalar()


def _all(connection: Connection) -> Iterator[AuditLine]:
    for row in connection.execute(select(audit).order_by(audit.c.seq)):
        yield _line(row)


def _line(row: Row[Any]) -> AuditLine:
    return load(AuditLine, fields(row), texts=("detail",))


def _hash(entry: AuditEvent, seq: int, previous: str) -> str:
    return hashlib.sha256(canonical([seq, previous, entry.model_dump(mode="json")])).hexdigest()
