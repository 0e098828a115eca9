"""A file of a server is written whole or not at all: whatever fails, the one from before is there to its last byte."""

import re
import subprocess
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.scripts import packaged
from tests.programs import program

LIMIT_S = 90
BEFORE, AFTER = "before\n", "after\n" * 400
CALLS = {
    "machine/change.sh": 'put "$at"',
    "machine/login.sh": 'put "$at" 600',
    "firewall/firewall.sh": 'put "$at"',
    "upkeep/reboot.sh": 'put "$at" "$(cat)"',
}
"""Each script that writes files, and how it has one written of standard input."""
FAILS = {
    "nothing": "",
    "the disk is full at the write": "trap '' XFSZ; ulimit -f 2",
    "the disk is full at the sync": "sync() { return 1; }",
    "the rename does not go": "mv() { return 1; }",
}


def put_by(script: str, shell: str, before: str, at: Path) -> int:
    """Write to a file with the functions of a script, after what makes it fail; return how it ended."""
    functions = re.findall(r"^\w+\(\) (?:\{\n.*?\n\}|\{.*\})$", packaged(script), re.MULTILINE | re.DOTALL)
    text = "\n".join((*functions, f"at={at}", "leave() { exit 99; }", before, CALLS[script]))
    words = [program(shell), *(["sh"] if shell == "busybox" else []), "-uc", text]
    return subprocess.run(words, input=AFTER, text=True, timeout=LIMIT_S, check=False, capture_output=True).returncode


@pytest.mark.parametrize("shell", ["sh", "busybox"])
@pytest.mark.parametrize("fails", FAILS)
@pytest.mark.parametrize("script", CALLS)
def test_a_file_is_written_whole_or_not_at_all(script: str, fails: str, shell: str, tmp_path: Path) -> None:
    """It fails at the write, at the sync or at the rename: that is said, and no half of a file is left beside it."""
    at = tmp_path / "file"
    at.write_text(BEFORE)
    ended = put_by(script, shell, FAILS[fails], at)
    assert (ended == 0, at.read_text()) == ((True, AFTER) if fails == "nothing" else (False, BEFORE))
    assert [*tmp_path.iterdir()] == [at]


@pytest.mark.parametrize("script", CALLS)
def test_what_a_killed_run_left_is_written_over(script: str, tmp_path: Path) -> None:
    """Its half of a file is beside the one that is there, and is no part of the new one."""
    at = tmp_path / "file"
    for ending in (".ink-new", ".new"):
        at.with_name(f"file{ending}").write_text("x" * 9000)
    assert put_by(script, "sh", "", at) == 0
    assert at.read_text() == AFTER
