"""Reboots a server over SSH, once for each name: one script that writes down which boot it ends, and two verbs."""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.errors import NOTHING_DONE, CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-reboot"
STAGE = "reboot"
ANSWERS_S = 20.0
_AS_ROOT = 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
_BOOT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SAID = re.compile(rf"before ({_BOOT})?\nnow ({_BOOT})\ndone\n")
_UNCHANGED, _BUSY = 3, 4


class PackagesBusy(StepFailed):
    """Packages are being installed on the server, which a reboot would leave half-way; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Boots:
    """Which boot was to be ended, empty where nobody asked yet, and which one the server is in."""

    before: str
    now: str

    @property
    def rebooted(self) -> bool:
        """Return whether the boot that was to be ended is over."""
        return bool(self.before) and self.before != self.now


async def look(pool: HostPool, host: str, name: str) -> Boots:
    """Return which boot the reboot of that name was to end, and which one this is; nothing is changed.

    Raises:
        HostError: the server cannot be reached, is not to be had as root, or its answer is not understood.
    """
    return _boots(host, await _run(pool, host, "look", name))


async def ask(pool: HostPool, host: str, name: str, *, permit: Permit) -> Boots:
    """Have the server reboot, unless it has done so under that name.

    Raises:
        PackagesBusy: not now. StepFailed: it does not, and nothing was changed.
        HostError: the server cannot be reached, or broke off: then only a look tells whether it was asked.
    """
    return _boots(host, await _run(pool, host, "ask", name, permit=permit))


def command(words: tuple[str, str], *, as_root: bool, changes: bool) -> HostCommand:
    """Return the command that runs the script, which arrives by standard input."""
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", _AS_ROOT, "sh")
    script = packaged("upkeep/reboot.sh").rstrip("\n") + " </dev/null\n"
    return HostCommand((*begin, MARK, *words), changes=changes, timeout_s=ANSWERS_S, stdin=script.encode())


async def _run(pool: HostPool, host: str, verb: str, name: str, *, permit: Permit | None = None) -> CommandResult:
    as_root = host not in pool.hosts or pool.hosts[host].ssh_user == "root"
    said = await pool.run(host, command((verb, name), as_root=as_root, changes=verb == "ask"), permit=permit)
    if said.exit_status:
        raise _refusal(host, pool.presentable(said.stderr, limit=400), said.exit_status)
    return said


def _refusal(host: str, words: str, status: int) -> StepFailed | HostError:
    why = words.strip().rpartition("ink-reboot: ")[2]
    if status == _BUSY:
        return PackagesBusy(
            f"On {host} packages are being installed, which a reboot would leave half-way.",
            done=NOTHING_DONE,
            next="Wait until apt has ended there, then call again.",
            stage=STAGE,
        )
    if status == _UNCHANGED:
        return StepFailed(
            f"{host} does not reboot: {why}.", done=NOTHING_DONE, next="Mend that, then call again.", stage=STAGE
        )
    return CommandFailed(
        f"{host} did not run what was asked of it (exit status {status}): {why}.",
        host=host,
        done="Whether it was told to reboot is not known.",
        next="Give our user sudo without a password there, or log in as root.",
        exit_status=status,
    )


def _boots(host: str, said: CommandResult) -> Boots:
    found = _SAID.fullmatch(said.stdout)
    if found is None:
        raise HostError(
            f"What {host} says of its boots is not understood.",
            host=host,
            done="Whether it was told to reboot is not known.",
            next="Look at it by hand: `uptime`.",
        )
    return Boots(before=found[1] or "", now=found[2])
