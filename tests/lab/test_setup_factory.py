"""A real Factory's data moves onto a real disk by the unit there, whoever dies; without the disk Docker stays down."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from itertools import count

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.areas.factory import data_disk, docker_data
from ink_infra_mcp.areas.factory import parts as all_parts
from ink_infra_mcp.areas.factory.moves import Asked, PartName
from ink_infra_mcp.core.errors import RefusedByPolicy, StepFailed
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.factory import disks
from ink_infra_mcp.hosts.factory.disk_steps import DiskSteps
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.commands import LabError
from tests.lab.ground.hosts import Server
from tests.lab.ground.site import ExtraDisk
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import GOOD_1
from tests.lab.ground.stand_in.factory import installed
from tests.permits import permit_here

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the disks"), pytest.mark.timeout(900)]

LIMIT_S = 720.0
BACK_S = 270.0
BY_HAND_S = 600.0
SAYS = 'cd "$1" && tail -n 40 log state why; systemctl list-jobs; ps axfo pid,etimes,stat,wchan:20,args'
DISK, NODE = "scsi-0HC_Volume_2001", "sdb"
PLACE = f"/dev/disk/by-id/{DISK}"
TOP = "/var/lib/ink-infra/disk"
CHECKS = {"data_disk": data_disk.checks, "docker_data": docker_data.checks}
NUMBERS = count(1)
TINY = "registry.lab:5000/library/tiny:1"
READS_KEY = "echo App\\Models\\PrivateKey::orderBy('id')->first()->private_key;"
FILL = """
cd /data/coolify && mkdir -p ssh/keys odd && echo secret >ssh/keys/a && ln ssh/keys/a ssh/keys/b && ln -s a ssh/keys/c
chown -R 9999:0 ssh && chmod 600 ssh/keys/a && truncate -s 5M odd/sparse && mkfifo odd/pipe
touch -d 2020-01-01 odd/old
cp /bin/true odd/cap && setcap cap_net_raw+ep odd/cap 2>/dev/null
printf 'with a\\nline' >"odd/a
b" && chmod 4755 odd/old
docker rm -f coolify >/dev/null
docker volume create kept >/dev/null && docker run --rm -v kept:/kept registry.lab:5000/library/tiny:1 \
  sh -c 'echo database >/kept/rows && chown 70:70 /kept/rows' >/dev/null
docker run -d --name web --restart unless-stopped -v kept:/kept registry.lab:5000/library/tiny:1 sleep 600 >/dev/null
docker run -d --name once registry.lab:5000/library/tiny:1 sleep 600 >/dev/null
"""
IMAGE_STORE = """
docker rm -f web once >/dev/null && docker volume rm kept >/dev/null
printf '{"insecure-registries": ["registry.lab:5000"], "features": {"containerd-snapshotter": true}}' \\
  >/etc/docker/daemon.json
systemctl restart docker && docker pull -q registry.lab:5000/library/tiny:1
docker run -d --name web --restart unless-stopped -v kept:/kept registry.lab:5000/library/tiny:1 sleep 600 >/dev/null
docker exec web sh -c 'echo database >/kept/rows'
"""
SUMS = """
cd /data/coolify && find . ! -type d -printf '%P %y %u %g %m %n %s %T@\\n' | sort
find . -type f -exec sha256sum {} + | sort
"""


@dataclass(frozen=True)
class Seen:
    """What serves: the mount at /data, all that is in it, and what a volume of Docker's holds."""

    mount: str
    content: str
    rows: str
    running: tuple[str, ...]


@dataclass
class Ground:
    """A Factory with data, and a blank second disk."""

    factory: Server
    pool: HostPool
    operation: str

    def seen(self) -> Seen:
        """Return what serves now."""
        names = self.factory.say("docker", "ps", "--format", "{{.Names}}").split()
        return Seen(
            mount=self.factory.run("findmnt", "-nro", "SOURCE", "--mountpoint", "/data").stdout.strip(),
            content=self.factory.say("sh", "-c", SUMS),
            rows=self.factory.say("docker", "exec", "web", "cat", "/kept/rows").strip(),
            running=tuple(sorted(names)),
        )

    async def planned(self, *parts: PartName, disk: str = DISK, erase: bool = False) -> tuple[Step, ...]:
        """Return the steps that are planned from what is there."""
        ground = await disks.ground(self.pool, "factory", disk)
        asked = Asked(host="factory", parts=parts, disk=disk, erase=erase)
        return all_parts.planned(asked, all_parts.Seen(ground=ground)).steps

    async def run(self, step: Step) -> JsonObject:
        """Run one step."""
        permit = permit_here(self.operation, step.kind)
        about = (self.operation, step.id, step.kind, "factory")
        call = StepCall(*about, step.params, {}, permit, SystemClock(), lambda words: None)
        return await DiskSteps(self.pool).handlers()[step.kind](call)

    async def proofs(self, *parts: PartName) -> dict[str, str]:
        """Return what a look that is made anew says of the parts."""
        ground = await disks.ground(self.pool, "factory", DISK)
        asked = Asked(host="factory", parts=parts, disk=DISK)
        return {check.name: check.status for name in parts for check in CHECKS[name](asked, ground)}

    def state(self, part: str) -> str:
        """Return how far the Factory says that a move is."""
        return self.factory.run("cat", f"{self.place(part)}/state").stdout.strip()

    def place(self, part: str) -> str:
        """Return where the Factory keeps what it knows of a move."""
        return f"{TOP}/moves/{self.operation}-{part}"

    def go_back(self, part: str) -> None:
        """Go back by hand; where it does not end, what the Factory says of it is in the error."""
        try:
            self.factory.say("sh", f"{self.place(part)}/rollback", "--lose-what-is-new", limit_s=BY_HAND_S)
        except LabError as error:
            said = self.factory.run("sh", "-c", SAYS, "sh", self.place(part)).stdout
            raise LabError(f"{error}\n{said}") from error


@pytest.fixture
async def ground(bed: Bed) -> AsyncGenerator[Ground]:
    """Give a Factory that is used up afterwards."""
    factory = bed.fresh("factory")
    await meanwhile(lambda: factory.attach(ExtraDisk(NODE, 300, DISK)))
    await meanwhile(lambda: factory.say("sh", "-c", FILL))
    async with bed.pool() as pool:
        yield Ground(factory, pool, f"op-disk{next(NUMBERS)}")


async def rebooted(ground: Ground) -> None:
    """Reboot the Factory, and wait until it is up."""

    def reboot() -> None:
        before = ground.factory.boot_id()
        ground.factory.reboot()
        ground.factory.wait_rebooted(before)

    await meanwhile(reboot)


async def test_data_and_dockers_data_move_survive_a_reboot_and_go_back_by_hand(ground: Ground) -> None:
    """Links, holes, owners, odd names and a volume's rows come over; the next plan has nothing to do."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        data, docker = await ground.planned("data_disk", "docker_data")
        assert await ground.run(data) == await ground.run(data), "run again it makes no second move"
        await ground.run(docker)
        moved = ground.seen()
        assert moved == Seen("/dev/sdb", before.content, "database", before.running)
        assert ground.factory.say("docker", "info", "--format", "{{.DockerRootDir}}").strip() == "/data/docker"
        assert ground.factory.run("test", "-e", f"/data.before-{ground.operation}-data/coolify").returncode == 0
        proofs = dict.fromkeys(("data_disk", "fstab", "guard", "docker_data"), "passed")
        assert await ground.proofs("data_disk", "docker_data") == proofs
        assert await ground.planned("data_disk", "docker_data") == ()
        await rebooted(ground)
        await eventually(lambda: "web" in ground.factory.run("docker", "ps").stdout, what="web runs again", limit_s=180)
        assert ground.seen().rows == "database"
        for part in ("docker", "data"):
            assert ground.factory.run("sh", f"{ground.place(part)}/rollback").returncode == 3
            await meanwhile(partial(ground.go_back, part))
        after = ground.seen()
        assert (after.mount, after.content, after.rows) == ("", before.content, "database")


async def test_a_coolify_moves_with_its_database_and_its_secrets(bed: Bed) -> None:
    """Its files lie below /data and its database in a Docker volume: both come over, and it serves from there."""
    images = await anyio.to_thread.run_sync(catalogue.published, bed.lab.site)
    factory = bed.fresh("factory")
    coolify = await anyio.to_thread.run_sync(installed, factory, images[GOOD_1].pinned)
    secret = coolify.tinker(READS_KEY)
    await meanwhile(lambda: factory.attach(ExtraDisk(NODE, 2_000, DISK)))
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            ground = Ground(factory, pool, f"op-disk{next(NUMBERS)}")
            coolify.queue_deployment("dpl1", status="in_progress")
            with pytest.raises(RefusedByPolicy) as refused:
                await ground.planned("data_disk")
            assert "1 deployments run or wait" in refused.value.failed
            coolify.sql("delete from application_deployment_queues")
            for step in await ground.planned("data_disk", "docker_data"):
                await ground.run(step)
            await eventually(coolify.works, what="Coolify's queue runs", limit_s=180)
            assert ("PRIVATE KEY" in secret, coolify.tinker(READS_KEY)) == (True, secret)
            volume = factory.say("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", "coolify-db").strip()
            assert volume == "/data/docker/volumes/coolify-db/_data"


@pytest.mark.long
async def test_where_containerd_keeps_the_images_its_data_moves_too(ground: Ground) -> None:
    """As Docker is set up anew from its version 29 on: layers lie below /var/lib/containerd then."""
    with anyio.fail_after(LIMIT_S):
        await meanwhile(lambda: ground.factory.say("sh", "-c", IMAGE_STORE))
        for step in await ground.planned("data_disk", "docker_data"):
            await ground.run(step)
        assert ground.seen().rows == "database"
        assert ground.factory.say("sh", "-c", "ls -d /data/containerd/io.containerd.content.v1.content").strip()
        assert ground.factory.say("docker", "run", "--rm", TINY, "echo", "runs").strip() == "runs"
        assert await ground.planned("data_disk", "docker_data") == ()


async def test_without_its_disk_docker_stays_down_and_says_so(ground: Ground) -> None:
    """The server comes up, and nothing starts on an empty /data."""
    with anyio.fail_after(LIMIT_S):
        (data,) = await ground.planned("data_disk")
        await ground.run(data)
        await meanwhile(lambda: ground.factory.detach(NODE))
        await rebooted(ground)
        said = ground.factory.run(
            "systemctl", "show", "docker.service", "--property", "ActiveState,AssertResult"
        ).stdout
        assert said.split() == ["ActiveState=inactive", "AssertResult=no"]
        assert ground.factory.run("docker", "ps").returncode != 0
        assert ground.factory.run("ls", "/data").stdout == ""
        assert (await ground.proofs("data_disk"))["data_disk"] == "failed"


@pytest.mark.parametrize(
    "pattern",
    ["cp -a", *(pytest.param(one, marks=pytest.mark.long) for one in ("mkfs.ext4", "docker stop", "docker start"))],
)
async def test_a_power_cut_on_the_way_leaves_all_in_one_place(ground: Ground, pattern: str) -> None:
    """In the old one whole, or in the new one whole, with Docker running; then the same call gets there."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        (data,) = await ground.planned("data_disk")
        await _begin(ground, data)
        waiting = (
            f"until pgrep -f '[{pattern[0]}]{pattern[1:]}' >/dev/null || grep -qx done {_state(ground)}; do :; done"
        )
        await meanwhile(lambda: ground.factory.run("sh", "-c", waiting))
        await meanwhile(ground.factory.cut_power)
        await meanwhile(ground.factory.power_on)
        await eventually(lambda: ground.state("data") in disks.ENDED, what="it ends", limit_s=BACK_S)
        await eventually(lambda: "web" in ground.factory.run("docker", "ps").stdout, what="web runs again", limit_s=180)
        after = ground.seen()
        place = {"done": "/dev/sdb", "reverted": "", "refused": ""}[ground.state("data")]
        assert (after.mount, after.content, after.rows) == (place, before.content, before.rows)


def _state(ground: Ground) -> str:
    return f"{TOP}/moves/{ground.operation}-data/state"


async def _begin(ground: Ground, step: Step) -> None:
    orders = step.params["orders"]
    assert isinstance(orders, dict)
    words = disks.Orders(words={key: str(value) for key, value in orders.items()})
    name, permit = f"{ground.operation}-data", permit_here(ground.operation, step.kind)
    await disks.act(ground.pool, "factory", "prepare", name, permit=permit, orders=words)
    await disks.act(ground.pool, "factory", "start", name, permit=permit)


async def test_a_kill_of_the_unit_makes_it_go_back_by_itself(ground: Ground) -> None:
    """Nobody of us is there: systemd starts it again, and what ran runs in the old place."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        (data,) = await ground.planned("data_disk")
        await _begin(ground, data)
        waiting = f"until grep -qx moving {_state(ground)} && test -e {TOP}/hold; do :; done"
        await meanwhile(lambda: ground.factory.run("sh", "-c", waiting))
        ground.factory.say("systemctl", "kill", "--signal=KILL", "ink-factory-disk.service")
        await eventually(lambda: ground.state("data") in disks.ENDED, what="it goes back", limit_s=BACK_S)
        assert (ground.state("data"), ground.seen()) == ("reverted", before)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (f"mkfs.xfs -q {PLACE} 2>/dev/null || mkswap {PLACE}", "holds"),
        (f"mkfs.ext4 -q {PLACE} && mount {PLACE} /mnt && touch /mnt/theirs && umount /mnt", "with 1 things in it"),
        (f"mkfs.ext4 -q {PLACE} && mount {PLACE} /srv", "is mounted at /srv"),
        (f"echo raw | dd of={PLACE} conv=notrunc 2>/dev/null", "data that no reader of disks knows"),
        (f"printf 'label: gpt\\n' | sfdisk -q {PLACE}", "holds"),
        ("mkdir /data/under && mount -t tmpfs none /data/under", "something is mounted at /data/under"),
        ("fallocate -l 400M /data/large", "/data takes"),
    ],
)
async def test_what_real_readers_find_is_refused(ground: Ground, command: str, why: str) -> None:
    """File systems, partitions, raw data, a disk in use, a mount below /data, too little room."""
    ground.factory.say("sh", "-c", command)
    with anyio.fail_after(LIMIT_S), pytest.raises(RefusedByPolicy) as refused:
        await ground.planned("data_disk")
    assert why in refused.value.failed, refused.value.failed


async def test_another_disk_and_a_busy_folder_are_told(ground: Ground) -> None:
    """A name that is not there is refused with those that are; who has a file open below /data is named."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        with pytest.raises(RefusedByPolicy) as refused:
            await ground.planned("data_disk", disk="scsi-0HC_Volume_9999")
        assert DISK in refused.value.failed
        (data,) = await ground.planned("data_disk")
        ground.factory.say(
            "systemd-run", "--quiet", "--unit", "busy", "-p", "WorkingDirectory=/data/coolify", "sleep", "600"
        )
        with pytest.raises(StepFailed) as failed:
            await ground.run(data)
        assert "is in use by sleep" in failed.value.failed, failed.value.failed
        assert ground.seen() == before
