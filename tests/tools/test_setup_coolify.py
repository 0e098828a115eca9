"""setup_factory on a bare server: Coolify by its own installer, closed until it is somebody's, and its API."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import CoolifySettings, Fleet
from ink_infra_mcp.sandbox.bare import first_account, make_bare
from ink_infra_mcp.sandbox.hosts.install import InstallScript
from ink_infra_mcp.sandbox.seed import TOKEN
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState, Ufw
from tests.ink import Ink, ink
from tests.tools.arrivals import approved
from tests.tools.calls import Before, Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 180
TOOL = "setup_factory"
NO_TOKEN = frozenset({"coolify_token"})
INSTALLED = dict.fromkeys(("coolify", "image", "files", "env", "closed", "pools"), "passed")
OWN = ("coolify", "coolify-realtime")
Change = Callable[[WorldState], None]


def factory(state: WorldState) -> HostState:
    """Return the Factory."""
    return state.hosts["factory"]


def flowing(text: str) -> str:
    """Return a text without the ends of its lines."""
    return " ".join(text.replace("... ", "").split())


async def set_up(it: Ink, *parts: str, **arguments: object) -> Said:
    """Return what is said of a call that a person approves."""
    async with it.client() as client:
        return await approved(it, client, TOOL, parts=[*parts], wait_s=50, **arguments)


async def test_a_bare_server_becomes_a_factory_and_then_somebodys(tmp_path: Path) -> None:
    """Without any token: installed and its API switched on; a person registers and makes a token; then all is so."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN) as it:
            said = await set_up(it, "coolify", "api")
            assert (said.outcome, said.checks) == ("applied", {**INSTALLED, "api": "passed"}), said.text
            state = it.state
            assert (state.coolify.installed, state.coolify.version, state.coolify.users) == (True, "4.3.11", 0)
            ports = [port for each in factory(state).containers if each.name in OWN for port in each.ports]
            assert ports == ["127.0.0.1:8000->8080/tcp", "127.0.0.1:6001->6001/tcp", "127.0.0.1:6002->6002/tcp"]
            assert '"172.20.0.0/14"' in factory(state).made.daemon
            by_hand = said.data["result"]["by_hand"]
            assert [("/register" in by_hand[0], "ssh -N -L 8000:127.0.0.1:8000" in by_hand[0])] == [(True, True)]
            assert [each.count("/security/api-tokens") for each in by_hand if "/security/" in each] == [1]
            assert "http://127.0.0.1:8000/security/api-tokens" in by_hand[-1]
            assert "ink-infra-mcp secret set coolify_token" in by_hand[-1]
            async with it.client() as client:
                left = await call(client, TOOL, parts=["coolify", "api"])
            assert (left.is_error, "nobody has made the first account yet" in left.text) == (True, True), left.text
            with it.world.change() as world:
                first_account(world, TOKEN)
        async with ink(tmp_path) as it, it.client() as client:
            again = await call(client, TOOL, parts=["coolify", "api"])
            assert (again.outcome, unknown(it)) == ("already_so", []), again.text
            assert "Coolify is there (4.3.11)" in again.text
            image = await call(client, "get_coolify_image")
            assert ("official" in image.text, "4.3.11" in image.text) == (True, True), image.text
            fleet = await call(client, "get_fleet")
            assert "4.3.11" in fleet.text, fleet.text


async def test_the_plan_says_what_runs_as_root_and_how_the_person_gets_in(tmp_path: Path) -> None:
    """Release, commit, every sum, digest, pools, packages, Docker, and what is left to a person; no secret is in it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN) as it, it.client() as client:
            said = await call(client, TOOL, parts=["coolify"])
            assert said.outcome == "approval_required", said.text
            told = flowing(said.text)
            for words in (
                "installer of 4.3.11 (SHA-256 ",
                "its ports on the loopback only",
                "install.sh ",
                "docker-compose.prod.yml ",
                "coollabsio/coolify@sha256:",
                "172.20.0.0/14 in networks of /24",
                "get.docker.com is not run",
                "is none that this tool was made after",
                "http://127.0.0.1:8000/register: the first account that is made there owns Coolify",
            ):
                assert words in told, words
            assert "PASSWORD" not in said.text
            assert it.state.coolify.factory.installs == {}


def behind_ufw(state: WorldState) -> None:
    """Let ufw keep the ports of a bare server, as its owner set it up."""
    make_bare(state)
    factory(state).firewall.ufw = Ufw(active=True, rules4=["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"])


async def test_behind_ufw_ports_are_closed_once_coolifys_own_network_is_there(tmp_path: Path) -> None:
    """In one plan nothing would let Coolify in to its own host afterwards, and all of it would be called proved."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=behind_ufw, unset=NO_TOKEN) as it:
            async with it.client() as client:
                early = await call(client, TOOL, parts=["coolify", "firewall"])
            words = "set up coolify first, and firewall by a call after it"
            assert (early.is_error, words in flowing(early.text)) == (True, True), early.text
            first = await set_up(it, "coolify")
            then = await set_up(it, "firewall")
            assert (first.outcome, then.outcome) == ("applied", "applied"), first.text + then.text
            async with it.client() as client:
                again = await call(client, "apply_firewall", server="factory")
            assert again.outcome == "already_so", again.text
            ufw = factory(it.state).firewall.ufw
            assert ufw is not None
            let_in = {rule.split()[5] for rule in ufw.rules4 if rule.startswith("allow tcp 22 ")}
            assert {"198.51.100.7", "10.0.1.0/24", "172.17.0.0/16"} <= let_in, ufw.rules4


async def test_a_coolify_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Whatever its version or image: an upgrade is another tool's."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=["coolify", "api"])
            assert (said.outcome, "Coolify is there (4.3.10), which upgrade_coolify moves on" in said.text) == (
                "already_so",
                True,
            ), said.text
            assert it.state.coolify.factory.installs == {}


async def test_a_coolify_whose_container_does_not_run_is_not_called_done(tmp_path: Path) -> None:
    """It is there, and nobody can use it: that is said, and it is not installed over."""

    def exited(state: WorldState) -> None:
        next(each for each in factory(state).containers if each.name == "coolify").state = "exited"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=exited) as it, it.client() as client:
            said = await call(client, TOOL, parts=["coolify"])
            assert (said.is_error, "its container is exited" in flowing(said.text)) == (True, True), said.text
            assert it.state.coolify.factory.installs == {}


async def test_an_api_that_is_off_is_switched_on_and_nothing_else_is_changed(tmp_path: Path) -> None:
    """The database's one field; a token that a person made before works from then on."""

    def off(state: WorldState) -> None:
        state.coolify.is_api_enabled = False

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=off) as it:
            said = await set_up(it, "api")
            assert (said.outcome, said.checks) == ("applied", {"api": "passed"}), said.text
            assert it.state.coolify.is_api_enabled is True
            async with it.client() as client:
                again = await call(client, TOOL, parts=["api"])
            assert (again.outcome, unknown(it)) == ("already_so", []), again.text


def read_only_token(state: WorldState) -> None:
    """The token may read, and nothing else."""
    state.coolify.tokens[0].abilities = ["read"]


def strange_token(state: WorldState) -> None:
    """Coolify has no such token."""
    state.coolify.tokens = []


def listed(state: WorldState) -> None:
    """Coolify lets other addresses use its API."""
    state.coolify.allowed_ips = "203.0.113.7"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (read_only_token, "the token lacks read:sensitive, write, deploy"),
        (strange_token, "does not answer us at http://127.0.0.1:"),
        (listed, "list of allowed IPs is at"),
    ],
)
async def test_what_only_a_person_can_do_is_said_with_page_and_command(
    tmp_path: Path, change: Change, why: str
) -> None:
    """Nobody is asked for a yes where nothing can be done from here."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client() as client:
            said = await call(client, TOOL, parts=["api"])
            told = flowing(said.text)
            assert (said.is_error, why in told) == (True, True), told
            assert "/security/api-tokens make a token with the permissions read, read:sensitive, write, deploy" in told
            assert "`ink-infra-mcp secret set coolify_token`" in told


def used_port(state: WorldState) -> None:
    """Something listens at 443."""
    factory(state).taken_ports = [443]


def own_key(state: WorldState) -> None:
    """A key of the operator's has the installer's word in its comment."""
    factory(state).authorized_keys = ["ssh-ed25519 AAAA me@coolify-box"]


def small_disk(state: WorldState) -> None:
    """Its disk is nearly full."""
    factory(state).disk_used_bytes = 230 * 2**30


def other_system(state: WorldState) -> None:
    """It runs something else."""
    factory(state).os_id = "alpine"


def remains(state: WorldState) -> None:
    """There was a Coolify before."""
    factory(state).docker_version, factory(state).volumes = "28.5.1", ["coolify-db"]
    state.coolify.factory.files = {".env": "x"}


def old_docker(state: WorldState) -> None:
    """Its Docker is too old."""
    factory(state).docker_version = "20.10.5+dfsg1"


def all_networks(state: WorldState) -> None:
    """It is in networks that leave no pool."""
    state.coolify.factory.routes = ["172.16.0.0/12", "192.168.0.0/16"]


def other_pools(state: WorldState) -> None:
    """Docker has pools that overlap a network in use."""
    factory(state).made.daemon = '{"default-address-pools": [{"base": "10.0.0.0/8", "size": 24}]}'
    state.coolify.factory.routes = ["10.0.0.0/16"]


def no_pool(state: WorldState) -> None:
    """Docker's settings have the key, and nothing that a network can be cut from."""
    pools = '[{"base": "fd00:1::/80", "size": 96}, {"base": "10.9.0.0/16"}]'
    factory(state).made.daemon = f'{{"default-address-pools": {pools}}}'


def empty_pools(state: WorldState) -> None:
    """Docker takes an empty list for its own pools."""
    factory(state).made.daemon = '{"default-address-pools": []}'


def unmounted(state: WorldState) -> None:
    """The disk for /data is not there."""
    state.coolify.factory.storage.lines = ["/dev/disk/by-id/scsi-0HC_Volume_1001 /data ext4 nofail"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (used_port, "port 443 is in use by nginx"),
        (own_key, "1 of root's authorized_keys have the word coolify"),
        (small_disk, "its disk has 10 of 240 GiB free, and Coolify wants 20 of 30"),
        (other_system, "it runs alpine: Coolify is set up on Debian and Ubuntu"),
        (remains, "/data/coolify/source is not empty (.env): there was a Coolify before"),
        (old_docker, "Docker is 20.10.5+dfsg1, and 24.0.0 or newer is needed"),
        (all_networks, "overlaps a network that the server or the fleet uses"),
        (other_pools, "default-address-pools has 10.0.0.0/8 there, which overlaps 10.0.0.0/16"),
        (no_pool, "default-address-pools has no IPv4 network with a size there"),
        (empty_pools, "default-address-pools has no IPv4 network with a size there"),
        (unmounted, "fstab has a disk for /data, and nothing is mounted there"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
async def test_what_is_not_known_to_be_good_is_refused_with_its_reason(
    tmp_path: Path, change: Change, why: str
) -> None:
    """No person is asked, and nothing is begun."""

    def world(state: WorldState) -> None:
        make_bare(state)
        change(state)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=world, unset=NO_TOKEN) as it, it.client() as client:
            said = await call(client, TOOL, parts=["coolify"])
            assert (said.is_error, why in flowing(said.text)) == (True, True), said.text
            assert it.state.coolify.factory.installs == {}


async def test_a_url_that_nobody_would_reach_is_refused(tmp_path: Path) -> None:
    """Port 8000 is on the loopback only: plain http to the Factory would answer nobody, and show the token to all."""

    def plain(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"coolify": CoolifySettings(url="http://192.0.2.10:8000")})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=make_bare, change_fleet=plain) as it, it.client() as client:
            said = await call(client, TOOL, parts=["coolify"])
            assert (said.is_error, "write the https name" in flowing(said.text)) == (True, True), said.text


async def test_pools_leave_the_networks_of_the_fleet_free(tmp_path: Path) -> None:
    """The first pool that overlaps nothing that the server has a way to, or the cloud project has."""

    def crowded(state: WorldState) -> None:
        make_bare(state)
        state.coolify.factory.routes = ["172.20.0.0/16"]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=crowded, unset=NO_TOKEN) as it:
            said = await set_up(it, "coolify")
            assert (said.outcome, said.checks) == ("applied", INSTALLED), said.text
            assert '"172.24.0.0/13"' in factory(it.state).made.daemon


async def test_one_that_fails_says_what_is_there_and_the_same_call_goes_on(tmp_path: Path) -> None:
    """Nothing is taken away, nothing is called done, and no remains of ours are held against the next try."""

    def fails(state: WorldState) -> None:
        make_bare(state)
        state.coolify.factory.install_fails = "Coolify's installer ended with status 1"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=fails, unset=NO_TOKEN) as it:
            said = await set_up(it, "coolify")
            told = flowing(said.text)
            assert (said.outcome, "ended with status 1" in told, "goes on from what is there" in told) == (
                "failed",
                True,
                True,
            ), told
            with it.world.change() as world:
                world.coolify.factory.install_fails = ""
            again = await set_up(it, "coolify")
            assert (again.outcome, again.checks) == ("applied", INSTALLED), again.text
            assert [each.state for each in it.state.coolify.factory.installs.values()] == ["failed", "done"]


async def test_one_that_failed_and_is_somebodys_by_now_is_there_and_not_installed_over(tmp_path: Path) -> None:
    """It came up later than it was waited for: its files are its owner's, and its API can be switched on."""

    def late(state: WorldState) -> None:
        make_bare(state)
        state.coolify.factory.install_fails = "Coolify is not healthy 300 s after its installer ended"

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=late, unset=NO_TOKEN) as it:
            assert (await set_up(it, "coolify")).outcome == "failed"
            with it.world.change() as world:
                (install,) = world.coolify.factory.installs.values()
                InstallScript(world, factory(world), "", 0.0).bring_up(install.orders)
                first_account(world, TOKEN)
                world.coolify.is_api_enabled = False
            async with it.client() as client:
                again = await call(client, TOOL, parts=["coolify"])
            assert (again.outcome, "Coolify is there (4.3.11)" in again.text) == ("already_so", True), again.text
            assert (await set_up(it, "api")).checks == {"api": "passed"}


async def test_another_image_under_the_name_is_not_called_installed(tmp_path: Path) -> None:
    """Who moves a tag between the yes and the pull is seen by the digest, and its containers do not run on."""

    def moved(state: WorldState) -> None:
        state.registry.moved["registry-1.docker.io/coollabsio/coolify:4.3.11"] = f"sha256:{'e' * 64}"

    with anyio.fail_after(LIMIT_S):
        before = Before(tmp_path, "factory.install_coolify", moved)
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN, wrap_handler=before) as it:
            said = await set_up(it, "coolify")
            assert (said.outcome, "is not the one of the plan" in flowing(said.text)) == ("failed", True), said.text
            assert {each.name for each in factory(it.state).containers} & {*OWN} == set()


async def test_another_installer_than_the_approved_one_is_not_run(tmp_path: Path) -> None:
    """The files are fetched anew at the commit, and held against the sums of the plan before they are sent."""

    def other(state: WorldState) -> None:
        state.github.repos["coollabsio/coolify"].tagged["v4.3.11"]["scripts/install.sh"] = "#!/bin/bash\nreboot\n"

    with anyio.fail_after(LIMIT_S):
        before = Before(tmp_path, "factory.install_coolify", other)
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN, wrap_handler=before) as it:
            said = await set_up(it, "coolify")
            assert (said.outcome, "another install.sh than the one that was approved" in flowing(said.text)) == (
                "failed",
                True,
            ), said.text
            assert it.state.coolify.factory.installs == {}


async def test_a_fleet_without_coolify_is_told_as_that(tmp_path: Path) -> None:
    """Reading tools answer with what there is: a token that is not there is a warning with its remedy."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=make_bare, unset=NO_TOKEN) as it, it.client() as client:
            fleet = await call(client, "get_fleet")
            assert (fleet.is_error, "coolify_token is needed and is not set" in fleet.text) == (False, True), fleet.text
            checked = await call(client, "check_fleet")
            assert (checked.is_error, "coolify_token" in checked.text) == (False, True), checked.text
            apps = await call(client, "list_apps")
            assert (apps.is_error, "[secret_missing]" in apps.text) == (True, True), apps.text
