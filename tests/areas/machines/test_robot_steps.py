"""The steps at Robot: what a person reads, what they do to the pretend world, and how they are undone."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.machines.robot_servers import RobotMachine, robot_server_of
from ink_infra_mcp.areas.machines.robot_steps import (
    cancel_steps,
    robot_install_steps,
    robot_key_gone_step,
    robot_key_step,
)
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Plan, Risk, Step, risk_of
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.told_keys import trusted
from ink_infra_mcp.hosts.host_keys.steps import HostKeySteps
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.hosts.serve import SshHosts
from ink_infra_mcp.sandbox.state_robot import SERVER
from ink_infra_mcp.settings.policy_files import load_policy
from ink_infra_mcp.ssh.pool import HostPool
from tests.clients.robot_account import Account
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
DIST = "Debian 13 base"
MACHINE = RobotMachine(
    number=SERVER,
    name="metal-1",
    product="AX42",
    datacenter="FSN1-DC8",
    address="192.0.2.21",
    host_keys_from="",
    dists=("Debian 12 base", DIST),
    languages=("en",),
    resets=("sw", "hw", "man"),
)


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(30):
        yield Account(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


def _install(machine: RobotMachine = MACHINE) -> tuple[Step, ...]:
    key = robot_key_step(KEY, "ink muscle-3", "muscle_3_")
    print_ = result_of(key.id, "fingerprint")
    steps = robot_install_steps(machine, DIST, print_, "muscle_3_", servers=("muscle-3",), key_step=key.id)
    return key, *steps, robot_key_gone_step(key, "muscle_3_")


def pool_to(served: SshHosts) -> HostPool:
    """Return the way to the pretend servers, without a login key."""
    return HostPool({}, login=lambda: None, clock=FakeClock(), redact=Redactor([]), connect_to=served.connect_to)


def _plan(steps: tuple[Step, ...]) -> Plan:
    return Plan(tool="test", title="t", target="muscle-3", locks=("server:muscle-3",), steps=steps, phrase="muscle-3")


def test_an_installation_says_what_is_lost_and_is_destructive() -> None:
    """A person who reads only the plan knows that all disks are wiped; typed approval is what its risk calls for."""
    plan = _plan(_install())
    assert [(step.id, step.kind.partition(".")[2]) for step in plan.steps] == [
        ("muscle_3_robot_key", "create_ssh_key"),
        ("muscle_3_install", "install_system"),
        ("muscle_3_reset", "reset_server"),
        ("muscle_3_booted", "await_boot"),
        ("muscle_3_host_keys", "note_host_keys"),
        ("muscle_3_host_key", "note_told_host_key"),
        ("muscle_3_robot_key_gone", "delete_ssh_key"),
    ]
    assert plan.steps[1].summary == (
        f"Let the next start of server {SERVER} metal-1 (AX42, FSN1-DC8, 192.0.2.21) WIPE ALL ITS DISKS "
        "and install Debian 13 base"
    )
    assert plan.steps[2].before == "what runs there, and all data on its disks"
    assert plan.steps[2].undo is None
    assert risk_of(plan, load_policy().kinds) is Risk.DESTRUCTIVE
    assert {step.servers for step in plan.steps[1:6]} == {("muscle-3",)}


async def test_the_planned_steps_install_the_pretend_server(robot: Account) -> None:
    """One after the other they end with a fresh system whose host key Robot told, and no key of ours in the account."""
    machine = await robot_server_of(robot.look, SERVER, purpose="install")
    handlers = robot.steps()
    *steps, shown, gone = _install(machine)
    for step in (*steps, gone):
        await handlers.run(step.kind, step.params, step.id)
    (host,) = [host for host in robot.world.read().hosts.values() if host.address == "192.0.2.21"]
    async with await serve_hosts(robot.world) as served, pool_to(served) as pool:
        handlers.handlers.update(HostKeySteps(pool).handlers())
        noted = await handlers.run(shown.kind, shown.params, shown.id)
    assert noted == {"host_key": host.host_public_key}
    assert (host.logins.keys, robot.world.read().robot.keys) == ([KEY], [])
    again = await robot_server_of(robot.look, SERVER)
    assert trusted([host.host_public_key], again.host_keys) == host.host_public_key


async def test_an_installation_that_is_not_begun_is_undone_without_loss(robot: Account) -> None:
    """When the reset is refused, its undo takes the installation back; the key too."""
    handlers = robot.steps()
    key, arm, reset, *_ = _install()
    for step in (key, arm):
        await handlers.run(step.kind, step.params, step.id)
    assert reset.undoes == (arm.id,)
    assert robot.server.linux is not None
    for step in (arm, key):
        assert step.undo is not None
        await handlers.run(step.undo.kind, step.undo.params, f"undo_{step.id}")
    assert (robot.server.linux, robot.world.read().robot.keys) == (None, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dists": ("Debian 12 base",)}, "does not offer the system 'Debian 13 base'"),
        ({"languages": ("de",)}, "does not offer the language 'en'"),
        ({"resets": ("man", "power")}, "without a technician"),
        ({"armed": ("linux",), "armed_system": "Debian 12 base"}, "installs Debian 12 base, not Debian 13 base"),
    ],
)
def test_what_robot_cannot_install_is_refused_before_anything_is_planned(change: dict[str, object], words: str) -> None:
    """A technician is never sent, and the wrong system never installed."""
    with pytest.raises(InputError, match=words):
        _install(MACHINE.model_copy(update=change))


def test_an_installation_that_is_set_already_is_gone_on_with() -> None:
    """Robot tells what is set in place of what it offers; the step holds it against this plan's key."""
    machine = MACHINE.model_copy(update={"dists": (), "languages": (), "armed": ("linux",), "armed_system": DIST})
    assert len(_install(machine)) == 7


async def test_a_server_is_given_back_and_kept_by_the_undo(robot: Account) -> None:
    """The step names the server, the day and what is lost."""
    (step,) = cancel_steps(await robot_server_of(robot.look, SERVER, purpose="leave"), "2026-12-31")
    assert step.summary == (
        f"Give server {SERVER} metal-1 (AX42, FSN1-DC8, 192.0.2.21) back to Hetzner on 2026-12-31, "
        "with all that is on its disks and its addresses"
    )
    handlers = robot.steps()
    await handlers.run(step.kind, step.params, step.id)
    assert robot.server.cancelled_to == "2026-12-31"
    assert cancel_steps(await robot_server_of(robot.look, SERVER, purpose="leave"), "2026-12-31") == ()
    assert step.undo is not None
    await handlers.run(step.undo.kind, step.undo.params, "undo")
    assert robot.server.cancelled_to is None


def test_giving_back_at_once_cannot_be_undone() -> None:
    """The plan says so."""
    (step,) = cancel_steps(MACHINE, "now")
    assert (step.undo, step.undo_words, step.params["date"]) == (None, "cannot be undone", "now")


@pytest.mark.parametrize(
    ("date", "change", "words"),
    [
        ("31.12.2026", {}, "is no day"),
        ("20261231", {}, "is no day"),
        ("2026-02-30", {}, "is no day"),
        ("2026-01-01", {"cancellable_from": "2026-01-02"}, "from 2026-01-02 on"),
        ("2026-12-31", {"cancelled_to": "2026-11-30"}, "cancelled to 2026-11-30 already"),
        ("now", {"cancelled_to": "2026-11-30"}, "cancelled to 2026-11-30 already"),
    ],
)
def test_a_day_that_cannot_be_is_refused(date: str, change: dict[str, object], words: str) -> None:
    """Only YYYY-MM-DD and now are days, and no other cancellation is replaced."""
    with pytest.raises(InputError, match=words):
        cancel_steps(MACHINE.model_copy(update=change), date)


def test_what_is_no_public_key_is_refused() -> None:
    """Before anything is planned."""
    with pytest.raises(InputError, match="is none"):
        robot_key_step("-----BEGIN OPENSSH PRIVATE KEY-----", "ink")
