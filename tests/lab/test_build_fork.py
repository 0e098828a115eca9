"""The fork's image is built on a real server by the unit there: real git, buildx and registry, and nothing is left."""

import base64
import json
import re
import subprocess
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.factory import building
from ink_infra_mcp.hosts.factory.build_steps import BUILD_IMAGE, PUSH_IMAGE, BuildSteps
from ink_infra_mcp.hosts.factory.building import BuildOrders
from ink_infra_mcp.ssh.pool import HostPool
from tests.hosts.factory.build_host import commit_files, git
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.ground.stand_in import catalogue
from tests.lab.steps import run_on_factory
from tests.permits import permit_here
from tests.programs import program

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the builds"), pytest.mark.timeout(900)]

LIMIT_S = 600.0
BASE, FORK, NAME = "v4.3.11", "https://github.com/example/coolify", "registry.lab:5000/example/coolify-fork"
HELPER, DOCKERFILE = "bootstrap/helpers/docker.php", "docker/production/Dockerfile"
LAST = "        '--entrypoint' => 'entrypoint',\n"
UNIT = "ink-coolify-build.service"
NUMBERS = count(1)
KIND = "application/vnd.docker.distribution.manifest.v2+json"
HTML = Path(catalogue.__file__).parent / "html"
GIT = """\
#!/bin/sh
for word do
  shift
  case $word in
    https://github.com/coollabsio/coolify) word=/root/upstream ;;
    https://github.com/example/coolify) word=/root/fork ;;
  esac
  set -- "$@" "$word"
done
export GIT_ALLOW_PROTOCOL=file
exec /usr/bin/git "$@"
"""
"""The lab has no way to GitHub: what stands there lies on the server."""
FILE = """\
FROM {official}
ARG COOLIFY_VERSION
ENV COOLIFY_VERSION=${{COOLIFY_VERSION}}
USER root
RUN --mount=type=cache,target=/tmp/cache sleep {sleep_s}; cat /proc/self/cgroup >/cgroup; echo made >/tmp/cache/made
COPY bootstrap ./bootstrap
USER www-data
"""


@dataclass
class Ground:
    """A server that can build, its sources, and one operation."""

    server: Server
    pool: HostPool
    orders: BuildOrders
    operation: str

    async def run(self, kind: str, **params: JsonValue) -> JsonObject:
        """Run one step of the build."""
        return await run_on_factory(BuildSteps(self.pool).handlers(), self.operation, kind, params)

    async def build(self) -> JsonObject:
        """Have it built."""
        return await self.run(BUILD_IMAGE, orders={**self.orders.model_dump()})

    async def push(self) -> JsonObject:
        """Have it pushed."""
        return await self.run(PUSH_IMAGE, image=self.orders.image)

    async def begin(self) -> None:
        """Have it begun, and follow it no further."""
        for verb, given in (("prepare", self.orders), ("start", None)):
            permit = permit_here(self.operation, BUILD_IMAGE)
            await building.act(self.pool, "factory", verb, self.operation, permit=permit, orders=given)
        await eventually(lambda: self.stage() == "build", what="no build that runs", limit_s=180)

    def stage(self) -> str:
        """Return which part of the way it is at."""
        return self.server.run("cat", f"{building.FOLDER}/{self.operation}/stage").stdout.strip()

    def left(self) -> list[str]:
        """Return what is left of builds on the server: images, cache, sources."""
        images = self.server.say("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
        cache = re.findall(r"(?m)^[a-z0-9]{20,}", self.server.say("docker", "buildx", "du", "--builder", "default"))
        work = self.server.say("find", building.FOLDER, "-maxdepth", "2", "-name", "work").split()
        return [*(image for image in images if "ink-build" in image or "fork" in image), *cache, *work]

    def in_registry(self) -> str:
        """Return the digest that the registry has for the tag, empty: none."""
        name, tag = self.orders.image.removeprefix("registry.lab:5000/").split(":")
        kinds = f"Accept: {KIND}"
        url = f"http://registry.lab:5000/v2/{name}/manifests/{tag}"
        said = self.server.say("curl", "--silent", "--head", "--header", kinds, url)
        found = re.search(r"(?im)^docker-content-digest: (sha256:[0-9a-f]{64})\r?$", said)
        return found[1] if found else ""


def _packed(*words: str) -> str:
    packed = subprocess.run(("tar", "-cz", *words), capture_output=True, timeout=60, check=True).stdout
    return base64.b64encode(packed).decode()


def _put(server: Server, at: str, packed: str) -> None:
    server.say("sh", "-c", f"mkdir -p {at} && base64 -d | tar -xz --no-same-owner -C {at}", stdin=packed)


def _sources(folder: Path, *, sleep_s: int, conflict: bool) -> tuple[str, str]:
    """Make Coolify's repository with a release, and the fork's with a patch of an older state; return both commits."""
    upstream, fork = folder / "upstream", folder / "fork"
    upstream.mkdir()
    git(upstream, "init", "--quiet")
    text = (HTML / HELPER).read_text(encoding="utf-8")
    file = FILE.format(official=f"registry.lab:5000/coollabsio/coolify:{catalogue.VERSION}", sleep_s=sleep_s)
    commit_files(upstream, {HELPER: text, "app/a.php": "1\n", DOCKERFILE: file})
    git(folder, "clone", "--quiet", str(upstream), str(fork))
    git(fork, "checkout", "--quiet", "-b", "runtime")
    patch = commit_files(fork, {HELPER: text.replace(LAST, f"{LAST}        '--runtime' => 'runtime',\n")})
    released = text.replace(LAST, "        '--none' => 'none',\n") if conflict else text
    base = commit_files(upstream, {"app/a.php": "2\n", HELPER: released})
    git(upstream, "tag", BASE)
    return base, patch


def _with_git(server: Server) -> None:
    """The lab's servers have no git: give one the git of this machine, which needs no more than they have."""
    _put(server, "/usr/bin", _packed("-C", str(Path(program("git")).resolve().parent), "git"))
    server.say("ln", "-sf", "git", "/usr/bin/git-upload-pack")
    server.write("/usr/local/bin/git", GIT)
    server.say("chmod", "755", "/usr/local/bin/git")


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Server:
    """Return a server with git, and the images of the stand-in in the registry."""
    lab = request.getfixturevalue("lab")
    catalogue.published(lab.site)
    made = Bed(lab).fresh("factory")
    _with_git(made)
    return made


@pytest.fixture
async def ground(bed: Bed, server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Ground]:
    """Give the ground for one build; the parameter says how long its build takes, or that it conflicts."""
    wish = getattr(request, "param", 0)
    base, patch = _sources(tmp_path, sleep_s=wish if isinstance(wish, int) else 0, conflict=wish == "conflict")
    server.say("rm", "-rf", "/root/upstream", "/root/fork")
    _put(server, "/root", _packed("-C", str(tmp_path), "upstream", "fork"))
    orders = BuildOrders(
        base=BASE,
        base_commit=base,
        repository=FORK,
        branch="runtime",
        patch_commit=patch,
        image=f"{NAME}:{BASE[1:]}-{patch[:12]}",
    )
    async with bed.pool() as pool:
        yield Ground(server, pool, orders, f"op-build{next(NUMBERS)}")


async def test_a_release_with_the_patch_is_built_pushed_and_leaves_nothing(ground: Ground) -> None:
    """Its digest is the registry's; Coolify's own function in it keeps --runtime; its steps ran within the limits."""
    with anyio.fail_after(LIMIT_S):
        made = await ground.build()
        assert ground.in_registry() == ""
        pushed = await ground.push()
        again = await ground.push()
    assert (pushed["digest"], again) == (ground.in_registry(), pushed)
    assert ground.left() == []
    pinned = f"{NAME}@{pushed['digest']}"
    ground.server.say("docker", "pull", "--quiet", pinned, limit_s=180)
    seen = json.loads(ground.server.say("docker", "image", "inspect", pinned))[0]
    labels = seen["Config"]["Labels"]
    assert (seen["Id"], seen["Architecture"]) == (made["id"], "amd64")
    assert {name: labels[f"ink-infra.{name}"] for name in ("base", "patch", "operation")} == {
        "base": ground.orders.base_commit,
        "patch": ground.orders.patch_commit,
        "operation": ground.operation,
    }
    run = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "cat", pinned)
    assert "/inkbuild.slice/" in ground.server.say(*run, "/cgroup")
    ground.server.say("docker", "image", "rm", pinned)
    told = await building.ready(ground.pool, "factory")
    assert told.pushed[ground.orders.image].digest == pushed["digest"]


@pytest.mark.parametrize("ground", ["conflict"], indirect=True)
async def test_a_conflict_names_the_file_and_nothing_is_built(ground: Ground) -> None:
    """The release has changed the very line that the patch changes."""
    with anyio.fail_after(LIMIT_S), pytest.raises(StepFailed, match="1 files conflict") as caught:
        await ground.build()
    assert caught.value.untrusted_log == (HELPER,)
    assert (ground.left(), ground.in_registry()) == ([], "")


@pytest.mark.parametrize("ground", [6], indirect=True)
@pytest.mark.parametrize("how", [*(pytest.param(how, marks=pytest.mark.long) for how in ("we", "killed")), "power"])
async def test_whoever_dies_meanwhile_there_is_one_image_in_the_end(ground: Ground, how: str) -> None:
    """We, the unit, or the whole server: the same operation finds the same build again, and it is pushed once."""
    with anyio.fail_after(LIMIT_S):
        await ground.begin()
        match how:
            case "killed":
                ground.server.say("systemctl", "kill", "--signal", "KILL", UNIT)
            case "power":
                await meanwhile(ground.server.cut_power)
                await meanwhile(ground.server.power_on)
                await meanwhile(partial(ground.server.wait_docker))
            case _:
                pass
        await ground.build()
        pushed = await ground.push()
    assert pushed["digest"] == ground.in_registry() != ""
    assert ground.left() == []
