"""Coolify's database on the Factory, for who enters it with psql: SQL is really run, on tables made of the world.

Written from the manual of psql (PostgreSQL 15) and the migrations of coollabsio/coolify at v4.3.10.
"""

import re
import shlex
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ink_infra_mcp.sandbox.state_coolify import CoolifyState

CONTAINER = "coolify-db"
_EXEC = re.compile(r"(?:^|; )exec (?P<line>docker exec -i coolify-db .*)$", re.DOTALL)
_ENTERED = ("sh", "-c", 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"', "psql")
"""The container has the variables from docker-compose.prod.yml."""
_FLAGS = frozenset({"-X", "-q", "-A", "-t", "--single-transaction"})
_VARIABLE = re.compile(r":'(?P<name>[A-Za-z0-9_]+)'")
SCRIPT_FAILED = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What psql says, and its exit status."""

    output: str = ""
    complaint: str = ""
    status: int = 0


NO_CONTAINER = Said(complaint=f"Error response from daemon: No such container: {CONTAINER}\n", status=1)


@dataclass(slots=True)
class _Psql:
    flags: set[str] = field(default_factory=set[str])
    variables: dict[str, str] = field(default_factory=dict[str, str])
    file: str = ""


def psql_words(command: str) -> tuple[str, ...]:
    """Return the arguments of a call of psql in Coolify's database container; none of another command."""
    found = _EXEC.search(command)
    words = tuple(shlex.split(found["line"])[4:]) if found else ()
    return words[len(_ENTERED) :] if words[: len(_ENTERED)] == _ENTERED else ()


def run_psql(coolify: CoolifyState, words: Sequence[str], script: str, *, now: float) -> Said | None:
    """Run the script; None when it was called in a way that nobody taught the world."""
    psql = _called(words)
    if psql is None or psql.file != "-" or not psql.flags >= _FLAGS:
        return None
    database = _database(coolify, now)
    try:
        output = _run(database, _filled(script, psql.variables))
    except sqlite3.Error as error:
        return Said(complaint=f"psql:<stdin>: ERROR:  {error}\n", status=SCRIPT_FAILED)
    _take_over(database, coolify)
    return Said(output=output)


def _called(words: Sequence[str]) -> _Psql | None:
    psql, rest = _Psql(), [*words]
    while rest:
        word = rest.pop(0)
        if word in _FLAGS:
            psql.flags.add(word)
        elif word == "-v" and rest and "=" in rest[0]:
            name, _, value = rest.pop(0).partition("=")
            psql.variables[name] = value
        elif word == "-f" and rest:
            psql.file = rest.pop(0)
        else:
            return None
    return psql if psql.variables.pop("ON_ERROR_STOP", "") == "1" else None


def _filled(script: str, variables: Mapping[str, str]) -> str:
    """Quote each variable as a literal, as `:'name'` does; one that is not set stays as it is, and fails."""

    def literal(found: re.Match[str]) -> str:
        value = variables.get(found["name"])
        return found[0] if value is None else "'" + value.replace("'", "''") + "'"

    return _VARIABLE.sub(literal, script)


def _database(coolify: CoolifyState, now: float) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.create_function("now", 0, lambda: now)
    database.execute("CREATE TABLE servers (id INTEGER, uuid TEXT, name TEXT, deleted_at REAL)")
    columns = "id INTEGER, server_id INTEGER, wildcard_domain TEXT, updated_at REAL"
    database.execute(f"CREATE TABLE server_settings ({columns})")
    for server in coolify.servers:
        database.execute("INSERT INTO servers VALUES (?, ?, ?, NULL)", (server.id, server.uuid, server.name))
        row = (server.id, server.id, server.settings.wildcard_domain, server.updated_at)
        database.execute("INSERT INTO server_settings VALUES (?, ?, ?, ?)", row)
    database.execute("CREATE TABLE instance_settings (id INTEGER, is_api_enabled BOOLEAN, updated_at REAL)")
    database.execute("INSERT INTO instance_settings VALUES (0, ?, 0)", (coolify.is_api_enabled,))
    return database


def _run(database: sqlite3.Connection, script: str) -> str:
    """With -A -t each row is a line, its columns parted by bars, and an UPDATE says nothing with -q."""
    lines: list[str] = []
    for statement in filter(None, map(str.strip, script.split(";\n"))):
        for row in database.execute(statement).fetchall():
            lines.append("|".join("" if value is None else str(value) for value in row))
    return "".join(f"{line}\n" for line in lines)


def _take_over(database: sqlite3.Connection, coolify: CoolifyState) -> None:
    rows = database.execute("SELECT server_id, wildcard_domain FROM server_settings").fetchall()
    found: dict[int, str | None] = dict(rows)
    for server in coolify.servers:
        server.settings.wildcard_domain = found[server.id]
    (api,) = database.execute("SELECT is_api_enabled FROM instance_settings WHERE id = 0").fetchone()
    coolify.is_api_enabled = bool(api)
