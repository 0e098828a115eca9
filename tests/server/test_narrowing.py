"""Toolsets and --read-only: what is narrowed away is neither shown nor callable, for whoever knows its name."""

from typing import get_args

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.operation import Toolset
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import Catalogue, narrowed
from tests.contract.catalog import MUTATIONS, NAMES, TOOLS, contracts
from tests.ink import ERAS, Era, text
from tests.server.backends import INSTRUCTIONS, unopened

ALL_TOOLSETS = frozenset(get_args(Toolset))


def catalogue(*, toolsets: frozenset[str] = frozenset(), read_only: bool = False) -> Catalogue:
    """Return the real tools, narrowed."""
    return narrowed(contracts().values(), toolsets=toolsets, read_only=read_only)


async def shown_and_refused(shown: Catalogue, era: Era) -> tuple[list[str], list[str]]:
    """Return the tools that a client sees, and those of all tools that a call does not find."""
    server = build_server(
        ServerSettings(catalogue=shown, open=unopened, principal="local:tester", instructions=INSTRUCTIONS)
    )
    with anyio.fail_after(60):
        async with Client(server, mode=era) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            said = {name: text(await client.call_tool(name, {})) for name in NAMES}
    return listed, [name for name in NAMES if said[name].startswith(f"[unknown_name] There is no tool '{name}' here.")]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_read_only_hides_and_refuses_every_change(era: Era) -> None:
    """A server that only reads shows no tool that changes, and refuses each of them by name, opening nothing."""
    listed, refused = await shown_and_refused(catalogue(read_only=True), era)
    changing = sorted(tool.name for tool in MUTATIONS)
    assert refused == changing
    assert listed == [name for name in NAMES if name not in changing]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_toolset_hides_and_refuses_the_others(era: Era) -> None:
    """A server of one toolset shows its tools only, and refuses those of the others by name."""
    listed, refused = await shown_and_refused(catalogue(toolsets=frozenset({"operations"})), era)
    assert listed == sorted(tool.name for tool in TOOLS if tool.toolset == "operations")
    assert refused == [name for name in NAMES if name not in listed]


@given(st.frozensets(st.sampled_from(sorted(ALL_TOOLSETS))), st.booleans())
def test_narrowing_only_takes_away(toolsets: frozenset[str], read_only: bool) -> None:
    """Whatever is chosen, a tool is shown exactly when its toolset is chosen and it may be; none is changed by it."""
    shown = catalogue(toolsets=toolsets, read_only=read_only).contracts
    changing = {tool.name for tool in MUTATIONS}
    assert dict(shown) == {
        tool.name: contracts()[tool.name]
        for tool in TOOLS
        if (not toolsets or tool.toolset in toolsets) and not (read_only and tool.name in changing)
    }


def test_every_tool_is_in_a_known_toolset() -> None:
    """No tool is in a toolset that nobody can choose."""
    assert {tool.toolset for tool in TOOLS} <= ALL_TOOLSETS


def test_an_unknown_toolset_is_an_error() -> None:
    """A misspelt toolset is told, with those there are: it does not become a server that offers nothing."""
    with pytest.raises(ConfigError) as caught:
        catalogue(toolsets=frozenset({"apps", "flete"}))
    assert str(caught.value) == (
        "There is no toolset 'flete'. Nothing was changed. "
        "The toolsets are apps, factory, fleet, network, operations, servers."
    )
