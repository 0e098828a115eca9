"""add_muscle when the world gives trouble: what fails is no Muscle, is told, and the same call goes on."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import (
    NAME,
    Change,
    Meanwhile,
    all_of,
    all_proved,
    approved,
    bare,
    existing,
    fleet_members,
    trouble,
    vendors,
    written,
)

pytestmark = pytest.mark.anyio
LIMIT_S = 165
KEPT = ["muscle-1", "muscle-2"]


def hangs(state: WorldState) -> None:
    """Let no worker of Coolify come to an end with the new server."""
    next(server for server in state.coolify.servers if server.name == NAME).workers_hang = True


def mended(state: WorldState) -> None:
    """Let all trouble be over."""
    state.faults = []
    machine = state.hosts[f"spare-{NAME}"]
    machine.taken_ports, machine.runtimes = [], [*{*machine.runtimes, "runsc"}]
    for server in state.coolify.servers:
        server.workers_hang = False


def no_gvisor(state: WorldState) -> None:
    """Let Docker have lost gVisor."""
    state.hosts[f"spare-{NAME}"].runtimes = ["runc"]


def port_taken(state: WorldState) -> None:
    """Let another program have port 443."""
    state.hosts[f"spare-{NAME}"].taken_ports = [443]


NOWHERE = trouble("edge", f"canary-{NAME}", "status", status=502, times=100_000)
FAILING: dict[str, tuple[str, Change, str]] = {
    "the canary does not start": ("hosts.note_containers", no_gvisor, f"{NAME}__prove_isolation"),
    "nobody gets to the canary": ("hosts.prove_isolation", NOWHERE, f"{NAME}__visit_canary"),
    "the validation hangs": ("coolify.create_server", hangs, f"{NAME}__coolify_validated"),
    "the proxy does not start": ("coolify.create_private_key", port_taken, f"{NAME}__coolify_proxy"),
    "the firewall lets us not in": (
        "hosts.set_firewall",
        trouble("ssh", "", "refuse", times=3),
        f"{NAME}__{NAME}_keep",
    ),
}


@pytest.mark.parametrize("name", FAILING)
async def test_what_fails_is_no_muscle_and_the_same_call_ends_it(tmp_path: Path, name: str) -> None:
    """No canary stays, fleet.toml and all others are as they were; once it is mended the same call ends it, proved."""
    kind, change, step = FAILING[name]
    then, clock = Meanwhile(kind, change), FakeClock()
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=bare(), clock=clock, wrap_handler=then) as it,
            it.client() as client,
        ):
            then.it, arguments, others, apps = it, existing(it, NAME), fleet_members(it.state), vendors(it.state).apps
            said = await approved(it, client, "add_muscle", **arguments)
            left, same, file = vendors(it.state), fleet_members(it.state), [*written(it)]
            with it.world.change() as state:
                mended(state)
            # a server that has refused us is not asked again for a minute, and puts its firewall back by then
            clock.advance(240)
            again = await approved(it, client, "add_muscle", **arguments)
            end, last = [*written(it)], vendors(it.state)

    assert f"{step} failed" in said.text, said.text[:1500]
    assert "are not masked" not in said.text
    assert (said.outcome in {"failed", "undone"}, left.apps, same["hosts"], file) == (True, apps, others["hosts"], KEPT)
    assert (again.outcome, again.checks) == ("applied", all_proved(NAME)), again.text[:3000]
    assert (end, last.apps) == ([*KEPT, NAME], apps)


async def test_a_canary_without_a_trusted_certificate_proves_nothing(tmp_path: Path) -> None:
    """Its server's proxy shows a certificate of another name: the canary is deleted, and the server is no Muscle."""
    late = "late"
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=all_of(bare(late)), clock=FakeClock()) as it, it.client() as client:
            before = vendors(it.state)
            said = await approved(it, client, "add_muscle", **existing(it, late))
            after, file = vendors(it.state), [*written(it)]

    assert "certificate is not trusted" in said.text, said.text[:1500]
    assert (said.outcome, after.apps, file) == ("undone", before.apps, KEPT)
