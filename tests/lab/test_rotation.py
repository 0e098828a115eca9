"""Coolify's image is swapped on a real Factory by the unit there, which goes back by itself whoever dies."""

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.backup_steps import BackupSteps
from ink_infra_mcp.hosts.factory.swap_steps import SwapSteps
from ink_infra_mcp.hosts.factory.swapping import CUSTOM, FILES, Orders
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import CRASHING, GOOD_1, GOOD_2, MORE, OFFICIAL, UNHEALTHY
from tests.lab.ground.stand_in.factory import Coolify, installed
from tests.lab.ground.stand_in.pushing import NAME, Published
from tests.permits import permit_here

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]

LIMIT_S = 900.0
BACK_S = 360.0
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n"
NUMBERS = count(1)
UNIT = "ink-coolify-swap.service"
TAG = f"{NAME}/coollabsio/coolify:4.3.99"
ENV = {"LATEST_IMAGE": "4.3.99", "COOLIFY_VERSION": "4.3.99"}
"""A version that no registry has: what it names on the Factory is what the unit let it name."""
PROBE = """\
while sleep 0.05; do
  curl -s -o /dev/null --max-time 1 http://127.0.0.1:8888/ || echo lost
  echo tried
done
"""


@dataclass(frozen=True)
class Seen:
    """What serves: the image by its id, what the files name, the rows of migrations, and a secret that can be read."""

    image: str
    custom: str
    migrated: bool
    secret: str
    deployments: str


@dataclass
class Ground:
    """A Coolify on good-1, and one rotation on it."""

    bed: Bed
    coolify: Coolify
    images: dict[str, Published]
    pool: HostPool
    operation: str

    @property
    def factory(self) -> Server:
        """The Factory."""
        return self.coolify.server

    def id_of(self, name: str) -> str:
        """Return the id of an image that is on the Factory."""
        return self.factory.say("docker", "image", "inspect", "--format", "{{.Id}}", self.images[name].pinned).strip()

    def seen(self) -> Seen:
        """Return what serves now."""
        ran = self.coolify.sql("select count(*) from migrations where migration = :'name'", name=MORE)
        return Seen(
            image=self.factory.say("docker", "inspect", "--format", "{{.Image}}", "coolify").strip(),
            custom=self.factory.say("cat", f"{COOLIFY}/{CUSTOM}"),
            migrated=ran == "1",
            secret=self.coolify.tinker("echo App\\Models\\PrivateKey::orderBy('id')->first()->private_key;").strip(),
            deployments=self.coolify.sql("select count(*) from application_deployment_queues"),
        )

    async def run(self, kind: str, **params: JsonValue) -> JsonObject:
        """Run one step of the rotation."""
        handlers = {**SwapSteps(self.pool, SystemClock()).handlers(), **BackupSteps(self.pool).handlers()}
        call = StepCall(
            self.operation,
            "step",
            kind,
            "factory",
            {"host": "factory", **params},
            {},
            permit_here(self.operation, kind),
            SystemClock(),
            lambda words: None,
        )
        return await handlers[kind](call)

    async def swap(self, name: str, *, migrations: tuple[str, ...] = ()) -> JsonObject:
        """Pull an image and swap it in, and return what the swap came to."""
        pinned = self.images[name].pinned
        pulled = await self.run("factory.pull_image", image=pinned, option=True, least_age_h=0)
        files = (await swapping.ready(self.pool, "factory")).files
        return await self.run(
            "factory.swap_image",
            image=pinned,
            image_id=pulled["id"],
            images={CUSTOM: pinned},
            sums={file: seen.sha256 for file, seen in files.items()},
            migrations=[*migrations],
            migrated_s=1.0,
        )

    async def go_official(self) -> JsonObject:
        """Pull the official image and swap it in, as Coolify's own file names it, and return what it came to."""
        pinned = self.images[OFFICIAL].pinned
        pulled = await self.run("factory.pull_image", image=pinned, option=False, least_age_h=0)
        files = (await swapping.ready(self.pool, "factory")).files
        return await self.run(
            "factory.swap_unisolated",
            image=pinned,
            image_id=pulled["id"],
            images={CUSTOM: None},
            sums={file: seen.sha256 for file, seen in files.items()},
            migrations=[],
            migrated_s=1.0,
            tag=TAG,
            env={**ENV},
        )

    async def begin(self, name: str, *, confirm_s: int, migrates: bool = True) -> None:
        """Have the Factory begin a rotation that nobody follows."""
        pinned = self.images[name].pinned
        pulled = await self.run("factory.pull_image", image=pinned, option=name != OFFICIAL, least_age_h=0)
        files = (await swapping.ready(self.pool, "factory")).files
        orders = Orders(
            image=pinned,
            image_id=str(pulled["id"]),
            migrates=migrates,
            health_s=60,
            confirm_s=confirm_s,
            sums={file: files[file].sha256 for file in FILES},
            texts={file: None for file in FILES} | {CUSTOM: with_image(files[CUSTOM].text, "coolify", pinned)},
        )
        if name == OFFICIAL:
            bare = {CUSTOM: without_image(files[CUSTOM].text, "coolify")}
            orders = orders.model_copy(update={"texts": {**orders.texts, **bare}, "tag": TAG, "env": ENV})
        for verb, given in (("prepare", orders), ("start", None)):
            permit = permit_here(self.operation, "factory.swap_image")
            await swapping.act(self.pool, "factory", verb, self.operation, permit=permit, orders=given)

    def state(self) -> str:
        """Return how far the Factory says that it is."""
        return self.factory.run("cat", f"/data/coolify/ink/rotations/{self.operation}/state").stdout.strip()

    async def comes_to(self, *states: str, limit_s: float = BACK_S) -> None:
        """Wait until it is so far."""
        await eventually(lambda: self.state() in states, what=f"no rotation that is {states}", limit_s=limit_s)


@pytest.fixture(scope="module")
def coolify(request: pytest.FixtureRequest) -> Coolify:
    """Return Coolify on good-1, with a secret; each test leaves it so."""
    lab = request.getfixturevalue("lab")
    bed = Bed(lab)
    images = catalogue.published(lab.site)
    made = installed(bed.fresh("factory"), images[GOOD_1].pinned)
    made.store_key("ky1ky1ky1ky1ky1ky1ky1ky1", KEY)
    app = ("--name", "app", "--restart", "unless-stopped", "-p", "8888:8080", "registry.lab:5000/library/web:1")
    made.server.say("docker", "run", "-d", *app)
    return made


@contextmanager
def probed(factory: Server) -> Generator[list[str]]:
    """Visit a user's app twenty times a second, and give the answers that were lost, after the end."""
    lost: list[str] = []
    factory.write("/root/probe.sh", PROBE)
    factory.say(
        "systemd-run",
        "--quiet",
        "--unit",
        "probe",
        "--property",
        "StandardOutput=file:/root/probe.log",
        "sh",
        "/root/probe.sh",
    )
    try:
        yield lost
    finally:
        factory.say("systemctl", "stop", "probe")
        said = factory.say("cat", "/root/probe.log").split()
        assert said.count("tried") > 20, "the probe ran"
        lost += [line for line in said if line == "lost"]


@pytest.fixture
async def ground(bed: Bed, coolify: Coolify) -> AsyncGenerator[Ground]:
    """Give the ground for one rotation."""
    async with bed.pool() as pool:
        yield Ground(bed, coolify, catalogue.published(bed.lab.site), pool, f"op-rotation{next(NUMBERS)}")


async def test_a_good_image_is_swapped_proved_confirmed_and_taken_back_by_hand(ground: Ground) -> None:
    """Backup, rehearsal, swap, proofs, the word to stay: nobody's app loses an answer, and by hand all comes back."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        pulled = await ground.run("factory.pull_image", image=ground.images[GOOD_2].pinned, option=True, least_age_h=0)
        backup = await ground.run("factory.backup_coolify", name="")
        rehearsal = await ground.run("factory.rehearse", backup=backup["name"], image=ground.images[GOOD_2].pinned)
        swap = await ground.swap(GOOD_2, migrations=(MORE,))
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=rehearsal["seconds"])
        await ground.run("factory.confirm_image")
        await ground.run("factory.release_images")
    after = ground.seen()
    assert (rehearsal["ran"], swap["id"], proof["image"]) == ([MORE], pulled["id"], pulled["id"])
    assert (after.image, after.migrated, after.secret) == (pulled["id"], True, before.secret)
    assert ground.images[GOOD_2].pinned in after.custom
    assert lost == []
    assert isinstance(swap["downtime_ms"], int)
    refused = ground.factory.run("sh", "/data/coolify/ink/rollback")
    assert (refused.returncode, "--with-database" in refused.stderr) == (3, True)
    with anyio.fail_after(LIMIT_S):
        await meanwhile(
            partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        )
    assert ground.seen() == before


@pytest.mark.parametrize("name", [pytest.param(UNHEALTHY, marks=pytest.mark.long), CRASHING])
async def test_an_image_that_does_not_serve_is_taken_back_and_its_last_words_are_told(
    ground: Ground, name: str
) -> None:
    """Nobody has to be there for it: the file, the image and the database are those from before."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="went back to the Coolify from before") as caught:
        await ground.swap(name, migrations=("x",))
    assert (ground.seen(), ground.state()) == (before, "reverted")
    assert caught.value.untrusted_log


@pytest.mark.parametrize(
    "how",
    [
        "nobody confirms",
        "power",
        *(pytest.param(how, marks=pytest.mark.long) for how in ("killed", "terminated", "told")),
    ],
)
async def test_whoever_dies_the_factory_is_back_on_the_old_image_and_its_old_database(ground: Ground, how: str) -> None:
    """No confirmation, a power cut, a killed unit, the word to go back: what was written before the swap is there."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(GOOD_2, confirm_s=3 if how == "nobody confirms" else 600)
        if how != "nobody confirms":
            await ground.comes_to("swapped")
        match how:
            case "power":
                await meanwhile(ground.factory.cut_power)
                await meanwhile(ground.factory.power_on)
            case "killed":
                ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            case "terminated":
                ground.factory.say("systemctl", "kill", "--signal", "TERM", UNIT)
            case "told":
                await ground.run("factory.swap_back")
            case _:
                pass
        await ground.comes_to("reverted")
    assert ground.seen() == before


async def test_a_unit_that_is_killed_again_and_again_ends_on_the_old_image(ground: Ground) -> None:
    """At no command of its way there or back is it in a state that it does not come back from."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(GOOD_2, confirm_s=600)
        for number in range(8):
            await ground.comes_to("swapping", "swapped", "reverting", "reverted", "refused")
            await anyio.sleep(0.4 * number)  # the moment of the kill is what differs, not something waited for
            ground.factory.run("systemctl", "kill", "--signal", "KILL", UNIT)
        await ground.comes_to("reverted", "refused")
    assert ground.seen() == before


async def test_a_deployment_that_waits_keeps_coolify_as_it_is(ground: Ground) -> None:
    """The unit looks at the last moment: what runs is not broken off."""
    before = ground.seen()
    ground.coolify.queue_deployment("dp0dp0dp0dp0dp0dp0dp0dp0")
    try:
        with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="1 deployments run or wait"):
            await ground.swap(GOOD_2, migrations=(MORE,))
    finally:
        ground.coolify.sql("delete from application_deployment_queues")
    assert ground.seen() == before


@pytest.mark.parametrize(
    ("name", "why"), [("wrong-arch", "could not be pulled|it is for"), ("no-option", "no --runtime")]
)
async def test_an_image_that_cannot_serve_here_is_known_before_anything_stops(
    ground: Ground, name: str, why: str
) -> None:
    """For other machines, or without the option: it is never started."""
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match=why):
        await ground.run("factory.pull_image", image=ground.images[name].pinned, option=True, least_age_h=0)


def named_by(coolify: Coolify) -> tuple[str, str, list[str], bool]:
    """Return the name and id of the image in service, what .env says of it, and whether there is an override."""
    server = coolify.server
    form = "{{.Config.Image}} {{.Image}}"
    image, id_ = server.say("docker", "inspect", "--format", form, "coolify").split()
    env = server.say("cat", f"{COOLIFY}/.env").splitlines()
    told = [line for line in env if line.startswith(("LATEST_IMAGE", "COOLIFY_VERSION", "AUTOUPDATE"))]
    return image, id_, told, server.run("test", "-e", f"{COOLIFY}/{CUSTOM}").returncode == 0


async def test_the_official_image_serves_by_its_tag_in_env_and_is_taken_back_by_hand(ground: Ground) -> None:
    """Compose itself makes that image of what is left, with every service, and the override comes back whole."""
    before, named = ground.seen(), named_by(ground.coolify)
    with anyio.fail_after(LIMIT_S), probed(ground.factory) as lost:
        swap = await ground.go_official()
        proof = await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
        await ground.run("factory.confirm_image")
    image, id_, told, override = named_by(ground.coolify)
    env = ["LATEST_IMAGE=4.3.99", "COOLIFY_VERSION=4.3.99", "AUTOUPDATE=false"]
    assert (proof["image"], id_, image, told, override) == (swap["id"], ground.id_of(OFFICIAL), TAG, env, False)
    assert lost == []
    ground.coolify.up()
    assert named_by(ground.coolify) == (image, id_, told, override)
    with anyio.fail_after(LIMIT_S):
        await meanwhile(partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", limit_s=BACK_S))
    assert (ground.seen(), named_by(ground.coolify)[2:]) == (before, named[2:])


async def test_an_official_image_that_nobody_confirms_gives_way_to_the_fork_and_its_override(ground: Ground) -> None:
    """Compose takes an override in which only a comment of somebody else is left, and .env is what it was."""
    fork = ground.factory.say("cat", f"{COOLIFY}/{CUSTOM}")
    ground.factory.write(f"{COOLIFY}/{CUSTOM}", f"# ours\n{fork}")
    try:
        before, named = ground.seen(), named_by(ground.coolify)
        with anyio.fail_after(LIMIT_S):
            await ground.begin(OFFICIAL, confirm_s=600, migrates=False)
            await ground.comes_to("swapped")
            left = ground.factory.say("cat", f"{COOLIFY}/{CUSTOM}")
            ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            await ground.comes_to("reverted")
        assert left == "# ours\nservices: {}  # set by ink-infra-mcp\n"
        assert (ground.seen(), named_by(ground.coolify)[2:]) == (before, named[2:])
    finally:
        ground.factory.write(f"{COOLIFY}/{CUSTOM}", fork)
