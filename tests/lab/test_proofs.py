"""Proofs on real servers of what a compose file makes: its published ports, and whether its containers stay up."""

import re
from functools import partial
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.compose.preparing import for_docker, prepared
from ink_infra_mcp.core.compose.published import ports_of
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.docker.containers import containers_of, isolation_problems
from ink_infra_mcp.hosts.docker.steps import HostSteps
from ink_infra_mcp.settings.policy_files import load_isolation
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 180
MUSCLE = "muscle-2"
POLICY = load_isolation()
TINY = "registry.lab:5000/library/tiny:1"
GAME, STEADY, FALLING = (letter * 24 for letter in "gsf")
SERVED = f"services: {{web: {{image: '{TINY}', command: [sleep, '600'], ports: ['27015:27016/udp', '8123:80']}}}}"
LIVING = "services: {{web: {{image: '{tiny}', command: [sh, -c, '{does}'], restart: always}}}}"
STAYS, FALLS = "sleep 600", "sleep 3; echo no database; exit 3"
AGAIN = "restarted [1-9] times(, last exit code 3)?"
CAUSE = "the app ends right after its start, .*|web was started again [1-9] times, with exit status 3"
"""Docker knows how it ended only where it does not run again yet."""
UDP, TCP = "27015->27016/udp", "8123->80/tcp"


def started(server: Server, app: str, text: str, publish: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Start a file as the plan has it, under the app's name, and return the ports that it promises."""
    document = prepared(read_compose(text), POLICY, memory="64m", cpus="1", publish=publish).document
    web = table(table(document["services"])["web"])
    named: JsonObject = {**document, "services": {"web": {**web, "container_name": f"web-{app}"}}}
    server.write("/root/compose.yml", written(for_docker(named)))
    server.say("docker", "compose", "--project-name", app, "--file", "/root/compose.yml", "up", "--detach")
    return tuple(port.told for port in ports_of(web))


async def said_of(pool: HostPool, ports: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the proof has against the container when these ports were promised."""
    (seen,) = await containers_of(pool, MUSCLE, GAME)
    return isolation_problems(seen, POLICY, app=GAME, ports=ports)


def named(*ports: str) -> tuple[str, ...]:
    """Return the sentences that name ports."""
    return tuple(f"it publishes {port}, which nobody asked for" for port in ports)


async def test_a_port_that_was_approved_is_proved_and_any_other_is_named_for_both_families(bed: Bed) -> None:
    """UDP and TCP, other numbers inside than outside; an address that was not approved, and a stopped container."""
    server = bed.fresh(MUSCLE)
    promised = started(server, GAME, SERVED, frozenset({"27015/udp", "8123/tcp"}))
    with anyio.fail_after(LIMIT_S):
        async with bed.pool(bed.host(MUSCLE)) as pool:
            udp, tcp = ((f"0.0.0.0:{port}", f"[::]:{port}") for port in (UDP, TCP))
            up = [await said_of(pool, ports) for ports in (promised, (), (UDP,), (UDP, tcp[0]), ("27015->27015/udp",))]
            await meanwhile(partial(server.say, "docker", "stop", f"web-{GAME}"))
            down = [await said_of(pool, ports) for ports in (promised, (TCP,))]

    assert promised == (UDP, TCP)
    assert [set(problems) for problems in up] == [
        set(), {*named(*udp, *tcp)}, {*named(*tcp)}, {*named(tcp[1])}, {*named(*udp, *tcp)},
    ]  # fmt: skip
    assert down == [(), named(udp[0])]


async def proof_of(pool: HostPool, app: str) -> JsonObject | StepFailed:
    """Return what the proof of an app's isolation returns, or how it failed."""
    kind = "hosts.prove_isolation"
    noted: dict[str, Any] = {"step": "note", "field": "containers"}
    params: JsonObject = {"app": app, "muscle": MUSCLE, "noted": noted, "services": ["web"], "once": []}
    results: dict[str, JsonObject] = {"note": {"containers": []}}
    permit = permit_here(kind=kind)
    said: list[str] = []
    call = StepCall("op-test", "prove", kind, "site", params, results, permit, SystemClock(), said.append)
    try:
        return await HostSteps(pool, POLICY).prove_isolation(call)
    except StepFailed as failure:
        return failure


async def test_an_app_that_lives_three_seconds_is_no_proof_and_one_that_lives_on_is(bed: Bed) -> None:
    """Docker starts it again at once, so it runs whenever one looks; read twice, after policy's time, it is told."""
    server = bed.fresh(MUSCLE)
    found: dict[str, JsonObject | StepFailed] = {}

    async def prove(pool: HostPool, app: str) -> None:
        found[app] = await proof_of(pool, app)

    with anyio.fail_after(LIMIT_S):
        async with bed.pool(bed.host(MUSCLE)) as pool, anyio.create_task_group() as group:
            for app, does in ((STEADY, STAYS), (FALLING, FALLS)):
                await meanwhile(partial(started, server, app, LIVING.format(tiny=TINY, does=does)))
                group.start_soon(prove, pool, app)

    steady, falling = found[STEADY], found[FALLING]
    assert isinstance(steady, dict)
    assert [entry["runtime"] for entry in map(table, items(steady["containers"]))] == ["runsc"]
    assert isinstance(falling, StepFailed)
    assert re.fullmatch(f"The app does not stay up on {MUSCLE}: web-{FALLING} crash-loops: {AGAIN}\\.", falling.failed)
    assert re.fullmatch(CAUSE, falling.probable_cause)
    assert {line.rpartition(" ")[2] for line in falling.untrusted_log} == {"database"}
