"""What the Factory says of a backup is read whole or not at all, and each failure tells what to do next."""

import re
from collections.abc import Awaitable, Callable

import anyio
import pytest

from ink_infra_mcp.core.errors import CommandFailed, HostError, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.hosts.factory import backing_up
from ink_infra_mcp.hosts.factory.backing_up import Backup, Rehearsal
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock
from tests.permits import permit_here

HOST = Host(name="factory", address="192.0.2.10")
SUM, ID = "d" * 64, f"sha256:{'1' * 64}"
MADE = f"dump {SUM}\nbytes 10\nmade 1796000000\nseconds 1.25\ndone\n"
TRIED = (
    f"image {ID}\npending b\npending c\nran b\nran c\ngone a\ndrops c\ndrops x\nencrypts b\n"
    f"dump {SUM}\nseconds 4.2\nsecret decrypted\ndone\n"
)


class Saying(HostPool):
    """A way to a Factory that says one thing, whatever it is asked."""

    def __init__(self, said: CommandResult) -> None:
        super().__init__({HOST.name: HOST}, login=lambda: None, clock=FakeClock(), redact=Redactor(), reads=READINGS)
        self.said = said

    async def run(self, host_name: str, command: HostCommand, **more: object) -> CommandResult:
        """Return what it says."""
        del host_name, command, more
        return self.said


def checked(pool: HostPool) -> Awaitable[Backup]:
    """Ask for the sums of a backup."""
    return backing_up.check(pool, HOST.name, "op-1")


def tried(pool: HostPool) -> Awaitable[Rehearsal]:
    """Ask for a rehearsal."""
    return backing_up.rehearse(pool, HOST.name, "op-1", backup="op-1", permit=permit_here())


Asked = Callable[[HostPool], Awaitable[Backup | Rehearsal]]
TOO_LATE = MADE.replace("made 1796000000", "made 999999999999")
"""Of a year that no name of a copy can have."""
ANSWERS: tuple[tuple[Asked, str], ...] = ((checked, MADE), (tried, TRIED))


def answer(asked: Asked, stdout: str, *, status: int = 0, stderr: str = "") -> Backup | Rehearsal:
    """Return what is read of an answer."""

    async def ask() -> Backup | Rehearsal:
        return await asked(Saying(CommandResult(status, stdout, stderr)))

    return anyio.run(ask)


def test_a_whole_answer_is_read_to_its_last_word() -> None:
    """Of migrations that may encrypt or drop those are told that ran: the others are of long ago."""
    assert answer(checked, MADE) == Backup("op-1", SUM, 10, 1796000000, 1.25)
    assert answer(tried, TRIED) == Rehearsal(
        ID, SUM, 4.2, ("b", "c"), ("b", "c"), ("a",), encrypts=("b",), drops=("c",)
    )


@pytest.mark.parametrize(("asked", "whole"), ANSWERS)
def test_an_answer_that_is_cut_off_anywhere_is_no_proof(asked: Asked, whole: str) -> None:
    """One line less, at the end or in the middle, and it is not understood; only lists of names may be shorter."""
    lines = whole.splitlines(True)
    cut = ["".join(lines[:n]) for n in range(len(lines))]
    gaps = [
        "".join((*lines[:n], *lines[n + 1 :]))
        for n, line in enumerate(lines)
        if not re.match("pending|ran|gone|drops|encrypts", line)
    ]
    for text in (*cut, *gaps, whole + "more\n"):
        with pytest.raises(HostError, match="is not understood"):
            answer(asked, text)


def test_a_time_that_no_name_of_a_copy_can_have_is_not_understood() -> None:
    """A clock of the year 33658 ends with words, and not when the copy is to get its name."""
    with pytest.raises(HostError, match="is not understood"):
        answer(checked, TOO_LATE)


def failure(asked: Asked, last: str, status: int = 3) -> StepFailed | CommandFailed:
    """Return the error for what the script said last."""
    with pytest.raises((StepFailed, CommandFailed)) as raised:
        answer(asked, "", status=status, stderr=f"some words\n{last}\n")
    return raised.value


def test_a_failure_tells_its_stage_and_what_is_next() -> None:
    """In the words of what was asked for: a backup is not made, a restore is not proved."""
    made, proved = (
        failure(checked, "ink-backup backup_busy it runs"),
        failure(tried, "ink-backup rehearsal_busy it runs"),
    )
    assert isinstance(made, StepFailed)
    assert isinstance(proved, StepFailed)
    assert (made.failed, made.stage) == ("Coolify is not backed up on factory: it runs.", "backup_busy")
    assert (proved.failed, proved.stage) == (
        "The restore of Coolify could not be proved on factory: it runs.",
        "rehearsal_busy",
    )
    assert made.next == proved.next == "Wait until it has ended, then call again."
    assert made.untrusted_log == ("some words",)


@pytest.mark.parametrize(
    ("last", "status"), [("sudo: a password is required", 1), ("ink-backup backup_x y", 1), ("killed", 3)]
)
def test_a_script_that_did_not_run_is_no_word_of_its_own(last: str, status: int) -> None:
    """Without its last line, or with another status, nobody knows how far it came; what it says is data."""
    failed = failure(checked, last, status)
    assert isinstance(failed, CommandFailed)
    assert (failed.exit_status, last in failed.untrusted_output) == (status, True)


def test_log_lines_that_look_like_a_reason_are_none() -> None:
    """The last line is the script's own; what a program said above it cannot speak for it."""
    words = "ink-backup rehearsal_secret no key\nink-backup rehearsal_migrate artisan migrate failed"
    failed = failure(tried, words)
    assert isinstance(failed, StepFailed)
    assert failed.stage == "rehearsal_migrate"
