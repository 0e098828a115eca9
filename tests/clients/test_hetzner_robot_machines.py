"""The steps that install, reset and cancel dedicated servers, against the emulated account."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.clients.hetzner_robot.steps import HetznerRobotSteps
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    InkError,
    OutcomeUnknown,
    RateLimited,
    StepFailed,
    Unavailable,
    WriteRefused,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.told_keys import ToldKey, md5_fingerprint, trusted
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_robot import SERVER
from tests.clients.robot_account import Account, Counting, door_to
from tests.clients.steps import Steps
from tests.clients.trust import NOBODY
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world
from tests.sandbox.robot_spec import robot_spec

pytestmark = pytest.mark.anyio
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
PRINT = md5_fingerprint(KEY)
NUMBER = str(SERVER)
DIST = "Debian 13 base"
ADD: JsonObject = {"public_key": f"{KEY} me@example.com", "name": "ink muscle-3"}
DELETE: JsonObject = {"fingerprint": PRINT, "name": "ink muscle-3"}
RESCUE: JsonObject = {"server": NUMBER, "key": PRINT}
INSTALL: JsonObject = {"server": NUMBER, "key": PRINT, "dist": DIST, "lang": "en"}
RESET: JsonObject = {"server": NUMBER, "key": PRINT, "dist": DIST, "boot": "linux", "type": "hw"}
NOTE: JsonObject = {"server": NUMBER, "key": PRINT, "dist": DIST}
CANCEL: JsonObject = {"server": NUMBER, "date": "2027-01-31"}
KEEP: JsonObject = {"server": NUMBER}
Case = tuple[str, JsonObject, str, tuple[str, ...]]

WRITES: tuple[Case, ...] = (
    ("create_ssh_key", ADD, "POST /key", ()),
    ("delete_ssh_key", DELETE, f"DELETE /key/{PRINT}", ("create_ssh_key",)),
    ("install_system", INSTALL, f"POST /boot/{SERVER}/linux", ("create_ssh_key",)),
    ("withdraw_install", INSTALL, f"DELETE /boot/{SERVER}/linux", ("create_ssh_key", "install_system")),
    ("reset_server", RESET, f"POST /reset/{SERVER}", ("create_ssh_key", "install_system")),
    ("cancel_server", CANCEL, f"POST /server/{SERVER}/cancellation", ()),
    ("withdraw_cancellation", KEEP, f"DELETE /server/{SERVER}/cancellation", ("cancel_server",)),
)
"""Each kind that writes, its request, and what has to be done before."""
PARAMS = {kind: params for kind, params, _, _ in WRITES} | {"await_boot": RESET}
KINDS = [case[0] for case in WRITES]


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(60):
        yield Account(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


async def _prepared(robot: Account, *kinds: str) -> Steps:
    steps = robot.steps()
    for kind in kinds:
        await steps.run(f"hetzner_robot.{kind}", PARAMS[kind], kind)
    return steps


async def _installing(robot: Account) -> Steps:
    """Bring the server as far as the beginning of its installation."""
    steps = await _prepared(robot, "create_ssh_key", "install_system", "reset_server")
    await _run(steps, "await_boot")
    return steps


async def _run(steps: Steps, kind: str, **other: Any) -> JsonObject:
    return await steps.run(f"hetzner_robot.{kind}", {**PARAMS[kind], **other}, kind)


@asynccontextmanager
async def _over_a_socket(robot: Account) -> AsyncGenerator[Steps]:
    """Give the handlers through a real connection, which can break."""
    port, close = await listen(build_robot(robot.world))
    async with httpx2.AsyncHTTPTransport(verify=NOBODY) as socket:
        door = door_to(Counting(robot, socket), robot.clock, base_url=f"http://127.0.0.1:{port}")
        yield Steps(HetznerRobotSteps(lambda: door).handlers(), robot.clock)
    await close()


async def test_a_server_is_installed_anew_and_shows_the_key_that_robot_told(robot: Account) -> None:
    """Key, installation, reset, host keys: a fresh system that lets in our key alone, and shows what was told."""
    robot.arrange(_with_host)
    old = robot.world.read().hosts["metal-1"].host_public_key
    steps = await _prepared(robot, "create_ssh_key")
    key = result_of("create_ssh_key", "fingerprint")
    armed = await steps.run("hetzner_robot.install_system", {**INSTALL, "key": key}, "install")
    assert (armed, robot.server.last_linux) == ({"server": NUMBER, "dist": DIST, "changed": True}, None)
    assert await steps.run("hetzner_robot.reset_server", {**RESET, "key": key}, "reset") == {
        "server": NUMBER,
        "reset": True,
    }
    await steps.run("hetzner_robot.await_boot", {**RESET, "key": key}, "booted")
    noted = await steps.run("hetzner_robot.note_host_keys", {**NOTE, "key": key}, "note")
    host = robot.world.read().hosts["metal-1"]
    told = [ToldKey.model_validate(one) for one in items(noted["host_keys"])]
    assert trusted([host.host_public_key], told) == host.host_public_key
    assert trusted([old], told) is None
    assert (host.up, host.logins.keys, host.os_version, host.docker_version) == (True, [KEY], "13", "")
    assert robot.journal == [f"robot {line}" for line in ("POST /key", WRITES[2][2], WRITES[4][2])]


async def test_no_password_of_root_is_kept_or_said(robot: Account) -> None:
    """Robot sends one in each answer about booting; neither results nor progress nor values have it."""
    steps = await _installing(robot)
    await steps.run("hetzner_robot.note_host_keys", NOTE, "note")
    password = robot.server.last_linux and robot.server.last_linux.password
    assert password
    seen = [steps.results, steps.said, await robot.look.boot(SERVER), await robot.look.last_linux(SERVER)]
    assert not any(password in repr(one) for one in seen)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "reset_server"])
async def test_a_step_that_runs_again_changes_nothing_more(robot: Account, kind: str) -> None:
    """After kill -9 the engine runs a step again: what it asked for is there, and no second request is sent."""
    (_, _, line, before) = next(case for case in WRITES if case[0] == kind)
    steps = await _prepared(robot, *before)
    first = await _run(steps, kind)
    again = await _run(steps, kind)
    assert robot.asked.count(line) == 1
    telling = {"changed", "deleted"}
    assert {k: v for k, v in again.items() if k not in telling} == {k: v for k, v in first.items() if k not in telling}


async def test_a_reset_that_runs_again_interrupts_nothing(robot: Account) -> None:
    """A crash between Robot's answer and its record: nothing was booted yet, and one installation comes of both."""
    robot.arrange(_with_host)
    steps = await _prepared(robot, "create_ssh_key", "install_system", "reset_server")
    assert await _run(steps, "reset_server") == {"server": NUMBER, "reset": True}
    await _run(steps, "await_boot")
    assert await _run(steps, "reset_server") == {"server": NUMBER, "reset": False}
    await steps.run("hetzner_robot.note_host_keys", NOTE, "note")
    assert (robot.asked.count(f"POST /reset/{SERVER}"), robot.world.read().hosts["metal-1"].up) == (2, True)


@pytest.mark.parametrize("case", WRITES, ids=KINDS)
async def test_a_lost_answer_to_what_happened_is_no_failure(robot: Account, case: Case) -> None:
    """The connection breaks after the request: a look finds that it is so, and nothing is sent twice."""
    kind, _, line, before = case
    await _prepared(robot, *before)
    robot.asked.clear()
    robot.trouble("drop_after", match=line)
    async with _over_a_socket(robot) as steps:
        await _run(steps, kind)
    assert robot.asked.count(line) == 1


@pytest.mark.parametrize("case", WRITES, ids=KINDS)
async def test_a_lost_answer_to_what_did_not_happen_is_unknown_and_the_next_run_does_it(
    robot: Account, case: Case
) -> None:
    """The connection breaks before the request arrives: never done, never failed, never repeated blindly."""
    kind, _, line, before = case
    await _prepared(robot, *before)
    robot.asked.clear()
    robot.trouble("drop", match=line)
    async with _over_a_socket(robot) as steps:
        with pytest.raises(OutcomeUnknown) as unknown:
            await _run(steps, kind)
        assert robot.asked.count(line) == 1
        assert "not known" in unknown.value.done
        await _run(steps, kind)
    assert robot.journal[-1] == f"robot {line}"


@pytest.mark.parametrize("case", WRITES, ids=KINDS)
async def test_robots_limit_is_told_and_nothing_was_done(robot: Account, case: Case) -> None:
    """A 403 with an hour's limit is no failed login and no refusal: call again later, nothing was changed."""
    kind, _, line, before = case
    steps = await _prepared(robot, *before)
    error = {"status": 403, "code": "RATE_LIMIT_EXCEEDED", "message": "m", "max_request": 50, "interval": 3600}
    robot.trouble("status", match=line, status=403, body=json.dumps({"error": error}))
    held = robot.world.read().robot.servers
    with pytest.raises(RateLimited) as limited:
        await _run(steps, kind)
    assert (limited.value.done, limited.value.retry_after_s) == ("Nothing was changed.", 3600.0)
    assert robot.world.read().robot.servers == held


@pytest.mark.parametrize("case", WRITES, ids=KINDS)
async def test_without_a_permit_nothing_leaves_this_process(robot: Account, case: Case) -> None:
    """Each write passes the gate."""
    kind, params, line, before = case
    await _prepared(robot, *before)
    robot.asked.clear()
    with pytest.raises(WriteRefused):
        await _without_permit(robot, f"hetzner_robot.{kind}", params)
    assert line not in robot.asked


async def _without_permit(robot: Account, kind: str, params: JsonObject) -> None:
    steps = robot.steps()
    handler = steps.handlers[kind]

    async def ended(call: Any) -> JsonObject:
        call.permit.revoke()
        return await handler(call)

    steps.handlers[kind] = ended
    await steps.run(kind, params)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("create_ssh_key", "delete_ssh_key")])
async def test_a_wrong_number_changes_nothing(robot: Account, kind: str) -> None:
    """Another number than the account has: said so, and nothing is sent but looks."""
    steps = await _prepared(robot, "create_ssh_key")
    robot.asked.clear()
    with pytest.raises(StepFailed) as failed:
        await _run(steps, kind, server="7")
    assert (failed.value.done, {line.split()[0] for line in robot.asked}) == ("Nothing was changed.", {"GET"})


async def test_a_key_that_the_account_has_stays_whose_it_is(robot: Account) -> None:
    """The same key under another name is used, not added twice, and not deleted at the end."""
    robot.arrange(_with_key("operator"))
    steps = robot.steps()
    assert await _run(steps, "create_ssh_key") == {"fingerprint": PRINT, "name": "operator", "made": False}
    assert await _run(steps, "delete_ssh_key") == {"fingerprint": PRINT, "deleted": False}
    assert robot.journal == []


async def test_only_the_operation_that_made_a_key_deletes_it(robot: Account) -> None:
    """Another operation leaves it, unless the plan names the one that made it."""
    made = await _prepared(robot, "create_ssh_key")
    later = robot.steps()
    later.operation = "op-2"
    assert (await _run(later, "delete_ssh_key"))["deleted"] is False
    assert (await _run(later, "delete_ssh_key", made_by=made.operation))["deleted"] is True


async def test_what_somebody_else_has_set_for_the_next_start_stays(robot: Account) -> None:
    """An installation that is not this plan's is neither used, nor replaced."""
    steps = await _prepared(robot, "create_ssh_key")
    await _run(steps, "install_system", dist="Debian 12 base")
    for kind in ("install_system", "reset_server"):
        with pytest.raises(StepFailed):
            await _run(steps, kind)
    assert (await _run(steps, "withdraw_install"))["changed"] is False
    assert robot.asked.count(f"POST /reset/{SERVER}") == 0


OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


async def test_a_system_that_robot_does_not_offer_any_more_is_refused_with_those_it_does(robot: Account) -> None:
    """Between plan and step Robot's list can change."""
    steps = await _prepared(robot, "create_ssh_key")
    with pytest.raises(StepFailed, match="does not offer Debian 11 base") as refused:
        await _run(steps, "install_system", dist="Debian 11 base")
    assert DIST in refused.value.next
    assert robot.server.linux is None


async def test_a_second_reset_is_never_sent_once_the_installation_runs(robot: Account) -> None:
    """It would leave half a system: a run after kill -9 finds that it was booted, and only says so."""
    robot.arrange(_with_host)
    steps = await _installing(robot)
    assert robot.server.installed_at is not None
    assert await _run(steps, "reset_server") == {"server": NUMBER, "reset": False}
    assert robot.asked.count(f"POST /reset/{SERVER}") == 1
    await steps.run("hetzner_robot.note_host_keys", NOTE, "note")
    assert robot.world.read().hosts["metal-1"].up is True


async def test_an_installation_that_was_withdrawn_is_not_started(robot: Account) -> None:
    """Somebody took it back in Robot: the server is not reset into the system that it has."""
    steps = await _prepared(robot, "create_ssh_key", "install_system", "withdraw_install")
    with pytest.raises(StepFailed, match="somebody has withdrawn that"):
        await _run(steps, "reset_server")
    assert robot.asked.count(f"POST /reset/{SERVER}") == 0


async def test_whether_a_server_booted_is_unknown_when_robot_does_not_say_it(robot: Account) -> None:
    """Without the time of the boot an installation that is set no more may have run, or been withdrawn."""
    steps = await _installing(robot)

    def forget(state: WorldState) -> None:
        last = state.robot.servers[0].last_linux
        assert last is not None
        last.booted_at = None

    robot.arrange(forget)
    with pytest.raises(OutcomeUnknown, match="does not say that it was booted") as unknown:
        await _run(steps, "reset_server")
    assert unknown.value.done == "No reset was sent by this run."


async def test_a_server_that_does_not_boot_what_was_set_is_given_up_after_a_quarter_of_an_hour(robot: Account) -> None:
    """Its boot order may have the disk first: the reset is told, and what to look at."""
    steps = await _prepared(robot, "create_ssh_key", "install_system")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "boots_disk_first", True))
    await _run(steps, "reset_server")
    with pytest.raises(StepFailed, match="has not booted") as failed:
        await _run(steps, "await_boot")
    assert failed.value.done == "The server was reset."
    assert 900 <= robot.clock.monotonic() <= 930


async def test_a_crash_while_waiting_for_the_boot_does_not_reset_again(robot: Account) -> None:
    """The reset is a step that ends with its answer; what waits sends nothing, however often it runs."""
    steps = await _prepared(robot, "create_ssh_key", "install_system", "reset_server")
    assert robot.server.starts_at is not None
    for _ in range(2):
        assert await _run(steps, "await_boot") == {"server": NUMBER}
    assert robot.asked.count(f"POST /reset/{SERVER}") == 1


async def test_host_keys_that_robot_never_tells_are_said_to_be_unknown(robot: Account) -> None:
    """Nothing is trusted in their place; a person is told where to read the fingerprint."""
    robot.arrange(lambda state: setattr(state.robot, "tells_host_keys", False))
    steps = await _installing(robot)
    with pytest.raises(StepFailed, match="tells no host key") as failed:
        await steps.run("hetzner_robot.note_host_keys", NOTE, "note")
    assert "nobody has logged in" in failed.value.done
    assert "console" in failed.value.next


async def test_host_keys_of_another_installation_are_not_ours(robot: Account) -> None:
    """Those of another system, or of one for another key, are never noted."""
    steps = await _installing(robot)
    for other in ({"dist": "Debian 12 base"}, {"key": md5_fingerprint(OTHER)}):
        with pytest.raises(StepFailed, match="does not show"):
            await steps.run("hetzner_robot.note_host_keys", {**NOTE, **other}, "note")


async def test_a_server_goes_back_on_its_day_and_can_be_kept_until_then(robot: Account) -> None:
    """One request each; another day than that of a cancellation that is there is refused."""
    steps = await _prepared(robot, "cancel_server")
    assert steps.results["cancel_server"] == {"server": NUMBER, "date": "2027-01-31"}
    assert robot.server.cancelled_to == "2027-01-31"
    with pytest.raises(StepFailed, match="cancelled to 2027-01-31 already"):
        await _run(steps, "cancel_server", date="2027-02-28")
    assert await _run(steps, "withdraw_cancellation") == {"server": NUMBER, "changed": True}
    assert robot.server.cancelled_to is None


async def test_a_server_that_goes_at_once_is_gone_and_asking_again_says_so(robot: Account) -> None:
    """It is in no list any more, also when the answer was lost."""
    robot.arrange(_with_host)
    robot.trouble("drop_after", match=f"POST /server/{SERVER}/cancellation")
    async with _over_a_socket(robot) as steps:
        assert await _run(steps, "cancel_server", date="now") == {"server": NUMBER, "date": "now"}
        assert await _run(steps, "cancel_server", date="now") == {"server": NUMBER, "date": "now"}
    assert (robot.world.read().robot.servers, "metal-1" in robot.world.read().hosts) == ([], False)


async def test_a_day_that_is_too_early_is_refused_before_anything_is_sent(robot: Account) -> None:
    """The error names the first day that is possible."""
    with pytest.raises(StepFailed, match="can be cancelled from 2026-01-02 on"):
        await _run(robot.steps(), "cancel_server", date="2026-01-01")
    assert robot.journal == []


async def test_a_place_that_could_be_kept_is_said_not_to_be(robot: Account) -> None:
    """Robot wants an answer to that where it is possible: the server is cancelled without."""
    robot.arrange(lambda state: setattr(state.robot.servers[0], "can_reserve", True))
    await _prepared(robot, "cancel_server")
    assert robot.server.cancelled_to == "2027-01-31"


async def test_a_server_that_is_being_moved_cannot_be_cancelled(robot: Account) -> None:
    """Robot's conflict is told as it is; nothing was changed."""
    robot.arrange(lambda state: setattr(state.robot.servers[0], "is_moving", True))
    with pytest.raises(Conflict) as conflict:
        await _run(robot.steps(), "cancel_server")
    assert conflict.value.done == "Nothing was changed."


async def test_a_technician_at_the_server_is_not_disturbed(robot: Account) -> None:
    """A reset while one is under way by hand is a conflict, and the installation stays set until that is undone."""
    steps = await _prepared(robot, "create_ssh_key", "install_system")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "technician", True))
    with pytest.raises(Conflict, match="RESET_MANUAL_ACTIVE"):
        await _run(steps, "reset_server")
    assert robot.server.linux is not None


async def test_a_server_with_ipv6_alone_is_read_with_its_network(robot: Account) -> None:
    """Robot has null where the IPv4 address would be, in every answer."""
    robot.arrange(lambda state: setattr(state.robot.servers[0], "ipv4", None))
    server = await robot.look.server(SERVER)
    assert server is not None
    assert (server.server_ip, server.server_ipv6_net, server.ip) == (None, "2001:db8:21::", ())
    await _prepared(robot, "create_ssh_key", "install_system", "reset_server")
    robot.clock.advance(600)
    assert await robot.look.last_linux(SERVER)
    assert robot.world.read().hosts["metal-1"].address == "2001:db8:21::1"


@pytest.mark.parametrize(("name", "value", "absent"), [("boots", False, "boot"), ("resets", [], "reset_ways")])
async def test_what_a_server_cannot_do_is_absent_and_not_empty(
    robot: Account, name: str, value: object, absent: str
) -> None:
    """No boot settings, no way to reset: None, with no other answer taken for it."""
    robot.arrange(lambda state: setattr(state.robot.servers[0], name, value))
    found = {"boot": await robot.look.boot(SERVER), "reset_ways": await robot.look.reset_ways(SERVER)}
    assert [what for what, it in found.items() if it is None] == [absent]


@pytest.mark.parametrize(
    "body",
    [
        {"boot": {"rescue": {"active": None}}},
        {"boot": {"rescue": "yes"}},
        {"boot": []},
        {},
    ],
)
async def test_boot_settings_of_another_shape_are_a_bad_answer(body: JsonObject) -> None:
    """Whether something is set for the next start is never guessed."""
    look = HetznerRobotLook(door_to(httpx2.MockTransport(lambda _: httpx2.Response(200, json=body)), FakeClock()))
    with anyio.fail_after(5), pytest.raises(BadAnswer):
        await look.boot(SERVER)


async def test_a_way_to_boot_that_we_do_not_know_counts_all_the_same(robot: Account) -> None:
    """Robot may add one; what is active there would be booted too."""
    body: JsonObject = {"boot": {"rescue": None, "windows": [], "talos": {"active": True, "dist": "Talos 1"}}}
    look = HetznerRobotLook(door_to(httpx2.MockTransport(lambda _: httpx2.Response(200, json=body)), robot.clock))
    boot = await look.boot(SERVER)
    assert boot is not None
    assert (boot.active, boot.ways["talos"].system) == (("talos",), "Talos 1")


@pytest.mark.parametrize(("status", "kind"), [(500, OutcomeUnknown), (200, Unavailable), (400, Unavailable)])
async def test_an_inner_error_of_robot_is_followed_by_a_look(robot: Account, status: int, kind: type[InkError]) -> None:
    """With a 500 it may have acted all the same: unknown until seen. With another status Robot says that it did not."""
    error = {"status": status, "code": "KEY_CREATE_FAILED", "message": "m"}
    robot.trouble("status", match="POST /key", status=status, body=json.dumps({"error": error}))
    with pytest.raises(kind):
        await _run(robot.steps(), "create_ssh_key")


async def test_every_request_that_we_make_fits_the_published_description(robot: Account) -> None:
    """All kinds and all looks, byte for byte as they went out."""
    spec = robot_spec()
    steps = robot.steps()
    for kind in ("create_ssh_key", "install_system", "withdraw_install"):
        await _run(steps, kind)
    for kind in ("install_system", "reset_server"):
        await _run(steps, kind)
    await _run(steps, "await_boot")
    await steps.run("hetzner_robot.note_host_keys", NOTE, "note")
    for kind in ("delete_ssh_key", "cancel_server", "withdraw_cancellation"):
        await _run(steps, kind)
    await robot.look.last_rescue(SERVER)
    await robot.look.reset_ways(SERVER)
    sent = {(method, path) for method, path, _ in robot.forms}
    assert {line.partition(" ")[0::2] for _, _, line, _ in WRITES} <= sent
    problems = {f"{one[0]} {one[1]}": found for one in robot.forms if (found := spec.request_problems(*one))}
    assert problems == {}


def _with_host(state: WorldState) -> None:
    state.hosts["metal-1"] = HostState(name="metal-1", address="192.0.2.21", role="muscle", host_public_key=OTHER)


def _with_key(name: str) -> Callable[[WorldState], None]:
    from ink_infra_mcp.sandbox.robot.keys import read_key

    return lambda state: state.robot.keys.append(read_key(name, KEY))
