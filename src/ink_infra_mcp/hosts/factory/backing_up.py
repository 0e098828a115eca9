"""Has Coolify backed up on the Factory, a backup's sums read anew, and a backup tried in a throw-away place there."""

import re
from dataclasses import dataclass, replace

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-backup"
FOLDER = "/data/coolify/backups/ink"
MAKE_S, CHECK_S, REHEARSE_S = 3 * 3600.0, 1800.0, 4 * 3600.0
"""The script limits each of its commands itself; these are beyond the sum of what they may take."""
MIGRATE_S = 3600
"""Far more than any release of Coolify took, and not for ever: a migration may wait for a lock of its own."""
ONE_MORE_S = MIGRATE_S + 1800.0
"""For each further image of a rehearsal."""
_FAILED = 3
_LOG_LINES = 60
_LOG_CHARS = 12_000
_REASON = re.compile(r"ink-backup ((?:backup|rehearsal)_[a-z]+) (.+)")
_MADE = re.compile(
    r"dump (?P<dump>[0-9a-f]{64})\nbytes (?P<bytes>[0-9]{1,15})\nmade (?P<made>[0-9]{1,11})\n"
    r"seconds (?P<seconds>[0-9]{1,7}(?:\.[0-9]{1,3})?)\ndone\n"
)
_OF_ONE = r"image sha256:[0-9a-f]{64}\n(?:(?:pending|ran|gone|encrypts|drops) [^\n]{1,200}\n)*"
_SECONDS = r"[0-9]{1,7}(?:\.[0-9]{1,3})?"
_TRIED = re.compile(
    rf"(?P<earlier>(?:{_OF_ONE}passed {_SECONDS}\n)*)(?P<last>{_OF_ONE})"
    rf"dump (?P<dump>[0-9a-f]{{64}})\nseconds (?P<seconds>{_SECONDS})\nsecret decrypted\ndone\n"
)
_EARLIER = re.compile(rf"(?P<told>{_OF_ONE})passed (?P<seconds>{_SECONDS})\n")
_REHEARSAL = "rehearsal_"


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup: the sum of its dump, how many bytes all its files have, when it was made and how long it took."""

    name: str
    dump_sha256: str
    bytes: int
    made: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A restore that was proved with an image: which migrations were pending, and ran on the copy, in `seconds`.

    `gone` are migrations of the database that Coolify took out of its images long ago. `encrypts` and `drops` are those
    of `ran` that may do so, by the words in them. `earlier` is the same of each image that the copy was migrated with
    before this one, in their order.
    """

    image: str
    dump_sha256: str
    seconds: float
    pending: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    encrypts: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    earlier: tuple["Rehearsal", ...] = ()


async def make(pool: HostPool, host: str, name: str, *, permit: Permit) -> Backup:
    """Make the backup of that name, or return the one that is whole already.

    Raises:
        StepFailed: it is not made; half of one never stays. HostError: the Factory cannot be reached, or broke off.
    """
    asked = command(pool, host, ("make", name), changes=True, timeout_s=MAKE_S)
    return _made(pool, host, name, await pool.run(host, asked, permit=permit))


async def check(pool: HostPool, host: str, name: str) -> Backup:
    """Return a backup whose files were all read anew, and have the sums of its manifest; nothing is changed.

    `name` is that of a folder that `make` made, or the path of one that was brought to /data/coolify/backups.

    Raises:
        StepFailed: it is not there, or not whole. HostError: the Factory cannot be reached.
    """
    asked = command(pool, host, ("check", name), changes=False, timeout_s=CHECK_S)
    return _made(pool, host, name, await pool.run(host, asked))


async def rehearse(
    pool: HostPool,
    host: str,
    name: str,
    *,
    backup: str,
    images: tuple[str, ...] = ("",),
    limit_s: int = MIGRATE_S,
    permit: Permit,
) -> Rehearsal:
    """Restore a backup into a Postgres of its own, migrate it there, and decrypt one of its secrets.

    `images` are references or ids of such as are on the Factory, an empty one: that which runs. The copy is migrated
    with each after the other, and what is returned is of the last. The migrations of each have `limit_s` seconds.

    Raises:
        StepFailed: one of it failed, with a stage `rehearsal_*`; nothing in service was touched.
        HostError: the Factory cannot be reached, or broke off.
    """
    first, *more = (image or "-" for image in images)
    words = ("rehearse", name, backup, first, str(limit_s), *more)
    asked = command(pool, host, words, changes=True, timeout_s=REHEARSE_S + len(more) * ONE_MORE_S)
    said = await pool.run(host, asked, permit=permit)
    found = _TRIED.fullmatch(_whole(pool, host, said))
    if found is None:
        raise _not_understood(host)
    earlier = tuple(
        _of_one(each["told"], found["dump"], each["seconds"]) for each in _EARLIER.finditer(found["earlier"])
    )
    return replace(_of_one(found["last"], found["dump"], found["seconds"]), earlier=earlier)


def _of_one(told: str, dump: str, seconds: str) -> Rehearsal:
    named = [line.split(" ", 1) for line in told.splitlines()]
    kinds = {kind: tuple(clean_name(text, limit=150) for one, text in named if one == kind) for kind, _ in named}
    ran = kinds.get("ran", ())
    return Rehearsal(
        image=kinds["image"][0],
        dump_sha256=dump,
        seconds=float(seconds),
        pending=kinds.get("pending", ()),
        ran=ran,
        gone=kinds.get("gone", ()),
        encrypts=tuple(each for each in kinds.get("encrypts", ()) if each in ran),
        drops=tuple(each for each in kinds.get("drops", ()) if each in ran),
    )


def command(pool: HostPool, host: str, words: tuple[str, ...], *, changes: bool, timeout_s: float) -> HostCommand:
    """Return the command that runs the script as root; it arrives by standard input, and takes nothing more from it."""
    begin = ("sh", "-s", "--") if is_root(pool, host) else ("sh", "-c", AS_ROOT, "sh")
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=timeout_s, stdin=script().encode())


def script() -> str:
    """Return the script as it is sent."""
    return packaged("factory/backup.sh").rstrip("\n") + " </dev/null\n"


def _made(pool: HostPool, host: str, name: str, said: CommandResult) -> Backup:
    found = _MADE.fullmatch(_whole(pool, host, said))
    if found is None:
        raise _not_understood(host)
    return Backup(name, found["dump"], int(found["bytes"]), int(found["made"]), float(found["seconds"]))


def _whole(pool: HostPool, host: str, said: CommandResult) -> str:
    """Return what the script said, where it came to its end.

    Raises:
        StepFailed: it says what failed. HostError: it broke off.
    """
    if said.exit_status:
        raise _refusal(host, pool.presentable(said.stderr, limit=_LOG_CHARS), said.exit_status)
    return said.stdout


def _not_understood(host: str) -> HostError:
    return HostError(
        f"What {host} says of its backups is not understood.",
        host=host,
        done="Whether the backup is whole is not known; nothing in service was touched.",
        next=f"Look there at {FOLDER}, then call again.",
    )


def _refusal(host: str, words: str, status: int) -> StepFailed | HostError:
    *log, last = words.rstrip("\n").split("\n")
    told = _REASON.fullmatch(last)
    if status != _FAILED or told is None:
        return CommandFailed(
            f"{host} did not run what was asked of it (exit status {status}).",
            host=host,
            done="Nothing in service was touched; a half-made backup never counts.",
            next="Give our user sudo without a password there, or log in as root; then call again.",
            exit_status=status,
            untrusted_output=words[-2000:],
        )
    stage, why = told[1], clean_name(told[2], limit=400)
    tried = stage.startswith(_REHEARSAL)
    return StepFailed(
        f"The restore of Coolify could not be proved on {host}: {why}."
        if tried
        else f"Coolify is not backed up on {host}: {why}.",
        done="Nothing in service was touched; the throw-away place is removed."
        if tried
        else "Nothing in service was touched, and no half-made backup stays.",
        next=_NEXT.get(stage.partition("_")[2], "Mend that on the Factory, then call again."),
        stage=stage,
        untrusted_log=tuple(log[-_LOG_LINES:]),
    )


_ENCRYPTED = "Find the APP_KEY that its data was encrypted with (Coolify: APP_KEY and APP_PREVIOUS_KEYS in .env)."
_NEXT = {
    "busy": "Wait until it has ended, then call again.",
    "room": "Make that room on the Factory, then call again.",
    "damaged": "Take another backup; this one cannot be restored.",
    "secret": f"{_ENCRYPTED} Without it a restore has no keys of servers and no tokens.",
    "unknown": "Take an image that is not older than the database; none was migrated.",
    "left": "Remove containers and networks with the label ink-rehearsal on the Factory, then call again.",
}
