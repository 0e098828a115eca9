"""reboot_server: who is away and how long is said first; it reboots once, and nothing counts as back that is not."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.hosts.reboot import go_down
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import Container, Ufw
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Before, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 150
HELPER = Container(id="b2" * 32, name="helper", image="helper", host_config={"RestartPolicy": {"Name": "no"}})


def asked(it: Ink, name: str = "muscle-1") -> list[str]:
    """Return how often a server was told to reboot."""
    return [entry for entry in it.journal if entry.startswith(f"ssh {name} ink-reboot ask")]


async def test_a_muscle_reboots_once_and_each_app_is_back_as_it_was(tmp_path: Path) -> None:
    """The plan names each app that is away; the proofs are another boot, every app, and every container."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "reboot_server", server="muscle-1", wait_s=600)
            host = it.state.hosts["muscle-1"]
            assert said.outcome == "applied", said.text
            assert said.checks == dict.fromkeys(("reboot", "app legacy", "app shop", "containers"), "passed")
            assert (host.boots, {c.state for c in host.containers}, len(asked(it))) == (2, {"running"}, 1)
            assert unknown(it) == []
    assert "for about 2 minutes users of legacy, shop get errors" in " ".join(person.asked[0].split())


async def test_the_factory_reboots_and_coolify_answers_again(tmp_path: Path) -> None:
    """No user's app is away, and the plan says what is: Coolify; it counts as back when its API answers."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(person) as client:
            said = await call(client, "reboot_server", server="factory", wait_s=600)
            assert (said.outcome, said.checks["Coolify"]) == ("applied", "passed"), said.text
    assert "Coolify is away: nothing is deployed or changed" in " ".join(person.asked[0].replace("... ", "").split())


@pytest.mark.parametrize("server", ["factory", "muscle-1"])
async def test_what_a_deployment_needs_is_not_rebooted_under_it(tmp_path: Path, server: str) -> None:
    """While one runs that the reboot would break off nothing is planned, and it is named."""

    def deploys(state: WorldState) -> None:
        last = state.coolify.deployments[-1]
        shop = next(d for d in state.coolify.deployments if d.application_name == "shop")
        more = {"id": last.id + 1, "deployment_uuid": "d9deployment9deployment9", "status": "queued"}
        state.coolify.deployments.append(shop.model_copy(update=more))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=deploys) as it, it.client(says_yes()) as client:
            said = await call(client, "reboot_server", server=server, wait_s=600)
            assert (said.text.split()[0], asked(it, server)) == ("[refused_by_policy]", [])
            assert "is not rebooted while deployments wait or run" in said.text


async def test_a_server_that_nobody_could_log_in_to_afterwards_is_not_rebooted(tmp_path: Path) -> None:
    """Where the rules of the next boot close SSH that is open now, the reboot is refused and the mend named."""

    def trap(state: WorldState) -> None:
        muscle = state.hosts["muscle-1"]
        muscle.firewall.ufw = Ufw(active=False)
        muscle.firewall.file = (
            "table inet ink {\n  chain input {\n    type filter hook input priority 0; policy drop;\n  }\n}\n"
        )

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=trap) as it, it.client(says_yes()) as client:
            said = await call(client, "reboot_server", server="muscle-1", wait_s=600)
            assert (said.text.split()[0], asked(it)) == ("[refused_by_policy]", [])
            assert "after the next boot SSH (22/tcp) is closed" in said.text


async def test_a_server_that_does_not_come_back_is_said_with_what_to_do(tmp_path: Path) -> None:
    """The operation fails, says that the server was told to reboot, and names the console that a person has to open."""

    def hangs(state: WorldState) -> None:
        state.hosts["muscle-1"].comes_back = False

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=hangs) as it, it.client(says_yes()) as client:
            said = await call(client, "reboot_server", server="muscle-1", wait_s=1800)
            assert said.outcome == "failed", said.text
            assert "did not come back within 15 minutes" in said.text
            assert "It was told to reboot" in said.text
            assert "console" in said.text
            assert len(asked(it)) == 1


async def test_a_container_that_docker_does_not_start_is_told_before_and_not_called_back(tmp_path: Path) -> None:
    """The plan warns of it, nobody waits for it in vain, and the proof of the containers fails by its name."""
    person = says_yes()

    def once(state: WorldState) -> None:
        state.hosts["muscle-1"].containers.append(HELPER)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=once) as it, it.client(person) as client:
            said = await call(client, "reboot_server", server="muscle-1", wait_s=600)
            assert (said.outcome, said.checks["containers"]) == ("applied_unverified", "failed"), said.text
            assert "ran on muscle-1 before, and does not now: helper" in said.text
    assert "Docker does not start again: helper" in " ".join(person.asked[0].replace("... ", "").split())


async def test_an_app_that_does_not_come_back_fails_the_reboot(tmp_path: Path) -> None:
    """A container that should have been started and was not is waited for ten minutes, and then named."""

    def shop(state: WorldState) -> None:
        muscle = state.hosts["muscle-1"]
        muscle.stay_down = [c.name for c in muscle.containers if c.labels.get("coolify.resourceName") == "shop"] or [
            muscle.containers[-1].name
        ]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=shop) as it, it.client(says_yes()) as client:
            down = it.state.hosts["muscle-1"].stay_down[0]
            said = await call(client, "reboot_server", server="muscle-1", wait_s=1800)
            assert said.outcome == "failed", said.text
            assert f"{down} does not run" in said.text


async def test_where_no_update_waits_nothing_is_rebooted(tmp_path: Path) -> None:
    """With only_if_required a server that does not ask for it is left alone, and one that asks says for what."""

    def waits(state: WorldState) -> None:
        state.hosts["muscle-2"].reboot_packages = ["linux-image-6.1.0-38-amd64"]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=waits) as it, it.client(says_yes()) as client:
            alone = await call(client, "reboot_server", server="muscle-1", only_if_required=True, wait_s=600)
            done = await call(client, "reboot_server", server="muscle-2", only_if_required=True, wait_s=600)
            again = await call(client, "reboot_server", server="muscle-2", only_if_required=True, wait_s=600)
            assert [said.outcome for said in (alone, done, again)] == ["already_so", "applied", "already_so"]
            assert (asked(it), len(asked(it, "muscle-2"))) == ([], 1)


async def test_a_server_that_rebooted_by_itself_in_between_is_not_rebooted_for_nothing(tmp_path: Path) -> None:
    """What was approved is done all the same, once: the boot that is ended is the one that the server was asked in."""

    def falls(state: WorldState) -> None:
        go_down(state.hosts["muscle-1"], 0.0)

    with anyio.fail_after(LIMIT_S):
        trouble = Before(tmp_path, "hosts.reboot", falls)
        async with ink(tmp_path, wrap_handler=trouble) as it, it.client(says_yes()) as client:
            said = await call(client, "reboot_server", server="muscle-1", wait_s=600)
            assert said.outcome == "applied", said.text
            assert len(asked(it)) <= 2
