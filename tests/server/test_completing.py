"""Completions: names as they are typed, for prompts and resources, as far as their tools are shown, and redacted."""

import json
from pathlib import Path
from typing import ClassVar

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import PromptReference, ResourceTemplateReference, TextResourceContents

from ink_infra_mcp.core.errors import StateError
from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.server.backend import Kind
from tests.ink import ERAS, Era, data, ink, says_yes
from tests.server.backends import PASSWORD, Desk, Echo, client_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]
APP = ResourceTemplateReference(uri="app://{app}")
SERVER = PromptReference(name="close-ports")
OPERATION = ResourceTemplateReference(uri="operation://{id}")


class Apps(Echo):
    """List apps."""

    name: ClassVar[str] = "list_apps"


class Fleet(Echo):
    """Show the fleet."""

    name: ClassVar[str] = "get_fleet"


class Operations(Echo):
    """List operations."""

    name: ClassVar[str] = "list_operations"


class Broken(Desk):
    """An application whose store cannot be read."""

    async def names(self, kind: Kind, *, of: str = "") -> tuple[str, ...]:
        """Raise what a broken store does."""
        raise StateError("The store cannot be read.", next="Mend it.")


NAMED: dict[Kind, tuple[str, ...]] = {
    "app": ("blog", "Shop", "web-shop", f"x-{PASSWORD}"),
    "server": ("factory", "muscle-1"),
    "operation": tuple(f"op-{number:04}" for number in range(150)),
}


def desk() -> Desk:
    """Return an application with names."""
    return Desk([Apps(), Fleet(), Operations()], named=NAMED)


async def completed(
    client: Client, ref: ResourceTemplateReference | PromptReference, name: str, typed: str
) -> tuple[list[str], int | None, bool | None]:
    """Return the values, how many there are, and whether there are more."""
    found = (await client.complete(ref, {"name": name, "value": typed})).completion
    return found.values, found.total, found.has_more


async def test_names_are_completed_as_they_are_typed(era: Era) -> None:
    """Names that begin with what was typed come first, then those that have it; an answer has at most a hundred."""
    with anyio.fail_after(30):
        async with client_of(desk(), era=era) as client:
            assert await completed(client, APP, "app", "sho") == (["Shop", "web-shop"], 2, False)
            assert await completed(client, SERVER, "server", "") == (["factory", "muscle-1"], 2, False)
            values, total, more = await completed(client, OPERATION, "id", "op-")
            assert (values, total, more) == ([*NAMED["operation"][:100]], 150, True)
            assert await completed(client, SERVER, "reason", "") == ([], 0, False)


async def test_a_name_tells_no_secret(era: Era) -> None:
    """A completion leaves redacted, as every answer does."""
    with anyio.fail_after(30):
        async with client_of(desk(), era=era) as client:
            values, _, _ = await completed(client, APP, "app", "x-")
    assert values == [f"x-{mask(len(PASSWORD))}"]


async def test_names_whose_tool_is_hidden_are_not_told(era: Era) -> None:
    """A server that shows no apps completes none, and opens nothing for it."""
    with anyio.fail_after(30):
        async with client_of(Broken([Fleet()]), era=era) as client:
            assert await completed(client, APP, "app", "") == ([], 0, False)


async def test_names_that_cannot_be_read_are_not_none(era: Era) -> None:
    """What failed is said in the words of a tool's error: an empty list would look like an empty fleet."""
    with anyio.fail_after(30):
        async with client_of(Broken([Apps()]), era=era) as client:
            with pytest.raises(MCPError, match="The store cannot be read"):
                await completed(client, APP, "app", "")


async def test_what_is_completed_can_be_read(era: Era, tmp_path: Path) -> None:
    """In the pretend world each name that is completed leads to what its tool says of it, and nothing is changed."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes(), era=era) as client:
            stopped = data(await client.call_tool("control_app", {"app": "docs", "action": "stop"}))
            before = it.journal
            apps, _, _ = await completed(client, APP, "app", "")
            servers, _, _ = await completed(client, SERVER, "server", "")
            operations, _, _ = await completed(client, OPERATION, "id", "")
            read = {
                uri: json.loads(part.text)
                for uri in ("app://shop", "server://muscle-1", f"operation://{operations[0]}")
                for part in (await client.read_resource(uri)).contents
                if isinstance(part, TextResourceContents)
            }
            shop = data(await client.call_tool("get_app", {"app": "shop"}))
            assert it.journal == before

    assert (apps, servers) == (["docs", "legacy", "shop"], ["factory", "muscle-1", "muscle-2"])
    assert operations == [stopped["operation_id"]]
    assert read["app://shop"] == shop
    assert read["server://muscle-1"]["name"] == "muscle-1"
    assert read[f"operation://{operations[0]}"]["tool"] == "control_app"
