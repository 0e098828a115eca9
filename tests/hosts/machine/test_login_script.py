"""The script that changes logins: how it is sent, and that a part of it does nothing."""

import subprocess
from importlib.resources import files

import pytest

from ink_infra_mcp.hosts.machine.logins import command
from tests.programs import program

SCRIPT = files("ink_infra_mcp.hosts.machine").joinpath("login.sh").read_text(encoding="utf-8")


def test_the_script_goes_through_standard_input_with_its_data_behind_it() -> None:
    """As a here-document in which no shell expands anything; without data it reads nothing."""
    asked = command(("keep", "op-1"), as_root=True, changes=True)
    assert asked.words == ("sh", "-s", "--", "ink-login", "keep", "op-1")
    assert asked.stdin_bytes().decode() == f"{SCRIPT.rstrip()} </dev/null\n"
    data = "$(id) `id` 'x'\n"
    sent = command(("admit", "root", "ink-x", "0"), as_root=True, changes=True, data=data).stdin_bytes()
    said = subprocess.run(
        ["sh", "-s"], input=sent.replace(SCRIPT.rstrip().encode(), b"cat"), capture_output=True, check=True
    )
    assert said.stdout.decode() == data
    with pytest.raises(ValueError, match="ends itself"):
        command(("x",), as_root=True, changes=True, data="a\nINK-LOGIN-END-OF-DATA\nb\n")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_part_of_the_script_does_nothing(shell: str) -> None:
    """It is read to its end before it acts: whatever is cut off, no program of the server is called."""
    lines = SCRIPT.splitlines(keepends=True)
    words = [program(shell), *(["sh"] if shell == "busybox" else []), "-s", "--", "ink-login", "revert", "original"]
    for end in range(0, len(lines), 29):
        cut = "PATH=/nonexistent\n" + "".join(lines[:end])
        said = subprocess.run(words, input=cut, capture_output=True, text=True, check=False, timeout=20)
        assert "done" not in said.stdout
        assert "ink-login:" not in said.stderr


@pytest.mark.parametrize(
    "words", [("look", "a b"), ("admit", "root", "x;id", "0"), ("revert", "../x"), ("fire", "-x", "1")]
)
def test_words_that_are_none_are_refused_before_anything_is_done(words: tuple[str, ...]) -> None:
    """Names of users, markers and changes are letters, digits and hyphens."""
    said = subprocess.run(
        ["sh", "-s", "--", "ink-login", *words], input=SCRIPT, capture_output=True, text=True, check=False, timeout=20
    )
    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr == "ink-login: a word of the command is not one\n"
