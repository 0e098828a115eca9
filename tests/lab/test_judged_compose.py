"""What Coolify's own code made of a file is held against the plan by the Docker Compose of a real server."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.docker.judging import ComposeSteps
from ink_infra_mcp.settings.policy_files import load_isolation
from ink_infra_mcp.settings.system import SystemClock
from tests.lab.bed import Bed
from tests.permits import permit_here
from tests.recorded import APP, MADE, Made

pytestmark = pytest.mark.anyio

LIMIT_S = 180
MUSCLE = "muscle-1"
FOLDER = f"/data/coolify/services/{APP}"
WHOLE = next(made for made in MADE if made.name == "whole")


async def judged(bed: Bed, made: Made, stored: str, *, started: bool = False) -> JsonObject:
    """Return what the step returns when Coolify stored that file, or started the app from it."""

    async def read(uuid: str) -> str:
        assert uuid == APP
        return stored

    server = bed.clean(MUSCLE)
    if started:
        server.say("mkdir", "-p", FOLDER)
        server.write(f"{FOLDER}/docker-compose.yml", stored)
        server.write(f"{FOLDER}/.env", "B='a value'\nTOKEN='another'\n")
    said: list[str] = []
    async with bed.pool() as pool:
        steps = ComposeSteps(pool=pool, isolation=load_isolation(None), stored=read)
        with anyio.fail_after(LIMIT_S):
            urls: JsonObject = {name: [*found] for name, found in made.urls.items()}
            params: JsonObject = {"app": APP, "muscle": MUSCLE, "compose": made.approved, "urls": urls}
            kind = "hosts.judge_started" if started else "hosts.judge_compose"
            permit = permit_here(kind=kind)
            call = StepCall("op-test", "judge", kind, "site", params, {}, permit, SystemClock(), said.append)
            try:
                return await (steps.judge_started if started else steps.judge_compose)(call)
            finally:
                server.say("rm", "-rf", "/data")


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
async def test_what_coolify_made_of_a_file_is_what_was_approved(bed: Bed, made: Made) -> None:
    """Its known additions pass, for every key that an app may have; the digest is that of the file that will start."""
    assert set(await judged(bed, made, made.generated)) == {"sha256"}


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
async def test_what_coolify_started_of_a_file_is_what_was_approved(bed: Bed, made: Made) -> None:
    """In the app's folder, beside its `.env`: what Docker Compose fills in there makes no difference."""
    assert await judged(bed, made, made.generated, started=True) == {}


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the stored file, and what is said of it."""

    make: Callable[[str], str]
    words: str


RUNTIME = "    runtime: runsc\n"
LABEL = "      - traefik.enable=true\n"


def also(line: str) -> Callable[[str], str]:
    """Return a change that puts a line into the first service."""
    return swapped(RUNTIME, f"{RUNTIME}    {line}\n")


def swapped(old: str, new: str) -> Callable[[str], str]:
    """Return a change of one text for another."""

    def make(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return make


CHANGES = {
    "a folder for a volume": Change(swapped(f"{APP}_data-dir:/var/data", "/root:/var/data"), "volumes are not those"),
    "another volume": Change(swapped(f"{APP}_data-dir:/var/data", "other_data:/var/data"), "volumes are not those"),
    "another runtime": Change(swapped("runtime: runsc", "runtime: runc"), "runtime is runc and not runsc"),
    "no runtime": Change(swapped(RUNTIME, ""), "runtime is left out"),
    "privileged": Change(
        swapped("    runtime: runsc\n", "    runtime: runsc\n    privileged: true\n"), "privileged is True"
    ),
    "a merge key": Change(also("<<: {privileged: true}"), "privileged is True"),
    "a device": Change(also("devices: [/dev/kvm]"), "devices is"),
    "another host's rule": Change(
        swapped("rule=Host(`x.example.com`)", "rule=Host(`shop.example.com`)"), "which was not approved"
    ),
    "a priority": Change(
        swapped(
            "      - traefik.enable=true\n", "      - traefik.enable=true\n      - traefik.http.routers.x.priority=9\n"
        ),
        "traefik.http.routers.x.priority",
    ),
    "the host's network": Change(swapped("    networks:\n", "    network_mode: host\n    networks:\n"), ""),
    "a network of another": Change(
        swapped(f"name: {APP}\n", "name: other\n"), f"the network {APP} is not the app's own"
    ),
    "a published port": Change(also("ports: ['22222:22']"), "ports is"),
    "a larger limit": Change(swapped("mem_limit: 1.5gb", "mem_limit: 15gb"), "mem_limit is"),
    "a variable": Change(swapped("      PORT: '3000'\n", "      PORT: '3001'\n"), "the variable PORT is not as it was"),
    "another image": Change(swapped("a/b:1", "a/b:2"), "image is registry.example.com/a/b:2"),
    "a secret of the server": Change(lambda text: f"{text}secrets:\n  s:\n    file: /etc/shadow\n", ""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_file_that_differs_starts_nothing(bed: Bed, change: Change) -> None:
    """Mounts, rights, labels, networks, ports, limits, values: whatever somebody changes between is named."""
    for started in (False, True):
        with pytest.raises(StepFailed) as told:
            await judged(bed, WHOLE, change.make(WHOLE.generated), started=started)
        assert told.value.stage == "judge"
        assert change.words in told.value.failed


@pytest.mark.parametrize("stored", ["", "services: [", "services: {web: {image: a, mem_limit: 1x}}", "services: {}"])
async def test_a_file_that_docker_compose_does_not_take_starts_nothing(bed: Bed, stored: str) -> None:
    """Unreadable, invalid or empty: what was not compared is not started."""
    for started in (False, True):
        with pytest.raises(StepFailed):
            await judged(bed, WHOLE, stored, started=started)
