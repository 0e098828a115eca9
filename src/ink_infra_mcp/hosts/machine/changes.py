"""Changes what a server is made of over SSH: one script, one command for each move, and what the server says to it."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine.reading import AS_ROOT, is_root
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool

MARK = "ink-change"
CHANGE_S = 3600.0
"""Packages wait for whoever else installs some: a first boot that upgrades itself takes many minutes."""
STAGE = "baseline"
_END = "INK-CHANGE-END-OF-DATA"
_PASSWORD = re.compile(r"sudo: .*(password|terminal|tty)|not (allowed|in the sudoers)", re.IGNORECASE)
_WORDS = re.compile(r"^ink-change: (.+)", re.MULTILINE | re.DOTALL)
_AFTERMATH = {
    3: "Nothing was changed.",
    4: "All is back as it was.",
    5: "What was there before is kept on the server, and the plan's undo gives it back.",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one server: the operation and the part of it that what was there before is kept under."""

    host: str
    operation: str
    part: str


_ASKED = {
    "finish": "finish its packages",
    "install": "install its packages",
    "remove": "remove its packages",
    "repository": "take the repository",
    "files": "take the files",
    "units": "start the units",
    "swap": "make a swap file",
    "daemon": "take Docker's settings",
    "prove": "prove gVisor",
    "restore": "give back what it had",
    "restore-all": "give back what it had",
}
Facts = list[tuple[str, str]]
"""What the script says, line by line: the first word, and the rest."""


async def change(
    pool: HostPool, it: Change, verb: str, words: Sequence[str] = (), *, permit: Permit, data: str = ""
) -> Facts:
    """Make one move, which the server makes wholly, or takes back as far as its words say.

    Raises:
        StepFailed: it did not; `done` says what is there now.
        HostError: the server cannot be reached, broke off, or does not let us become root.
    """
    asked = command(it, verb, words, as_root=is_root(pool, it.host), data=data)
    said = await pool.run(it.host, asked, permit=permit)
    if said.exit_status != 0:
        raise _refusal(pool, it.host, verb, said)
    if said.truncated or not said.stdout.endswith("done\n"):
        raise _not_whole(it.host)
    parted = (line.partition(" ") for line in said.stdout.splitlines())
    return [(first, rest) for first, _, rest in parted]


def command(it: Change, verb: str, words: Sequence[str], *, as_root: bool, data: str = "") -> HostCommand:
    """Return the command that runs the script, which arrives by standard input with its data behind it.

    Raises:
        ValueError: the data has the line that would end it.
    """
    if _END in data.split("\n"):
        raise ValueError("the data ends itself")
    rest = f" <<'{_END}'\n{data}{_END}\n" if data else " </dev/null\n"
    begin = ("sh", "-s", "--") if as_root else ("sh", "-c", AS_ROOT, "sh")
    stdin = (packaged("machine/change.sh").rstrip("\n") + rest).encode()
    line = (*begin, MARK, verb, it.operation, it.part, *words)
    return HostCommand(line, changes=True, timeout_s=CHANGE_S, stdin=stdin)


def in_base64(text: str) -> str:
    """Return text as it is sent: without a line's end."""
    return base64.b64encode(text.encode()).decode()


def _not_whole(host: str) -> HostError:
    return CommandFailed(
        f"The answer of {host} about a change is not whole.", host=host, done=_AFTERMATH[5], next="Call again."
    )


def _refusal(pool: HostPool, host: str, verb: str, said: CommandResult) -> StepFailed | HostError:
    words = pool.presentable(said.stderr, limit=1_200)
    if said.exit_status not in _AFTERMATH:
        return _not_run(host, words, said.exit_status)
    told = _WORDS.search(words)
    return StepFailed(
        f"{host} did not {_ASKED[verb]}: {clean_name(told[1] if told else words, limit=700)}.",
        done=_AFTERMATH[said.exit_status],
        next="Mend what it says there, then call again.",
        stage=STAGE,
    )


def _not_run(host: str, words: str, status: int) -> HostError:
    """The script itself ends with few numbers only: with another one it did not run, or not to its end."""
    if _PASSWORD.search(words):
        return HostError(
            f"sudo on {host} does not let our user become root without a password.",
            host=host,
            next='Give the user NOPASSWD in sudoers, or set ssh_user = "root" in fleet.toml.',
        )
    return CommandFailed(
        f"The script that changes {host} broke off with status {status}.",
        host=host,
        done=_AFTERMATH[5],
        next="Call again: it goes on where it was.",
        exit_status=status,
        untrusted_output=words,
    )
