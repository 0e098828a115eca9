"""A Coolify on a real Factory whose image is exchanged there, and a user's app beside it that is visited meanwhile."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.backup_steps import BackupSteps
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swap_steps import SwapSteps
from ink_infra_mcp.hosts.factory.swapping import FILES, Orders
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import (
    GOOD_1,
    MORE,
    MOVED,
    MOVED_COMMIT,
    MOVED_VERSION,
    NEXT,
    NEXT_COMMIT,
    NEXT_VERSION,
    OFFICIAL,
)
from tests.lab.ground.stand_in.factory import Coolify, installed
from tests.lab.ground.stand_in.pushing import NAME, Published
from tests.lab.steps import run_on_factory
from tests.permits import permit_here

LIMIT_S = 900.0
BACK_S = 360.0
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n"
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

RESTART = """\
good=$(date +%s%N) lost=
docker restart coolify >/dev/null &
while :; do
  if curl -s -f -o /dev/null --max-time 2 http://127.0.0.1:8000/api/health; then
    now=$(date +%s%N)
    if [ -n "$lost" ]; then
      echo $(((now - good) / 1000000))
      exit
    fi
    good=$now
  else
    lost=yes
  fi
  sleep 0.1
done
"""
"""Measures a restart as the unit measures a swap: from the last good answer to the next one."""


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
        return await run_on_factory(handlers, self.operation, kind, params)

    async def swap(self, name: str, *, migrations: tuple[str, ...] = ()) -> JsonObject:
        """Pull an image and swap it in, and return what the swap came to."""
        pulled = await self.run("factory.pull_image", image=self.images[name].pinned, option=True, least_age_h=0)
        return await self.put(name, pulled["id"], migrations=migrations)

    async def put(self, name: str, image_id: JsonValue, *, migrations: tuple[str, ...] = ()) -> JsonObject:
        """Swap an image in that was pulled, and return what the swap came to."""
        pinned = self.images[name].pinned
        files = (await swapping.ready(self.pool, "factory")).files
        return await self.run(
            "factory.swap_image",
            image=pinned,
            image_id=image_id,
            images={CUSTOM: pinned},
            sums={file: seen.sha256 for file, seen in files.items()},
            migrations=[*migrations],
            migrated_s=1.0,
        )

    async def upgrade(self, prod: str, *, commit: str = NEXT_COMMIT, realtime: str = "") -> JsonObject:
        """Pull the fork on the next release and swap it in with that release's file and keys of .env.

        With `realtime`, the name of its image as the catalogue has it, that service goes along.
        """
        pinned = self.images[NEXT].pinned
        about: dict[str, JsonValue] = {"option": True, "least_age_h": 0, "version": NEXT_VERSION, "built_on": commit}
        pulled = await self.run("factory.pull_image", image=pinned, **about, helper="1.0.15")
        beside: dict[str, JsonValue] = {}
        if realtime:
            there = await self.run(
                "factory.pull_image", image=self.images[realtime].pinned, option=False, least_age_h=0
            )
            beside = {"realtime": f"{NAME}/{realtime}", "realtime_id": there["id"]}
        meets = await swapping.ready(self.pool, "factory")
        return await self.run(
            "factory.swap_image",
            image=pinned,
            image_id=pulled["id"],
            images={CUSTOM: pinned},
            sums={file: seen.sha256 for file, seen in {**meets.files, BASE: meets.base}.items()},
            texts={PROD: prod},
            env={"LATEST_IMAGE": NEXT_VERSION, "COOLIFY_VERSION": NEXT_VERSION},
            migrations=[MORE],
            migrated_s=1.0,
            **beside,
        )

    async def move_in(self, texts: dict[str, str], *, name: str = MOVED) -> JsonObject:
        """Pull the fork on a release that has realtime inside and swap it in, with those files of the release."""
        pinned = self.images[name].pinned
        about: dict[str, JsonValue] = {"option": True, "least_age_h": 0, "version": MOVED_VERSION}
        pulled = await self.run("factory.pull_image", image=pinned, **about, built_on=MOVED_COMMIT)
        meets = await swapping.ready(self.pool, "factory")
        return await self.run(
            "factory.swap_image",
            image=pinned,
            image_id=pulled["id"],
            images={CUSTOM: pinned},
            sums={file: seen.sha256 for file, seen in {**meets.files, BASE: meets.base}.items()},
            texts={**texts},
            env={"LATEST_IMAGE": MOVED_VERSION, "COOLIFY_VERSION": MOVED_VERSION},
            migrations=[MORE],
            migrated_s=1.0,
            withdraws=True,
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

    async def begin(self, name: str, *, confirm_s: int, migrates: bool = True, between: str = "") -> None:
        """Have the Factory begin a rotation that nobody follows; `between` runs there once it is prepared."""
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
        await self._ordered(orders, between)

    async def begin_both(self, prod: str, realtime: str) -> None:
        """Have the Factory begin an upgrade with a realtime that nobody follows, both pulled by their digests."""
        pinned, ids = self.images[NEXT].pinned, list[str]()
        for image in (pinned, self.images[realtime].pinned):
            pulled = await self.run("factory.pull_image", image=image, option=False, least_age_h=0)
            ids.append(str(pulled["id"]))
        files = (await swapping.ready(self.pool, "factory")).files
        orders = Orders(
            image=pinned,
            image_id=ids[0],
            migrates=True,
            health_s=60,
            confirm_s=600,
            sums={file: files[file].sha256 for file in FILES},
            texts={CUSTOM: with_image(files[CUSTOM].text, "coolify", pinned), PROD: prod},
            env={"LATEST_IMAGE": NEXT_VERSION, "COOLIFY_VERSION": NEXT_VERSION},
            realtime=f"{NAME}/{realtime}",
            realtime_id=ids[1],
        )
        await self._ordered(orders)

    async def _ordered(self, orders: Orders, between: str = "") -> None:
        for verb, given in (("prepare", orders), ("start", None)):
            await swapping.act(self.pool, "factory", verb, self.operation, permit=self.permit(), orders=given)
            if between and given:
                self.factory.run("sh", "-c", between)

    def permit(self) -> Permit:
        """Return the permit of this rotation."""
        return permit_here(self.operation, "factory.swap_image")

    def restarted_ms(self) -> int:
        """Restart Coolify, and return for how long the dashboard did not answer."""
        self.factory.write("/root/restart.sh", RESTART)
        return int(self.factory.say("sh", "/root/restart.sh", limit_s=BACK_S))

    def state(self) -> str:
        """Return how far the Factory says that it is."""
        return self.factory.run("cat", f"/data/coolify/ink/rotations/{self.operation}/state").stdout.strip()

    async def comes_to(self, *states: str, limit_s: float = BACK_S) -> None:
        """Wait until it is so far."""
        await eventually(lambda: self.state() in states, what=f"no rotation that is {states}", limit_s=limit_s)


def coolify_in(lab: Lab) -> Coolify:
    """Return a new Coolify on good-1, with a secret, and an app beside it."""
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


def named_by(coolify: Coolify) -> tuple[str, str, list[str], bool]:
    """Return the name and id of the image in service, what .env says of it, and whether there is an override."""
    server = coolify.server
    form = "{{.Config.Image}} {{.Image}}"
    image, id_ = server.say("docker", "inspect", "--format", form, "coolify").split()
    env = server.say("cat", f"{COOLIFY}/.env").splitlines()
    told = [line for line in env if line.startswith(("LATEST_IMAGE", "COOLIFY_VERSION", "AUTOUPDATE"))]
    return image, id_, told, server.run("test", "-e", f"{COOLIFY}/{CUSTOM}").returncode == 0
