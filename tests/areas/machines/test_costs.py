"""What the pretend project costs, before and after, and that what cannot be read is never taken for nothing."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.machines.cloud_servers import CloudServer, facts_of
from ink_infra_mcp.areas.machines.costs import costs_of
from ink_infra_mcp.core.ssh_key import PublicKey
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hetzner import Address
from tests.ink import ink

pytestmark = pytest.mark.anyio
LIMIT_S = 60
KEY = PublicKey(
    name="operator", line="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj"
)
WANTED = CloudServer(name="muscle-3", server_type="ccx43", location="nbg1", keys=(KEY,), backups=True)


def _more(state: WorldState) -> None:
    state.hetzner.servers[1].backups = True
    state.hetzner.addresses = [
        Address(id=1, name="spare", type="ipv4", ip="203.0.113.200", location="fsn1", created=0.0),
        Address(id=2, name="floating", type="ipv4", ip="203.0.113.201", location="fsn1", created=0.0, floats=True),
    ]


async def test_everything_that_exists_is_counted_before_and_after(tmp_path: Path) -> None:
    """Servers with and without backups, addresses used or not, volumes; then what comes, less what goes."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=_more) as it:
            costs = await costs_of(it.app.look, [WANTED], removing=[4_710_003])
    assert costs.before.by_group == (
        "2 x ccx33 at fsn1: 96.98 EUR (115.41 EUR with VAT) a month",
        "1 x ccx33 at fsn1 with backups: 58.19 EUR (69.24 EUR with VAT) a month",
        "4 x primary ipv4: 2.00 EUR (2.38 EUR with VAT) a month",
        "3 x primary ipv6: 0.00 EUR (0.00 EUR with VAT) a month",
        "1 x floating ipv4: 3.00 EUR (3.57 EUR with VAT) a month",
        "1 x volumes: 4.40 EUR (5.24 EUR with VAT) a month",
    )
    assert {name: str(price) for name, price in costs.added.items()} == {
        "muscle-3": "116.29 EUR (138.38 EUR with VAT) a month"
    }
    assert (costs.before.total.net.figure, costs.after.total.net.figure) == ("164.57", "231.87")
    assert (costs.monthly_eur, costs.total_eur) == ("138.38", "275.92")
    assert (costs.after.held_by(276), costs.after.held_by(275)) == ("within", "over")


async def test_what_cannot_be_read_leaves_the_total_unknown(tmp_path: Path) -> None:
    """A part that Hetzner does not tell is named, and no budget holds it."""

    def broken(state: WorldState) -> None:
        state.faults.append(Fault(system="hetzner", match="GET /v1/volumes", kind="status", status=500, times=9))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=broken) as it:
            costs = await costs_of(it.app.look, [WANTED])
    assert (costs.after.unread, costs.total_eur, costs.after.held_by(10_000)) == (("volumes",), "unknown", "unknown")
    assert "not known: what volumes costs" in costs.words


async def test_without_a_token_nothing_is_known(tmp_path: Path) -> None:
    """A project that cannot be seen is not an empty one."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            costs = await costs_of(replace(it.app.look, hetzner=None), [WANTED])
    assert (costs.monthly_eur, costs.total_eur) == ("unknown", "unknown")


async def test_the_facts_of_what_is_wanted_are_read_from_the_project(tmp_path: Path) -> None:
    """Servers of the wanted names, keys by what they are, and offers of the wanted types alone while they are there."""
    wanted = [WANTED, WANTED.model_copy(update={"name": "muscle-1"})]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            facts = await facts_of(it.app.look, wanted)
    assert (list(facts.servers), facts.servers["muscle-1"].ours) == (["muscle-1"], False)
    assert facts.keys == {KEY.fingerprint: "operator"}
    assert {offer.name for offer in facts.offers} == {"ccx43"}
