"""Approvals as they travel through clients of both eras: what is replayed, forged or foreign begins nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import CallToolResult, ElicitResult, InputRequiredResult

from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.core.policy import Need, Policy
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.settings.policy_files import load_policy
from tests.guard.bed import STOP, nothing_is_written, told
from tests.ink import ERAS, PRINCIPAL, Era, Ink, Person, data, ink, says_yes, text

pytestmark = pytest.mark.anyio

LIMIT_S = 120
STOPS = "/stop"
SHARED_KEY = b"0123456789abcdef0123456789abcdef"
STRANGE = "Invalid or expired requestState"
TYPED = {"app": "shop", "wait_s": 30}
ACCEPT: dict[str, Any] = {"approval": ElicitResult(action="accept", content={})}


async def asked(client: Client, arguments: dict[str, Any] = STOP, tool: str = "control_app") -> InputRequiredResult:
    """Call a tool and stop at its question."""
    result = await client.session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(result, InputRequiredResult), result
    return result


async def retried(
    client: Client, state: str | None, arguments: dict[str, Any] = STOP, tool: str = "control_app"
) -> CallToolResult:
    """Bring an answer of yes back with that sealed state."""
    result = await client.session.call_tool(
        tool, arguments, input_responses=ACCEPT, request_state=state, allow_input_required=True
    )
    assert isinstance(result, CallToolResult), result
    return result


@asynccontextmanager
async def replica(it: Ink, *, keys: tuple[bytes, ...] = (), principal: str = PRINCIPAL) -> AsyncGenerator[Client]:
    """Give a client of one more server over the same product."""

    async def opened() -> Any:
        return it.app

    settings = ServerSettings(
        catalogue=narrowed(load(), toolsets=frozenset(), read_only=False),
        open=opened,
        principal=principal,
        instructions="Test.",
        state_keys=keys,
    )
    async with Client(build_server(settings), mode="auto", elicitation_callback=says_yes()) as client:
        yield client


def stops(it: Ink) -> int:
    """Return how often Coolify was asked to stop an app."""
    return sum(STOPS in line for line in it.journal)


async def test_a_replayed_answer_runs_nothing_twice(tmp_path: Path) -> None:
    """The sealed state opens again, but the approval behind it is used up, even when the world is as before."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            question = await asked(client)
            first = await retried(client, question.request_state)
            started = await client.call_tool("control_app", {"app": "shop", "action": "start", "wait_s": 30})
            with nothing_is_written(it):
                second = await retried(client, question.request_state)
            assert stops(it) == 1

    assert (data(first)["outcome"], data(started)["outcome"]) == ("applied", "applied")
    assert second.is_error
    assert f"[approval_invalid] The approval {question_id(first)} was already used by operation" in text(second)
    assert "Nothing was changed." in text(second)


async def test_answers_replayed_at_once_begin_one_operation(tmp_path: Path) -> None:
    """Five copies of one answer that arrive together begin one operation: each gets that one, or is told of it."""
    results: list[CallToolResult] = []
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            question = await asked(client)

            async def retry() -> None:
                results.append(await retried(client, question.request_state))

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(retry)
            assert stops(it) == 1
            assert (await told(it)).count("begin") == 1

    begun = {data(result)["operation_id"] for result in results if not result.is_error}
    refused = [result for result in results if result.is_error]
    assert (len(results), len(begun)) == (5, 1)
    assert all(f"was already used by operation {min(begun)}" in text(result) for result in refused)


async def test_an_answer_cannot_be_brought_to_other_arguments(tmp_path: Path) -> None:
    """The seal holds tool and arguments: a yes to stopping the shop stops nothing else."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            state = (await asked(client)).request_state
            with nothing_is_written(it):
                with pytest.raises(MCPError, match=STRANGE):
                    await retried(client, state, {**STOP, "app": "docs"})
                with pytest.raises(MCPError, match=STRANGE):
                    await retried(client, state, TYPED, "delete_app")
            assert (await told(it)) == ["proposed", "refused forged_state", "refused forged_state"]


@pytest.mark.parametrize("forged", ["", "ap-0123456789", "v1.AAAA.BBBB"])
async def test_a_state_that_was_not_sealed_is_refused(tmp_path: Path, forged: str) -> None:
    """An approval's id, which the model can read, is no sealed state: it answers nothing."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            receipt = await asked(client)
            shown = next(approval.id for approval in await it.app.guarded.approvals.pending())
            with nothing_is_written(it), pytest.raises(MCPError, match=STRANGE):
                await retried(client, forged.replace("ap-0123456789", shown))
            assert receipt.request_state != shown
            assert await told(it) == ["proposed", "refused forged_state"]


async def test_a_state_sealed_by_another_key_is_refused(tmp_path: Path) -> None:
    """A server opens only what it, or a replica with its key, has sealed."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says_yes()) as here, replica(it) as stranger:
            state = (await asked(here)).request_state
            with nothing_is_written(it), pytest.raises(MCPError, match=STRANGE):
                await retried(stranger, state)
            assert await told(it) == ["proposed"]


async def test_replicas_with_one_key_take_each_others_answers(tmp_path: Path) -> None:
    """The question may come from one replica and its answer arrive at the other, once."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            async with replica(it, keys=(SHARED_KEY,)) as one, replica(it, keys=(SHARED_KEY,)) as other:
                state = (await asked(one)).request_state
                first, second = await retried(other, state), await retried(one, state)
            assert stops(it) == 1
    assert data(first)["outcome"] == "applied"
    assert "was already used" in text(second)


async def test_an_answer_of_another_principal_is_refused(tmp_path: Path) -> None:
    """Even with the key, another principal's yes decides nothing."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path) as it,
            replica(it, keys=(SHARED_KEY,)) as one,
            replica(it, keys=(SHARED_KEY,), principal="local:other") as other,
        ):
            state = (await asked(one)).request_state
            with nothing_is_written(it):
                result = await retried(other, state)
            assert await told(it) == ["proposed"]
    assert result.is_error
    assert "is unknown. Nothing was changed." in text(result)


@pytest.mark.parametrize("era", ERAS)
async def test_a_used_approval_is_refused_in_both_eras(tmp_path: Path, era: Era) -> None:
    """After one run, the same call in the same world asks the person again."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            for action in ("stop", "start", "stop"):
                result = await client.call_tool("control_app", {**STOP, "action": action})
                assert data(result)["outcome"] == "applied"
            assert stops(it) == 2
    assert [question.splitlines()[1] for question in person.asked].count("Stop shop on muscle-1") == 2


@pytest.mark.parametrize("era", ERAS)
async def test_a_wrong_name_typed_in_the_client_deletes_nothing(tmp_path: Path, era: Era) -> None:
    """Deletion asks for the app's name; another word is a refusal that is final."""
    person = says_yes("shops")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            with nothing_is_written(it):
                result = await client.call_tool("delete_app", TYPED)
            assert await told(it) == ["proposed", "denied accept"]
    assert data(result)["outcome"] == "not_approved"
    assert "The name typed was not the target's. Nothing was changed." in text(result)
    assert person.asked[0].endswith("\nTo approve, type: shop\n```")


@pytest.mark.parametrize("era", ERAS)
async def test_a_ticket_is_never_put_to_the_client(tmp_path: Path, era: Era) -> None:
    """Where policy wants an operator at a terminal, a client that would say yes is not even asked."""
    person, base = says_yes("shop"), load_policy(None)
    needs = {risk: Need.TICKET if risk.rank >= Risk.DISRUPTIVE.rank else need for risk, need in base.approval.items()}
    policy = Policy.model_validate(base.model_copy(update={"approval": needs}))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policy=policy) as it, it.client(person, era=era) as client:
            with nothing_is_written(it):
                result = await client.call_tool("control_app", STOP)
    assert data(result)["outcome"] == "approval_required"
    assert person.asked == []


@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_that_is_no_answer_begins_nothing(tmp_path: Path, era: Era) -> None:
    """An accept with made-up content is a yes only where a yes was asked, never where a name was."""
    person = Person([ElicitResult(action="accept", content={"name": 7, "confirm": True, "approve": "yes"})])
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person, era=era) as client:
            with nothing_is_written(it):
                result = await client.call_tool("delete_app", TYPED)
    assert data(result)["outcome"] == "not_approved"


def question_id(result: CallToolResult) -> str:
    """Return the approval that a begun operation used."""
    return str(data(result)["approval_id"])
