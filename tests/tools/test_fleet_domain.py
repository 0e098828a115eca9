"""set_fleet_domain over the pretend world: apps' own names below one domain, wherever the apps are."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import app_named, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 120
TOOL = "set_fleet_domain"
MARK = "ink-operation=op-aaaaaaaaaa 192.0.2.12"
MUSCLE_1, MUSCLE_2 = ("192.0.2.11", "2001:db8:0:2::1"), ("192.0.2.12", "2001:db8:0:3::1")


def named(state: WorldState) -> None:
    """Give three apps names of the fleet's domain; one of them, below the other Muscle's wildcard, and one taken."""
    app_named(state, "shop").columns["fqdn"] = "https://shop.example.com"
    app_named(state, "docs").columns["fqdn"] = "https://docs.s1.example.com"
    app_named(state, "legacy").columns["fqdn"] = "https://legacy.example.com"
    state.hetzner.zones[0].rrsets += [
        RRset(name="shop", type="A", records=[Record(value=MUSCLE_2[0], comment=MARK)], ttl=3600),
        RRset(name="legacy", type="A", records=[Record(value="203.0.113.9")], ttl=3600),
    ]


def held(it: Ink) -> dict[str, tuple[int | None, tuple[str, ...]]]:
    """Return TTL and values of what the apps' names have."""
    names = ("shop", "docs.s1", "legacy")
    (zone,) = it.state.hetzner.zones
    return {f"{r.name} {r.type}": (r.ttl, tuple(v.value for v in r.records)) for r in zone.rrsets if r.name in names}


async def test_each_app_s_name_leads_to_its_own_muscle(tmp_path: Path) -> None:
    """A name that led to another Muscle follows, one below a foreign wildcard gets its own record, one that somebody
    led elsewhere is left alone and told; the same call again plans nothing.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=named) as it, it.client(says_yes()) as client:
            done = await call(client, TOOL, wait_s=60)
            after = held(it)
            again = await call(client, TOOL)
            taken = await call(client, TOOL, replace=True, wait_s=60)
            at_last = held(it)
    assert (done.outcome, again.outcome, taken.outcome) == ("applied", "already_so", "applied"), done.text
    assert after == {
        "shop A": (60, MUSCLE_1[:1]),
        "shop AAAA": (60, MUSCLE_1[1:]),
        "docs.s1 A": (60, MUSCLE_2[:1]),
        "docs.s1 AAAA": (60, MUSCLE_2[1:]),
        "legacy A": (3600, ("203.0.113.9",)),
    }
    assert "legacy.example.com (203.0.113.9)" in again.text
    assert at_last == after | {"legacy A": (60, MUSCLE_1[:1]), "legacy AAAA": (60, MUSCLE_1[1:])}
    assert (done.checks["delegation"], done.checks["name servers"]) == ("passed", "passed")
    assert unknown(it) == []


def no_domain(fleet: Fleet) -> Fleet:
    """Return a fleet without a domain for all."""
    return fleet.model_copy(update={"domains": fleet.domains.model_copy(update={"fleet": None})})


async def test_without_a_domain_it_asks_for_one(tmp_path: Path) -> None:
    """Nothing is guessed."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=no_domain) as it, it.client(says_yes()) as client:
            said = await call(client, TOOL)
    assert (said.is_error, "Give `domain`." in said.text) == (True, True)
