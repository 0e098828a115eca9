"""The ground under the tests: the machine's own settings and keys stay out, and nothing is left running."""

import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest

from tests.conftest import running_children
from tests.programs import told

ROOT = Path(__file__).resolve().parent.parent


def test_the_home_is_private_and_empty(private_environment: Path) -> None:
    """A test finds no configuration, state or key of whoever runs it."""
    assert Path.home() == private_environment
    assert list(private_environment.iterdir()) == []
    assert [name for name in os.environ if name.startswith(("INK_", "HCLOUD_", "COOLIFY_"))] in ([], ["INK_SPECS_DIR"])


def test_the_key_store_of_the_machine_is_out_of_reach() -> None:
    """No test reads or writes a key store of the person who runs it."""
    keyring.set_password("ink-infra-mcp", "a", "b")
    assert keyring.get_password("ink-infra-mcp", "a") is None


def test_a_running_child_is_noticed() -> None:
    """A process that was started is seen until it has ended."""
    before = running_children()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert running_children() - before == {child.pid}
    assert running_children() - before == set()


def test_a_run_that_lacks_programs_ends_with_the_command_that_installs_them() -> None:
    """Sixty skipped tests are one line, with each package once; what no package brings is said beside it."""
    sshd, busybox, spec = (
        "there is no sshd here (Debian: apt-get install openssh-server)",
        "there is no busybox here (Debian: apt-get install busybox)",
        "the description is not here (set INK_SPECS_DIR)",
    )
    assert told([sshd, spec, busybox, sshd, spec]) == [
        f"2 skipped: {spec}",
        "3 skipped for want of programs: apt-get install busybox openssh-server",
    ]


@pytest.mark.parametrize(("reason", "fails"), [("there is no sshd here", 1), ("set INK_SPECS_DIR", 0)])
def test_ci_leaves_no_test_out_that_it_can_run(tmp_path: Path, reason: str, fails: int) -> None:
    """In CI a skipped test has failed, unless it needs a vendor's own description; elsewhere its reason is enough."""
    (tmp_path / "test_it.py").write_text(f"import pytest\n\ndef test_it():\n    pytest.skip({reason!r})\n", "utf-8")
    options = ("-n", "0", "-p", "tests.conftest", "-o", "addopts=", "--rootdir", str(tmp_path), str(tmp_path))
    ends = [pytest_run(*options, ci=ci) for ci in ("", "true")]
    assert [(end.returncode, reason in end.stdout) for end in ends] == [(0, True), (fails, True)]


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    """What shares a lab, a database or the whole source is spread over no two workers."""
    text = """import os, pathlib, pytest

@pytest.mark.xdist_group("it")
@pytest.mark.parametrize("number", range(40))
def test_it(number):
    pathlib.Path(os.environ["SEEN"], os.environ["PYTEST_XDIST_WORKER"]).touch()
"""
    (tmp_path / "test_it.py").write_text(text, "utf-8")
    seen = tmp_path / "seen"
    seen.mkdir()
    options = ("-n", "2", "--dist", "loadgroup", "-o", "addopts=", "--rootdir", str(tmp_path), str(tmp_path))
    assert pytest_run(*options, SEEN=str(seen)).returncode == 0
    assert len(list(seen.iterdir())) == 1


def pytest_run(*options: str, ci: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Return how a run of pytest with nothing of ours ended."""
    return subprocess.run(
        (sys.executable, "-m", "pytest", *options),
        cwd=ROOT,
        env={**os.environ, "CI": ci, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
