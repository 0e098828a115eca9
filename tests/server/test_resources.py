"""Resources: the fleet and an operation by its id, each what the tool of the same matter says, and nothing else.

The skills, which are listed with them, have tests of their own.
"""

import json
import logging
from typing import Any, ClassVar

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, TextResourceContents
from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.redact import mask
from tests.ink import ERAS, Era
from tests.server.backends import PASSWORD, Desk, Echo, EchoArgs, EchoReport, client_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]


class OperationArgs(BaseModel):
    """What the tool behind operation://{id} takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str


class Fleet(Echo):
    """Show the fleet."""

    name: ClassVar[str] = "get_fleet"


class Operation(Echo):
    """Show an operation."""

    name: ClassVar[str] = "get_operation"
    args: ClassVar[type[BaseModel]] = OperationArgs


class AppArgs(BaseModel):
    """What the tool behind app://{app} takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app: str


class AppOf(Echo):
    """Show an app."""

    name: ClassVar[str] = "get_app"
    args: ClassVar[type[BaseModel]] = AppArgs

    async def observe(self, args: Any, look: object) -> EchoReport:
        """Return the name that was asked for."""
        return EchoReport(words=args.app)


class Line(BaseModel):
    """A server of the fleet."""

    name: str
    state: str


class ServersReport(EchoReport):
    """A fleet."""

    servers: tuple[Line, ...]


class Servers(Fleet):
    """Show the fleet with a server that tells a password."""

    report: ClassVar[type[BaseModel]] = ServersReport

    async def observe(self, args: Any, look: object) -> EchoReport:
        """Return a fleet of one."""
        return ServersReport(words="one", servers=(Line(name="s1", state=f"ssh ok, password {PASSWORD}"),))


async def read(client: Client, uri: str) -> object:
    """Return what a resource holds, as a program sees it."""
    [contents] = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.mime_type == "application/json"
    return json.loads(contents.text)


async def fixed(client: Client) -> list[str]:
    """Return the addresses of the resources that are listed, without the skills."""
    listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
    return [uri for uri in listed if not uri.startswith("skill://")]


def told(words: str, *lines: str) -> Fleet:
    """Return the fleet's tool with an answer of its own."""

    async def observe(args: EchoArgs) -> EchoReport:
        return EchoReport(words=words, lines=lines)

    return Fleet(observe)


def failing(error: Exception) -> Fleet:
    """Return the fleet's tool, broken."""

    async def observe(args: EchoArgs) -> EchoReport:
        raise error

    return Fleet(observe)


async def test_the_fleet_and_what_is_in_it_are_listed(era: Era) -> None:
    """A client finds the one fixed resource and the templates of an app, a server and an operation."""
    with anyio.fail_after(30):
        async with client_of(Desk([Fleet(), AppOf(), Operation()]), era=era) as client:
            listed = await fixed(client)
            templates = [t.uri_template for t in (await client.list_resource_templates()).resource_templates]
    assert (listed, templates) == (["fleet://overview"], ["app://{app}", "server://{server}", "operation://{id}"])


async def test_an_app_is_read_by_any_name_that_it_has(era: Era) -> None:
    """What a name has that an address cannot is written as addresses have it; the tool judges the name."""
    with anyio.fail_after(30):
        async with client_of(Desk([AppOf()]), era=era) as client:
            found = [await read(client, f"app://{name}") for name in ("shop", "shop.s1.example.com", "m%C3%BC%20%2F1")]
            for odd in ("app://", "app://%20", "app://shop/logs", "app://shop?all", f"app://{'a' * 301}"):
                with pytest.raises(MCPError, match="Resource not found"):
                    await client.read_resource(odd)
    assert found == [{"words": "shop"}, {"words": "shop.s1.example.com"}, {"words": "m\u00fc /1"}]


async def test_a_server_is_its_part_of_the_fleet(era: Era) -> None:
    """One server's line, redacted as the whole is; a name that the fleet does not have is no empty server."""
    with anyio.fail_after(30):
        async with client_of(Desk([Servers()]), era=era) as client:
            found = await read(client, "server://s1")
            again = await read(client, "server://S1")
            with pytest.raises(MCPError, match="Resource not found"):
                await client.read_resource("server://s2")
    assert again == found == {"name": "s1", "state": f"ssh ok, password {mask(len(PASSWORD))}"}


async def test_what_is_hidden_as_a_tool_is_hidden_as_a_resource(era: Era) -> None:
    """A server without the tool lists no such resource, and refuses it by its address too."""
    with anyio.fail_after(30):
        async with client_of(Desk([Echo()]), era=era) as client:
            listed = await fixed(client)
            templates = (await client.list_resource_templates()).resource_templates
            for uri in ("fleet://overview", "operation://op-0000000001"):
                with pytest.raises(MCPError, match="Resource not found"):
                    await client.read_resource(uri)
    assert (listed, templates) == ([], [])


async def test_the_fleet_is_what_its_tool_says(era: Era) -> None:
    """The resource holds the structured content of the tool, without secrets."""
    desk = Desk([told(f"it is {PASSWORD}", "one", "two")])
    with anyio.fail_after(30):
        async with client_of(desk, era=era) as client:
            assert await read(client, "fleet://overview") == {
                "words": f"it is {mask(len(PASSWORD))}",
                "lines": ["one", "two"],
            }


async def test_what_looks_assigned_stays_json(era: Era) -> None:
    """Masking works on the texts inside, so that no mask ever breaks the JSON around them."""
    desk = Desk([told('{"token": "abcdefgh"}', "password=hunter22")])
    with anyio.fail_after(30):
        async with client_of(desk, era=era) as client:
            found = await read(client, "fleet://overview")
    assert found == {"words": f'{{"token": "{mask(8)}"}}', "lines": [f"password={mask(8)}"]}


async def test_an_operation_is_read_by_its_id(era: Era) -> None:
    """The id in the address reaches the tool, and nothing but an id does."""
    seen: list[EchoArgs] = []

    async def observe(args: EchoArgs) -> EchoReport:
        seen.append(args)
        return EchoReport(words="running")

    with anyio.fail_after(30):
        async with client_of(Desk([Operation(observe)]), era=era) as client:
            assert await read(client, "operation://op-abcd1234") == {"words": "running"}
            for odd in ("operation://op-ABCD", "operation://op-abcd1234/..", "operation://", "operation://x"):
                with pytest.raises(MCPError, match="Resource not found"):
                    await client.read_resource(odd)
    assert seen == [OperationArgs(operation="op-abcd1234")]


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "fleet://other", "https://example.com/", "ui://x"])
async def test_other_addresses_are_not_served(era: Era, uri: str) -> None:
    """The server reads no address that a client makes up."""
    with anyio.fail_after(30):
        async with client_of(Desk([Fleet(), Operation()]), era=era) as client:
            with pytest.raises(MCPError, match="Resource not found") as caught:
                await client.read_resource(uri)
    assert caught.value.error.code == INVALID_PARAMS


async def test_an_expected_failure_says_what_to_do(era: Era) -> None:
    """A resource that cannot be read now fails with the error of its tool, in three parts, without secrets."""
    desk = Desk([failing(UnknownName(f"No {PASSWORD}.", next="See list_operations."))])
    with anyio.fail_after(30):
        async with client_of(desk, era=era) as client:
            with pytest.raises(MCPError) as caught:
                await client.read_resource("fleet://overview")
    assert caught.value.error.message == (
        f"[unknown_name] No {mask(len(PASSWORD))}. Nothing was changed. See list_operations."
    )


async def test_more_than_a_client_takes_is_not_sent(era: Era) -> None:
    """A resource keeps the bounds of answers."""
    with anyio.fail_after(30):
        async with client_of(Desk([told("", *["x" * 99] * 2000)]), era=era) as client:
            with pytest.raises(MCPError, match=r"\[too_large\]"):
                await client.read_resource("fleet://overview")


async def test_a_crash_hides_its_text_and_is_logged(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours behind a resource shows nothing of its inside, in either era, and the server goes on."""
    with caplog.at_level(logging.ERROR, logger="ink_infra_mcp"), anyio.fail_after(30):
        async with client_of(Desk([failing(ZeroDivisionError("the inside of things"))]), era=era) as client:
            with pytest.raises(MCPError) as caught:
                await client.read_resource("fleet://overview")
            await client.list_resources()
    assert (caught.value.error.code, "inside" in caught.value.error.message) == (INTERNAL_ERROR, False)
    assert "ZeroDivisionError" in caught.value.error.message
    assert [r.name for r in caplog.records if r.name.startswith("ink_infra_mcp")] == ["ink_infra_mcp.server.build"]
