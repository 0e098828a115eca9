"""A file that cannot be written is told by each script in its own words: in dash some builtins end the shell instead.

POSIX, 2.8.1: an error of redirection at a special builtin (`:`, `exec`, `set` and others) ends a shell that runs a
script. What stands behind `||` is never reached then, be it a reason for a person or the way back.
"""

import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tests.programs import program

LIMIT_S = 60
SCRIPTS = sorted(
    (place.name, place.read_text(encoding="utf-8")) for place in Path(str(files("ink_infra_mcp.hosts"))).rglob("*.sh")
)
SPECIAL = re.compile(r"(?:^|[;&|{(!]|\b(?:then|else|do|if|while|until)\b)\s*(?::|exec(?: [0-9])?)\s*[0-9]?>")
"""A redirection of a special builtin that scripts of ours have: with nothing to run, or for the shell itself."""
TRIED = re.compile(r"\btrue >>")


def faults(text: str) -> list[str]:
    """Return the lines where such a builtin writes to a file that was not tried right before it."""
    lines = text.splitlines()
    found = [(at, line) for at, line in enumerate(lines) if SPECIAL.search(line) and not line.lstrip().startswith("#")]
    return [line.strip() for at, line in found if not TRIED.search(" ".join(lines[max(0, at - 1) : at + 1]))]


@pytest.mark.parametrize(("name", "text"), SCRIPTS, ids=[name for name, _ in SCRIPTS])
def test_no_script_ends_where_a_file_cannot_be_written(name: str, text: str) -> None:
    """Each file that `exec` opens was tried by `true` before, which is no special builtin; `:` opens none."""
    assert (name, faults(text)) == (name, [])


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (': >"$dir/abort" && sync "$dir" || leave 3 full', True),
        ('  [ -e "$x" ] || : >>"$x"', True),
        ('if busy; then : >"$x"; fi', True),
        ('exec 9>"$top/lock" || leave 3 full', True),
        ('true >>"$top/lock" && exec 9>"$top/lock" || leave 3 full', False),
        ('true >"$dir/abort" || leave 3 full', False),
        ('exec >>"$dir/log" 2>&1', True),
        ('# : >"$x" ends dash', False),
        ('echo "a: >b"', False),
    ],
)
def test_the_rule_finds_what_ends_a_shell(line: str, *, wrong: bool) -> None:
    """It is broken once in each way that scripts of ours had."""
    assert bool(faults(line)) is wrong


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash"])
@pytest.mark.parametrize("open_", ["true >/none/x", "true >>/none/x && exec 9>/none/x"])
def test_what_stands_behind_it_is_reached_in_every_shell(shell: str, open_: str) -> None:
    """By the real shells of servers."""
    words = [program(shell), *(["sh"] if shell == "busybox" else []), "-uc", f"{open_} || exit 3"]
    assert subprocess.run(words, check=False, capture_output=True, timeout=LIMIT_S).returncode == 3
