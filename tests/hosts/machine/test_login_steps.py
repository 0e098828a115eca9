"""The first login of a pretend server, step by step: what is asked first, what is refused, and the way back."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import ConfigError, HostKeyChanged, StepFailed
from ink_infra_mcp.core.login import steps
from ink_infra_mcp.core.login.drop_in import drop_in
from ink_infra_mcp.core.login.judging import judge
from ink_infra_mcp.core.login.steps import KeyWanted
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.settings.policy_files import load_sshd
from ink_infra_mcp.ssh.guests import Guest
from tests.hosts.machine.first_logins import ADDRESS, LIMIT_S, NAME, PASSWORD, Ground, ground_of
from tests.ssh.openssh import new_key

pytestmark = pytest.mark.anyio

POLICY = load_sshd()
OTHER = " ".join(new_key().export_public_key().decode().split()[:2])


@pytest.fixture
async def bought(tmp_path: Path) -> AsyncGenerator[Ground]:
    """Give a server that takes root's password, and one key of somebody else."""
    open_ = Logins(keys=[f"{OTHER} somebody"], password=PASSWORD, settings=["PermitRootLogin yes"])
    async with ground_of(tmp_path, open_) as ground:
        yield ground


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncGenerator[Ground]:
    """Give a server that takes our key, and a password too."""
    async with ground_of(tmp_path, Logins(password=PASSWORD)) as one:
        yield one


async def hardening(ground: Ground) -> Step:
    """Return the step that a tool plans after it has looked."""
    guest = Guest(NAME, ADDRESS, ground.ssh.doors[NAME].host_public_key)
    with ground.pool.knowing(guest), anyio.fail_after(LIMIT_S):
        judgement = judge(await logins.look(ground.pool, NAME), POLICY)
    (step,) = steps.harden_sshd(judgement, POLICY, ground.newcomer())
    return step


def undo_of(step: Step) -> Undo:
    """Return the undo of a step that has one."""
    assert step.undo
    return step.undo


async def test_from_a_password_to_keys_alone(bought: Ground) -> None:
    """Each step says what it left; each may run twice; somebody else's key stays; what is done needs nothing more."""
    with anyio.fail_after(LIMIT_S):
        (own,) = await bought.pool.own_public_keys()
    new = bought.newcomer(password="app:ROOT")
    admit = steps.admit_key(NAME, KeyWanted(public_key=own, marker="ink-control", prove=True), new)
    make, rotate = steps.rotate_host_keys(NAME, new)
    known = bought.newcomer(host_key=result_of(rotate.id, "host_key"))
    harden = steps.harden_new_sshd(NAME, POLICY, known)
    every = (steps.await_ready(NAME, new), admit, make, rotate, harden)
    results = [await bought.run(step) for step in every]
    made = results[2]["host_key"]
    assert made != bought.ssh.doors[NAME].host_public_key
    assert results == [
        {"host": NAME, "state": "ready", "warnings": ""},
        {"host": NAME, "key": "added", "file": "/root/.ssh/authorized_keys"},
        {"host": NAME, "change": "op-1", "host_key": made},
        {"host": NAME, "host_key": made},
        {"host": NAME, "change": "op-1", "state": "kept"},
    ]
    assert bought.logins.keys == [f"{OTHER} somebody", f"{own} ink-control"]
    assert bought.logins.says()["passwordauthentication"] == "no"
    assert [await bought.run(step) for step in (rotate, harden)] == results[3:]
    with pytest.raises(HostKeyChanged):
        await bought.run(admit)


async def test_a_rotation_that_broke_off_goes_on_with_the_key_that_it_recorded(ground: Ground) -> None:
    """The new key is known before the server shows it: a run after a kill finds it, whichever of both serves."""
    make, rotate = steps.rotate_host_keys(NAME, ground.newcomer())
    made = await ground.run(make)
    with ground.world.change() as state:
        state.faults.append(Fault(system="ssh", match="use-keys", kind="drop_after"))
    with pytest.raises(Exception, match="broke"):
        await ground.run(rotate)
    assert (await ground.run(rotate))["host_key"] == made["host_key"]


async def test_a_key_is_there_once_and_taken_away_exactly(ground: Ground) -> None:
    """Twice is once; the undo leaves every other line, and does nothing where there is nothing."""
    wanted = KeyWanted(public_key=OTHER, marker="ink-coolify", sources=("192.0.2.10",), options=("restrict", "pty"))
    step = steps.admit_key(NAME, wanted, ground.newcomer())
    assert [(await ground.run(step))["key"] for _ in range(2)] == ["added", "there"]
    keys = ground.logins.keys
    assert keys
    assert keys[1:] == [f'from="192.0.2.10/32",restrict,pty {OTHER} ink-coolify']
    assert [(await ground.run(undo_of(step)))["key"] for _ in range(2)] == ["removed", "absent"]
    assert ground.logins.keys == keys[:1]


async def test_a_key_that_is_there_without_the_limit_is_not_overlooked(ground: Ground) -> None:
    """A line without `from` lets in from everywhere, whatever another line says."""
    with ground.world.change() as state:
        host = state.hosts[NAME]
        host.logins.keys = [host.login_public_key, f"{OTHER} by hand"]
    limited = KeyWanted(public_key=OTHER, marker="ink-coolify", sources=("192.0.2.10",))
    with pytest.raises(StepFailed, match="has this key already, with other limits"):
        await ground.run(steps.admit_key(NAME, limited, ground.newcomer()))
    assert (await ground.run(steps.admit_key(NAME, KeyWanted(public_key=OTHER, marker="ink-x"), ground.newcomer())))[
        "key"
    ] == "earlier"


@pytest.mark.parametrize(
    "text",
    ["", "ssh-ed25519", f"{OTHER}\n{OTHER}", f'command="id" {OTHER}', "-----BEGIN"],
    ids=["nothing", "a kind", "two lines", "an option", "a private key"],
)
async def test_what_is_no_public_key_is_written_nowhere(text: str, ground: Ground) -> None:
    """One line of a known kind, and nothing in front of it."""
    with pytest.raises(StepFailed, match="no public key"):
        await ground.run(steps.admit_key(NAME, KeyWanted(public_key=text, marker="ink-x"), ground.newcomer()))
    assert ground.logins.keys is None


async def test_a_hardening_is_kept_once_it_is_proved_and_taken_back_by_its_undo(ground: Ground) -> None:
    """The file is there as planned, asks for no password, plans nothing more, and goes as it came."""
    step = await hardening(ground)
    assert (await ground.run(step))["state"] == "kept"
    settings = step.params["settings"]
    assert isinstance(settings, dict)
    assert ground.logins.drop_in == drop_in({name: str(value) for name, value in settings.items()})
    guest = Guest(NAME, ADDRESS, ground.ssh.doors[NAME].host_public_key)
    with ground.pool.knowing(guest), anyio.fail_after(LIMIT_S):
        assert judge(await logins.look(ground.pool, NAME), POLICY).is_good
        assert await ground.pool.password_ways(NAME) == ()
    assert [(await ground.run(undo_of(step)))["state"] for _ in range(2)] == ["reverted", "reverted"]
    assert (ground.logins.drop_in, ground.logins.says()["passwordauthentication"]) == ("", "yes")


async def test_all_of_ours_is_taken_back_whatever_operation_made_it(ground: Ground) -> None:
    """A server that leaves the fleet gets the settings that it came with."""
    step = await hardening(ground)
    await ground.run(step)
    params: JsonObject = {**undo_of(step).params, "original": True}
    last = undo_of(step).model_copy(update={"params": params})
    assert (await ground.run(last, operation="op-2"))["state"] == "reverted"
    assert (ground.logins.drop_in, ground.logins.first_line) == ("", False)


async def test_settings_that_sshd_does_not_take_stay_out(ground: Ground) -> None:
    """They are tried on a copy, and the step says that nothing was changed."""
    step = await hardening(ground)
    settings = step.params["settings"]
    assert isinstance(settings, dict)
    wrong = step.model_copy(update={"params": {**step.params, "settings": {**settings, "MACs": "no-such-mac"}}})
    with pytest.raises(StepFailed, match="does not take the new settings") as caught:
        await ground.run(wrong)
    assert (caught.value.done, ground.logins.drop_in) == ("Nothing was changed.", "")


async def test_nothing_is_hardened_where_our_key_does_not_get_in(bought: Ground) -> None:
    """A server that we know by its password alone would be closed to everybody."""
    step = steps.harden_new_sshd(NAME, POLICY, bought.newcomer(password="app:ROOT"))
    with pytest.raises(StepFailed, match="with our key is not let in") as caught:
        await bought.run(step)
    assert (caught.value.done, bought.logins.drop_in) == ("Nothing was changed.", "")


async def test_a_change_that_nobody_confirms_goes_back_by_itself(ground: Ground) -> None:
    """When the connection breaks after the settings were put in place, the server's own switch brings the old ones."""
    step = await hardening(ground)
    with ground.world.change() as state:
        state.faults.append(Fault(system="ssh", match="ink-login set", kind="drop_after"))
    with pytest.raises(Exception, match="broke"):
        await ground.run(step)
    assert ground.logins.drop_in
    with ground.world.change() as state:
        known = state.hosts[NAME].logins.changes["op-1"]
        state.hosts[NAME].logins.settle(known.until)
    assert (ground.logins.drop_in, ground.logins.changes["op-1"].state) == ("", "reverted")
    assert (await ground.run(step))["state"] == "kept"


async def test_a_pin_that_sshd_would_not_show_any_more_is_not_lost(ground: Ground) -> None:
    """Whoever knows a server by a key of a kind that is switched off could not prove it any more."""
    step = await hardening(ground)
    settings = step.params["settings"]
    assert isinstance(settings, dict)
    other = {**settings, "HostKeyAlgorithms": "rsa-sha2-512"}
    with pytest.raises(StepFailed, match="which it would not show any more"):
        await ground.run(step.model_copy(update={"params": {**step.params, "settings": other}}))


async def test_a_name_that_the_fleet_has_for_another_server_is_refused(ground: Ground) -> None:
    """A plan that was made for a new server never acts on one that has got its name meanwhile."""
    other = Guest(NAME, "192.0.2.77", ground.ssh.doors[NAME].host_public_key)
    with (
        ground.pool.knowing(other),
        pytest.raises(ConfigError, match=r"another server called muscle-9, at 192\.0\.2\.77"),
    ):
        await ground.run(steps.await_ready(NAME, ground.newcomer()))
