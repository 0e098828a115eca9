"""setup_factory installs Coolify and is killed with SIGKILL on its way; the next process goes on, and it is one."""

from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.bare import make_bare
from tests.engine.aftermath import kept, once, workflows
from tests.engine.killing import CHECKPOINT, Moment, Scene, at_once, begin_forking

ARGUMENTS = {"parts": ["coolify", "api"]}
WALK = {
    "prepared": [Moment("before", "factory.install_coolify"), Moment("reached", "ink-install prepare")],
    "begun": [Moment("reached", "ink-install start"), Moment("after", "factory.install_coolify")],
    "switched": [Moment("statement", CHECKPOINT, "coolify"), Moment("before", "factory.enable_api")],
    "over": [Moment("after", "factory.enable_api"), Moment("statement", CHECKPOINT, "api")],
}


@pytest.fixture(scope="module", autouse=True)
def forks() -> None:
    """Have processes forked from one that has imported everything already."""
    begin_forking()


@pytest.mark.anyio
@pytest.mark.parametrize("where", WALK)
async def test_a_killed_installation_is_followed_by_the_next_process_and_is_one(tmp_path: Path, where: str) -> None:
    """One installation, done, its API on and its ports closed, whenever the first process dies."""

    async def die_and_succeed(it: Scene, dies: Moment) -> None:
        await it.kill("setup_factory", ARGUMENTS, dies=dies)
        await it.succeed()

        state = it.world.read()
        installs = [(each.state, each.attempts) for each in state.coolify.factory.installs.values()]
        assert (dies, installs) == (dies, [("done", 1)])
        assert (dies, state.coolify.installed, state.coolify.is_api_enabled) == (dies, True, True)
        ports = [port for each in state.hosts["factory"].containers if each.name == "coolify" for port in each.ports]
        assert (dies, ports) == (dies, ["127.0.0.1:8000->8080/tcp"])
        assert (dies, kept(it.folder), workflows(it.folder)) == (dies, [once()], ["SUCCESS"])

    await at_once(tmp_path, WALK[where], die_and_succeed, change_world=make_bare)
