"""Signals end the server at once, with the status that shells expect, and without harm to what runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.raw import approved, envelope
from tests.wire import Wire

AT_ONCE_S = 4.0
MODERN: dict[str, Any] = {"_meta": envelope({})}
SERVE = (sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", "25", "--state")
HELLO = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 0}
HASTY = (
    "import sys; sys.argv = ['ink-infra-mcp', 'serve', '--sandbox', '--state', *sys.argv[1:]]\n"
    "from ink_infra_mcp.server import stdio; stdio.GRACE_S = 0.5\n"
    "from ink_infra_mcp.__main__ import main; main()"
)
"""A server that gives itself half a second to close."""
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@contextmanager
def served(
    state: str, log: Path, command: tuple[str, ...] = SERVE
) -> Generator[tuple["subprocess.Popen[bytes]", Wire]]:
    """Give a server process that was greeted, with its log in a file; it does not outlive the block."""
    with log.open("wb") as errors:
        child = subprocess.Popen((*command, state), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    with child:
        try:
            wire = Wire(child, patience_s=20)
            wire.request("server/discover", MODERN)
            yield child, wire
        finally:
            child.kill()


def ended(child: "subprocess.Popen[bytes]", number: signal.Signals) -> int:
    """Send the signal while the client keeps both pipes open; return the exit status, which must come at once."""
    before = time.monotonic()
    os.kill(child.pid, number)
    status = child.wait(timeout=20)
    assert time.monotonic() - before < AT_ONCE_S
    return status


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_an_idle_server_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever the client does with its pipes, the server is gone, its status is right and it complains of nothing."""
    log = tmp_path / "log"
    with served(f"sqlite:///{tmp_path}/state.sqlite3", log) as (child, _):
        assert ended(child, number) == 128 + number
    assert log.read_text(encoding="utf-8") == ""


def test_a_client_that_does_not_listen_keeps_no_server_alive(tmp_path: Path) -> None:
    """A server that is stuck in an answer that nobody reads ends too, once the time for closing is over."""
    command = (sys.executable, "-c", HASTY)
    with served(f"sqlite:///{tmp_path}/state.sqlite3", tmp_path / "log", command) as (child, _):
        assert child.stdin is not None
        assert child.stdout is not None
        for number in range(10, 20):
            line = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": MODERN}
            child.stdin.write(json.dumps(line).encode() + b"\n")
        child.stdin.flush()
        # the first words of the answers are there: the rest is more than a pipe holds
        assert child.stdout.read(1) == b"{"
        assert ended(child, signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.timeout(165)
def test_what_ran_when_a_signal_came_goes_on_in_the_next_server(tmp_path: Path) -> None:
    """A server that only waits for the end of an operation, since its client has gone, keeps no signal waiting; the
    operation is no worse for it, and ends with the next server as if nothing had been.
    """
    state, log = f"sqlite:///{tmp_path}/state.sqlite3", tmp_path / "log"
    with served(state, log) as (first, wire):
        begun = approved(wire, "deploy_app", HELLO)["structuredContent"]
        assert first.stdin is not None
        first.stdin.close()
        assert ended(first, signal.SIGINT) == 128 + signal.SIGINT
    assert log.read_text(encoding="utf-8") == ""
    assert [*(tmp_path / "owners").iterdir()] == []
    with served(state, log) as (_, wire):
        report = _look(wire, begun["operation_id"], lambda report: report["state"] != "running")
    assert (begun["outcome"], report["state"]) == ("running", "applied")


def _look(wire: Wire, operation: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first look at the operation that is as wanted; the test's own time limit ends the looking."""
    while True:
        params = {"name": "get_operation", "arguments": {"operation": operation}, **MODERN}
        report: dict[str, Any] = wire.request("tools/call", params)["structuredContent"]
        if wanted(report):
            return report
