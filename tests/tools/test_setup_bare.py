"""setup_factory from a bare server and a blank volume to a Factory that deploys; no word is said to it for nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.bare import first_account, make_bare
from ink_infra_mcp.sandbox.seed import TOKEN
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import Storage
from ink_infra_mcp.tools.setup_factory import NEXT_CALL
from tests.clock import FakeClock
from tests.ink import Ink, ink
from tests.tools.arrivals import NAME as MUSCLE
from tests.tools.arrivals import all_of, approved, bare, existing
from tests.tools.calls import Said, call, unknown
from tests.tools.exchanges import NEW

pytestmark = pytest.mark.anyio

LIMIT_S = 180
SPEED = 15.0
"""The probation of new rules is three minutes; at this speed twelve seconds."""
TOOL, DISK, NAME = "setup_factory", "scsi-0HC_Volume_1001", "coolify.example.com"
NGINX = "docker.io/library/nginx:1.27"
NO_TOKEN = frozenset({"coolify_token"})
ALL = ("data_disk", "docker_data", "coolify", "api", "firewall", "dns")
MOVED = ("data_disk", "docker_data", "coolify")
ON_DISK = dict.fromkeys(("data_disk", "fstab", "guard", "docker_data"), "passed")
INSTALLED = dict.fromkeys(("coolify", "image", "files", "env", "closed", "pools"), "passed")
NETWORK = dict.fromkeys(
    (*("closed ports", "required ports", "connects", "kept ways"), *("delegation", "name servers", "public DNS")),
    "passed",
)
Change = Callable[[WorldState], None]


def storage(state: WorldState) -> Storage:
    """Return the Factory's disks, and what lies where."""
    return state.coolify.factory.storage


def flowing(text: str) -> str:
    """Return a text without the ends of its lines."""
    return " ".join(text.replace("... ", "").split())


def unnamed(state: WorldState) -> None:
    """It is a bare server whose name leads nowhere yet."""
    make_bare(state)
    (zone,) = state.hetzner.zones
    zone.rrsets = [each for each in zone.rrsets if each.name != "coolify"]


async def set_up(it: Ink, *parts: str, **arguments: object) -> Said:
    """Return what is said of a call that a person approves."""
    async with it.client() as client:
        return await approved(it, client, TOOL, parts=[*parts], disk=DISK, wait_s=60, **arguments)


async def test_all_parts_of_a_bare_server_are_one_plan_and_then_all_is_so(tmp_path: Path) -> None:
    """Disk, Docker on it, Coolify, closed ports and the name: one yes; then a person's part, and nothing is left."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, speed=SPEED, change_world=unnamed, unset=NO_TOKEN) as it:
            said = await set_up(it, *ALL, domain=NAME)
            expected = {**ON_DISK, **INSTALLED, **NETWORK, "api": "passed"}
            assert (said.outcome, said.checks) == ("applied", expected), said.text
            disk, daemon = storage(it.state), it.state.hosts["factory"].made.daemon
            assert (disk.data, disk.guarded, disk.root, disk.kept) == ("mount", True, "/data/docker", [])
            assert ('"data-root": "/data/docker"' in daemon, '"172.20.0.0/14"' in daemon) == (True, True)
            assert 'root = "/data/containerd"' in disk.containerd
            result = said.data["result"]
            assert ("stopped_s" in result, "go_back" in result) == (False, False), "nothing ran that could stop"
            with it.world.change() as world:
                first_account(world, TOKEN)
        async with ink(tmp_path, speed=SPEED) as it, it.client() as client:
            again = await call(client, TOOL, parts=[*ALL], disk=DISK, domain=NAME)
            assert (again.outcome, unknown(it)) == ("already_so", []), again.text


async def test_from_a_bare_server_to_the_first_app_and_to_the_fork(tmp_path: Path) -> None:
    """In the order of the runbook: Factory, a person's account and token, a Muscle, an app that is proved, the fork."""
    with anyio.fail_after(LIMIT_S):
        world = all_of(unnamed, bare())
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC)), change_world=world, unset=NO_TOKEN) as it:
            factory = await set_up(it, *MOVED, "api")
            assert (factory.outcome, factory.data["result"]["next_call"]) == ("applied", NEXT_CALL), factory.text
            with it.world.change() as state:
                first_account(state, TOKEN)
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            so = await call(client, TOOL, parts=["api"])
            early = await call(client, "rotate_fork_image", image=NEW)
            muscle = await approved(it, client, "add_muscle", **existing(it, MUSCLE))
            app = await approved(it, client, "deploy_app", name="hello", muscle=MUSCLE, image=NGINX, wait_s=3600)
            fork = await approved(it, client, "rotate_fork_image", image=NEW, wait_s=3600)
            lost = unknown(it)
    assert (so.outcome, "No Muscle can take the app" in early.text) == ("already_so", True), early.text
    assert [each.outcome for each in (muscle, app, fork)] == ["applied"] * 3, muscle.text + app.text + fork.text
    assert (app.checks, lost) == (dict.fromkeys(("isolation", "variables", "dns", "tls", "http"), "passed"), [])


async def test_the_plan_says_what_is_prepared_for_a_docker_that_is_only_coming(tmp_path: Path) -> None:
    """What is written where, how long there is a way back, and no word of containers that would stop."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN) as it, it.client() as client:
            said = await call(client, TOOL, parts=[*MOVED], disk=DISK)
            told = flowing(said.text)
            for words in (
                f"mount {DISK} at /data, where nothing is yet",
                "write Docker's and containerd's settings before Docker is there",
                "data-root in /etc/docker/daemon.json = /data/docker",
                "The way back: until Docker is installed,",
                f"To approve, type: {DISK}",
            ):
                assert words in told, words
            assert ("every container" in told, ".before-<operation>" in told) == (False, False), told


async def test_one_that_failed_half_way_goes_on_where_docker_is_already(tmp_path: Path) -> None:
    """Docker came, and Coolify did not: the same call leaves alone what is so, and Docker stays on the disk."""

    def fails(state: WorldState) -> None:
        make_bare(state)
        state.coolify.factory.install_fails = "Coolify's installer ended with status 1"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=fails, unset=NO_TOKEN) as it:
            assert (await set_up(it, *MOVED)).outcome == "failed"
            assert storage(it.state).root == "/data/docker"
            with it.world.change() as world:
                world.coolify.factory.install_fails = ""
            again = await set_up(it, *MOVED)
            assert (again.outcome, again.checks) == ("applied", INSTALLED), again.text
            assert [move.state for move in storage(it.state).moves.values()] == ["done", "done"]


def left_over(state: WorldState) -> None:
    """A Docker that is gone has left its volumes."""
    storage(state).remains = ["/var/lib/docker"]


def small(state: WorldState) -> None:
    """The volume is the smallest that one can buy."""
    storage(state).volumes[DISK].size = 10 * 2**30


def elsewhere(state: WorldState) -> None:
    """Somebody's settings put Docker's data elsewhere."""
    state.hosts["factory"].made.daemon = '{"data-root": "/srv/docker"}'


def other_store(state: WorldState) -> None:
    """Somebody's settings put containerd's data elsewhere."""
    storage(state).containerd = 'version = 2\nroot = "/srv/containerd"\n'


@pytest.mark.parametrize(
    ("change", "parts", "why"),
    [
        (left_over, MOVED, "Docker is not there, and something of one is: /var/lib/docker"),
        (small, MOVED, "Docker and Coolify want 20.0 GiB there, and the disk has room for 9.3 GiB"),
        (elsewhere, MOVED, '/etc/docker/daemon.json: data-root is "/srv/docker" there, and "/data/docker" is wanted'),
        (other_store, MOVED, "/etc/containerd/config.toml: root is /srv/containerd there"),
        (make_bare, MOVED[:2], "Docker is not there, and comes with coolify: set up both in one call"),
        (make_bare, MOVED[1:], "/data is no disk of its own: set up data_disk with it"),
    ],
)
async def test_what_the_docker_to_come_would_hide_or_lack_is_refused(
    tmp_path: Path, change: Change, parts: tuple[str, ...], why: str
) -> None:
    """No person is asked, and nothing is begun."""

    def world(state: WorldState) -> None:
        if change is not make_bare:
            make_bare(state)
        change(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=world, unset=NO_TOKEN) as it, it.client() as client:
            disk = {"disk": DISK} if "data_disk" in parts else {}
            said = await call(client, TOOL, parts=[*parts], **disk)
            assert (said.is_error, why in flowing(said.text)) == (True, True), said.text
            assert storage(it.state).moves == {}


@pytest.mark.parametrize(
    ("parts", "arguments", "told"),
    [
        (["coolify"], {"disk": DISK}, "disk is of the part data_disk, which is not among parts."),
        (["docker_data"], {"disk": DISK}, "disk is of the part data_disk, which is not among parts."),
        (["docker_data"], {"erase": True}, "erase is of the part data_disk, which is not among parts."),
        (["firewall"], {"domain": NAME}, "domain is of the part dns, which is not among parts."),
        (["dns", "api"], {"version": "4.3.10"}, "version is of the part coolify, which is not among parts."),
    ],
)
async def test_an_argument_of_a_part_that_is_not_asked_for_is_refused_with_that_part(
    tmp_path: Path, parts: list[str], arguments: dict[str, object], told: str
) -> None:
    """Who says it believes that it counts: it is not left aside in silence, and nothing is looked at."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=parts, **arguments)
            next_ = f"Add {told.split()[5].rstrip(',')}, or leave {told.split()[0]} out."
            assert (said.is_error, told in said.text, next_ in said.text) == (True, True, True), said.text


async def test_arguments_at_rest_are_said_for_no_part(tmp_path: Path) -> None:
    """A client that sends every default as well is told nothing of it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=["api"], disk="", erase=False, domain=None, version="")
            assert said.outcome == "already_so", said.text
