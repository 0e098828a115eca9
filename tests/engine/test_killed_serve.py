"""`ink-infra-mcp serve` itself is killed in mid-deployment: another server finishes that, without being asked to."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.settings.system import SystemClock, new_id
from ink_infra_mcp.state.store import Store
from tests.conftest import running_children
from tests.wire import Wire, connect

HELLO: JsonObject = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 0}
SPEED = "20"
"""A build takes a second or more of ours: time enough to be killed in."""


def _call(wire: Wire, tool: str, arguments: JsonObject) -> dict[str, Any]:
    return wire.request("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]


def approve(state: str, approval: str) -> None:
    """Say yes as an operator does at a terminal."""
    with closing(Store(state)) as store:
        desk = Approvals(store=store, clock=SystemClock(), new_id=new_id, ttl_s=600)

        async def decide() -> None:
            await desk.decide(approval, Answer("accept"), by="terminal:tester", channel="ticket")

        anyio.run(decide)


def _begin(wire: Wire, state: str) -> str:
    approve(state, _call(wire, "deploy_app", HELLO)["approval_id"])
    return _call(wire, "deploy_app", HELLO)["operation_id"]


def _seen(wire: Wire, operation: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first look at the operation that is as wanted; the test's own time limit ends the looking."""
    while True:
        report = _call(wire, "get_operation", {"operation": operation})
        if wanted(report):
            return report


def _builds(report: dict[str, Any]) -> bool:
    return any(step["id"] == "deploy" and step["state"] == "running" for step in report["steps"])


def _has_ended(report: dict[str, Any]) -> bool:
    return report["state"] != "running"


def _events(report: dict[str, Any]) -> Counter[str]:
    return Counter(line.split()[1] for line in report["log"])


@pytest.mark.timeout(165)
def test_killed_servers_leave_their_deployment_to_others(tmp_path: Path) -> None:
    """A server that was there all the time takes it over, unasked; when that dies too, the next one does at its start.

    The deployment ends applied and proved, and the app is there once.
    """
    state = f"sqlite:///{tmp_path / 'state.sqlite3'}"
    serve = (sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", SPEED, "--state", state)
    with ExitStack() as servers:

        def started() -> tuple[Wire, int]:
            before = running_children()
            wire = servers.enter_context(connect(serve))
            (server,) = running_children() - before
            wire.initialize()
            return wire, server

        first, first_server = started()
        second, second_server = started()
        operation = _begin(first, state)
        _seen(first, operation, _builds)
        os.kill(first_server, signal.SIGKILL)
        _seen(second, operation, lambda report: _events(report)["resumed"] == 1)
        os.kill(second_server, signal.SIGKILL)
        third, _ = started()
        report = _seen(third, operation, _has_ended)
        apps = [row[0] for row in _call(third, "list_apps", {})["rows"]]

    assert report["state"] == "applied"
    assert {check["status"] for check in report["receipt"]["checks"]} == {"passed"}
    assert _events(report) == Counter({"begin": 1, "resumed": 2, "end": 1, "step": _events(report)["step"]})
    assert apps.count("hello") == 1
