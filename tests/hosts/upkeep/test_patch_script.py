"""The script that installs updates: what ends while somebody looks at it has ended, and is not begun again."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

TOP = "/var/lib/ink-infra/patches"


def ending(folder: Path) -> Root:
    """Return a server whose updates end just when systemd is asked whether they run."""
    root = root_at(folder)
    ends = f'mkdir -p "$ROOT{TOP}" && echo 0 >"$ROOT{TOP}/op-1.ended"; exit 3'
    root.programs({"systemctl": ends, "systemd-run": 'echo . >>"$ROOT/runs"', "unattended-upgrade": "exit 0"})
    root.write(f"{TOP}/op-1.begun", "")
    return root


@pytest.mark.parametrize("verb", ["look", "ask"])
def test_updates_that_end_meanwhile_are_neither_broken_nor_begun_again(tmp_path: Path, verb: str) -> None:
    """Their end is on the disk before systemd forgets them: whoever asks systemd first, then the disk, misses none."""
    root = ending(tmp_path)
    assert root.run("upkeep/patch.sh", "ink-patch", verb, "op-1") == Said(0, "stand ended 0\ndone\n", "")
    assert root.read("/runs") is None


def test_updates_that_have_no_end_and_do_not_run_are_broken(tmp_path: Path) -> None:
    """Their power was cut."""
    root = ending(tmp_path)
    root.programs({"systemctl": "exit 3"})
    assert root.run("upkeep/patch.sh", "ink-patch", "look", "op-1") == Said(0, "stand broken\ndone\n", "")
