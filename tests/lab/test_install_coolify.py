"""An installer that does what Coolify's own does, on a real Factory: pinned, closed to the world, cut off on its way.

Where INK_COOLIFY_SCRIPTS names a checkout of Coolify at the release's tag, its own scripts run, word for word.
"""

import ipaddress
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.factory import coolify_part
from ink_infra_mcp.areas.factory.coolify_part import LEAST_KB, LEAST_TOTAL_KB, Meets
from ink_infra_mcp.areas.factory.installer import PATHS, Installer, helper_in, loopback
from ink_infra_mcp.areas.factory.moves import Asked
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import installing, swapping
from ink_infra_mcp.hosts.factory.install_steps import ENABLE_API, INSTALL, InstallSteps
from ink_infra_mcp.hosts.factory.serving import faults
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.ground.stand_in.catalogue import OFFICIAL, VERSION
from tests.lab.ground.stand_in.factory import UPSTREAM, hears_the_registry
from tests.lab.ground.stand_in.pushing import NAME, Published
from tests.lab.steps import run_on_factory

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the installer"), pytest.mark.timeout(900)]

LIMIT_S = 600.0
COMMIT = "379abb2526" + "0" * 30
NUMBERS = count(1)
CHECKOUT = os.environ.get("INK_COOLIFY_SCRIPTS", "")
OWN = UPSTREAM.parent / "installer"
HELPER = f"{NAME}/coollabsio/coolify-helper:1.0.15"
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
        met = Meets(
            site=site,
            installer=installer,
            image=image,
            taken=site.routes,
            pools=(("172.20.0.0/14", 24),),
            url="https://coolify.example.com",
        )
        asked = Asked(host="factory", parts=("coolify",))
        # the lab's disk is a small one
        roomy = site.model_copy(update={"total_kb": LEAST_TOTAL_KB, "free_kb": LEAST_KB})
        refused = tuple(coolify_part.reasons(asked, met.model_copy(update={"site": roomy})))
        assert refused == (), "a real server is one that Coolify is set up on"
        (step,) = coolify_part.planned(asked, met).steps
        return step.params

    async def run(self, kind: str, params: JsonObject) -> JsonObject:
        """Run one step."""
        return await run_on_factory(InstallSteps(self.pool, self.text_at).handlers(), self.operation, kind, params)


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
