"""Runs the official conformance suite against our server: `python -m tests.conformance.run`, or `make conformance`.

The suite comes from the npm registry, pinned by content in package-lock.json; Node comes with the development tools.
"""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node import NODE, install

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
SUITE = Path("@modelcontextprotocol", "conformance", "dist", "index.js")
REQUIREMENTS = ("2026-07-28", "2025-11-25")
START_S = 30
RUN_S = 300
LINE = re.compile(r"^[✓✗] (?P<scenario>[\w-]+): (?P<passed>\d+) passed, (?P<failed>\d+) failed$", re.MULTILINE)
NOT_SCORED = re.compile(r"^  [✓✗] (?P<scenario>[\w-]+) \(", re.MULTILINE)


@dataclass(frozen=True)
class Score:
    """What the suite said about one protocol revision, without the scenarios that it does not score."""

    revision: str
    passed: int
    failed: dict[str, int]
    scenarios: int
    status: int

    @property
    def conforms(self) -> bool:
        """Return whether scenarios were scored, none failed, and the suite itself says so."""
        return self.scenarios > 0 and not self.failed and self.status == 0


def score(revision: str, printed: str, status: int) -> Score:
    """Read the suite's summary; a scenario listed as not scored counts for nothing."""
    unscored = {match["scenario"] for match in NOT_SCORED.finditer(printed)}
    scored = [match for match in LINE.finditer(printed) if match["scenario"] not in unscored]
    return Score(
        revision=revision,
        passed=sum(int(match["passed"]) for match in scored),
        failed={match["scenario"]: int(match["failed"]) for match in scored if int(match["failed"])},
        scenarios=len(scored),
        status=status,
    )


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until the server accepts connections.

    Raises:
        RuntimeError: it ended, or did not listen within START_S seconds.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            child.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError("the server under test did not start")


@contextmanager
def served() -> Generator[str]:
    """Run the server under test; yield its address."""
    port = free_port()
    child = subprocess.Popen([sys.executable, "-m", "tests.conformance.app", str(port)], cwd=ROOT)
    try:
        await_port(port, child)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        child.terminate()
        child.wait(START_S)


def run(suite: Path, revision: str, url: str) -> tuple[Score, str]:
    """Run what one revision of the protocol requires; return the score and all that was printed."""
    out = ROOT / ".bench" / "conformance" / revision
    command = [NODE, suite, "server", "--url", url, "--requirements", revision, "-o", out]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_S, check=False
    )
    return score(revision, done.stdout, done.returncode), done.stdout


def main() -> int:
    """Run every requirement set; return 0 when all scored scenarios passed."""
    suite = install(FOLDER) / SUITE
    scores: list[Score] = []
    for revision in REQUIREMENTS:
        with served() as url:
            result, printed = run(suite, revision, url)
        scores.append(result)
        if not result.conforms:
            sys.stdout.write(printed)
    for result in scores:
        words = "conforms" if result.conforms else f"does NOT conform: {result.failed or 'see above'}"
        sys.stdout.write(f"{result.revision}: {result.scenarios} scenarios, {result.passed} checks passed; {words}\n")
    return 0 if all(result.conforms for result in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
