"""Asks servers about Docker's volumes and has them changed: one script, one command for each verb."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.core.errors import NOTHING_DONE, CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK, RECEIVE = "ink-volume", "ink-receive"
LOOK_S = 120.0
SUM_S = 3 * 3600.0
CHANGE_S = 300.0
STAGE = "volumes"
_UNCHANGED, _CHANGED = 3, 4
_WORDS = re.compile(r"^ink-volume: (.+)", re.MULTILINE)
_SUM = re.compile(r"[0-9a-f]{64}")
_UP = frozenset({"running", "restarting", "paused", "removing"})


@dataclass(frozen=True, slots=True)
class User:
    """A container that mounts a volume."""

    id: str
    state: str
    name: str

    @property
    def is_up(self) -> bool:
        """Return whether it may be writing."""
        return self.state in _UP


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume on a server. `plain`: of Docker's own driver, without options, where Docker keeps its volumes.

    `size_bytes` is what its files hold with their holes, `used_bytes` what they take. `operation` is that of ours which
    made it.
    """

    name: str
    plain: bool
    size_bytes: int = 0
    used_bytes: int = 0
    operation: str = ""
    users: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server says of one volume (None: it has none of that name), and what room is left for volumes."""

    volume: Volume | None
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of all that a volume holds: names, contents, owners, modes, times, links and attributes."""

    sha256: str
    entries: int


async def look(pool: HostPool, host: str, volume: str) -> Seen:
    """Return what a server says of a volume; nothing is changed.

    Raises:
        StepFailed: it cannot tell. HostError: it cannot be asked, or its answer is not understood.
    """
    said = await pool.run(host, command(pool, host, ("look", volume), changes=False, timeout_s=LOOK_S))
    try:
        return _seen(volume, _facts(pool, host, "tell of a volume", said))
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"What {host} says of the volume {clean_name(volume)} is not understood.",
            host=host,
            next=f"Look at it by hand there: `docker volume inspect {clean_name(volume)}`.",
        ) from error


async def sum_of(pool: HostPool, host: str, volume: str, *, permit: Permit) -> Sum:
    """Return the sum of a volume that nobody writes to.

    Raises:
        StepFailed: it could not be read to its end. HostError: the server cannot be asked.
    """
    asked = command(pool, host, ("sum", volume), changes=False, timeout_s=SUM_S)
    facts = dict(_facts(pool, host, "read a volume", await pool.run(host, asked, permit=permit)))
    if not (_SUM.fullmatch(facts.get("sum", "")) and facts.get("entries", "").isdecimal()):
        raise HostError(f"The sum of {clean_name(volume)} that {host} gives is none.", host=host, next="Call again.")
    return Sum(sha256=facts["sum"], entries=int(facts["entries"]))


async def make(pool: HostPool, host: str, volume: str, operation: str, *, permit: Permit) -> None:
    """Make an empty volume for an operation, or empty the one that the operation has made before.

    Raises:
        StepFailed: a volume of that name is somebody else's, or is in use. HostError: the server cannot be asked.
    """
    asked = command(pool, host, ("make", volume, operation), changes=True, timeout_s=CHANGE_S)
    _facts(pool, host, "make a volume", await pool.run(host, asked, permit=permit))


async def switch(pool: HostPool, host: str, verb: str, containers: Iterable[str], *, permit: Permit) -> None:
    """Stop or start containers (`verb`), which stay where they are.

    Raises:
        StepFailed: one of them could not be. HostError: the server cannot be asked.
    """
    asked = command(pool, host, (verb, *containers), changes=True, timeout_s=CHANGE_S)
    _facts(pool, host, f"{verb} containers", await pool.run(host, asked, permit=permit))


def command(
    pool: HostPool, host: str, words: tuple[str, ...], *, changes: bool, timeout_s: float, receives: bool = False
) -> HostCommand:
    """Return the command that runs a script as root: the one of the verbs, which arrives by standard input, or the one
    that `receives` an archive there, and so is a word itself.
    """
    root = host not in pool.hosts or pool.hosts[host].ssh_user == "root"
    if receives:
        begin = ("sh", "-c", packaged("volumes/receive.sh"), "sh", RECEIVE)
        whole = (*begin, *words) if root else ("sudo", "-n", *begin, *words)
        return HostCommand(whole, changes=changes, timeout_s=timeout_s)
    begin = ("sh", "-s", "--") if root else ("sh", "-c", AS_ROOT, "sh")
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=timeout_s, stdin=script().encode())


def receiving(pool: HostPool, host: str, volume: str, operation: str) -> HostCommand:
    """Return the command that fills a volume with what it is given by standard input."""
    return command(pool, host, (volume, operation), changes=True, timeout_s=SUM_S, receives=True)


def script() -> str:
    """Return the script as it is sent: its last line takes nothing more from standard input."""
    return packaged("volumes/volumes.sh").rstrip("\n") + " </dev/null\n"


def refused(pool: HostPool, host: str, does: str, said: CommandResult) -> StepFailed | HostError:
    """Return the error for a script that did not do its work; `does` says which, as in `make a volume`."""
    words = pool.presentable(said.stderr, limit=600)
    if said.exit_status not in (_UNCHANGED, _CHANGED):
        return CommandFailed(
            f"{host} did not {does}: the script broke off with status {said.exit_status}.",
            host=host,
            done="It is not known how far it came.",
            next="Its own words are in the output.",
            exit_status=said.exit_status,
            untrusted_output=words,
        )
    told = _WORDS.search(words)
    return StepFailed(
        f"{host} did not {does}: {clean_name(told[1] if told else words, limit=300)}.",
        done=NOTHING_DONE if said.exit_status == _UNCHANGED else "Something there may have been changed.",
        next="Mend what it says there, then call again.",
        stage=STAGE,
    )


def _facts(pool: HostPool, host: str, does: str, said: CommandResult) -> list[tuple[str, str]]:
    if said.exit_status != 0:
        raise refused(pool, host, does, said)
    if not said.stdout.endswith("done\n") or said.truncated:
        raise CommandFailed(
            f"The answer of {host} about its volumes is not whole.",
            host=host,
            done="It is not known how far it came.",
            next="Call again.",
        )
    parted = (line.partition(" ") for line in said.stdout.splitlines())
    return [(key, value.strip()) for key, _, value in parted]


def _seen(volume: str, facts: list[tuple[str, str]]) -> Seen:
    one = dict(facts)
    free = int(one["free"]) if "free" in one else -1
    if free < 0:
        raise ValueError("no room is told")
    if "absent" in one:
        return Seen(volume=None, free_bytes=free)
    users = tuple(User(*value.split(" ", 2)) for key, value in facts if key == "user")
    if one["plain"] not in ("yes", "no"):
        raise ValueError("it is neither plain nor not")
    if one["plain"] == "no":
        return Seen(Volume(name=volume, plain=False, users=users), free)
    sizes = int(one["bytes"]), int(one["used"])
    return Seen(Volume(volume, True, *sizes, operation=one["operation"], users=users), free)
