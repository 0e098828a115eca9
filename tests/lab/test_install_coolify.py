"""An installer that does what Coolify's own does, on a real Factory: pinned, closed to the world, cut off on its way.

Where INK_COOLIFY_SCRIPTS names a checkout of Coolify at the release's tag, its own scripts run, word for word.
"""

import ipaddress
import json
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.factory import coolify_part, data_disk, docker_data, parts
from ink_infra_mcp.areas.factory.api_part import Access
from ink_infra_mcp.areas.factory.coolify_part import LEAST_KB, LEAST_TOTAL_KB, Meets
from ink_infra_mcp.areas.factory.installer import PATHS, Installer, helper_in, loopback
from ink_infra_mcp.areas.factory.moves import Asked
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.hosts.factory import disks, installing, swapping
from ink_infra_mcp.hosts.factory.disk_steps import DiskSteps
from ink_infra_mcp.hosts.factory.install_steps import ENABLE_API, INSTALL, InstallSteps
from ink_infra_mcp.hosts.factory.serving import faults
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.debs import renamed
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.site import ExtraDisk
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import OFFICIAL, VERSION
from tests.lab.ground.stand_in.factory import UPSTREAM, hears_the_registry
from tests.lab.ground.stand_in.pushing import NAME, Published
from tests.lab.steps import run_on_factory
from tests.lab.vendors import ENGINE, served

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the installer"), pytest.mark.timeout(900)]

LIMIT_S = 600.0
COMMIT = "379abb2526" + "0" * 30
NUMBERS = count(1)
CHECKOUT = os.environ.get("INK_COOLIFY_SCRIPTS", "")
OWN = UPSTREAM.parent / "installer"
HELPER = f"{NAME}/coollabsio/coolify-helper:1.0.15"
DISK, NODE, SIZE_MIB = "scsi-0HC_Volume_2001", "sdb", 30_000
WITHOUT_DOCKER = r"""
settings=$(cat /etc/docker/daemon.json)
apt-get -q -y purge docker.io docker-cli docker-compose docker-buildx containerd
rm -rf /etc/docker /etc/containerd /var/lib/docker/* /var/lib/containerd/* /data && mkdir /etc/docker
printf '%s' "$settings" >/etc/docker/daemon.json
printf 'deb [trusted=yes] %s ./\n' "$1" >/etc/apt/sources.list.d/docker.list
"""
"""A server as it is bought, but for the lab's registry; where its maker has Docker's packages the lab has its own."""
BARE = r"""
docker compose --project-directory /data/coolify/source down --volumes && rm -rf /data/coolify
for at in /usr/local/bin/git /usr/local/bin/wget; do printf '#!/bin/sh\nexit 1\n' >$at && chmod 755 $at; done
"""
"""The lab's servers have neither: the installer only asks whether they are there."""
MAKE_HELPER = r"""
cd / && tar --create --dereference --hard-dereference $(
  for program in /usr/bin/bash /usr/bin/docker /usr/libexec/docker/cli-plugins/docker-compose; do
    echo "$program"; ldd "$program" | grep -o '/[^ ]*' || true
  done | sort -u) | docker import --change 'ENV PATH=/usr/bin' - "$1" && docker push --quiet "$1" && docker rmi "$1"
"""
"""The helper of the release is not here; what its container runs is bash, Docker and Compose of the server itself."""


def file_of(path: str) -> Path:
    """Return where a file of the release is: in the vendor's checkout, or among those of the lab."""
    if CHECKOUT:
        return Path(CHECKOUT) / path
    name = Path(path).name
    return next(folder / name for folder in (OWN, UPSTREAM) if (folder / name).exists())


@dataclass
class Ground:
    """A Factory that never had a Coolify, and one installation on it."""

    bed: Bed
    factory: Server
    pool: HostPool
    official: Published
    operation: str
    texts: dict[str, str]

    async def text_at(self, commit: str, path: str) -> str:
        """Return a file of the release, as GitHub would."""
        assert commit == COMMIT
        return self.texts[path]

    async def params(self) -> JsonObject:
        """Return what is planned with what is there."""
        (step,) = coolify_part.planned(Asked(host="factory", parts=("coolify",)), await self.meets()).steps
        return step.params

    async def meets(self) -> Meets:
        """Return what an installation meets there, on a disk that is large enough."""
        site = await installing.site(self.pool, "factory")
        sums = {name: sha256(self.texts[path].encode()).hexdigest() for name, path in PATHS.items()}
        installer = Installer(
            version=VERSION,
            commit=COMMIT,
            sums=sums,
            override=loopback(self.texts["docker-compose.yml"], self.texts["docker-compose.prod.yml"]),
            helper=helper_in(self.texts["versions.json"], VERSION),
        )
        assert installer.is_known == bool(CHECKOUT), "the vendor's are those that were read"
        image = f"docker.io/coollabsio/coolify@{self.official.digest}"
        # the lab's disk is a small one
        roomy = site.model_copy(update={"total_kb": LEAST_TOTAL_KB, "free_kb": LEAST_KB})
        met = Meets(
            site=roomy,
            installer=installer,
            image=image,
            taken=site.routes,
            pools=(("172.20.0.0/14", 24),),
            url="https://coolify.example.com",
        )
        refused = tuple(coolify_part.reasons(Asked(host="factory", parts=("coolify",)), met))
        assert refused == (), "a real server is one that Coolify is set up on"
        return met

    async def planned(self) -> tuple[Step, ...]:
        """Return the steps of one call that makes a Factory of it, with all that Docker keeps on the second disk."""
        asked = Asked(host="factory", parts=("data_disk", "docker_data", "coolify", "api"), disk=DISK)
        ground, access = await disks.ground(self.pool, "factory", DISK), Access(token=False)
        return parts.planned(asked, parts.Seen(ground=ground, coolify=await self.meets(), api=access)).steps

    async def run(self, kind: str, params: JsonObject) -> JsonObject:
        """Run one step."""
        handlers = InstallSteps(self.pool, self.text_at).handlers() | DiskSteps(self.pool).handlers()
        return await run_on_factory(handlers, self.operation, kind, params)

    async def proofs(self) -> dict[str, str]:
        """Return what a look that is made anew says of the disk, and of Docker on it."""
        asked = Asked(host="factory", parts=("data_disk", "docker_data"), disk=DISK)
        found = await disks.ground(self.pool, "factory", DISK)
        checks = (*data_disk.checks(asked, found), *docker_data.checks(asked, found))
        return {check.name: check.status for check in checks}


@pytest.fixture
async def ground(bed: Bed) -> AsyncGenerator[Ground]:
    """Give a Factory that is used up afterwards."""
    factory = bed.fresh("factory")
    official = (await anyio.to_thread.run_sync(catalogue.published, factory.site))[OFFICIAL]
    await meanwhile(lambda: factory.say("sh", "-c", BARE))
    await meanwhile(lambda: hears_the_registry(factory))
    await meanwhile(lambda: factory.say("sh", "-c", MAKE_HELPER, "sh", HELPER))
    texts = {path: file_of(path).read_text(encoding="utf-8") for path in PATHS.values()}
    async with bed.pool() as pool:
        yield Ground(bed, factory, pool, official, f"op-install{next(NUMBERS)}", texts)


def said(factory: Server, operation: str) -> str:
    """Return what the unit says of itself."""
    return factory.run("tail", "-n", "60", f"/var/lib/ink-infra/install/installs/{operation}/log").stdout


async def proved(ground: Ground, told: JsonObject) -> None:
    """See that it is what was planned, inside and from outside."""
    found = (await installing.look(ground.pool, "factory", ground.operation)).installed
    service = await swapping.prove(ground.pool, "factory")
    assert tuple(faults(service, str(told["image"]))) == ()
    assert found.digests == (f"coollabsio/coolify@{ground.official.digest}",)
    assert sorted(found.published) == ["127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:8000"]
    assert (found.mode, found.env) == ("700", "regular file")
    kept = {name: sha256(ground.texts[path].encode()).hexdigest() for name, path in PATHS.items()}
    assert {name: found.files[name] for name in kept.keys() & found.files.keys()} == {
        name: kept[name] for name in kept.keys() & found.files.keys()
    }
    assert found.instance is not None
    assert (found.instance.users, found.instance.registration) == (0, True)
    for port in (8000, 6001, 6002):
        assert (port, ground.bed.connect("outside", ground.factory.machine.ipv4, port)) == (port, "refused")
    assert ground.factory.run("curl", "-sf", "http://127.0.0.1:8000/api/health").stdout.strip() == "OK"
    network = json.loads(ground.factory.say("docker", "network", "inspect", "coolify"))[0]
    subnets = [each["Subnet"] for each in network["IPAM"]["Config"] if "." in each["Subnet"]]
    pool = ipaddress.IPv4Network("172.20.0.0/14")
    assert [each for each in subnets if not ipaddress.IPv4Network(each).subnet_of(pool)] == []
    assert subnets
    settings = json.loads(ground.factory.say("cat", "/etc/docker/daemon.json"))
    assert settings["insecure-registries"] == [NAME], "what others wrote stays"
    assert settings["default-address-pools"] == [{"base": "172.20.0.0/14", "size": 24}]


async def test_the_installer_makes_what_was_planned_and_nobody_outside_gets_in(ground: Ground) -> None:
    """With the files of the tag; run again it follows the same installation; then the API goes on."""
    with anyio.fail_after(LIMIT_S):
        params = await ground.params()
        told = await ground.run(INSTALL, params)
        await proved(ground, told)
        assert await ground.run(INSTALL, params) == told
        assert await ground.run(ENABLE_API, {}) == {"api": "on"}
        site = await installing.site(ground.pool, "factory")
        assert (site.container, site.begun, site.version) == ("running", False, VERSION)
        assert site.installed is not None
        assert site.installed.instance is not None
        assert site.installed.instance.api is True


async def test_another_image_than_the_plans_is_pulled_and_never_started(ground: Ground) -> None:
    """The tag was moved between the yes and the pull: the installer's own pull fails, and no container is made."""
    with anyio.fail_after(LIMIT_S):
        params = {**await ground.params(), "digest": f"sha256:{'e' * 64}"}
        with pytest.raises(StepFailed, match="whose image is not the one of the plan"):
            await ground.run(INSTALL, params)
    made = ground.factory.say("docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert [name for name in made if name.startswith("coolify")] == []
    assert "/coollabsio/coolify:" in ground.factory.say("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")


async def test_a_power_cut_on_the_way_ends_with_one_coolify_that_is_closed(ground: Ground) -> None:
    """The unit goes on at the boot by itself, with the key that it began with."""
    with anyio.fail_after(LIMIT_S):
        params = await ground.params()
        factory = ground.factory

        def pulling() -> bool:
            return factory.run("test", "-s", f"{COOLIFY}/.upgrade-status").returncode == 0

        told: list[JsonObject] = []

        async def install() -> None:
            told.append(await ground.run(INSTALL, params))

        async with anyio.create_task_group() as group:
            group.start_soon(install)
            await eventually(pulling, what=f"the installer did not begin:\n{said(factory, ground.operation)}")
            await meanwhile(factory.cut_power)
            await meanwhile(factory.power_on)
        await proved(ground, told[0])
        assert factory.say("grep", "-c", "^APP_KEY=base64:", f"{COOLIFY}/.env").strip() == "1"


@pytest.fixture
async def bare(ground: Ground, tmp_path: Path) -> AsyncGenerator[Ground]:
    """Give the Factory without Docker and without /data, with a blank disk, and with where Docker's packages are."""
    site, factory = ground.factory.site, ground.factory
    compose = renamed(site, tmp_path, "docker-compose", name="docker-compose-plugin", version=ENGINE)
    with served(site, tmp_path, compose) as repository:
        await meanwhile(lambda: factory.say("sh", "-euc", WITHOUT_DOCKER, "sh", repository.url, limit_s=120))
        await meanwhile(lambda: factory.attach(ExtraDisk(NODE, SIZE_MIB, DISK)))
        yield ground


def keeps(factory: Server) -> tuple[str, ...]:
    """Return where Docker and containerd keep their data, and where the volume of Coolify's database is."""
    root = factory.say("docker", "info", "--format", "{{.DockerRootDir}}").strip()
    store = factory.say("sh", "-c", "containerd config dump | grep '^root = ' | tr -cd 'a-z/ ='").strip()
    volume = factory.say("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", "coolify-db").strip()
    return root, store, volume, factory.run("ls", "-A", "/var/lib/docker", "/var/lib/containerd").stdout


ON_DISK = ("/data/docker", "root = /data/containerd", "/data/docker/volumes/coolify-db/_data")
NOTHING_OLD = "/var/lib/containerd:\n\n/var/lib/docker:\n"
PROOFS = dict.fromkeys(("data_disk", "fstab", "guard", "docker_data"), "passed")


@pytest.mark.skipif(bool(CHECKOUT), reason="Coolify's own script has Docker from download.docker.com only")
async def test_a_bare_server_becomes_a_factory_on_its_disk_in_one_plan(bare: Ground) -> None:
    """Docker comes with Coolify and begins on the disk: nothing is moved, and a boot finds all of it there."""
    factory = bare.factory
    with anyio.fail_after(LIMIT_S):
        steps = await bare.planned()
        kinds = ("factory.format_and_move", "factory.place_docker", INSTALL, ENABLE_API)
        assert tuple(step.kind for step in steps) == kinds
        told = {step.kind: await bare.run(step.kind, step.params) for step in steps}
        await proved(bare, told[INSTALL])
        assert keeps(factory) == (*ON_DISK, NOTHING_OLD), "nothing in the old places"
        assert await bare.proofs() == PROOFS
        before = factory.boot_id()
        await meanwhile(factory.reboot)
        await meanwhile(lambda: factory.wait_rebooted(before))
        await eventually(healthy(factory), what="Coolify serves after the boot", limit_s=180)
        assert (keeps(factory)[:3], await bare.proofs()) == (ON_DISK, PROOFS)


@pytest.mark.long
@pytest.mark.skipif(bool(CHECKOUT), reason="Coolify's own script has Docker from download.docker.com only")
async def test_a_power_cut_while_docker_is_installed_ends_with_it_on_the_disk(bare: Ground) -> None:
    """The unit goes on at the boot: dpkg is made whole, and Docker has never begun anywhere else."""
    factory = bare.factory
    with anyio.fail_after(LIMIT_S):
        *before, install, _ = await bare.planned()
        for step in before:
            await bare.run(step.kind, step.params)
        waiting = "until pgrep -f '[d]pkg.*--(unpack|configure)' >/dev/null; do :; done"
        told: list[JsonObject] = []

        async def installed() -> None:
            told.append(await bare.run(INSTALL, install.params))

        async with anyio.create_task_group() as group:
            group.start_soon(installed)
            await meanwhile(lambda: factory.run("sh", "-c", waiting))
            await meanwhile(factory.cut_power)
            await meanwhile(factory.power_on)
        await proved(bare, told[0])
        assert told[0]["attempts"] == 2
        assert keeps(factory) == (*ON_DISK, NOTHING_OLD)
        assert await bare.proofs() == PROOFS


def healthy(factory: Server) -> Callable[[], bool]:
    """Return whether Coolify answers, to be asked again and again."""
    return lambda: factory.run("curl", "-sf", "http://127.0.0.1:8000/api/health").stdout.strip() == "OK"
