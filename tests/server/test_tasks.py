"""Operations as tasks: the same durable thing in both protocol eras, for its own principal, asked about first."""

from pathlib import Path
from typing import Any, NoReturn

import anyio
import pytest

from ink_infra_mcp.server.build import build_server
from ink_infra_mcp.server.early import MOST
from ink_infra_mcp.server.tasks import PAGE
from tests.guard.bed import Held
from tests.ink import ink
from tests.server.backends import Desk, Echo, Kept, Stop, question, settings_of, stop_plan
from tests.server.raw import Raw, envelope, raw
from tests.server.test_operations import YES, server_of

pytestmark = pytest.mark.anyio

HANDSHAKE = "2025-11-25"
EXTENSION = "io.modelcontextprotocol/tasks"
RELATED = "io.modelcontextprotocol/related-task"
TOLD = "notifications/tasks/status"
DECLARED: dict[str, Any] = {"elicitation": {}, "extensions": {EXTENSION: {}}}
RESTART: dict[str, Any] = {"app": "shop", "action": "restart"}
NEW = ("get", "update", "cancel")
BAD_CURSORS = (
    *("", "7", "[1]", '["x", 1]', "{}", '["x", "op-1"]', '[1e999, "op-1"]', "[1, null]"),
    # what breaks the reader, the store, or a database
    *("[" * 50_000, r'[1, "\ud800"]', r'[1, "\u0000"]', f'[1, "{"x" * 1_000_000}"]'),
)
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


async def restarting(client: Raw, capabilities: dict[str, Any] = DECLARED) -> dict[str, Any]:
    """Restart the app over 2026-07-28 with a person's yes; return what the answered call gives."""
    call = {"name": "control_app", "arguments": RESTART}
    asked = (await modern(client, "tools/call", capabilities, **call))["result"]
    yes = {"requestState": asked["requestState"], "inputResponses": YES}
    return (await modern(client, "tools/call", capabilities, **call, **yes))["result"]


async def as_task(client: Raw, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool as a task of 2025-11-25; return the whole answer."""
    return await client.request("tools/call", {"name": name, "arguments": arguments, "task": {"ttl": 60_000}})


async def test_a_client_that_takes_tasks_gets_the_operation_as_one(tmp_path: Path) -> None:
    """The question comes first, then at once a handle that is the operation's own id, then its result in tasks/get."""
    with anyio.fail_after(40):
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
    """On 2025-11-25 a call named a task has a handle at once, is asked about once that is used, and has its result."""
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            hello = await client.handshake(HANDSHAKE, {"elicitation": {}})
            made = (await as_task(client, "control_app", RESTART))["result"]
            handle = made["task"]["taskId"]
            before = it.journal
            waits = (await client.answering("tasks/get", {"taskId": handle}, reply=FORM))["result"]
            done = (await client.answering("tasks/result", {"taskId": handle}, reply=FORM))["result"]
            after = (await client.request("tasks/get", {"taskId": handle}))["result"]
            async with raw(server_of(it)) as another:
                elsewhere = (await modern(another, "tasks/get", taskId=handle))["result"]
    assert hello["result"]["capabilities"]["tasks"] == {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
    assert (made["task"]["status"], waits["status"], after["status"]) == ("working", "input_required", "completed")
    assert before == []
    [question] = [message for message in client.heard if message.get("method") == "elicitation/create"]
    assert question["params"]["_meta"] == {RELATED: {"taskId": handle}}
    assert done["_meta"][RELATED] == {"taskId": handle}
    assert (done["structuredContent"]["outcome"], done["isError"]) == ("applied", False)
    assert "resultType" not in done
    assert (elsewhere["status"], elsewhere["result"]["structuredContent"]) == ("completed", done["structuredContent"])


async def test_five_calls_at_once_that_ask_for_the_same_are_one_question(tmp_path: Path) -> None:
    """They are one task and one approval, and its one yes begins one operation; a call with another plan is another."""
    call = {"name": "control_app", "arguments": RESTART, "task": {"ttl": 60_000}}
    other = call | {"arguments": RESTART | {"app": "docs"}}
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            await client.handshake(HANDSHAKE, {"elicitation": {}})
            begun = [await client.begin("tools/call", each) for each in (*[call] * 5, other)]
            said = {about: (await client.hear())["result"]["task"]["taskId"] for about in begun}
            handles = {*said.values()}
            waiting = await it.app.guarded.approvals.pending()
            asked = [
                (await client.answering("tasks/result", {"taskId": each}, reply=FORM))["result"] for each in handles
            ]
            restarts = [line for line in it.journal if "/restart" in line]
    questions = [message for message in client.heard if message.get("method") == "elicitation/create"]
    assert (len(handles), len(waiting), len(questions), len(restarts)) == (2, 2, 2, 2)
    assert {result["structuredContent"]["outcome"] for result in asked} == {"applied"}


async def test_a_client_of_the_handshake_is_told_of_the_end_of_its_task(tmp_path: Path) -> None:
    """Once, with what tasks/get says then: of what was done, and of what a person turned down."""
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            await client.handshake(HANDSHAKE, {"elicitation": {}})
            told: dict[str, dict[str, Any]] = {}
            for app, reply in (("shop", FORM), ("docs", {"action": "decline"})):
                made = (await as_task(client, "control_app", RESTART | {"app": app}))["result"]
                handle = made["task"]["taskId"]
                await client.answering("tasks/result", {"taskId": handle}, reply=reply)
                while not (found := [each for each in client.heard if each.get("method") == TOLD]):
                    client.heard.append(await client.hear())
                [told[handle]] = [each["params"] for each in found]
                client.heard.clear()
            now = {each: (await client.request("tasks/get", {"taskId": each}))["result"] for each in told}
    assert told == {
        each: {name: text for name, text in task.items() if name in told[each]} for each, task in now.items()
    }
    assert [each["status"] for each in told.values()] == ["completed", "failed"] or told


async def test_whoever_takes_no_tasks_is_answered_as_ever(tmp_path: Path) -> None:
    """Without the extension a call waits for its result; older protocols know no task, and do not mind the word."""
    plain: dict[str, Any] = {"elicitation": {}}
    call = {"name": "control_app", "arguments": RESTART}
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as new, raw(server_of(it)) as old:
            done = await restarting(new, plain)
            refused = [await modern(new, f"tasks/{name}", plain, taskId="op-zzzz2222") for name in ("get", "cancel")]
            hello = await old.handshake("2025-06-18", {})
            again = (await old.request("tools/call", {**call, "task": {"ttl": 1}}))["result"]
            unknown = await old.request("tasks/get", {"taskId": done["structuredContent"]["operation_id"]})
    assert (done["resultType"], done["structuredContent"]["outcome"]) == ("complete", "applied")
    needed: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    assert [(answer["error"]["code"], answer["error"]["data"]) for answer in refused] == [(-32021, needed)] * 2
    assert "tasks" not in hello["result"]["capabilities"]
    assert again["structuredContent"]["outcome"] == "approval_required"
    assert unknown["error"] == {"code": -32601, "message": "Method not found", "data": "tasks/get"}


async def test_a_task_is_its_principals_alone(tmp_path: Path) -> None:
    """To another principal a task is one that does not exist: it cannot be read, followed, stopped or listed."""
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as one, raw(server_of(it, "local:other")) as other:
            begun = await restarting(one)
            await ended(one, begun["taskId"])
            new = [await modern(other, f"tasks/{n}", taskId=begun["taskId"], inputResponses={}) for n in NEW]
            async with raw(server_of(it, "local:other")) as old, raw(server_of(it)) as own:
                await old.handshake(HANDSHAKE, {})
                await own.handshake(HANDSHAKE, {})
                before = [
                    await old.request(f"tasks/{n}", {"taskId": begun["taskId"]}) for n in ("get", "result", "cancel")
                ]
                lists = [(await client.request("tasks/list", {}))["result"]["tasks"] for client in (old, own)]
    not_found = {"code": -32602, "message": "Task not found"}
    assert [answer["error"] for answer in (*new, *before)] == [not_found] * 6
    assert [[task["taskId"] for task in tasks] for tasks in lists] == [[], [begun["taskId"]]]


async def test_a_no_ends_the_task_and_nothing_is_changed(tmp_path: Path) -> None:
    """Who declines in tasks/result gets that as the result; who cancels before ends the question; both stay so."""
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            await client.handshake(HANDSHAKE, {"elicitation": {}})
            first = (await as_task(client, "control_app", RESTART))["result"]["task"]["taskId"]
            no = {"action": "decline"}
            declined = (await client.answering("tasks/result", {"taskId": first}, reply=no))["result"]
            second = (await as_task(client, "control_app", RESTART))["result"]["task"]["taskId"]
            cancelled = (await client.request("tasks/cancel", {"taskId": second}))["result"]
            told = (await client.request("tasks/result", {"taskId": second}))["result"]
            late = [await client.request("tasks/cancel", {"taskId": task}) for task in (first, second)]
            listed = (await client.request("tasks/list", {}))["result"]["tasks"]
            journal = it.journal
    assert declined["structuredContent"]["outcome"] == "not_approved"
    assert (cancelled["taskId"], cancelled["status"]) == (second, "cancelled")
    assert "nothing was changed" in told["content"][0]["text"]
    assert [answer["error"]["code"] for answer in late] == [-32602, -32602]
    assert {task["taskId"]: task["status"] for task in listed} == {first: "completed", second: "cancelled"}
    assert journal == []


async def test_a_question_that_is_open_is_taken_back_by_a_cancel(tmp_path: Path) -> None:
    """A tasks/cancel ends the tasks/result that waits for a person; a yes that comes later begins nothing."""
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            await client.handshake(HANDSHAKE, {"elicitation": {}})
            task = (await as_task(client, "control_app", RESTART))["result"]["task"]["taskId"]
            waiting = await client.begin("tasks/result", {"taskId": task})
            asked = await client.hear()
            while asked.get("method") != "elicitation/create":
                asked = await client.hear()
            cancelling = await client.begin("tasks/cancel", {"taskId": task})
            said: dict[int, dict[str, Any]] = {}
            while len(said) < 2:
                message = await client.hear()
                if "method" not in message:
                    said[message["id"]] = message
            await client.send({"jsonrpc": "2.0", "id": asked["id"], "result": FORM})
            after = (await client.request("tasks/get", {"taskId": task}))["result"]
            journal = it.journal
    assert said[cancelling]["result"]["status"] == after["status"] == "cancelled"
    assert "nothing was changed" in said[waiting]["result"]["content"][0]["text"]
    assert journal == []


async def test_an_open_question_is_kept_whatever_comes_after_it() -> None:
    """Any number of refused calls leaves the task that waits for a person where it is."""
    desk = Desk([Stop()], asked=question(stop_plan("shop")))
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk))) as client:
            await client.handshake(HANDSHAKE, {"elicitation": {}})
            task = (await as_task(client, "stop_app", {"app": "shop"}))["result"]["task"]["taskId"]
            refused = [(await as_task(client, "stop_app", {}))["result"]["task"]["taskId"] for _ in range(MOST + 10)]
            waits = (await client.request("tasks/get", {"taskId": task}))["result"]
            last = (await client.request("tasks/get", {"taskId": refused[-1]}))["result"]
            listed = (await client.request("tasks/list", {}))["result"]["tasks"]
    assert (waits["status"], last["status"], len(listed)) == ("input_required", "failed", MOST)


@pytest.mark.parametrize("handle", ["\x00", "op-\u202e", "\U0001f4a9", "op-" + "a" * 1_000_000], ids=range(4))
async def test_what_can_be_no_task_is_not_looked_for(handle: str) -> None:
    """A database may refuse such a text, and the store would seem broken; the answer is that there is no such task."""

    class Picky(Kept):
        async def held(self, handle: str, *, principal: str) -> NoReturn:
            raise AssertionError("the store was asked")

    desk = Desk([Stop()], kept=Picky())
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk))) as client:
            await client.handshake(HANDSHAKE, {})
            said = [await client.request(f"tasks/{name}", {"taskId": handle}) for name in ("get", "result")]
    assert [answer["error"] for answer in said] == [{"code": -32602, "message": "Task not found"}] * 2


async def test_a_call_that_ends_at_once_is_a_task_that_has_ended(tmp_path: Path) -> None:
    """Bad arguments, no person to ask, and what is so already have a handle, too, whose result says what it is."""
    calls: list[dict[str, Any]] = [{"app": "nowhere", "action": "restart"}, {"dry_run": True}, RESTART]
    with anyio.fail_after(40):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            await client.handshake(HANDSHAKE, {})
            made = [(await as_task(client, "control_app", call))["result"]["task"] for call in calls]
            found = [(await client.request("tasks/get", {"taskId": task["taskId"]}))["result"] for task in made]
            results = [(await client.request("tasks/result", {"taskId": task["taskId"]}))["result"] for task in made]
            read = await as_task(client, "get_fleet", {})
    assert [task["status"] for task in made] == ["working"] * 3
    assert [task["status"] for task in found] == ["failed", "failed", "completed"]
    words = ["[unknown_name]", "[invalid_input]", "approval required:"]
    assert [w in result["content"][0]["text"] for w, result in zip(words, results, strict=True)] == [True] * 3
    assert read["error"] == {"code": -32601, "message": "get_fleet cannot be called as a task."}


@pytest.mark.parametrize(
    ("kind", "outcome", "status"),
    [("hosts.note_containers", "cancelled", "cancelled"), ("coolify.restart", "applied", "completed")],
    ids=["in time", "too late"],
)
async def test_a_running_task_is_cancelled_as_its_operation_is(
    tmp_path: Path, kind: str, outcome: str, status: str
) -> None:
    """It takes the yes that cancel_operation takes: asked for on 2025-11-25, at a terminal on 2026-07-28.

    One that was in its last step ends as it does: the result says so, and so does the newer protocol's status.
    """
    held = Held(kind)
    with anyio.fail_after(40):
        async with ink(tmp_path, wrap_handler=held) as it, raw(server_of(it)) as new, raw(server_of(it)) as old:
            begun = await restarting(new)
            await held.entered.wait()
            refused = (await modern(new, "tasks/cancel", taskId=begun["taskId"]))["error"]
            runs = (await modern(new, "tasks/get", taskId=begun["taskId"]))["result"]["status"]
            await old.handshake(HANDSHAKE, {"elicitation": {}})
            stopped = (await old.answering("tasks/cancel", {"taskId": begun["taskId"]}, reply=FORM))["result"]
            held.go.set()
            done = (await old.request("tasks/result", {"taskId": begun["taskId"]}))["result"]
            after = (await old.request("tasks/get", {"taskId": begun["taskId"]}))["result"]["status"]
            told = await ended(new, begun["taskId"])
    assert refused["code"] == -32600
    assert "`ink-infra-mcp approve ap-" in refused["message"]
    assert (runs, stopped["status"], after) == ("working", "cancelled", "cancelled")
    [question] = [message for message in old.heard if message.get("method") == "elicitation/create"]
    assert question["params"]["_meta"] == {RELATED: {"taskId": begun["taskId"]}}
    assert (done["structuredContent"]["outcome"], told["status"]) == (outcome, status)


async def test_a_list_of_tasks_has_pages() -> None:
    """Fifty tasks at a time, in order, each once; a cursor of somebody's own making is refused."""
    desk = Desk([Stop()], kept=Kept.of(2 * PAGE + 7))
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk))) as client:
            await client.handshake(HANDSHAKE, {})
            seen, cursor = list[str](), dict[str, Any]()
            for _ in range(3):
                page = (await client.request("tasks/list", cursor))["result"]
                seen += [task["taskId"] for task in page["tasks"]]
                cursor = {"cursor": page.get("nextCursor")}
            bad = [await client.request("tasks/list", {"cursor": text}) for text in BAD_CURSORS]
    assert seen == [held.operation.id for held in desk.kept.rows]
    assert cursor == {"cursor": None}
    assert [answer["error"]["code"] for answer in bad] == [-32602] * len(BAD_CURSORS)


async def test_where_nothing_can_be_changed_there_are_no_tasks() -> None:
    """A server that only reads neither declares tasks nor answers for them."""
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(Desk([Echo()])))) as client:
            hello = await client.handshake(HANDSHAKE, {})
            answer = await client.request("tasks/list", {})
        async with raw(build_server(settings_of(Desk([Echo()])))) as client:
            found = (await modern(client, "server/discover"))["result"]
    assert "tasks" not in hello["result"]["capabilities"]
    assert answer["error"]["code"] == -32601
    assert EXTENSION not in found["capabilities"].get("extensions", {})


async def test_what_stops_operations_is_not_offered_where_it_is_hidden() -> None:
    """Without cancel_operation among the tools nothing is cancelled as a task either, and that is not declared."""
    desk = Desk([Stop()], asked=question(stop_plan("shop")))
    with anyio.fail_after(30):
        async with raw(build_server(settings_of(desk))) as client:
            hello = await client.handshake(HANDSHAKE, {})
            answer = await client.request("tasks/cancel", {"taskId": "op-zzzz2222"})
    assert hello["result"]["capabilities"]["tasks"] == {"list": {}, "requests": {"tools": {"call": {}}}}
    assert answer["error"]["code"] == -32601
