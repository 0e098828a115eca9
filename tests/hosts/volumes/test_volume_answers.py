"""What a server says of a volume is read whole or not at all, whoever writes the answer."""

from collections.abc import Iterator
from contextlib import suppress

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import HostError, InkError, StepFailed
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.volumes.asking import Seen, User, Volume, look
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from ink_infra_mcp.ssh.pool import HostPool
from tests.clock import FakeClock

HOST = Host(name="muscle-1", address="192.0.2.11")
WHOLE = """plain yes
bytes 4096
used 8192
operation op-1
user aa running shop-1
user bb exited old one
free 100
done
"""


class Saying(HostPool):
    """A way to a server that says one thing, whatever it is asked."""

    def __init__(self, said: CommandResult) -> None:
        super().__init__({HOST.name: HOST}, login=lambda: None, clock=FakeClock(), redact=Redactor(), reads=READINGS)
        self.said = said

    async def run(self, host_name: str, command: HostCommand, **more: object) -> CommandResult:
        """Return what it says."""
        del host_name, command, more
        return self.said


def looked(stdout: str, *, status: int = 0, stderr: str = "") -> Seen:
    """Return what is read of an answer."""
    return anyio.run(look, Saying(CommandResult(status, stdout, stderr)), HOST.name, "data")


def test_a_whole_answer_is_read_to_its_last_word() -> None:
    """Sizes, the operation that made it, who mounts it, and the room that is left."""
    users = (User("aa", "running", "shop-1"), User("bb", "exited", "old one"))
    assert looked(WHOLE) == Seen(Volume("data", True, 4096, 8192, "op-1", users), 100)
    assert [user.is_up for user in users] == [True, False]
    assert looked("absent\nfree 7\ndone\n") == Seen(None, 7)
    assert looked("plain no\nfree 7\ndone\n") == Seen(Volume("data", False), 7)


def parts() -> Iterator[str]:
    """Give the answer with one line after the other left out, and cut off after each line."""
    lines = WHOLE.splitlines(keepends=True)
    needed = [number for number, line in enumerate(lines) if not line.startswith("user")]
    yield from ("".join(lines[:number] + lines[number + 1 :]) for number in needed)
    yield from ("".join(lines[:number]) for number in range(len(lines)))


@pytest.mark.parametrize("answer", [*parts()])
def test_an_answer_that_lacks_something_is_an_error_and_no_volume(answer: str) -> None:
    """Half an answer tells neither that it is there nor that it is free."""
    with pytest.raises(HostError):
        looked(answer)


def test_the_scripts_own_words_say_what_was_wrong() -> None:
    """Status 3 is the script's: nothing was changed; any other is trouble that nobody foresaw."""
    with pytest.raises(StepFailed, match="its tar is not GNU tar") as caught:
        looked("", status=3, stderr="ink-volume: its tar is not GNU tar\n")
    assert caught.value.done == "Nothing was changed."
    with pytest.raises(HostError, match="broke off with status 127"):
        looked("", status=127, stderr="sh: not found\n")


@given(st.text(max_size=300))
def test_no_answer_breaks_the_reader(text: str) -> None:
    """Whatever a server says, it is an answer or an error with a sentence."""
    with suppress(InkError):
        assert isinstance(looked(text), Seen)
