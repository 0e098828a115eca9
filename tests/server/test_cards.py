"""Cards on the wire: which tool names which, that each is whole in itself, and that none is a way to approve."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any, ClassVar

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.extension import ClientExtension
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.types import TextResourceContents

from ink_infra_mcp.server import cards
from tests.contract.catalog import MUTATIONS, contracts
from tests.ink import ERAS, Era
from tests.server.backends import REQUIRED, Desk, Echo, Stop, client_of, question, server_of, stop_plan

URIS = (cards.FLEET, cards.PLAN, cards.OPERATION)
MOST = 40_000
"""Characters of a card: hosts fetch it before they show anything."""
SINKS = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "Function(",
    "setTimeout('",
    "import(",
)
OUTSIDE = re.compile(r"\b(?:https?:|wss?:|//[a-z]|url\(|fetch|XMLHttpRequest|WebSocket|localStorage|open\()")


class Shows(ClientExtension):
    """A host that shows cards."""

    identifier: str = EXTENSION_ID

    def settings(self) -> dict[str, Any]:
        """Return what it shows."""
        return {"mimeTypes": [APP_MIME_TYPE]}


class Fleet(Echo):
    """Show the fleet."""

    name: ClassVar[str] = "get_fleet"


class Page(HTMLParser):
    """What a document has: its elements with their attributes, and the text in each style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        """Keep the text of an element."""
        self.inside[self._open] = self.inside.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        self._open = ""


def hashed(text: str) -> str:
    """Return a text as a policy of its page names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_what_changes_shows_its_plan_and_what_is_followed_its_state() -> None:
    """Each changing tool names the card of a plan, get_fleet and get_operation their own, all others none."""
    named = {name: contract["_meta"].get("ui") for name, contract in contracts().items()}
    plans = {tool.name: {"resourceUri": cards.PLAN} for tool in MUTATIONS}
    others = {"get_fleet": {"resourceUri": cards.FLEET}, "get_operation": {"resourceUri": cards.OPERATION}}
    assert named == dict.fromkeys(named) | plans | others


def test_no_tool_is_for_cards_alone() -> None:
    """There is nothing that a card may call and a model may not: visibility is a host's filter, and some have none."""
    assert [name for name, contract in contracts().items() if "visibility" in contract["_meta"].get("ui", {})] == []


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_card_is_read_by_the_address_that_its_tool_names(era: Era) -> None:
    """The resource has the type of the specification, asks for no domain, and stands in no list."""
    with anyio.fail_after(30):
        async with client_of(Desk([Fleet(), Stop()]), era=era) as client:
            tools = (await client.list_tools()).tools
            found = [(await client.read_resource((tool.meta or {})["ui"]["resourceUri"])).contents for tool in tools]
            listed = [str(resource.uri) for resource in (await client.list_resources()).resources]
    assert [tool.name for tool in tools] == ["get_fleet", "stop_app"]
    meta = {"ui": {"prefersBorder": True}}
    assert found == [
        [TextResourceContents(uri=uri, mime_type=APP_MIME_TYPE, text=cards.document(uri), _meta=meta)]
        for uri in (cards.FLEET, cards.PLAN)
    ]
    assert "fleet://overview" in listed
    assert [uri for uri in listed if uri.startswith("ui:")] == []


@pytest.mark.anyio
@pytest.mark.parametrize("uri", [cards.PLAN, cards.OPERATION, "ui://ink-infra/", "ui://ink-infra/fleet/", "ui://x"])
async def test_a_card_that_no_shown_tool_names_is_not_there(uri: str) -> None:
    """A server that only reads has no card of a plan, and no other address leads to one."""
    with anyio.fail_after(30):
        async with client_of(Desk([Fleet()])) as client:
            with pytest.raises(MCPError, match="Resource not found"):
                await client.read_resource(uri)


@pytest.mark.parametrize("uri", URIS)
def test_a_card_is_one_document_with_nothing_from_elsewhere(uri: str) -> None:
    """It has one style and one script, which its own policy names by their digests, and no address of anything."""
    text = cards.document(uri)
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    [policy] = [given["content"] for tag, given in page.elements if tag == "meta" and "http-equiv" in given]
    assert (tags.count("style"), tags.count("script"), len(text) < MOST) == (1, 1, True)
    assert policy == (
        f"default-src 'none'; style-src {hashed(page.inside['style'])}; script-src {hashed(page.inside['script'])}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert [
        name for _, given in page.elements for name in given if name in ("src", "href") or name.startswith("on")
    ] == []
    assert OUTSIDE.findall(text) == []
    assert [sink for sink in SINKS if sink in text] == []


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_host_that_shows_cards_is_given_no_other_way_to_approve(era: Era) -> None:
    """A client that declares MCP Apps and no elicitation gets the command for a terminal, as any that cannot ask."""
    desk = Desk([Stop()], asked=question(stop_plan("shop")))
    with anyio.fail_after(30):
        async with Client(server_of(desk), mode=era, extensions=[Shows()]) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            said = await client.call_tool("stop_app", {"app": "shop"})
    assert names == ["stop_app"]
    assert (said.structured_content or {})["outcome"] == "approval_required"
    assert REQUIRED.message in str(said.content)
    assert ([caller.can_ask for caller in desk.callers], desk.answers) == ([False], [])
