"""What every test stands on: one event loop kind, a private home, and bounded random cases."""

import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.programs import WITHOUT, told

# their assertions tell what they compared, as those of test modules do
pytest.register_assert_rewrite("tests.engine.killing", "tests.engine.aftermath", "tests.ink", "tests.wire")

settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), max_examples=150, derandomize=True)
settings.register_profile("deep", parent=settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# whoever starts the tests in the background has them ignore Ctrl-C, and under nohup the end of a session: every program
# that they start would, too
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# keyring chooses its backend once, when it is first imported
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

OURS = ("INK_", "HCLOUD_", "COOLIFY_", "CLOUDFLARE_", "GITHUB_", "SSH_AUTH_SOCK")
KEPT = frozenset({"INK_SPECS_DIR"})
FOLDERS = (("CONFIG", ".config"), ("STATE", ".local/state"), ("DATA", ".local/share"), ("CACHE", ".cache"))


IN_CI = os.environ.get("CI", "") == "true"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that did not run has failed, unless it needs a vendor's description that CI does not have."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and WITHOUT not in reason_of(report):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI leaves no test out that it can run: {reason_of(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with what was skipped and why, and with the one command that makes the rest run."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    for line in told(map(reason_of, skipped)):
        terminalreporter.write_line(line)


def reason_of(report: pytest.TestReport) -> str:
    """Return why a test was skipped."""
    words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return words.removeprefix("Skipped: ")


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which is what the product runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all homes; the factory would look at every older one to number the next."""
    return tmp_path_factory.mktemp("homes", numbered=False)


@pytest.fixture(autouse=True)
def private_environment(monkeypatch: pytest.MonkeyPatch, homes: Path) -> Path:
    """Hide the machine's configuration, secrets and key store from the test; return its empty home."""
    home = Path(tempfile.mkdtemp(dir=homes))
    for name in list(os.environ):
        if name.startswith(OURS) and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in FOLDERS:
        monkeypatch.setenv(f"XDG_{variable}_HOME", str(home / folder))
    return home


def running_children() -> set[int]:
    """Return the processes that this one started and that still run; none where the system has no /proc."""
    children = {child for task in Path("/proc/self/task").glob("*") for child in _children_of(task)}
    return {child for child in children if not _has_ended(child)}


def _children_of(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    except OSError:
        # the thread ended between the listing and the look, or there is no /proc
        return []


def _has_ended(child: int) -> bool:
    try:
        status = Path(f"/proc/{child}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail a test that leaves a process of its own running."""
    before = running_children()
    yield
    left = running_children() - before
    assert left == set(), f"the test left processes running: {sorted(left)}"
