"""An exchange of Coolify's image whose process is killed on its way, and what has to be so once it is ended."""

from collections.abc import Mapping

from ink_infra_mcp.sandbox.state import WorldState
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import Moment, Scene, ended
from tests.tools.exchanges import apps

LIMIT_S, PATIENCE_S = 360.0, 240.0
"""The last step watches for 15 minutes, which are nine seconds here."""
BACKUP = "ink-backup make"
ACTS = (BACKUP, "ink-swap prepare", "applications/dockerimage", "DELETE /api/v1/applications")


async def finished_once(
    it: Scene, tool: str, arguments: Mapping[str, object], dies: Moment, *, swaps: int = 1
) -> WorldState:
    """Return the world after a call that was killed at that moment, and a process that went on with what it left.

    There was one backup, and so many swaps, which are confirmed, each with one canary that is gone again; apps are as
    they were.
    """
    before = it.world.read()
    await it.kill(tool, arguments, dies=dies)
    assert await ended(it.start(), within_s=PATIENCE_S) == 0

    state = it.world.read()
    made = {act: sum(act in line for line in state.journal) for act in ACTS}
    assert [one.state for one in state.coolify.factory.rotations.values()] == ["confirmed"] * swaps
    assert made == {act: 1 if act == BACKUP else swaps for act in ACTS}
    assert apps(state) == apps(before)
    assert (kept(it.folder), workflows(it.folder)) == ([once()], ["SUCCESS"])
    return state
