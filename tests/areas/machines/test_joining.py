"""What a machine lacks of being a Muscle, as the steps of its lane: their order, how they reach it, and their ends."""

from collections.abc import Iterable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.machines.joining import factory_address, zone_locks
from ink_infra_mcp.core.fleet import CoolifySettings, Fleet, Host, Muscle
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.step import result_of
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import ADDRESS, NAME, bare, bought, existing

LIMIT_S = 90
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj"


async def planned(folder: Path, *, buys: bool) -> Plan:
    """Return the plan for a bare server, or for one that is bought."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=bare(), clock=FakeClock()) as it:
            tool = it.app.mutations["add_muscle"]
            args = tool.args.model_validate(bought(NAME) if buys else existing(it, NAME))
            return tool.plan(args, await tool.observe(args, it.app.look, None))


def kinds(steps: Iterable[Step]) -> list[str]:
    """Return the kinds in the order in which they first come."""
    return list(dict.fromkeys(step.kind for step in steps))


@pytest.mark.anyio
async def test_each_part_comes_when_what_it_needs_is_there(tmp_path: Path) -> None:
    """Docker before the firewall, whose links Docker makes; the firewall before Coolify gets in; names before the
    canary that is visited by one; and fleet.toml when all of it is proved.
    """
    plan = await planned(tmp_path, buys=False)
    wanted = [
        "hosts.await_ready",
        "hosts.install_docker",
        "hosts.prove_gvisor",
        "hosts.harden_sshd",
        "hosts.note_links",
        "hosts.set_firewall",
        "hosts.keep_firewall",
        "coolify.create_private_key",
        "hosts.admit_key",
        "coolify.create_server",
        "coolify.validate_server",
        "coolify.start_proxy",
        "hetzner_dns.set_records",
        "nameservers.prove_records",
        "coolify.create_service",
        "hosts.prove_isolation",
        "web.visit",
        "coolify.discard_service",
        "fleet.add_muscle",
    ]
    found = kinds(plan.steps)
    assert [kind for kind in found if kind in wanted] == wanted
    assert (found[-1], {step.lane for step in plan.steps}) == ("fleet.add_muscle", {NAME})


@pytest.mark.anyio
async def test_every_step_that_talks_to_the_machine_is_told_how(tmp_path: Path) -> None:
    """Until fleet.toml has it, each trusts the pinned host key alone; steps about other servers are told nothing."""
    plan = await planned(tmp_path, buys=False)
    told = [
        step.params.get("newcomer")
        for step in plan.steps
        if NAME in (step.params.get("host"), step.params.get("muscle"))
    ]
    ways = {(str(way["address"]), str(way["port"]), str(way["user"])) for way in told if isinstance(way, dict)}
    assert (all(told), ways) == (True, {(ADDRESS, "22", "root")})
    assert not any("newcomer" in step.params for step in plan.steps if step.kind.startswith(("hetzner_dns.", "web.")))


@pytest.mark.anyio
async def test_a_bought_machine_is_trusted_by_the_key_that_was_made_on_it(tmp_path: Path) -> None:
    """Who was at the provider's console before has the first host key: nothing after the rotation trusts that one."""
    plan = await planned(tmp_path, buys=True)
    made = next(step for step in plan.steps if step.kind == "hosts.make_host_keys")
    rotated = next(at for at, step in enumerate(plan.steps) if step.kind == "hosts.rotate_host_keys")
    after = [step.params["newcomer"] for step in plan.steps[rotated + 1 :] if "newcomer" in step.params]
    assert after
    assert {str(way["host_key"]) for way in after if isinstance(way, dict)} == {str(result_of(made.id, "host_key"))}
    written = next(step.params["fields"] for step in plan.steps if step.kind == "fleet.add_muscle")
    assert isinstance(written, dict)
    assert written["host_key"] == result_of(made.id, "host_key")


@pytest.mark.anyio
async def test_whatever_fails_of_a_canary_deletes_it(tmp_path: Path) -> None:
    """Each of its steps takes its creation back, nothing else is taken back with it, and its farewell comes last."""
    plan = await planned(tmp_path, buys=False)
    made = next(step for step in plan.steps if step.kind == "coolify.create_service")
    first, last = plan.steps.index(made), next(n for n, s in enumerate(plan.steps) if s.id.endswith("delete_canary"))
    assert {step.undoes for step in plan.steps[first + 1 : last]} == {(made.id,)}
    assert made.undo is not None
    farewell = plan.steps[last]
    assert (made.undo.kind, made.undo.params) == (farewell.kind, farewell.params)
    assert farewell.params["app"] == result_of(made.id, "uuid")


def fleet(*, private: str | None) -> Fleet:
    """Return a fleet whose Factory may have a private address."""
    factory = Host(name="factory", address="192.0.2.10", private_address=private)
    return Fleet(coolify=CoolifySettings(url="https://coolify.example.com"), factory=factory)


@pytest.mark.parametrize(
    ("factory", "muscle", "comes_from"),
    [
        ("10.0.0.2", "10.0.0.3", "10.0.0.2"),
        ("10.0.0.2", None, "192.0.2.10"),
        (None, "10.0.0.3", "192.0.2.10"),
        (None, None, "192.0.2.10"),
    ],
)
def test_coolify_gets_in_from_the_address_that_it_comes_from(
    factory: str | None, muscle: str | None, comes_from: str
) -> None:
    """The private one only where both have one: a key that is let in from another address lets nobody in."""
    new = Muscle(name=NAME, address=ADDRESS, host_key=HOST_KEY, private_address=muscle)
    assert factory_address(fleet(private=factory), new) == comes_from


def test_each_zone_is_locked_once() -> None:
    """Those whose records the steps change, and no other."""
    zones = [
        ("hetzner_dns.set_records", "b.example"),
        ("hetzner_dns.set_records", "a.example"),
        ("web.visit", "c.example"),
    ]
    steps = [
        Step(id=f"s{n}", kind=kind, target="x", summary="x", params={"zone": {"name": name}})
        for n, (kind, name) in enumerate([*zones, zones[0]])
    ]
    assert zone_locks(steps) == ("dns:b.example", "dns:a.example")
