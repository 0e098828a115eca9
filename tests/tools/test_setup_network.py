"""setup_factory's parts `firewall` and `dns`: who gets in to the Factory, and where the dashboard's name leads."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import Ink, ink
from tests.tools.arrivals import approved
from tests.tools.calls import Said, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 120
SPEED = 15.0
"""A server waits three minutes for the proof of new rules: at this speed twelve seconds, which a busy machine has."""
TOOL, NAME = "setup_factory", "coolify.example.com"
IPV4 = "192.0.2.10"
PORTS = dict.fromkeys(("closed ports", "required ports", "connects", "kept ways"), "passed")
RECORDS = dict.fromkeys(("delegation", "name servers", "public DNS"), "passed")


def sets(it: Ink) -> dict[str, tuple[str, ...]]:
    """Return the values of the record sets of example.com by `name TYPE`."""
    (zone,) = it.state.hetzner.zones
    return {f"{r.name} {r.type}": tuple(record.value for record in r.records) for r in zone.rrsets}


def having(*found: RRset) -> Callable[[WorldState], None]:
    """Return a change that puts record sets into the zone."""

    def there(state: WorldState) -> None:
        (zone,) = state.hetzner.zones
        zone.rrsets = [r for r in zone.rrsets if r.name != "coolify"] + [*found]

    return there


def at(type: str, *values: str) -> RRset:
    """Return a record set of the dashboard's name."""
    return RRset(name="coolify", type=type, ttl=300, records=[Record(value=value) for value in values])


async def set_up(it: Ink, *parts: str, **arguments: object) -> Said:
    """Return what is said of a call that a person approves."""
    async with it.client() as client:
        return await approved(it, client, TOOL, parts=[*parts], wait_s=60, **arguments)


def flowing(text: str) -> str:
    """Return a text without the ends of its lines."""
    return " ".join(text.replace("... ", "").split())


async def test_the_dashboards_name_leads_to_the_factory_and_the_same_call_again_plans_nothing(tmp_path: Path) -> None:
    """Set, proved at each name server and in the world; a person is told what Coolify's page of settings lacks."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=having()) as it:
            before = sets(it)
            said = await set_up(it, "dns", domain=NAME)
            assert (said.outcome, said.checks) == ("applied", RECORDS), said.text
            assert {name: sets(it)[name] for name in sets(it).keys() - before.keys()} == {"coolify A": (IPV4,)}
            async with it.client() as client:
                again = await call(client, TOOL, parts=["dns"], domain=NAME)
            assert again.outcome == "already_so"
            told = f"https://{NAME} as URL at http://"
            assert (told in flowing(again.text), unknown(it)) == (True, [])


async def test_a_name_that_leads_elsewhere_is_shown_with_what_it_leads_to(tmp_path: Path) -> None:
    """A person approves whom it meets; what the name led to is gone, and nothing else of the zone."""
    there = having(at("A", "198.51.100.77"), at("TXT", '"kept"'))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=there) as it:
            async with it.client() as client:
                asked = await call(client, TOOL, parts=["dns"], domain=NAME)
            words = f"whoever asks for {NAME}, which leads elsewhere now (A 198.51.100.77"
            assert (asked.outcome, words in flowing(asked.text)) == ("approval_required", True), asked.text
            before = sets(it)
            said = await set_up(it, "dns", domain=NAME)
            assert (said.outcome, sets(it)) == ("applied", {**before, "coolify A": (IPV4,)}), said.text


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (at("CNAME", "elsewhere.example.org."), "it is a CNAME"),
        (at("HTTPS", "1 elsewhere.example.org."), "browsers follow its HTTPS record"),
        (at("NS", "ns.example.org."), "is delegated to"),
    ],
)
async def test_what_leads_past_the_addresses_is_refused_with_its_reason(tmp_path: Path, found: RRset, why: str) -> None:
    """Addresses beside it would not lead people to the Factory, so none is set."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=having(found)) as it, it.client() as client:
            said = await call(client, TOOL, parts=["dns"], domain=NAME)
            assert ("[refused_by_policy]" in said.text, why in flowing(said.text)) == (True, True), said.text
            assert sets(it)[f"coolify {found.type}"] == tuple(record.value for record in found.records)


async def test_a_dashboard_without_a_name_is_asked_for_one(tmp_path: Path) -> None:
    """An address is no name, and none is guessed."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            said = await call(client, TOOL, parts=["dns"])
            assert ("The dashboard has no name" in said.text, "Give `domain`." in said.text) == (True, True), said.text


async def test_the_factorys_ports_are_closed_and_its_name_is_set_in_one_plan(tmp_path: Path) -> None:
    """Each part's own proofs are there, each part's locks are held, and the same call again plans nothing."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, speed=SPEED, change_world=having()) as it:
            said = await set_up(it, "dns", "firewall", domain=NAME)
            assert (said.outcome, said.checks) == ("applied", {**PORTS, **RECORDS}), said.text
            async with it.client() as client:
                again = await call(client, TOOL, parts=["dns", "firewall"], domain=NAME)
                alone = await call(client, "apply_firewall", server="factory")
            assert (again.outcome, alone.outcome) == ("already_so", "already_so"), again.text
            assert "seconds" not in said.data.get("result", {})
