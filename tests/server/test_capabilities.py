"""What a client declares decides what it is asked: tested with messages that no SDK wrote."""

from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import contract_of
from tests.server.backends import INSTRUCTIONS, Desk, Stop, question, stop_plan
from tests.server.raw import MODERN, Raw, envelope, raw

pytestmark = pytest.mark.anyio

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
REVISIONS = (*LEGACY, MODERN)
FORM: list[dict[str, Any]] = [
    {"elicitation": {}},
    {"elicitation": {"form": {}}},
    {"elicitation": {"form": {}, "url": {}}},
]
NO_FORM: list[dict[str, Any]] = [{}, {"elicitation": {"url": {}}}, {"sampling": {}, "roots": {}}]


def desk() -> Desk:
    """Return an application that asks before it stops an app."""
    return Desk([Stop()], asked=question(stop_plan("shop")))


def server_of(desk: Desk) -> Any:
    """Return a server over the desk."""

    async def opened() -> Desk:
        return desk

    contracts = [contract_of(tool, {"coolify.stop": Risk.DISRUPTIVE}) for tool in desk.tools]
    return build_server(
        ServerSettings(
            catalogue=narrowed(contracts, toolsets=frozenset(), read_only=False),
            open=opened,
            principal="local:tester",
            instructions=INSTRUCTIONS,
        )
    )


async def stop(client: Raw, revision: str, capabilities: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return the whole answer to a call, in the words of a revision."""
    params: dict[str, Any] = {"name": "stop_app", "arguments": {"app": "shop"}, **more}
    if revision == MODERN:
        params["_meta"] = envelope(capabilities)
    return await client.request("tools/call", params)


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("capabilities", NO_FORM, ids=["nothing", "url only", "others"])
async def test_a_client_without_forms_is_never_asked(revision: str, capabilities: Mapping[str, Any]) -> None:
    """Whoever did not declare forms gets the command for a terminal as a result, in every revision of the protocol."""
    with anyio.fail_after(30):
        async with raw(server_of(desk())) as client:
            if revision != MODERN:
                await client.handshake(revision, capabilities)
            answer = await stop(client, revision, capabilities)
    assert answer["result"]["structuredContent"]["outcome"] == "approval_required"
    assert client.heard == []


@pytest.mark.parametrize("capabilities", FORM, ids=["without modes", "form", "form and url"])
async def test_a_modern_client_with_forms_gets_the_question_as_a_result(capabilities: Mapping[str, Any]) -> None:
    """On protocol 2026-07-28 the question travels in the result, with a sealed state that names no approval."""
    with anyio.fail_after(30):
        async with raw(server_of(desk())) as client:
            answer = await stop(client, MODERN, capabilities)
    result = answer["result"]
    assert result["resultType"] == "input_required"
    [asked] = result["inputRequests"].values()
    assert (asked["method"], asked["params"]["requestedSchema"]) == (
        "elicitation/create",
        {"type": "object", "properties": {}},
    )
    assert "ap-0000000001" not in result["requestState"]


async def test_a_forged_state_is_refused() -> None:
    """An answer that comes with a state of the client's own making decides nothing."""
    application = desk()
    reply: dict[str, Any] = {"approval": {"action": "accept", "content": {}}}
    with anyio.fail_after(30):
        async with raw(server_of(application)) as client:
            forged = await stop(client, MODERN, {"elicitation": {}}, requestState="ap-0000000001", inputResponses=reply)
            unasked = await stop(client, MODERN, {"elicitation": {}}, inputResponses=reply)
    assert "error" in forged
    assert unasked["result"]["resultType"] == "input_required"
    assert application.answers == []


async def test_a_state_serves_the_arguments_it_was_made_for() -> None:
    """A yes to one call cannot be carried over to a call with other arguments."""
    application = desk()
    reply: dict[str, Any] = {"approval": {"action": "accept", "content": {}}}
    with anyio.fail_after(30):
        async with raw(server_of(application)) as client:
            asked = await stop(client, MODERN, {"elicitation": {}})
            state = asked["result"]["requestState"]
            other: dict[str, Any] = {"name": "stop_app", "arguments": {"app": "docs"}}
            other |= {"requestState": state, "inputResponses": reply, "_meta": envelope({"elicitation": {}})}
            carried = await client.request("tools/call", other)
            right = await stop(client, MODERN, {"elicitation": {}}, requestState=state, inputResponses=reply)
    assert "error" in carried
    assert right["result"]["structuredContent"]["outcome"] == "applied"
    assert len(application.answers) == 1


@pytest.mark.parametrize("capabilities", FORM, ids=["without modes", "form", "form and url"])
@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25"])
async def test_an_older_client_with_forms_is_asked_in_mid_call(revision: str, capabilities: Mapping[str, Any]) -> None:
    """Before 2026-07-28 the server asks while the call is open, and goes on with the answer."""
    application = desk()
    with anyio.fail_after(30):
        async with raw(server_of(application)) as client:
            await client.handshake(revision, capabilities)
            answer = await client.answering(
                "tools/call",
                {"name": "stop_app", "arguments": {"app": "shop"}},
                reply={"action": "accept", "content": {}},
            )
    assert [message["method"] for message in client.heard] == ["elicitation/create"]
    assert answer["result"]["structuredContent"]["outcome"] == "applied"
    assert [given.action for given in application.answers] == ["accept"]


@pytest.mark.parametrize("revision", LEGACY)
async def test_each_older_revision_is_spoken_as_asked(revision: str) -> None:
    """The server answers in the revision that the client named, with its instructions and its three kinds of offers."""
    with anyio.fail_after(30):
        async with raw(server_of(desk())) as client:
            answer = (await client.handshake(revision, {}))["result"]
    assert (answer["protocolVersion"], answer["instructions"]) == (revision, INSTRUCTIONS)
    assert {"tools", "prompts", "resources"} <= set(answer["capabilities"])
    assert answer["serverInfo"]["name"] == "ink-infra-mcp"
