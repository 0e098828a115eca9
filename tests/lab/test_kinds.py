"""Every kind of server whose ports were once called closed though they were open, before apply_firewall and after."""

import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.core.firewall.exposure import State
from tests.ink import data, says_yes, text
from tests.lab.bed import Bed, meanwhile
from tests.lab.kinds import KINDS
from tests.lab.test_firewall_tools import ALLOWED
from tests.lab.tools_bed import app_of, client_of
from tests.lab.wild.judging import Judged, verdict
from tests.lab.wild.stage import Stage

pytestmark = pytest.mark.anyio

LIMIT_S = 330
NAME = "muscle-2"
CLOSED = (
    "a set of nft in the table of iptables",
    "a chain of one's own in the table of translations",
    "an address on the loopback",
    "a bridge of containers by a name of one's own",
)
"""Those that every run closes, too; the others are for a long run."""


def beyond_policy(seen: Iterable[tuple[Knocked, State | None]]) -> list[str]:
    """Return the connects that come through though policy lets nobody in there."""
    opened = (each for each, _ in seen if each.answer == "open")
    return [f"{k.origin} -> {k.address}:{k.port}" for k in opened if k.origin not in ALLOWED.get(k.port, set())]


@asynccontextmanager
async def stage_for(bed: Bed, folder: Path) -> AsyncGenerator[tuple[App, Stage]]:
    """Give the product over the lab, and a server to be used up, within the time that a test has."""
    app = app_of(bed, folder)
    try:
        with anyio.fail_after(LIMIT_S):
            yield app, Stage(bed, app, NAME, factory="factory", fleet="muscle-1")
    finally:
        await app.aclose()


@pytest.mark.parametrize("name", KINDS)
async def test_every_connect_comes_to_what_is_computed(bed: Bed, tmp_path: Path, name: str) -> None:
    """From everywhere, over both families, to each address that the server answers for: open and closed are as they are
    said, and unknown is said of exactly the ports of which such a server does not tell.
    """
    async with stage_for(bed, tmp_path / "state") as (_, stage):
        found = await stage.judged(KINDS[name].world)
    kind = KINDS[name]
    unknown = {each.port for each, state in found.connects if state is State.UNKNOWN}
    called_open = {each.port for each, state in found.connects if verdict(state, each) == "wrong open"}
    assert (found.refused, found.of("wrong closed")) == ((), [])
    assert (unknown, called_open) == (kind.untold, kind.called_open), found.of("wrong open")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in CLOSED else pytest.mark.long) for name in KINDS]
)
async def test_nothing_that_is_open_is_called_closed_once_policy_is_applied(
    bed: Bed, tmp_path: Path, name: str
) -> None:
    """apply_firewall ends as it must for the kind; where it says `applied`, nothing is open beyond policy; and whatever
    it says, no port that is open afterwards is called closed.
    """
    async with stage_for(bed, tmp_path / "state") as (app, stage):
        await meanwhile(lambda: stage.make(KINDS[name].world))
        async with client_of(app, says_yes()) as client:
            result = await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 90})
        after = Judged(KINDS[name].world, await stage.seen())
    outcome = data(result).get("outcome") or text(result)
    assert after.of("wrong closed") == []
    assert re.search(KINDS[name].outcome, outcome), outcome
    if outcome == "applied":
        assert beyond_policy(after.connects) == []
