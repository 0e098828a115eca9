"""What Docker and curl really say of apps that do not come up, on real servers."""

from functools import partial
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.hosts.docker.causes import CRASHES, compose_refuses, hopeless, why_not_up
from ink_infra_mcp.hosts.docker.containers import containers_of
from ink_infra_mcp.hosts.docker.rollouts import Promise
from ink_infra_mcp.hosts.docker.steps import HostSteps
from ink_infra_mcp.hosts.web.visiting import addresses_from, visit_from
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server

pytestmark = pytest.mark.anyio

LIMIT_S = 450
NAME = "muscle-2"
APP, BROKEN, GOOD, ABSENT = (letter * 24 for letter in "abgz")
TINY = "registry.lab:5000/library/tiny:1"
FILE = f"services:\n  web:\n    image: {TINY}\n    command: [sleep, '600']\n    environment:\n      B: ${{B}}\n"


def _start(server: Server, name: str, *options: str, command: str) -> None:
    server.say("docker", "run", "--detach", "--quiet", f"--name={name}-{APP}", *options, TINY, "sh", "-c", command)


def _folder(server: Server, app: str, variables: str) -> None:
    folder = f"/data/coolify/services/{app}"
    server.say("mkdir", "-p", folder)
    server.say("sh", "-c", 'printf %s "$1" >"$2"', "sh", FILE, f"{folder}/docker-compose.yml")
    server.say("sh", "-c", 'printf %s "$1" >"$2"', "sh", variables, f"{folder}/.env")


def _fall(server: Server) -> None:
    """Start what crashes at once, and wait until Docker has started it again often enough."""
    _start(server, "web", "--restart=unless-stopped", command="echo no database >&2; exit 7")
    count = ("docker", "inspect", "--format", "{{.RestartCount}} {{.State.Status}}", f"web-{APP}")
    fallen = f"{CRASHES} restarting"
    until(lambda: server.say(*count).strip() >= fallen, what="Docker does not start it again", limit_s=270)


def _end(server: Server) -> None:
    """Stop what crashes, and start what ends at once for good."""
    server.say("docker", "stop", f"web-{APP}")
    _start(server, "job", command="no-such-program")
    server.say("docker", "wait", f"job-{APP}")


async def test_a_real_crash_loop_is_told_with_its_log_and_what_ended_at_once(bed: Bed) -> None:
    """Docker counts the starts of what crashes; half a minute is enough to give up, and the log is there by then."""
    server = bed.fresh(NAME)
    promise = Promise(app=APP, services=("web",))
    with anyio.fail_after(LIMIT_S):
        await meanwhile(partial(_fall, server))
        async with bed.pool(bed.host(NAME)) as pool:
            loop = (await containers_of(pool, NAME, APP))[0]
            given_up = hopeless([loop], promise)
            why = await why_not_up(pool, NAME, promise)
            await meanwhile(partial(_end, server))
            steps = Steps(HostSteps(pool, load_isolation(None)).handlers(), FakeClock())
            steps.results["note_containers"] = {"containers": [{"id": loop.id, "started_at": ""}]}
            with pytest.raises(StepFailed) as caught:
                await steps.run("hosts.prove_isolation", _proof("job"))

    assert (given_up, loop.restart_count >= CRASHES) == (True, True)
    assert why.cause.startswith("web was started again ")
    assert why.cause.endswith("times, with exit status 7")
    assert why.untrusted_log
    assert all(line.startswith(f"web-{APP}: ") and line.endswith("no database") for line in why.untrusted_log)
    assert caught.value.probable_cause == "job has ended, with exit status 127: its command is not in the image"
    assert steps.clock.slept == []


def _proof(service: str) -> dict[str, Any]:
    noted = {"step": "note_containers", "field": "containers"}
    return {"app": APP, "muscle": NAME, "noted": noted, "services": [service], "once": []}


UNREADABLE = (
    "PASSWORD='it's private'",
    "PASSWORD='private\\'",
    "PASSWORD='one\u2028private\\'",
    'PASSWORD="very private',
    "PASSWORD=${private!}",
    "PASSWORD=x${A:?private}",
    "PASSWORD=${A:?one\nprivate}",
    "PASSWORD=one\nprivate 'x'",
    "PASSWORD=one\n${private}",
)
"""What Coolify writes for values that Docker Compose cannot read, each of them a secret."""


async def test_docker_compose_says_what_it_has_against_a_file_and_no_value_is_repeated(bed: Bed) -> None:
    """A good file and one that is not there yet are no trouble; an unreadable .env is named, without its values."""
    server = bed.fresh(NAME)
    broken = {chr(ord("h") + number) * 24: variables for number, variables in enumerate(UNREADABLE)}
    for app, variables in {GOOD: "B='fine'", **broken}.items():
        await meanwhile(partial(_folder, server, app, f"{variables}\n"))
    with anyio.fail_after(LIMIT_S):
        async with bed.pool(bed.host(NAME)) as pool:
            good, absent = [await compose_refuses(pool, NAME, app) for app in (GOOD, ABSENT)]
            told = {variables: await compose_refuses(pool, NAME, app) for app, variables in broken.items()}

    assert (good.cause, absent.cause) == ("", "")
    begins = "Docker Compose cannot read the app's .env"
    assert {
        variables: why
        for variables, why in told.items()
        if not why.cause.startswith(begins) or not why.untrusted_log or "private" in str(why)
    } == {}


async def test_a_real_curl_and_getent_tell_names_and_why_nothing_answers(bed: Bed) -> None:
    """One server asks about another by its address, with the name of the URL, whatever DNS says."""
    server = bed.clean(NAME)
    target = server.machine.ipv4
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            known = await addresses_from(pool, NAME, "localhost")
            unknown = await addresses_from(pool, NAME, "nobody.invalid")
            closed = await visit_from(pool, "muscle-1", "http://shop.example.com/", address=target)
            ssh = await visit_from(pool, "muscle-1", "https://shop.example.com:22/", address=target)

    assert set(known) & {"127.0.0.1", "::1"}
    assert unknown == ()
    assert (closed.status, closed.error.startswith("curl: (7)")) == (None, True)
    assert (ssh.status, ssh.refused, ssh.error.startswith("curl: (35)")) == (None, "", True)
