"""What a backup of Coolify holds beside what is in service: who made it, what would go, and what would come back."""

import re
from collections.abc import Iterable

from ink_infra_mcp.core.errors import CommandFailed, HostError, InputError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-weigh"
LOOK_S, LIST_S = 1500.0, 60.0
PLACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}|/data/coolify/backups(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,63}){1,4}")
"""The name of a backup that was made there, or where one lies that was brought there."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UNCHANGED = 3
_WORDS = re.compile(r"^ink-weigh: (.+)", re.MULTILINE)
_THING = re.compile(r"(?P<table>[a-z_0-9]{1,63}) (?P<uuid>[A-Za-z0-9-]{1,64})(?: (?P<name>.*))?")
_KEYS = frozenset({"known", "earlier", "other", "missing"})


class Thing(Frozen):
    """A row of Coolify's database: its table, its uuid, and its name, which may be empty.

    It is its id where it has none, or where the table has none in the backup or now: a migration gave them.
    """

    table: str
    uuid: str
    name: str = ""


class Weighed(Frozen):
    """A backup and the database in service. An empty text and None are what is not known.

    `made` is in seconds of Unix. `key` tells whether .env decrypts what the backup's APP_KEY has encrypted: `known`,
    `other`, or `missing` where the backup has none; `earlier`, where only some of the backup's earlier keys are not
    there. `left` counts the databases that are called ink_left. `unset` are keys of the backup's .env that are not
    here.
    `since` counts the deployments that began after the backup. `last` is the sum of the dump that was restored last, if
    that is what serves. `panel` is the URL of the dashboard, as the backup has it.
    """

    name: str
    made: int
    image: str = ""
    image_id: str = ""
    version: str = ""
    postgres: str = ""
    database_bytes: int | None = None
    key: str = "missing"
    unset: tuple[str, ...] = ()
    since: int | None = None
    last: str = ""
    left: int | None = None
    panel: str = ""
    now_bytes: int | None = None
    now_postgres: str = ""
    kept: tuple[Thing, ...] = ()
    now: tuple[Thing, ...] = ()

    def lost(self, table: str) -> tuple[Thing, ...]:
        """Return what is in that table now and not in the backup."""
        return _without(self.now, self.kept, table)

    def back(self, table: str) -> tuple[Thing, ...]:
        """Return what is in that table of the backup, and no more now."""
        return _without(self.kept, self.now, table)

    def both(self, table: str) -> tuple[Thing, ...]:
        """Return what is in that table of both, as the backup has it."""
        now = _of(self.now, table)
        return tuple(thing for uuid, thing in _of(self.kept, table).items() if uuid in now)

    @property
    def largest_bytes(self) -> int | None:
        """Return the size of the larger of both databases, None where one of both is not known."""
        sizes = (self.database_bytes, self.now_bytes)
        return None if None in sizes else max(size or 0 for size in sizes)

    @property
    def tables(self) -> tuple[str, ...]:
        """Return the tables that there are rows of."""
        return tuple(sorted({thing.table for thing in (*self.kept, *self.now)}))


def _of(things: Iterable[Thing], table: str) -> dict[str, Thing]:
    return {thing.uuid: thing for thing in things if thing.table == table}


def _without(those: Iterable[Thing], these: Iterable[Thing], table: str) -> tuple[Thing, ...]:
    known = _of(these, table)
    return tuple(thing for uuid, thing in _of(those, table).items() if uuid not in known)


async def weigh(pool: HostPool, host: str, place: str) -> Weighed:
    """Return what a backup holds beside what is in service; nothing is changed.

    Raises:
        InputError: it is not there, or cannot be read. HostError: the Factory cannot be reached, or does not tell.
    """
    lines = await _facts(pool, host, ("look", place), timeout_s=LOOK_S)
    return read_weighed(host, lines)


async def backups(pool: HostPool, host: str) -> tuple[str, ...]:
    """Return the names of the backups that were made there and have a manifest.

    Raises:
        HostError: the Factory cannot be reached.
    """
    lines = await _facts(pool, host, ("list",), timeout_s=LIST_S)
    return tuple(rest for first, rest in lines if first == "backup" and _NAME.fullmatch(rest))


def command(words: tuple[str, ...], *, as_root: bool, timeout_s: float) -> HostCommand:
    """Return the command that runs the script, which arrives by standard input."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
    stdin = (packaged("factory/weigh.sh").rstrip("\n") + " </dev/null\n").encode()
    return HostCommand((*begin, MARK, *words), changes=False, timeout_s=timeout_s, stdin=stdin)


async def _facts(pool: HostPool, host: str, words: tuple[str, ...], *, timeout_s: float) -> list[tuple[str, str]]:
    said = await pool.run(host, command(words, as_root=is_root(pool, host), timeout_s=timeout_s))
    if said.exit_status:
        raise _refusal(pool, host, said)
    if said.truncated or not said.stdout.endswith("done\n"):
        raise _not_understood(host)
    return [_parted(line) for line in said.stdout.splitlines()]


def _parted(line: str) -> tuple[str, str]:
    first, _, rest = line.partition(" ")
    return first, rest


def read_weighed(host: str, facts: Iterable[tuple[str, str]]) -> Weighed:
    """Return what the script tells.

    Raises:
        HostError: it is not whole, or of another shape.
    """
    lines = list(facts)
    told = dict(lines)
    if not _is_whole(lines, told):
        raise _not_understood(host)
    return Weighed(
        name=clean_name(told.get("name", "")),
        made=int(told["made"]),
        **{name: clean_name(told.get(name, ""), limit=400) for name in _TEXTS},
        key=told["key"],
        unset=tuple(map(clean_name, _rests(lines, "unset"))),
        database_bytes=_count(told, "database_bytes"),
        since=_count(told, "since"),
        left=_count(told, "left"),
        now_bytes=_count(told, "now_bytes"),
        kept=_things(host, lines, "kept"),
        now=_things(host, lines, "now"),
    )


_TEXTS = ("image", "image_id", "version", "postgres", "now_postgres", "last", "panel")


def _things(host: str, lines: Iterable[tuple[str, str]], what: str) -> tuple[Thing, ...]:
    read = [_thing(host, rest) for rest in _rests(lines, what)]
    return tuple(sorted(read, key=lambda thing: (thing.table, thing.name, thing.uuid)))


def _thing(host: str, text: str) -> Thing:
    found = _THING.fullmatch(text)
    if found is None:
        raise _not_understood(host)
    return Thing(table=found["table"], uuid=found["uuid"], name=clean_name(found["name"] or ""))


def _rests(lines: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [rest for first, rest in lines if first == name]


def _is_whole(lines: Iterable[tuple[str, str]], told: dict[str, str]) -> bool:
    whole = set(_rests(lines, "whole")) == {"kept", "now"}
    return whole and told.get("key") in _KEYS and told.get("made", "").isdigit()


def _count(told: dict[str, str], name: str) -> int | None:
    return int(told[name]) if re.fullmatch(r"[0-9]{1,15}", told.get(name, "")) else None


def _not_understood(host: str) -> HostError:
    return HostError(
        f"What {host} says of that backup is not understood.",
        host=host,
        done="Nothing was changed by asking.",
        next="See there whether coolify-db answers, and look at /data/coolify/backups.",
    )


def _refusal(pool: HostPool, host: str, said: CommandResult) -> InputError | HostError:
    words = pool.presentable(said.stderr, limit=600)
    told = _WORDS.search(words)
    if said.exit_status == _UNCHANGED and told:
        return InputError(
            f"On {host} {clean_name(told[1], limit=300)}.",
            next="Call without `backup` to see which there are; what lies elsewhere is given as from_folder.",
        )
    return CommandFailed(
        f"{host} did not run what was asked of it (exit status {said.exit_status}): {clean_name(words, limit=300)}.",
        host=host,
        done="Nothing was changed by asking.",
        next="Give our user sudo without a password there, or log in as root.",
        exit_status=said.exit_status,
    )
