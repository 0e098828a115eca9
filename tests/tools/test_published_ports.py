"""Ports past the proxy: asked for by number, opened by the operator, in the plan, and proved like all else."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import ink, says_yes
from tests.tools.calls import call

pytestmark = pytest.mark.anyio

LIMIT_S = 150
FILE = """
services:
  game: {image: 'registry.example.com/game:1', ports: ['27015:27016/udp', '8080:80']}
"""
OPENED = """
[[open]]
name = "game"
role = "muscle"
protocol = "udp"
ports = "27015"
allowed = ["internet"]
demand = "optional"
why = "an app that does not speak HTTP"
override = "agreed with the platform team"
"""


def opened(folder: Path) -> Path:
    """Return an operator's folder of policies that opens the port."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "ports.toml").write_text(OPENED, encoding="utf-8")
    return policies


async def test_a_port_that_the_operator_opened_is_published_and_proved(tmp_path: Path) -> None:
    """It is in the plan, on the host and in the proof; the same call again, a restart and its variables go on."""
    person = says_yes()
    ask = {"name": "game", "compose": FILE, "publish": ["27015/udp"], "wait_s": 300}
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policies=opened(tmp_path)) as it, it.client(person) as client:
            first = await call(client, "deploy_app", **ask)
            ports = [c.ports for host in it.state.hosts.values() for c in host.containers if c.name.startswith("game-")]
            again = await call(client, "deploy_app", **ask)
            restarted = await call(client, "control_app", app="game", action="restart", wait_s=300)
            without = await call(client, "deploy_app", name="game", compose=FILE, wait_s=300)
            left = [c.ports for host in it.state.hosts.values() for c in host.containers if c.name.startswith("game-")]
    outcomes = (first.outcome, again.outcome, restarted.outcome, without.outcome)
    assert outcomes == ("applied", "already_so", "applied", "applied")
    question = " ".join(person.asked[0].replace("...", " ").split())
    assert "port 27015/udp of the Muscle is published to everybody, past its proxy" in question
    assert "port 8080:80 is not published on the server" in question
    assert (ports, left) == ([["0.0.0.0:27015->27016/udp"]], [[]])


@pytest.mark.parametrize(
    ("publish", "why"),
    [
        (["27016/udp"], "27016/udp may not be published: users reach apps by the proxy of their Muscle."),
        (["27015"], "27015/tcp may not be published"),
        (["80"], "80/tcp may not be published"),
        (["27015/udp", "22"], "22/tcp may not be published"),
        (["0"], "publish"),
        (["27015/sctp"], "publish"),
    ],
)
async def test_no_other_port_is(tmp_path: Path, publish: list[str], why: str) -> None:
    """Another number, another protocol, those of SSH and the proxy: refused before anybody is asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policies=opened(tmp_path)) as it, it.client(says_yes()) as client:
            told = await call(client, "deploy_app", name="game", compose=FILE, publish=publish, wait_s=300)
            assert it.journal == []
    assert told.is_error
    assert why in told.text


async def test_a_port_that_the_file_does_not_publish_is_told(tmp_path: Path) -> None:
    """What was asked for and would not come to be is no silent nothing; nor is it for an app without a file."""
    bare = FILE.replace("27015:27016/udp", "192.0.2.1:27015:27016/udp")
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policies=opened(tmp_path)) as it, it.client(says_yes()) as client:
            told = await call(client, "deploy_app", name="game", compose=bare, publish=["27015/udp"])
            image = await call(
                client, "deploy_app", name="game", repository="https://github.com/example/hello", publish=["27015/udp"]
            )
    assert "The compose file does not publish 27015/udp." in told.text
    assert "27015/udp may not be published" in image.text


async def test_a_port_that_somebody_adds_in_coolify_is_not_started(tmp_path: Path) -> None:
    """The operator opened it, but this file was approved without: a change of it by hand is put right by deploy_app."""

    def added(state: WorldState) -> None:
        service = next(s for s in state.coolify.services if s.name == "game")
        service.docker_compose_raw = service.docker_compose_raw.replace(
            "    runtime:", "    ports: ['2375:2375']\n    runtime:"
        )

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, policies=opened(tmp_path)) as it, it.client(says_yes()) as client:
            await call(client, "deploy_app", name="game", compose=FILE, wait_s=300)
            with it.world.change() as state:
                added(state)
            restart = await call(client, "control_app", app="game", action="restart", wait_s=300)
            mended = await call(client, "deploy_app", name="game", compose=FILE, wait_s=300)
            raw = next(s for s in it.state.coolify.services if s.name == "game").docker_compose_raw
    assert "ports: 2375:2375 is published on the Muscle, past its proxy" in restart.text
    assert (mended.outcome, "2375" in raw) == ("applied", False)
