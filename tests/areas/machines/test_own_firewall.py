"""The firewalls of a server that the fleet does not have yet: by the policy of Muscles, with every way in kept."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.machines.own_firewall import classes_for, in_front, joined, own_firewall_steps
from ink_infra_mcp.cli.opening import SANDBOX_ADMIN
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Access, Fleet, Muscle
from ink_infra_mcp.core.step import result_of
from tests.clock import FakeClock
from tests.ink import ink

pytestmark = pytest.mark.anyio
LIMIT_S = 90
NEW = Muscle(name="s3", address="198.51.100.40", provider="hetzner_cloud")


def nobody(fleet: Fleet) -> Fleet:
    """Let no admin be named."""
    return fleet.model_copy(update={"access": Access()})


async def test_a_new_servers_firewalls_let_in_users_admins_and_the_factory_alone(tmp_path: Path) -> None:
    """In front and on the server itself the same: web from anywhere, SSH from admins and the Factory; the latter is
    loaded on probation and kept only when the Factory gets in anew.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock()) as it:
            look = it.app.look
            classes = await classes_for(look, NEW)
            rules = in_front(look, NEW, classes)
            links, save, put, keep = own_firewall_steps(look, NEW, classes, address=NEW.address)
            journal = it.journal

    anywhere, known = {"0.0.0.0/0", "::/0"}, {"192.0.2.10/32", f"{SANDBOX_ADMIN}/32"}
    assert {(rule.direction, rule.protocol, rule.port): {*rule.remote} for rule in rules if rule.port} == {
        ("in", "tcp", "22"): known,
        ("in", "tcp", "80"): anywhere,
        ("in", "tcp", "443"): anywhere,
        ("in", "udp", "443"): anywhere,
    }
    assert [step.kind for step in (links, save, put, keep)] == [
        "hosts.note_links",
        "hosts.save_firewall",
        "hosts.set_firewall",
        "hosts.keep_firewall",
    ]
    assert [step.params.get("links") for step in (put, keep)] == [result_of(links.id, "links")] * 2
    assert keep.params["knocks"] == [{"of": "factory", "address": NEW.address, "port": 22}]
    assert links.params["held"] == [NEW.address]
    assert journal == []


async def test_without_admins_nothing_is_planned(tmp_path: Path) -> None:
    """A firewall that lets in the Factory alone could be mended by nobody."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=nobody, clock=FakeClock()) as it:
            with pytest.raises(InputError, match="names no admin networks"):
                await classes_for(it.app.look, NEW)


async def test_a_fleet_has_a_joined_muscle_once(tmp_path: Path) -> None:
    """One of that name that is there is replaced, all others stay."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock()) as it:
            fleet = it.app.look.fleet
    moved = NEW.model_copy(update={"name": "muscle-1"})
    assert joined(fleet, NEW).muscles == (*fleet.muscles, NEW)
    assert joined(fleet, moved).muscles == (fleet.muscles[1], moved)
