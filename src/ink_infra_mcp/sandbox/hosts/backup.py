"""Answers the script that backs Coolify up and tries restores, from the world; the script itself is never run here.

What programs complain is written from pg_dump's and pg_restore's manuals (PostgreSQL 15), Docker 28 and Laravel 12.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.sandbox.hosts.restore import rows_of
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import MIGRATIONS, Drill, FactoryDisk, Kept
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_place import sealed

FAILED = 3
_SPARE, _MEMORY = 256 * 2**20, 1200 * 2**20
_ENCRYPTS, _DROPS = "encrypt", "drop"
_TAKEN_OUT = "2018_08_08_100000_create_telescope_entries_table"
"""What 4.2.0 has of migrations and 4.3.0 has not any more (coollabsio/coolify, database/migrations)."""
Said = tuple[int, str, str]
"""The exit status, and what is said on both outputs."""


class Broken(Exception):
    """The script ends here: the stage, why, and the last words of the program that failed."""

    def __init__(self, stage: str, why: str, words: str = "") -> None:
        super().__init__(why)
        self.said = f"{words}{f'{chr(10)}' if words else ''}ink-backup {stage} {why}\n"


@dataclass(frozen=True, slots=True)
class BackupScript:
    """One call of it on a pretend Factory."""

    host: HostState
    coolify: CoolifyState
    now: float

    @property
    def disk(self) -> FactoryDisk:
        """The Factory's disk."""
        return self.coolify.factory

    def answer(self, words: tuple[str, ...]) -> Said:
        """Do what is asked, and return what the script would say."""
        try:
            match words:
                case ("make", name):
                    return 0, self._told(self._made(name)), ""
                case ("check", name):
                    return 0, self._told(self._whole(name)), ""
                case ("rehearse", _, backup, image, _, *more):
                    return 0, self._rehearsed(backup, [image, *more]), ""
                case _:
                    raise Broken("backup_call", "this is not how it is called")
        except Broken as broken:
            is_tried = words[:1] == ("rehearse",)
            return FAILED, "", broken.said.replace("ink-backup backup_", "ink-backup rehearsal_", is_tried)

    def _made(self, name: str) -> Kept:
        if any(self._is(kept, name) for kept in self.disk.kept):
            return self._whole(name)
        self._database()
        self._room(2, "/data/coolify/backups/ink", "backup_room")
        if "pg_dump" in self.disk.failing:
            words = "pg_dump: error: query failed: ERROR:  permission denied for table users"
            raise Broken("backup_dump", "pg_dump failed", words)
        dump = json.dumps([name, self.disk.applied, self.disk.key_fits])
        runs = self._container("coolify", "backup_database", "the container coolify-db does not answer").image
        kept = Kept(name=name, at=self._clock, sum=hashlib.sha256(dump.encode()).hexdigest(), image=runs)
        kept.rows, kept.version = rows_of(self.coolify), self.coolify.version
        self.disk.kept = [*self.disk.kept, kept]
        return kept

    def _whole(self, name: str) -> Kept:
        kept = next((kept for kept in self.disk.kept if self._is(kept, name)), None)
        if kept is None or kept.spoilt:
            raise Broken("backup_damaged", f"the backup {name} is not what its manifest says, or has none")
        return kept

    def _is(self, kept: Kept, place: str) -> bool:
        return place == (kept.folder or kept.name)

    def _told(self, kept: Kept) -> str:
        return f"dump {kept.sum}\nbytes {kept.size}\nmade {int(kept.at)}\nseconds 1.25\ndone\n"

    def _rehearsed(self, backup: str, images: list[str]) -> str:
        kept = self._whole(backup)
        runs = self._container("coolify", "rehearsal_start", "Coolify's containers are not all there")
        references = [runs.image if image == "-" else image for image in images]
        ids = [self._id(reference, runs) for reference in references]
        self._database()
        self._room(3, "/var/lib/docker", "rehearsal_room")
        self._memory()
        if "pg_restore" in self.disk.failing:
            words = 'pg_restore: error: could not execute query: ERROR:  relation "users" already exists'
            raise Broken("rehearsal_restore", "pg_restore failed", words)
        applied, since, lines = [*self.disk.applied], runs.image, list[str]()
        for reference, id_ in zip(references, ids, strict=True):
            lines += ["passed 2.10"] if lines else []
            pending = self._pending(applied, self._migrations(reference), self._migrations(since))
            lines += [f"image {id_}", *self._of_one(applied, reference, pending)]
            applied, since = [*applied, *pending], reference
        self.disk.drill = Drill(at=self._clock, backup=kept.name, sum=kept.sum, image=ids[-1])
        return "\n".join((*lines, f"dump {kept.sum}", "seconds 4.20", "secret decrypted", "done", ""))

    def _of_one(self, applied: list[str], reference: str, pending: list[str]) -> list[str]:
        if not self.disk.key_fits:
            raise Broken("rehearsal_secret", "APP_KEY does not decrypt a private key of the copy")
        return [
            *_lines("pending", pending),
            *_lines("ran", pending),
            *_lines("gone", [each for each in applied if each not in self._migrations(reference)]),
            *_lines("drops", _with(pending, _DROPS)),
            *_lines("encrypts", _with(pending, _ENCRYPTS)),
        ]

    def _pending(self, applied: list[str], has: list[str], before: list[str]) -> list[str]:
        if unknown := _unknown(applied, has, before):
            words = " ".join(sorted(unknown)[:5])
            raise Broken("rehearsal_unknown", f"the database has migrations that the image does not have: {words} ")
        pending = sorted(each for each in has if each not in applied)
        if failing := next((each for each in pending if each in self.disk.failing), None):
            words = f"  {failing} {'.' * 20} 12.81ms FAIL\nSQLSTATE[42701]: Duplicate column: 7 ERROR:  column exists"
            raise Broken("rehearsal_migrate", "artisan migrate failed", words)
        return pending

    def _migrations(self, reference: str) -> list[str]:
        return self.disk.migrations.get(reference, [*MIGRATIONS])

    def _id(self, reference: str, runs: Container) -> str:
        if reference in (runs.image, runs.image_id):
            return runs.image_id
        if reference not in self.host.images:
            raise Broken("rehearsal_image", "the image is not on the Factory: pull it first")
        return "sha256:" + hashlib.sha256(reference.encode()).hexdigest()

    def _database(self) -> None:
        found = self._container("coolify-db", "backup_database", "the container coolify-db does not answer")
        if found.state != "running":
            raise Broken("backup_database", "the container coolify-db does not answer")

    def _container(self, name: str, stage: str, why: str) -> Container:
        found = next((container for container in self.host.containers if container.name == name), None)
        if found is None:
            raise Broken(stage, why)
        return found

    def _room(self, times: int, at: str, stage: str) -> None:
        free, wanted = self.host.disk_bytes - self.host.disk_used_bytes, times * self.disk.database_bytes + _SPARE
        if free < wanted:
            sizes = f"{free // 2**20} MiB free, and {wanted // 2**20} are wanted: {times} times the database"
            raise Broken(stage, f"{at} has {sizes}")

    def _memory(self) -> None:
        left = self.host.memory_bytes - self.host.used_bytes
        if left < _MEMORY:
            sizes = f"{left // 2**20} MiB of memory are left, and {_MEMORY // 2**20} are wanted"
            raise Broken("rehearsal_room", sizes)

    @property
    def _clock(self) -> float:
        return self.now + self.host.clock_ahead_s


def seal(coolify: CoolifyState, words: tuple[str, ...]) -> Said:
    """Answer the script that gives a backup encrypted: `failing` has the programs that are not there, or break off.

    `another age` hands on what it is given, `silent age` says nothing; both end well.
    """
    disk = coolify.factory
    if len(words) != 3 or words[0] != "send":
        return FAILED, "", "ink-seal copy_call this is not how it is called\n"
    kept = next((kept for kept in disk.kept if not kept.folder and kept.name == words[1]), None)
    if kept is None:
        return FAILED, "", f"ink-seal copy_backup there is no backup {words[1]}\n"
    if "age" in disk.failing:
        return FAILED, "", "ink-seal copy_tool age is not installed: apt-get install age\n"
    text = sealed(kept.name, kept.sum)
    if "tar" in disk.failing:
        return FAILED, text[: len(text) // 2], "ink-seal copy_seal the archive is not whole: tar 2 age 0 \n"
    others = {"another age": "op/secrets/.env APP_KEY=in the clear\n" * 9, "silent age": ""}
    return 0, next((others[each] for each in disk.failing if each in others), text), ""


def _unknown(applied: list[str], has: list[str], before: list[str]) -> list[str]:
    known = {*before} - {_TAKEN_OUT}
    return [each for each in applied if each not in has and (each in known or each > max(has))]


def _lines(kind: str, names: Iterable[str]) -> list[str]:
    return [f"{kind} {name}" for name in names]


def _with(names: Iterable[str], word: str) -> list[str]:
    return [name for name in names if word in name]
