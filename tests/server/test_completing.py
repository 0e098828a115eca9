"""Completions: names as they are typed, for prompts and resources, as far as their tools are shown, and redacted."""

import json
from pathlib import Path
from typing import ClassVar, cast

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import CompleteRequestParams, PromptReference, ResourceTemplateReference, TextResourceContents
from pydantic import JsonValue

from ink_infra_mcp.core.errors import StateError
from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.server.asking import Context
from ink_infra_mcp.server.backend import Kind
from ink_infra_mcp.server.completing import Completing
from ink_infra_mcp.state import operations
from tests.ink import ERAS, Era, data, ink, says_yes, text
from tests.server.backends import PASSWORD, Desk, Echo, client_of, settings_of
from tests.state.stores import operation

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]
APP = ResourceTemplateReference(uri="app://{app}")
SERVER = PromptReference(name="close-ports")
BACK = PromptReference(name="roll-back")
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


class Slow(Desk):
    """An application whose names never come."""

    async def names(self, kind: Kind, *, of: str = "") -> tuple[str, ...]:
        """Wait for ever."""
        await anyio.sleep_forever()
        return ()


class Images(Echo):
    """List images to go back to."""

    name: ClassVar[str] = "rollback_app"


NAMED: dict[Kind, tuple[str, ...]] = {
    "app": ("blog", "Shop", "web-shop", f"x-{PASSWORD}"),
    "server": ("factory", "muscle-1"),
    "operation": tuple(f"op-{number:04}" for number in range(150)),
    "image": ("v2", "v1"),
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


async def test_images_are_those_of_the_app_that_was_chosen(era: Era) -> None:
    """The app comes from what the client says was filled in already; without one there are no images."""
    with anyio.fail_after(30):
        async with client_of(Desk([Images()], named=NAMED), era=era) as client:
            argument = {"name": "to", "value": "v"}
            of_shop = await client.complete(BACK, argument, {"app": "shop"})
            of_blog = await client.complete(BACK, argument, {"app": "blog"})
            of_none = await client.complete(BACK, argument)
    assert [found.completion.values for found in (of_shop, of_blog, of_none)] == [["v2", "v1"], [], []]


async def test_names_that_come_too_late_are_an_error(era: Era) -> None:
    """A look that hangs ends after the limit and is said; the session goes on."""
    settings = settings_of(Slow([Apps()]))
    completing = Completing(catalogue=settings.catalogue, open=settings.open, limit_s=0.05)
    request = CompleteRequestParams.model_validate({"ref": APP.model_dump(), "argument": {"name": "app", "value": ""}})
    with anyio.fail_after(30), pytest.raises(MCPError, match=r"could not be read within 0\.05 seconds"):
        await completing.complete(cast(Context, None), request)
    assert era


async def test_images_and_backups_are_those_that_are_known(era: Era, tmp_path: Path) -> None:
    """Images of an app are those that rollback_app lists, Coolify's and backups those that our record has as made."""
    made: dict[str, tuple[str, Outcome, dict[str, JsonValue]]] = {
        "op-0001": ("build_fork_image", Outcome.APPLIED, {"image": f"registry.example.com/coolify@sha256:{'a' * 64}"}),
        "op-0002": ("backup_coolify", Outcome.APPLIED, {"folder": "/data/coolify/backups/ink/op-0002"}),
        "op-0003": ("backup_coolify", Outcome.FAILED, {"folder": "/data/coolify/backups/ink/op-0003"}),
        "op-0004": ("backup_coolify", Outcome.APPLIED, {}),
    }
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, it.client(era=era) as client:
            for id_, (tool, outcome, result) in made.items():
                row = operation(id_).model_copy(update={"tool": tool})
                receipt = Receipt(outcome=outcome, message="Done.", result=result)
                await it.app.store.run(lambda c, row=row: operations.add(c, row))
                await it.app.store.run(lambda c, i=id_, r=receipt: operations.end(c, i, receipt=r, now=2.0))
            images = await client.complete(BACK, {"name": "to", "value": ""}, {"app": "shop"})
            listed = text(await client.call_tool("rollback_app", {"app": "shop"}))
            coolify = await completed(client, PromptReference(name="rotate-the-image"), "image", "coolify")
            backups = await completed(client, PromptReference(name="the-factory-is-down"), "backup", "")
            with pytest.raises(MCPError, match="There is no app 'nowhere'"):
                await client.complete(BACK, {"name": "to", "value": ""}, {"app": "nowhere"})
    assert images.completion.values
    assert all(f"{image} (" in listed or f"runs {image}" in listed for image in images.completion.values)
    assert coolify == ([f"registry.example.com/coolify@sha256:{'a' * 64}"], 1, False)
    assert backups == (["op-0002"], 1, False)
