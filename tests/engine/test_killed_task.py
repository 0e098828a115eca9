"""A server is killed while a client holds a task: another process answers for it, in both protocol eras."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running_children
from tests.engine.test_killed_serve import HELLO, SPEED, approve
from tests.server.raw import envelope
from tests.wire import Wire, WireError, connect

HELD: dict[str, Any] = {"_meta": envelope({"extensions": {"io.modelcontextprotocol/tasks": {}}})}
PATIENCE_S = 120


def _as_task(wire: Wire) -> str:
    made = wire.request("tools/call", {"name": "deploy_app", "arguments": HELLO, "task": {"ttl": 1000}})
    return made["task"]["taskId"]


@pytest.mark.timeout(240)
def test_a_task_outlives_the_server_that_began_it(tmp_path: Path) -> None:
    """The handle of a killed server is good at the next one: it runs on, is listed, and gives the result of the call.

    A later client of 2026-07-28 reads the same task; what is no task of anybody's is not found by either.
    """
    state = f"sqlite:///{tmp_path / 'state.sqlite3'}"
    serve = (sys.executable, "-m", "ink_infra_mcp", "serve", "--sandbox", "--speed", SPEED, "--state", state)
    with ExitStack() as servers:
        before = running_children()
        first = servers.enter_context(connect(serve, patience_s=PATIENCE_S))
        (server,) = running_children() - before
        first.initialize()
        asked = first.request("tasks/result", {"taskId": _as_task(first)})["structuredContent"]
        approve(state, asked["approval_id"])
        handle = _as_task(first)
        began = first.request("tasks/get", {"taskId": handle})
        os.kill(server, signal.SIGKILL)

        second = servers.enter_context(connect(serve, patience_s=PATIENCE_S))
        second.initialize()
        listed = second.request("tasks/list")["tasks"]
        done = second.request("tasks/result", {"taskId": handle})
        after = second.request("tasks/get", {"taskId": handle})
        with pytest.raises(WireError, match=r"-32602.*Task not found"):
            second.request("tasks/get", {"taskId": "op-zzzz2222"})

        third = servers.enter_context(connect(serve, patience_s=PATIENCE_S))
        modern = third.request("tasks/get", {"taskId": handle, **HELD})

    assert (asked["outcome"], began["status"], after["status"]) == ("approval_required", "working", "completed")
    assert [task["taskId"] for task in listed] == [handle]
    assert (done["structuredContent"]["outcome"], done["structuredContent"]["operation_id"]) == ("applied", handle)
    assert (modern["status"], modern["createdAt"]) == ("completed", began["createdAt"])
    assert modern["result"]["structuredContent"] == done["structuredContent"]
