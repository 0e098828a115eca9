"""What is left of an operation: a yes that opens nothing when it is sent again, and an address to read it at."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.types import TextResourceContents

from ink_infra_mcp.app import App
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from tests.ink import PRINCIPAL, Ink, data, ink, says_yes
from tests.server.backends import INSTRUCTIONS
from tests.server.raw import Raw, envelope, raw

pytestmark = pytest.mark.anyio

RESTART: dict[str, Any] = {
    "name": "control_app",
    "arguments": {"app": "shop", "action": "restart", "wait_s": 60},
    "_meta": envelope({"elicitation": {}}),
}
YES: dict[str, Any] = {"approval": {"action": "accept", "content": {}}}


def server_of(it: Ink, principal: str = PRINCIPAL) -> Any:
    """Return a server of the product for one principal."""

    async def opened() -> App:
        return it.app

    catalogue = narrowed(load(), toolsets=frozenset(), read_only=False)
    return build_server(
        ServerSettings(
            catalogue=catalogue,
            open=opened,
            principal=principal,
            instructions=INSTRUCTIONS,
            state_keys=(b"0" * 32,),
        )
    )


async def restarted(client: Raw, state: str) -> dict[str, Any]:
    """Return the answer to the call that brings the yes."""
    return (await client.request("tools/call", {**RESTART, "requestState": state, "inputResponses": YES}))["result"]


async def test_a_yes_sent_again_runs_nothing(tmp_path: Path) -> None:
    """The same answered call, sent twice, restarts the app once; the second is refused with the reason."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, raw(server_of(it)) as client:
            state = (await client.request("tools/call", RESTART))["result"]["requestState"]
            first = await restarted(client, state)
            before = it.journal
            second = await restarted(client, state)
            after = it.journal
    assert first["structuredContent"]["outcome"] == "applied"
    assert (second["isError"], after) == (True, before)
    assert second["content"][0]["text"].startswith("[approval_invalid]")


async def test_a_yes_of_one_principal_opens_nothing_for_another(tmp_path: Path) -> None:
    """A replica that shares the keys takes no answer to a question that it asked somebody else."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, raw(server_of(it)) as one, raw(server_of(it, "local:other")) as other:
            before = it.journal
            state = (await one.request("tools/call", RESTART))["result"]["requestState"]
            stolen = await restarted(other, state)
            assert it.journal == before
            own = await restarted(one, state)
    assert stolen["isError"] is True
    assert stolen["content"][0]["text"].startswith("[approval_invalid]")
    assert own["structuredContent"]["outcome"] == "applied"


async def test_an_operation_can_be_read_as_a_resource(tmp_path: Path) -> None:
    """The address of an operation holds what get_operation says of it: its tool, its end and its audit lines."""
    safe = {"app": "shop", "set": {"MODE": "fast"}, "redeploy": False, "wait_s": 60}
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            done = data(await client.call_tool("set_app_env", safe))
            [contents] = (await client.read_resource(f"operation://{done['operation_id']}")).contents
            told = data(await client.call_tool("get_operation", {"operation": done["operation_id"]}))
            with pytest.raises(MCPError, match=r"\[unknown_name\] There is no operation 'op-zzzz2222'"):
                await client.read_resource("operation://op-zzzz2222")
    assert isinstance(contents, TextResourceContents)
    assert json.loads(contents.text) == told
    assert (told["tool"], told["state"], told["receipt"]["outcome"]) == ("set_app_env", "applied", "applied")
