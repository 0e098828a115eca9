"""Every kind of server whose ports were once called closed though they were open, before apply_firewall and after."""

from collections.abc import Iterable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.core.firewall.exposure import State
from tests.ink import data, says_yes
from tests.lab.bed import Bed
from tests.lab.kinds import KINDS
from tests.lab.test_firewall_tools import ALLOWED
from tests.lab.tools_bed import app_of, client_of
from tests.lab.wild.judging import Judged
from tests.lab.wild.stage import Stage

pytestmark = pytest.mark.anyio

LIMIT_S = 110
NAME = "muscle-2"


def beyond_policy(seen: Iterable[tuple[Knocked, State | None]]) -> list[str]:
    """Return the connects that come through though policy lets nobody in there."""
    opened = (each for each, _ in seen if each.answer == "open")
    return [f"{k.origin} -> {k.address}:{k.port}" for k in opened if k.origin not in ALLOWED.get(k.port, set())]


@pytest.mark.parametrize("name", KINDS)
async def test_no_port_that_is_open_is_called_closed_before_and_after(bed: Bed, tmp_path: Path, name: str) -> None:
    """Before, every connect comes to what is computed, but for the ports of which the kind does not let it be told.

    apply_firewall then ends as it must; where it says `applied`, nothing is open beyond policy, and nothing that is
    open is called closed.
    """
    kind, app = KINDS[name], app_of(bed, tmp_path / "state")
    stage = Stage(bed, app, NAME, factory="factory", fleet="muscle-1")
    try:
        with anyio.fail_after(LIMIT_S):
            before = await stage.judged(kind.world)
            async with client_of(app, says_yes()) as client:
                done = data(await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 90}))
            after = Judged(kind.world, await stage.seen())
    finally:
        await app.aclose()
    unknown = {each.port for each, state in before.connects if state is State.UNKNOWN}
    assert (before.refused, before.of("wrong closed"), before.of("wrong open"), unknown) == ((), [], [], kind.untold)
    assert (done["outcome"], after.of("wrong closed")) == (kind.outcome, [])
    if done["outcome"] == "applied":
        assert beyond_policy(after.connects) == []
