"""Puts backups of Coolify into a place off the host, encrypted on the Factory, and lists the copies that lie there."""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, NoReturn

from pydantic import Field

from ink_infra_mcp.core.copies import DAMAGED, OWNER, Copy, Lying
from ink_infra_mcp.core.errors import CommandFailed, FileRefused, HostError, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.backing_up import Backup
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.files import Draft, Entry, Files
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-seal"
SEAL_S = 7500.0
PART = ".part-"
"""Begins the name of a file that is not whole, or was not read back yet: it counts for nobody."""
_PART = re.compile(rf"\.part-{OWNER}_[a-z0-9][a-z0-9-]{{0,62}}", re.ASCII)
_READS = 2
"""A copy is called damaged when it was read so often: a line or a memory that errs once must cost none."""
PART_AGE_S = 86_400
"""A part that is older belongs to nobody who still writes it: a copy takes three hours at most."""
SPARE_BYTES = 2**24
"""What tar and age add to a backup's files, and room that the place needs for itself."""
_HEAD = b"age-encryption.org/v1\n-> X25519 "
"""How a file begins that is encrypted for a public key of age (C2SP, age.md)."""
_FAILED = 3
_REASON = re.compile(r"ink-seal (copy_[a-z]+) (.+)")
_UNUSED = "Nothing in service was touched; the backup on the Factory's own disk is whole, and no half copy counts."
_NEXT = {
    "copy_tool": "On the Factory: `apt-get install age`; then call again.",
    "copy_open": "See what `command -v age` and `age --version` say on the Factory; then call again.",
    "copy_room": "Make room there, or take a larger place: copies go for their age only after a new one is whole.",
}


class Place(Frozen):
    """A folder off the host, how it is reached, whose copies go there, and for whom they are encrypted."""

    host: Host
    folder: str
    fleet: Annotated[str, Field(pattern=rf"^{OWNER}$")]
    recipient: str

    def path(self, file: str) -> str:
        """Return where a file of that name lies."""
        return f"{self.folder}/{file}"


async def copies(pool: HostPool, host: Host, folder: str, *, fleet: str) -> Lying:
    """Return what lies there and is a copy, by its name and size; nothing is changed.

    Raises:
        HostError: the place cannot be reached, is not the pinned one, or does not tell.
    """
    async with pool.files(host) as files:
        return await listed(files, folder, fleet=fleet)


async def listed(files: Files, folder: str, *, fleet: str) -> Lying:
    """Return what lies there and is a copy, over a connection that is open.

    Raises:
        HostError: the place does not tell, or its connection broke.
    """
    there = await files.listed(folder)
    return Lying(fleet=fleet, files=_sizes(there))


async def is_whole(files: Files, place: Place, copy: Copy) -> bool:
    """Return whether a copy that is there by its name and size has its sum; it is read to its end.

    What has another sum twice is damaged, and gets a name that says so: it counts for nobody any more, in no later
    look either. Nothing of its content is touched.

    Raises:
        HostError: the place does not give it, or does not rename it, or its connection broke.
    """
    for _ in range(_READS):
        if (await files.sum_of(place.path(copy.file), size=copy.bytes)).sha256 == copy.sha256:
            return True
    await files.rename(place.path(copy.file), place.path(f"{DAMAGED}{copy.file}"))
    return False


async def put(pool: HostPool, factory: str, place: Place, backup: Backup, files: Files, *, permit: Permit) -> Copy:
    """Encrypt a backup on the Factory, write it there, read it back, and give it its name; return it.

    It goes from the Factory through here to the place in pieces, and lies whole nowhere between.

    Raises:
        StepFailed: with a stage `copy_*`; nothing that counts is there.
        HostError: the Factory or the place cannot be reached, or broke off.
    """
    part = place.path(f"{PART}{place.fleet}_{backup.name}")
    try:
        async with _roomy(place, files, backup):
            await files.make_folder(place.folder)
            await _check_room(place, files, backup)
            async with files.draft(part) as draft:
                await _filled(pool, factory, place, backup, draft, permit=permit)
            copy = _copy_of(backup, place, draft)
            if (read := await files.sum_of(part, size=draft.sum.size)) != draft.sum:
                _fail(
                    "copy_differs",
                    f"{place.host.name} gives back something else than it got, {read.size} bytes of {draft.sum.size}",
                )
            await files.rename(part, place.path(copy.file))
        return copy
    except (StepFailed, FileRefused, CommandFailed):
        with suppress(HostError):
            await files.remove(part)
        raise


async def swept(files: Files, place: Place, *, now: int) -> None:
    """Remove this fleet's parts that were last written a day before `now`: whoever wrote them has ended.

    `now` is in seconds of Unix. Where the place's own clock, by what it wrote last for this fleet, is behind that, it
    is what counts. What has another name than a part of this fleet, or no time, is left alone.

    Raises:
        HostError: the place does not do it, or its connection broke.
    """
    there = await files.listed(place.folder)
    last = max((there[copy.file].written for copy in Lying(fleet=place.fleet, files=_sizes(there)).own), default=now)
    before = min(now, last) - PART_AGE_S
    for name in filter(_PART.fullmatch, there):
        if name.startswith(f"{PART}{place.fleet}_") and 0 < there[name].written < before:
            await files.remove(place.path(name))


def _sizes(there: Mapping[str, Entry]) -> dict[str, int]:
    return {name: entry.size for name, entry in there.items()}


def _copy_of(backup: Backup, place: Place, draft: Draft) -> Copy:
    return Copy(fleet=place.fleet, backup=backup.name, made=backup.made, bytes=draft.sum.size, sha256=draft.sum.sha256)


async def _filled(pool: HostPool, factory: str, place: Place, backup: Backup, draft: Draft, *, permit: Permit) -> None:
    asked = command(pool, factory, ("send", backup.name, place.recipient))
    limit = _wanted(backup)
    said = await pool.pour((factory, asked), _Sealed(factory, draft).write, permit=permit, limit_bytes=limit)
    if said.exit_status:
        raise _refusal(pool, factory, said)
    if not draft.size:
        _fail_open(factory)


@dataclass(slots=True)
class _Sealed:
    """Hands on what begins as age begins: whatever else is called age there, nothing leaves in the clear."""

    factory: str
    draft: Draft
    held: bytes = b""

    async def write(self, data: bytes) -> None:
        if not self.draft.size:
            data = self.held = self.held + data
            if not data.startswith(_HEAD[: len(data)]):
                _fail_open(self.factory)
            if len(data) < len(_HEAD):
                return
        await self.draft.write(data)


def _fail_open(factory: str) -> NoReturn:
    _fail("copy_open", f"what `age` on {factory} gave is not encrypted for a key of age, and none of it was sent")


def command(pool: HostPool, factory: str, words: tuple[str, ...]) -> HostCommand:
    """Return the command that runs the script as root; it arrives by standard input, and takes nothing more from it.

    It writes nothing, and yet is no reading: what it says is to leave the fleet.
    """
    begin = ("sh", "-s", "--") if is_root(pool, factory) else ("sh", "-c", AS_ROOT, "sh")
    return HostCommand((*begin, MARK, *words), changes=True, timeout_s=SEAL_S, stdin=script().encode())


def script() -> str:
    """Return the script as it is sent."""
    return packaged("factory/seal.sh").rstrip("\n") + " </dev/null\n"


def _wanted(backup: Backup) -> int:
    return backup.bytes + backup.bytes // 50 + SPARE_BYTES


@asynccontextmanager
async def _roomy(place: Place, files: Files, backup: Backup) -> AsyncGenerator[None]:
    """SFTP has no word of its own for a full disk (version 3): the room tells whether that was it."""
    try:
        yield
    except FileRefused as error:
        room = await files.room(place.folder)
        if room is not None and room.free < _wanted(backup) - SPARE_BYTES:
            _fail("copy_room", f"{place.host.name} is full: {_mib(room.free)} are left", error)
        raise


async def _check_room(place: Place, files: Files, backup: Backup) -> None:
    room = await files.room(place.folder)
    if room is not None and room.free < _wanted(backup):
        _fail("copy_room", f"{place.host.name} has {_mib(room.free)} left, and {_mib(_wanted(backup))} are wanted")


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _fail(stage: str, why: str, error: Exception | None = None) -> NoReturn:
    raise StepFailed(
        f"The backup is not copied off the host: {why}.",
        done=_UNUSED,
        next=_NEXT.get(stage, "Mend that, then call again."),
        stage=stage,
    ) from error


def _refusal(pool: HostPool, factory: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=2000)
    told = _REASON.fullmatch(words.rstrip("\n").split("\n")[-1])
    if said.exit_status != _FAILED or told is None:
        return CommandFailed(
            f"{factory} did not give its backup (exit status {said.exit_status}).",
            host=factory,
            done=_UNUSED,
            next="Give our user sudo without a password there, or log in as root; then call again.",
            exit_status=said.exit_status,
            untrusted_output=words,
        )
    return StepFailed(
        f"The backup is not copied off the host: {clean_name(told[2], limit=300)}.",
        done=_UNUSED,
        next=_NEXT.get(told[1], "Mend that on the Factory, then call again."),
        stage=told[1],
    )
