"""Operations as tasks: the same durable thing in both protocol eras, for its own principal, asked about first."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.ink import ink
from tests.server.raw import Raw, envelope, raw
from tests.server.test_operations import YES, server_of

pytestmark = pytest.mark.anyio

HANDSHAKE = "2025-11-25"
EXTENSION = "io.modelcontextprotocol/tasks"
RELATED = "io.modelcontextprotocol/related-task"
DECLARED: dict[str, Any] = {"elicitation": {}, "extensions": {EXTENSION: {}}}
SAFE: dict[str, Any] = {"app": "shop", "set": {"MODE": "fast"}, "redeploy": False}
RESTART: dict[str, Any] = {"app": "shop", "action": "restart"}
FORM: dict[str, Any] = {"action": "accept", "content": {}}


async def modern(client: Raw, method: str, capabilities: dict[str, Any] = DECLARED, **params: Any) -> dict[str, Any]:
    """Return the whole answer to a request of protocol 2026-07-28."""
    return await client.request(method, {**params, "_meta": envelope(capabilities)})


async def ended(client: Raw, task_id: str) -> dict[str, Any]:
    """Poll a task of 2026-07-28 until it has ended."""
    while True:
        task = (await modern(client, "tasks/get", taskId=task_id))["result"]
        if task["status"] != "working":
            return task
        await anyio.sleep(0.05)


async def restarting(client: Raw) -> dict[str, Any]:
    """Restart the app over 2026-07-28 with a person's yes; return what the answered call gives."""
    asked = (await modern(client, "tools/call", name="control_app", arguments=RESTART))["result"]
    yes = {"requestState": asked["requestState"], "inputResponses": YES}
    return (await modern(client, "tools/call", name="control_app", arguments=RESTART, **yes))["result"]


async def as_task(client: Raw, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool as a task of 2025-11-25; return the whole answer."""
    return await client.request("tools/call", {"name": name, "arguments": arguments, "task": {"ttl": 60_000}})


async def test_a_client_that_takes_tasks_gets_the_operation_as_one(tmp_path: Path) -> None:
    """The question comes first, then at once a handle that is the operation's own id, then its result in tasks/get."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            begun = await restarting(client)
            task = await ended(client, begun["taskId"])
            told = await it.app.queries["get_operation"].observe(
                it.app.queries["get_operation"].args.model_validate({"operation": begun["taskId"]}), it.app.look
            )
    assert (begun["resultType"], begun["status"], begun["ttlMs"]) == ("task", "working", None)
    assert (task["resultType"], task["status"]) == ("complete", "completed")
    assert task["result"]["structuredContent"]["outcome"] == told.receipt.outcome == "applied"


async def test_the_handshake_has_tasks_of_its_own(tmp_path: Path) -> None:
    """On 2025-11-25 a call named a task has a handle at once, its question in tasks/result, and its result there."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            hello = await client.handshake(HANDSHAKE, {"elicitation": {}})
            made = (await as_task(client, "control_app", RESTART))["result"]
            handle = made["task"]["taskId"]
            waits = (await client.request("tasks/get", {"taskId": handle}))["result"]
            before = it.journal
            done = (await client.answering("tasks/result", {"taskId": handle}, reply=FORM))["result"]
            after = (await client.request("tasks/get", {"taskId": handle}))["result"]
    assert hello["result"]["capabilities"]["tasks"] == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    assert (made["task"]["status"], waits["status"], after["status"]) == ("working", "input_required", "completed")
    assert before == []
    [question] = [message for message in client.heard if message.get("method") == "elicitation/create"]
    assert question["params"]["_meta"] == {RELATED: {"taskId": handle}}
    assert done["_meta"][RELATED] == {"taskId": handle}
    assert (done["structuredContent"]["outcome"], done["isError"]) == ("applied", False)
    assert "resultType" not in done
