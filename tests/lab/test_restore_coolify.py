"""A backup of Coolify is put back into service on a real Factory by the unit there, and on one that lost it all."""

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import swapping, weighing
from ink_infra_mcp.hosts.factory.backup_steps import BackupSteps
from ink_infra_mcp.hosts.factory.swapping import RestoreOrders
from ink_infra_mcp.ssh.pool import HostPool
from tests.ink import says_yes
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1
from tests.lab.ground.stand_in.factory import Coolify, installed
from tests.lab.steps import run_on_factory
from tests.lab.tools_bed import app_of, client_of
from tests.permits import permit_here
from tests.tools.calls import call

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in's restores"), pytest.mark.timeout(1500)]

LIMIT_S, BACK_S = 1200.0, 450.0
UNIT = "ink-coolify-swap.service"
NUMBERS = count(1)
BURNT = "/data/coolify/backups/burnt"
KEYS = "/root/.ssh/authorized_keys"
APPS = """
create table applications (id serial primary key, uuid varchar(255) not null, name varchar(255) not null,
  settings text, deleted_at timestamp);
insert into applications (uuid, name, settings) values ('ap1', 'shop', 'hunter2'), ('ap2', E'two\\twords', 'x');
"""
"""Of Coolify's table the columns that are looked at; the stand-in has none of it."""
LATER = """
insert into applications (uuid, name) values ('ap3', 'newer');
delete from applications where uuid = 'ap1';
update instance_settings set is_auto_update_enabled = not is_auto_update_enabled;
"""


@dataclass(frozen=True)
class Seen:
    """What serves: the apps in the database, its switch, each key as it decrypts, .env, and who may log in as root."""

    apps: str
    switch: str
    keys: str
    env: str
    authorized: str


@dataclass
class Ground:
    """A Coolify whose backup is older than what is in it, and one restore of that."""

    bed: Bed
    coolify: Coolify
    backup: str
    pool: HostPool
    operation: str

    @property
    def factory(self) -> Server:
        """The Factory."""
        return self.coolify.server

    def seen(self) -> Seen:
        """Return what serves now."""
        decrypt = (
            "foreach (App\\Models\\PrivateKey::orderBy('id')->get() as $key) { echo md5($key->private_key).PHP_EOL; }"
        )
        return Seen(
            apps=self.coolify.sql("select uuid, name from applications order by id"),
            switch=self.coolify.sql("select is_auto_update_enabled from instance_settings"),
            keys=self.coolify.tinker(decrypt),
            env=self.factory.say("cat", f"{COOLIFY}/.env"),
            authorized=self.factory.say("cat", KEYS),
        )

    async def run(self, kind: str, **params: JsonValue) -> JsonObject:
        """Run one step of the restore."""
        return await run_on_factory(BackupSteps(self.pool).handlers(), self.operation, kind, params)

    async def orders(self, *, confirm_s: int = 600) -> RestoreOrders:
        """Return the orders for it."""
        files = (await swapping.ready(self.pool, "factory")).files
        runs = self.factory.say("docker", "inspect", "--format", "{{.Image}}", "coolify").strip()
        folder = f"/data/coolify/backups/ink/{self.backup}"
        return RestoreOrders(
            image_id=runs,
            folder=folder,
            dump_sha256=self.factory.say("sha256sum", f"{folder}/coolify.dump").split()[0],
            other_machine=False,
            health_s=120,
            confirm_s=confirm_s,
            sums={name: file.sha256 for name, file in files.items()},
        )

    async def restore(self) -> JsonObject:
        """Have it restored, as the step does it."""
        told = await self.orders()
        fields = told.model_dump(mode="json", include={"image_id", "folder", "dump_sha256", "other_machine", "sums"})
        return await self.run("factory.restore_backup", **fields, migrated_s=1.0)

    async def begin(self, *, confirm_s: int) -> None:
        """Have the Factory begin a restore that nobody follows."""
        for verb, given in (("prepare", await self.orders(confirm_s=confirm_s)), ("start", None)):
            permit = permit_here(self.operation, "factory.restore_backup")
            await swapping.act(self.pool, "factory", verb, self.operation, permit=permit, orders=given)

    def state(self) -> str:
        """Return how far the Factory says that it is."""
        return self.factory.run("cat", f"/data/coolify/ink/rotations/{self.operation}/state").stdout.strip()

    async def comes_to(self, *states: str) -> None:
        """Wait until it is so far."""
        await eventually(lambda: self.state() in states, what=f"no restore that is {states}", limit_s=BACK_S)


def with_own_key(coolify: Coolify) -> str:
    """Give Coolify a key that really opens its own server, and return the public half."""
    server = coolify.server
    server.say("rm", "-f", "/root/own", "/root/own.pub")
    server.say("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "coolify", "-f", "/root/own")
    server.say("sh", "-c", f"cat /root/own.pub >>{KEYS}")
    text = server.say("base64", "-w", "0", "/root/own").strip()
    coolify.tinker(f"App\\Models\\PrivateKey::find(0)->update(['private_key' => base64_decode('{text}')]);")
    server.say("docker", "restart", "coolify")
    return server.say("cut", "-d", " ", "-f", "1,2", "/root/own.pub").strip()


@pytest.fixture(scope="module")
def coolify(request: pytest.FixtureRequest) -> Coolify:
    """Return Coolify with two apps, and a key that opens its own server."""
    lab = request.getfixturevalue("lab")
    images = catalogue.published(lab.site)
    made = installed(Bed(lab).fresh("factory"), images[GOOD_1].pinned)
    made.sql(APPS)
    with_own_key(made)
    return made


@pytest.fixture
async def ground(bed: Bed, coolify: Coolify) -> AsyncGenerator[Ground]:
    """Give a Coolify in which somebody has worked since the backup."""
    async with bed.pool() as pool:
        number = next(NUMBERS)
        it = Ground(bed, coolify, "", pool, f"op-restore{number}")
        await eventually(coolify.works, what="no Horizon that runs", limit_s=180)
        it.backup = str((await it.run("factory.backup_coolify", name=f"op-before{number}"))["name"])
        coolify.sql(LATER)
        yield it
        coolify.sql("drop table applications")
        coolify.sql(APPS)


async def test_a_backup_goes_back_into_service_proved_and_by_hand_all_comes_back(ground: Ground) -> None:
    """Weighed, rehearsed, restored, proved, kept: what was lost is there, its switch as it was; then the way back."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        weighed = await weighing.weigh(ground.pool, "factory", ground.backup)
        lost, back = ([thing.name for thing in of("applications")] for of in (weighed.lost, weighed.back))
        assert (lost, back, weighed.key, weighed.version, weighed.since) == (["newer"], ["shop"], "known", "4.3.11", 0)
        assert "hunter2" not in repr(weighed)
        await ground.run("factory.rehearse", backup=ground.backup, image="")
        restored = await ground.restore()
        proof = await ground.run(
            "factory.prove_backup",
            image_id=restored["id"],
            auto_update=before.switch == "t",
            migrated_s=1.0,
        )
        await ground.run("factory.keep_backup")
    assert (proof["keys"], proof["unreached"]) == (1, [])
    assert proof["reached"] == [proof["own"]]
    assert isinstance(restored["downtime_ms"], int)
    assert ground.seen() == replace(before, apps="ap1|shop\nap2|two\twords")
    ground.coolify.sql("insert into applications (uuid, name) values ('ap9', 'since')")
    refused = ground.factory.run("sh", "/data/coolify/ink/rollback")
    assert (refused.returncode, "--with-database" in refused.stderr) == (3, True)
    with anyio.fail_after(LIMIT_S):
        await meanwhile(
            partial(ground.factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
        )
    assert ground.seen() == before


@pytest.mark.parametrize(
    "how", ["nobody confirms", "power", *(pytest.param(how, marks=pytest.mark.long) for how in ("killed", "told"))]
)
async def test_whoever_dies_the_database_from_before_serves_again(ground: Ground, how: str) -> None:
    """No confirmation, a power cut in the middle, a killed unit, the word to go back."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(confirm_s=3 if how == "nobody confirms" else 600)
        if how == "power":
            await ground.comes_to("swapping", "swapped")
            await meanwhile(ground.factory.cut_power)
            await meanwhile(ground.factory.power_on)
        elif how != "nobody confirms":
            await ground.comes_to("swapped")
            if how == "killed":
                ground.factory.say("systemctl", "kill", "--signal", "KILL", UNIT)
            else:
                await ground.run("factory.leave_backup")
        await ground.comes_to("reverted")
    assert ground.seen() == before


@pytest.mark.long
async def test_a_unit_that_is_killed_again_and_again_ends_on_the_database_from_before(ground: Ground) -> None:
    """At no command of its way there or back is it in a state that it does not come back from."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        await ground.begin(confirm_s=20)
        for number in range(8):
            await ground.comes_to("prepared", "swapping", "swapped", "reverting", "reverted", "refused")
            await anyio.sleep(0.4 * number)  # the moment of the kill is what differs, not something waited for
            ground.factory.run("systemctl", "kill", "--signal", "KILL", UNIT)
        await ground.comes_to("reverted", "refused")
    assert ground.seen() == before


async def test_a_backup_that_changed_since_it_was_planned_is_not_restored(ground: Ground) -> None:
    """The unit reads its sum once more, before anything is touched."""
    before = ground.seen()
    orders = await ground.orders()
    ground.factory.say("sh", "-c", f"printf x >>{orders.folder}/coolify.dump")
    fields = orders.model_dump(mode="json", include={"image_id", "folder", "dump_sha256", "other_machine", "sums"})
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="not the one that was planned with"):
        await ground.run("factory.restore_backup", **fields, migrated_s=1.0)
    assert ground.seen() == before


async def test_a_burnt_factory_comes_back_where_everything_else_is_new(
    bed: Bed, coolify: Coolify, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The tool itself, from the folder alone: another APP_KEY and password, an empty database, and no key let in."""
    factory, images = coolify.server, catalogue.published(bed.lab.site)
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            it = Ground(bed, coolify, "", pool, "op-burnt")
            await eventually(coolify.works, what="no Horizon that runs", limit_s=180)
            made = await it.run("factory.backup_coolify", name="op-old")
            old = it.seen()
    public = factory.say("cut", "-d", " ", "-f", "1,2", "/root/own.pub").strip()
    packed = factory.say("sh", "-c", f"tar -C {made['folder']} -cf - . | base64 -w 0")
    begun = time.monotonic()
    machine = await anyio.to_thread.run_sync(bed.fresh, "factory")
    new = await anyio.to_thread.run_sync(installed, machine, images[GOOD_1].pinned)
    installed_at = time.monotonic()
    machine.write("/root/burnt", packed)
    machine.say("mkdir", "-p", BURNT)
    machine.say("sh", "-c", f"base64 -d /root/burnt | tar -C {BURNT} -xf -")
    assert (new.app_key != coolify.app_key, public in machine.say("cat", KEYS)) == (True, False)
    app = app_of(bed, tmp_path / "state")
    try:
        async with client_of(app, says_yes(typed="factory")) as client:
            with anyio.fail_after(LIMIT_S):
                said = await call(client, "restore_coolify", from_folder=BURNT, wait_s=360)
    finally:
        await app.aclose()
    passed = {"database": "passed", "keys": "passed", "servers": "passed", "own_server": "passed"}
    assert passed.items() <= said.checks.items(), said.text
    proved_at = time.monotonic()
    record_property(
        "figures",
        f"burnt Factory: {proved_at - begun:.0f} s from an empty machine to proved, of them "
        f"{installed_at - begun:.0f} s for the machine and Coolify, {proved_at - installed_at:.0f} s for the restore",
    )
    async with bed.pool() as pool:
        now = Ground(bed, new, "", pool, "op-burnt").seen()
    assert (now.apps, now.keys) == (old.apps, old.keys)
    assert f"APP_KEY={new.app_key}\n" in now.env
    assert now.env.endswith(f"APP_PREVIOUS_KEYS={coolify.app_key}\n")
    assert public in now.authorized
