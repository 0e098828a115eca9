"""The list of commands that only read: words and standard input, compared whole."""

import re

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import CommandFailed, WriteRefused
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.reading import Reading, Readings, exactly, whatever
from tests.ssh.servers import NAME, Far, far, permit, pool_of

LIMIT_S = 60
NUMBER = re.compile(r"[0-9]{1,3}")
LISTED = Readings(
    Reading(("cat",), exactly(lambda: "text\n")),
    Reading(("tail", "-n", NUMBER)),
    Reading(("ask", "--"), more=(NUMBER, "of")),
    Reading(("sort",), whatever),
)


def told(*words: str, stdin: bytes | Secret | None = None) -> bool:
    """Return whether the list has a command."""
    return HostCommand(words, changes=False, stdin=stdin) in LISTED


@pytest.mark.parametrize(
    ("words", "stdin", "good"),
    [
        (("cat",), b"text\n", True),
        (("cat",), Secret("text\n"), True),
        (("cat",), b"text", False),
        (("cat",), None, False),
        (("cat", ""), b"text\n", False),
        (("tail", "-n", "10"), None, True),
        (("tail", "-n", "10"), b"x", False),
        (("tail", "-n", "10\n"), None, False),
        (("tail", "-n"), None, False),
        (("/bin/tail", "-n", "10"), None, False),
        (("ask", "--"), None, True),
        (("ask", "--", "1", "of", "2", "of"), None, True),
        (("ask", "--", "1", "of", "2"), None, False),
        (("ask", "--", "of", "1"), None, False),
        (("sort",), b"whatever", True),
    ],
)
def test_a_command_is_compared_whole(words: tuple[str, ...], stdin: bytes | Secret | None, good: bool) -> None:
    """Each word as it is or by all of its pattern, groups of more words whole, standard input to the byte."""
    assert told(*words, stdin=stdin) is good


@given(text=st.binary(max_size=20), words=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"))))
def test_nothing_else_is_listed(text: bytes, words: list[str]) -> None:
    """Whatever follows a program's name or is given to it, only what was written down is on the list."""
    assert told("cat", *words, stdin=text) is (not words and text == b"text\n")
    assert told("rm", *words, stdin=text) is False


def test_only_a_command_itself_is_on_the_list() -> None:
    """What could show other words than it sends is nothing that the list knows."""

    class Other(HostCommand):
        """Sends something else."""

    assert Other(("sort",), changes=False) not in LISTED
    assert ("sort",) not in LISTED


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["sandbox", "openssh"])
async def test_a_command_s_own_word_opens_nothing(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is not listed needs a live permit though it says that it changes nothing; what is, is taken at its worse."""
    unlisted = HostCommand(("sh", "-c", "exit 3"), changes=False)
    async with far(kind, tmp_path_factory.mktemp("far")) as there:
        with anyio.fail_after(LIMIT_S):
            await _refused(there, unlisted, listed=False)
            await _refused(there, HostCommand(unlisted.words, changes=True), listed=True)


async def _refused(there: Far, command: HostCommand, *, listed: bool) -> None:
    reads = Readings(Reading(("sh", "-c", "exit 3"))) if listed else LISTED
    async with pool_of(there.host, key=there.key, connect_to=there.connect_to, reads=reads) as pool:
        before = there.logins()
        with pytest.raises(WriteRefused, match=r"Refused to run 'sh' on muscle-1: no approved plan is running"):
            await pool.run(NAME, command)
        assert there.logins() == before
        with pytest.raises(CommandFailed, match="what it had changed before it failed stays changed"):
            await pool.run(NAME, command, permit=permit(), check=True)
