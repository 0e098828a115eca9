"""The Robot emulator's servers as machines: keys, booting, installing, resetting, cancelling."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import asyncssh
import httpx2
import pytest

from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.robot.boot import DISTS
from ink_infra_mcp.sandbox.running import LOOPBACK, Sandbox, open_world
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_robot import SERVER
from tests.sandbox.pretend import SteppingTime, pretend_world
from tests.sandbox.robot_account import RIGHT, Account
from tests.sandbox.robot_spec import robot_spec
from tests.sandbox.worlds import FakeTime
from tests.ssh.openssh import new_key

pytestmark = pytest.mark.anyio
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
ADD = "name=ci&data=ssh-ed25519+AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
BOOT, RESET, CANCEL = f"/boot/{SERVER}", f"/reset/{SERVER}", f"/server/{SERVER}/cancellation"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LINUX = "dist=Debian+13+base&lang=en"
DAY = "cancellation_date=2026-12-31"


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time stands still, with a host at its server's address."""
    time = SteppingTime()
    world = pretend_world(tmp_path, time)
    with world.change() as state:
        state.hosts["metal-1"] = HostState(name="metal-1", address="192.0.2.21", role="muscle")
    transport = httpx2.ASGITransport(app=build_robot(world))
    with anyio.fail_after(60):
        async with httpx2.AsyncClient(transport=transport, base_url="http://robot.example.com") as api:
            yield Account(world=world, time=time, api=api)


async def _key(robot: Account) -> str:
    status, body = await robot.ask("POST", "/key", ADD)
    assert status == 201
    return str(body["key"]["fingerprint"])


def _host(robot: Account) -> HostState:
    return robot.world.read().hosts["metal-1"]


async def test_a_key_is_there_once_by_the_md5_of_its_blob(robot: Account) -> None:
    """Added with 201, listed, refused a second time under any name, and deleted without output."""
    assert await robot.code("GET", "/key") == (404, "NOT_FOUND")
    print_ = await _key(robot)
    shown = (await robot.ask("GET", f"/key/{print_}"))[1]["key"]
    assert (shown["name"], shown["type"], shown["size"], shown["data"]) == ("ci", "ED25519", 256, KEY)
    assert await robot.code("POST", "/key", ADD.replace("ci", "again")) == (409, "KEY_ALREADY_EXISTS")
    assert await robot.ask("DELETE", f"/key/{print_}") == (200, None)
    assert await robot.code("DELETE", f"/key/{print_}") == (404, "NOT_FOUND")
    assert (await robot.ask("POST", "/key", "name=x"))[1]["error"]["missing"] == ["data"]
    assert await robot.code("POST", "/key", "name=x&data=ssh-rsa+AAAA") == (400, "INVALID_INPUT")


@pytest.mark.parametrize("field", ["authorized_key", "authorized_key[]", "authorized_key[0]"])
async def test_choices_are_lists_until_one_is_made(robot: Account, field: str) -> None:
    """Then the chosen one is a text, with a password and the keys as objects; deactivating gives the lists again."""
    print_ = await _key(robot)
    before = (await robot.ask("GET", f"{BOOT}/linux"))[1]["linux"]
    assert (before["active"], before["dist"], before["password"], before["authorized_key"]) == (False, DISTS, None, [])
    armed = (await robot.ask("POST", f"{BOOT}/linux", f"{LINUX}&{field}={print_}"))[1]["linux"]
    key = {"key": {"name": "ci", "fingerprint": print_, "type": "ED25519", "size": 256}}
    assert (armed["active"], armed["dist"], armed["lang"], armed["authorized_key"]) == (
        True,
        "Debian 13 base",
        "en",
        [key],
    )
    assert armed["password"]
    assert (await robot.ask("DELETE", f"{BOOT}/linux"))[1]["linux"] == before


async def test_one_way_to_boot_is_active_at_most(robot: Account) -> None:
    """All are shown together; a second one is not activated beside the first."""
    await robot.ask("POST", f"{BOOT}/rescue", "os=linux")
    assert await robot.code("POST", f"{BOOT}/linux", LINUX) == (500, "BOOT_ACTIVATION_FAILED")
    boot = (await robot.ask("GET", BOOT))[1]["boot"]
    assert [name for name, way in boot.items() if way and way["active"]] == ["rescue"]


@pytest.mark.parametrize(
    ("way", "form"),
    [
        ("linux", "dist=Debian+13+base"),
        ("linux", "dist=Windows&lang=en"),
        ("linux", f"{LINUX}&authorized_key[]=00:11"),
        ("rescue", ""),
        ("rescue", "os=beos"),
    ],
)
async def test_a_form_that_is_wrong_activates_nothing(robot: Account, way: str, form: str) -> None:
    """Missing and unknown fields are named as invalid input."""
    assert await robot.code("POST", f"{BOOT}/{way}", form) == (400, "INVALID_INPUT")
    assert (await robot.ask("GET", f"{BOOT}/{way}"))[1][way]["active"] is False


async def test_an_installation_takes_minutes_and_makes_a_fresh_system(robot: Account) -> None:
    """Down at the reset, boot used up a minute later, up as another one after four more: new host key, our key only."""
    print_ = await _key(robot)
    await robot.ask("POST", f"{BOOT}/linux", f"{LINUX}&authorized_key[]={print_}")
    assert (await robot.ask("GET", f"{BOOT}/linux/last"))[1]["linux"]["active"] is True
    assert (await robot.ask("POST", RESET, "type=hw"))[1]["reset"]["type"] == "hw"
    assert _host(robot).up is False
    robot.time.at += 61
    last = (await robot.ask("GET", f"{BOOT}/linux/last"))[1]["linux"]
    assert (last["active"], last["host_key"], last["boot_time"] is None, _host(robot).up) == (False, [], False, False)
    robot.time.at += 240
    last = (await robot.ask("GET", f"{BOOT}/linux/last"))[1]["linux"]
    host = _host(robot)
    assert (host.up, host.os_version, host.logins.keys, host.without) == (True, "13", [KEY], ["docker", "runsc"])
    assert [sorted(one["key"]) for one in last["host_key"]] == [["fingerprint", "size", "type"]]


async def test_a_reset_in_the_middle_of_an_installation_leaves_nothing_that_answers(robot: Account) -> None:
    """Half a system does not come up."""
    await robot.ask("POST", f"{BOOT}/linux", LINUX)
    await robot.ask("POST", RESET, "type=hw")
    robot.time.at += 100
    await robot.ask("POST", RESET, "type=hw")
    robot.time.at += 1000
    await robot.ask("GET", RESET)
    assert "metal-1" not in robot.world.read().hosts


async def test_the_rescue_system_leaves_the_disks_alone(robot: Account) -> None:
    """It boots once, with a host key of its own; the next reset brings back what was there."""
    print_ = await _key(robot)
    await robot.ask("POST", f"{BOOT}/rescue", f"os=linux&authorized_key={print_}")
    await robot.ask("POST", RESET, "type=sw")
    robot.time.at += 61
    last = (await robot.ask("GET", f"{BOOT}/rescue/last"))[1]["rescue"]
    assert (last["active"], last["os"], _host(robot).logins.keys) == (False, "linux", [KEY])
    await robot.ask("POST", RESET, "type=sw")
    robot.time.at += 61
    await robot.ask("GET", RESET)
    assert (_host(robot).up, _host(robot).logins.keys) == (True, None)


async def test_a_fresh_system_is_reached_at_the_old_address_with_its_new_host_key(robot: Account) -> None:
    """The running servers follow: the door of the old system is no way to the new one."""
    async with await serve_hosts(robot.world) as hosts:
        old = hosts.doors["metal-1"]
        await robot.ask("POST", f"{BOOT}/linux", LINUX)
        await robot.ask("POST", RESET, "type=hw")
        robot.time.at += 400
        await robot.ask("GET", RESET)
        now = robot.world.read().hosts
        assert hosts.serve(now) is False
        await hosts.follow()
        door = hosts.doors["metal-1"]
        assert (hosts.serve(now), door.host_public_key) == (True, now["metal-1"].host_public_key)
        assert door.port != old.port
        assert hosts.connect_to["192.0.2.21", 22] == ("127.0.0.1", door.port)


async def test_the_running_sandbox_opens_the_door_of_what_was_installed(tmp_path: Path) -> None:
    """Also where no server answered before: SSH with the new host key, for the key of the installation, and the web."""
    time, login = FakeTime(), new_key()
    world = open_world(tmp_path / "world.db", real_now=time)
    with anyio.fail_after(90), Sandbox(world) as sandbox:
        ends = sandbox.start()
        async with httpx2.AsyncClient(base_url=ends.robot_url, headers={"Authorization": f"Basic {RIGHT}"}) as api:
            public = login.export_public_key().decode().strip()
            made = (await api.post("/key", content=urlencode({"name": "ink", "data": public}), headers=FORM)).json()
            form = urlencode({"dist": "Debian 13 base", "lang": "en", "authorized_key[]": made["key"]["fingerprint"]})
            assert (await api.post(f"{BOOT}/linux", content=form, headers=FORM)).status_code == 200
            await api.post(RESET, content="type=hw", headers=FORM)
            time.advance(400)
            await api.get(RESET)
        host = world.read().hosts["metal-1"]
        port = ends.connect_to["192.0.2.21", 22][1]
        known = asyncssh.import_known_hosts(f"[{LOOPBACK}]:{port} {host.host_public_key}\n")
        async with asyncssh.connect(
            LOOPBACK, port, username="root", client_keys=[login], known_hosts=known, config=None
        ) as connection:
            assert str((await connection.run("uname -r")).stdout).strip() == "6.12.48+deb13-amd64"
        assert ("192.0.2.21", 443) in ends.connect_to


async def test_resets_that_are_not_possible_have_codes(robot: Account) -> None:
    """Unknown kinds, no reset at all, and a technician on his way."""
    assert await robot.code("POST", RESET, "type=power") == (400, "INVALID_INPUT")
    assert (await robot.ask("POST", RESET, "type=man"))[0] == 200
    assert await robot.code("POST", RESET, "type=hw") == (409, "RESET_MANUAL_ACTIVE")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "resets", []))
    assert await robot.code("GET", RESET) == (404, "RESET_NOT_AVAILABLE")
    assert await robot.code("GET", "/reset/7") == (404, "SERVER_NOT_FOUND")


async def test_what_robot_cannot_boot_has_a_code(robot: Account) -> None:
    """So has a server that was never installed by Robot, for its last installation."""
    assert await robot.code("GET", f"{BOOT}/linux/last") == (404, "BOOT_NOT_AVAILABLE")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "boots", False))
    for path in (BOOT, f"{BOOT}/rescue", f"{BOOT}/linux", f"{BOOT}/rescue/last"):
        assert await robot.code("GET", path) == (404, "BOOT_NOT_AVAILABLE")


async def test_a_cancellation_is_shown_withdrawn_and_refused(robot: Account) -> None:
    """To a day from today on; a second one and one of a server that moves are conflicts."""
    shown = (await robot.ask("GET", CANCEL))[1]["cancellation"]
    assert (shown["cancelled"], shown["cancellation_date"], shown["earliest_cancellation_date"]) == (
        False,
        None,
        "2026-11-18",
    )
    assert await robot.code("DELETE", CANCEL) == (409, "CONFLICT")
    assert await robot.code("POST", CANCEL, "cancellation_date=2026-11-17") == (400, "INVALID_INPUT")
    assert await robot.code("POST", CANCEL, "cancellation_date=soon") == (400, "INVALID_INPUT")
    wrong = f"{DAY}&reserve_location=true"
    assert await robot.code("POST", CANCEL, wrong) == (409, "SERVER_CANCELLATION_RESERVE_LOCATION_FALSE_ONLY")
    assert (await robot.ask("POST", CANCEL, DAY))[1]["cancellation"]["cancellation_date"] == "2026-12-31"
    assert (await robot.ask("GET", f"/server/{SERVER}"))[1]["server"]["cancelled"] is True
    assert await robot.code("POST", CANCEL, DAY) == (409, "CONFLICT")
    assert await robot.ask("DELETE", CANCEL) == (200, None)
    robot.arrange(lambda state: setattr(state.robot.servers[0], "can_reserve", True))
    assert (await robot.ask("POST", CANCEL, DAY))[1]["error"]["missing"] == ["reserve_location"]
    assert await robot.code("POST", CANCEL, f"{DAY}&reserve_location=maybe") == (400, "INVALID_INPUT")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "is_moving", True))
    assert await robot.code("POST", CANCEL, f"{DAY}&reserve_location=false") == (409, "CONFLICT")


async def test_every_answer_fits_the_published_description(robot: Account) -> None:
    """Good answers and errors alike."""
    spec = robot_spec()
    print_ = await _key(robot)
    exchanges: tuple[tuple[str, str, str | None], ...] = (
        ("GET", "/key", None),
        ("GET", f"/key/{print_}", None),
        ("POST", "/key", ADD),
        ("GET", "/server", None),
        ("GET", f"/server/{SERVER}", None),
        ("GET", BOOT, None),
        ("GET", f"{BOOT}/rescue", None),
        ("POST", f"{BOOT}/rescue", f"os=linux&authorized_key[]={print_}"),
        ("GET", BOOT, None),
        ("GET", f"{BOOT}/rescue/last", None),
        ("DELETE", f"{BOOT}/rescue", None),
        ("POST", f"{BOOT}/linux", f"{LINUX}&authorized_key[]={print_}"),
        ("GET", f"{BOOT}/linux", None),
        ("GET", RESET, None),
        ("POST", RESET, "type=hw"),
        ("GET", f"{BOOT}/linux/last", None),
        ("DELETE", f"{BOOT}/linux", None),
        ("POST", RESET, "type=x"),
        ("GET", "/reset/7", None),
        ("GET", CANCEL, None),
        ("POST", CANCEL, DAY),
        ("POST", CANCEL, DAY),
        ("GET", CANCEL, None),
        ("DELETE", CANCEL, None),
        ("DELETE", f"/key/{print_}", None),
    )
    problems: list[Any] = []
    for method, path, form in exchanges:
        robot.time.at += 400
        problems += spec.request_problems(method, path, form or "")
        status, body = await robot.ask(method, path, form)
        problems += [(method, path, one) for one in spec.answer_problems(method, path, status, body)]
    assert problems == []
