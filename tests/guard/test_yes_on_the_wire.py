"""A yes belongs to its call, as clients of both eras see it: cancelled, cut off, locked out, twice, crowded."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.guard.approval import MAX_WAITING
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.state import locks
from ink_infra_mcp.state.records import Lock
from tests.engine.killing import Moment, begin_forking, scene
from tests.guard.bed import OURS, STOP, Held, nothing_is_written, told
from tests.ink import ERAS, PRINCIPAL, Era, Ink, data, ink, says_yes, text
from tests.server.raw import Raw, envelope, raw
from tests.state.stores import lock
from tests.tools.calls import fault

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

LIMIT_S = 180
FORMS: dict[str, Any] = {"elicitation": {}}
DELETE: dict[str, Any] = {"name": "delete_app", "arguments": {"app": "shop", "wait_s": 30}}
TYPED: dict[str, Any] = {"action": "accept", "content": {"name": "shop"}}
LOOKS_AGAIN = "GET /api/v1/applications"
"""What Coolify is asked when the plan is made again; the test lets it hang there."""


@pytest.fixture(scope="module")
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@dataclass(slots=True)
class Connection:
    """One connection of a client that writes its own lines, in one era."""

    raw: Raw
    era: Era
    call: dict[str, Any]

    async def ask(self) -> dict[str, Any]:
        """Call delete_app and return the question: what came back, or the server's request in mid-call."""
        if self.era == "auto":
            return (await self.raw.request("tools/call", {**self.call, "_meta": envelope(FORMS)}))["result"]
        await self.raw.begin("tools/call", self.call)
        return await self.raw.hear()

    async def answer(self, question: dict[str, Any], answer: object = TYPED) -> int:
        """Bring the answer back; return the id of the request that waits for its end."""
        if self.era == "auto":
            more = {"requestState": question["requestState"], "inputResponses": {"approval": answer}}
            return await self.raw.begin("tools/call", {**self.call, **more, "_meta": envelope(FORMS)})
        await self.raw.send({"jsonrpc": "2.0", "id": question["id"], "result": answer})
        return 2

    async def cancel(self, request: int) -> None:
        """Cancel a request."""
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}}
        await self.raw.send(cancelled)

    async def said(self, request: int) -> dict[str, Any]:
        """Return what the request came to."""
        while True:
            message = await self.raw.hear()
            if message.get("id") == request and "method" not in message:
                return message["result"]


@asynccontextmanager
async def connected(it: Ink, era: Era, *, wait_s: int = 30) -> AsyncGenerator[Connection]:
    """Give a connection of a client to a server of its own over the product; it waits so long for what it begins."""

    async def opened() -> App:
        return it.app

    catalogue = narrowed(load(), toolsets=frozenset(), read_only=False)
    settings = ServerSettings(catalogue=catalogue, open=opened, principal=PRINCIPAL, instructions="Test.")
    async with raw(build_server(settings)) as client:
        if era == "legacy":
            await client.handshake("2025-11-25", FORMS)
        yield Connection(client, era, {**DELETE, "arguments": {"app": "shop", "wait_s": wait_s}})


async def until(it: Ink, seen: Callable[[list[str]], bool]) -> list[str]:
    """Return the audit in short once it is as wanted."""
    while not seen(story := await told(it)):
        await anyio.lowlevel.checkpoint()
    return story


async def unused(it: Ink) -> list[str]:
    """Return the ids of each yes that nothing has used."""
    return [approval.id for approval in await it.app.guarded.approvals.unused()]


async def test_a_delete_that_is_cancelled_after_its_yes_leaves_nothing_to_spend(tmp_path: Path, era: Era) -> None:
    """The name was typed, and the call cancelled before it began: another client of the same user is asked itself."""
    person = says_yes("docs")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, connected(it, era) as client:
            question = await client.ask()
            fault(it, LOOKS_AGAIN, "hang", seconds=30.0, times=9)
            with nothing_is_written(it):
                request = await client.answer(question)
                await until(it, lambda story: "approved accept" in story)
                await client.cancel(request)
                story = await until(it, lambda story: "withdrawn cancelled" in story)
                with it.world.change() as state:
                    state.faults.clear()
                async with it.client(person, era=era) as other:
                    said = await other.call_tool("delete_app", DELETE["arguments"])
            left = await unused(it)
    assert story == ["proposed", "approved accept", "withdrawn cancelled"]
    assert (left, len(person.asked), data(said)["outcome"]) == ([], 1, "not_approved")


async def test_a_question_is_taken_back_with_the_call_that_waits_for_it(tmp_path: Path, era: Era) -> None:
    """Where the call waits for its answer, cancelling takes the question back; where it has ended, that stays open."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, connected(it, era) as client:
            await client.ask()
            await client.cancel(2)
            wanted = ["proposed"] if era == "auto" else ["proposed", "withdrawn cancelled"]
            story = await until(it, lambda story: story == wanted)
            waiting = await it.app.guarded.approvals.pending()
    assert (story, len(waiting)) == (wanted, 1 if era == "auto" else 0)


async def test_a_client_that_goes_away_after_its_yes_takes_it_along(tmp_path: Path, era: Era) -> None:
    """The connection ends between the yes and the begin: nothing runs, and the yes is withdrawn."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, connected(it, era) as client:
            question = await client.ask()
            fault(it, LOOKS_AGAIN, "hang", seconds=30.0, times=9)
            with nothing_is_written(it):
                await client.answer(question)
                await until(it, lambda story: "approved accept" in story)
                await client.raw.hang_up()
                story = await until(it, lambda story: "withdrawn cancelled" in story)
            left = await unused(it)
    assert (left, story) == ([], ["proposed", "approved accept", "withdrawn cancelled"])


@pytest.mark.usefixtures("forks")
async def test_a_yes_that_a_killed_server_left_is_void_for_the_next_one(tmp_path: Path, era: Era) -> None:
    """A server dies after the yes and before its begin is written: the next one asks anew, and says why."""
    arguments = {"app": "shop", "wait_s": 30}
    with anyio.fail_after(LIMIT_S), scene(tmp_path) as it:
        await it.kill("delete_app", arguments, dies=Moment("statement", "INSERT INTO ink_operations "))
        async with it.server() as app:
            product = Ink(app=app, world=it.world, ends=it.ends)
            left, person = await unused(product), says_yes("docs")
            async with product.client(person, era=era) as client:
                said = await client.call_tool("delete_app", arguments)
            story = await told(product)
            gone = await unused(product)
    assert (len(left), gone) == (1, [])
    assert person.asked[0].startswith("Somebody said yes to this call at ")
    assert "It is void: this is asked anew.\n\n" in person.asked[0]
    assert data(said)["outcome"] == "not_approved"
    assert story == ["proposed", "approved accept", "withdrawn unused", "proposed", "denied accept"]


async def test_a_locked_target_says_what_became_of_the_yes(tmp_path: Path, era: Era) -> None:
    """Another operation took the app while the question was open: the yes is withdrawn with its call, in words."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, connected(it, era) as client:
            question = await client.ask()
            approval = (await it.app.guarded.approvals.pending())[0]
            wanted = [of_another(target, it) for target in approval.plan.locks]
            it.app.guarded.guard.locks.beginning.add("op-other")
            assert await it.app.store.run(lambda c: locks.take(c, wanted)) is None
            said = await client.said(await client.answer(question))
            left = await unused(it)
    receipt = said["structuredContent"]
    assert (receipt["outcome"], receipt["approval_id"], left) == ("locked", approval.id, [])
    assert "The yes to this plan is withdrawn with this call: the next one asks again." in said["content"][0]["text"]


def of_another(target: str, it: Ink) -> Lock:
    """Return a lock on the target that an operation of somebody else has, on its way to begin."""
    found = lock(target, "op-other", executor=it.app.guarded.owners.executor)
    return found.model_copy(update={"principal": "local:other"})


async def test_the_second_of_two_yeses_gets_the_running_operation(tmp_path: Path, era: Era) -> None:
    """Two clients of one user have the same question open, and both persons say yes: one deletion, two receipts."""
    held = Held("coolify.delete_application")
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, wrap_handler=held) as it,
            connected(it, era) as one,
            connected(it, era, wait_s=0) as other,
        ):
            first, second = await one.ask(), await other.ask()
            begun = await one.answer(first)
            await held.entered.wait()
            joined = await other.said(await other.answer(second))
            held.go.set()
            ended = await one.said(begun)
            story = await told(it)
    receipts = [said["structuredContent"] for said in (joined, ended)]
    assert [receipt["outcome"] for receipt in receipts] == ["running", "applied"]
    assert receipts[0]["operation_id"] == receipts[1]["operation_id"]
    assert story.count("begin") == 1


async def test_a_crowd_of_plans_that_wait_is_refused_by_the_name_of_the_oldest(tmp_path: Path, era: Era) -> None:
    """The call beyond the bound is told which plan waits longest, and the command that turns it down."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(era=era) as client:
            waiting = await client.call_tool("control_app", STOP)
            found = it.app.guarded.approvals
            (oldest,) = await found.pending()
            for number in range(1, MAX_WAITING):
                await found.propose(
                    OURS, oldest.plan, args_digest=f"{number:064}", risk=oldest.risk, need=Need(oldest.need)
                )
            with nothing_is_written(it):
                refused = await client.call_tool("delete_app", DELETE["arguments"])
                again = await client.call_tool("control_app", STOP)
    assert (data(waiting)["outcome"], data(again)["approval_id"]) == ("approval_required", oldest.id)
    assert refused.is_error
    assert text(refused).startswith(
        f"[too_many_waiting] 20 plans of {PRINCIPAL} wait for a person already. The oldest is {oldest.id}: "
        "control_app of shop, which waits since "
    )
    assert f"Nothing was changed. Have a person decide it first: `ink-infra-mcp deny {oldest.id} --sandbox`" in text(
        refused
    )
