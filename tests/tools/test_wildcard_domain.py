"""set_wildcard_domain over the pretend world: records at both providers, what it refuses, proves and puts back."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.fleet import Domains, Fleet
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import Before, call, unknown

pytestmark = pytest.mark.anyio

LIMIT_S = 120
TOOL = "set_wildcard_domain"
IPV4, IPV6 = "192.0.2.12", "2001:db8:0:3::1"


def hetzner_sets(it: Ink) -> dict[str, tuple[str, ...]]:
    """Return the values of the record sets of example.com by `name TYPE`."""
    (zone,) = it.state.hetzner.zones
    return {f"{r.name} {r.type}": tuple(record.value for record in r.records) for r in zone.rrsets}


def cloudflare_sets(it: Ink) -> list[tuple[str, str, str, int, bool]]:
    """Return the records of example.org."""
    (zone,) = it.state.cloudflare.zones
    return [(r.name, r.type, r.content, r.ttl, r.proxied) for r in zone.records]


async def test_a_wildcard_leads_to_the_muscle_and_the_same_call_again_plans_nothing(tmp_path: Path) -> None:
    """What is missing of A and AAAA is set after a yes and proved at each name server; what is there stays as it is."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            before = hetzner_sets(it)
            person = says_yes()
            async with it.client(person) as client:
                done = await call(client, TOOL, server="muscle-2", wait_s=60)
                again = await call(client, TOOL, server="muscle-2")
            after, writes = hetzner_sets(it), [line for line in it.journal if line.startswith("hetzner")]
    assert (done.outcome, again.outcome, len(person.asked)) == ("applied", "already_so", 1), done.text
    assert after == before | {"*.s2 AAAA": (IPV6,), "s2 A": (IPV4,), "s2 AAAA": (IPV6,)}
    assert writes == ["hetzner POST /v1/zones/4710300/rrsets"] * 3
    assert done.checks == {
        "delegation": "passed",
        "name servers": "passed",
        "public DNS": "passed",
        "Coolify's setting": "passed",
    }
    assert unknown(it) == []


def at_cloudflare(fleet: Fleet) -> Fleet:
    """Return a fleet whose zones are at Cloudflare."""
    return fleet.model_copy(update={"domains": Domains(fleet="example.org", dns="cloudflare")})


async def test_cloudflare_gets_plain_records_in_one_batch_each(tmp_path: Path) -> None:
    """The records answer with the Muscle's own addresses, not with the proxy's, and other records stay."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=at_cloudflare) as it:
            before = cloudflare_sets(it)
            async with it.client(says_yes()) as client:
                done = await call(client, TOOL, server="muscle-2", domain="s7.example.org", wait_s=60)
                again = await call(client, TOOL, server="muscle-2", domain="s7.example.org")
            after = cloudflare_sets(it)
    assert (done.outcome, again.outcome) == ("applied", "already_so"), done.text
    assert after == [
        *before,
        ("*.s7.example.org", "A", IPV4, 300, False),
        ("*.s7.example.org", "AAAA", IPV6, 300, False),
        ("s7.example.org", "A", IPV4, 300, False),
        ("s7.example.org", "AAAA", IPV6, 300, False),
    ]
    assert done.checks["Coolify's setting"] == "skipped"
    assert "write https://s7.example.org into Wildcard Domain, and Save" in done.text
    assert unknown(it) == []


def elsewhere(state: WorldState) -> None:
    """Send *.s2 to a server of somebody else, with a note beside it."""
    rrset = next(r for r in state.hetzner.zones[0].rrsets if r.name == "*.s2")
    rrset.records = [Record(value="203.0.113.9", comment="old provider")]


async def test_names_that_lead_elsewhere_are_only_changed_when_that_is_said(tmp_path: Path) -> None:
    """Without replace nothing happens and the answer says where they lead; with it they lead to the Muscle alone."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=elsewhere) as it, it.client(says_yes()) as client:
            refused = await call(client, TOOL, server="muscle-2")
            untouched = hetzner_sets(it)["*.s2 A"]
            done = await call(client, TOOL, server="muscle-2", replace=True, wait_s=60)
            sets = hetzner_sets(it)
    assert (refused.is_error, untouched) == (True, ("203.0.113.9",))
    assert "leads elsewhere: A 203.0.113.9 (300 s)" in refused.text
    assert (done.outcome, sets["*.s2 A"]) == ("applied", (IPV4,)), done.text


def wrong_servers(state: WorldState) -> None:
    """Let the parent zone name servers of somebody else."""
    zone = state.hetzner.zones[0]
    zone.delegated, zone.delegation_status = ["ns1.example.net."], "invalid"


def stale_word(state: WorldState) -> None:
    """Let the parent zone name servers of somebody else, which the vendor has not noticed yet."""
    state.hetzner.zones[0].delegated = ["ns1.example.net."]


def given_away(state: WorldState) -> None:
    """Delegate s2.example.com to somebody else."""
    records = [Record(value="ns1.example.net.")]
    state.hetzner.zones[0].rrsets.append(RRset(name="s2", type="NS", records=records))


def alias(state: WorldState) -> None:
    """Make *.s2 a CNAME."""
    zone = state.hetzner.zones[0]
    zone.rrsets = [r for r in zone.rrsets if r.name != "*.s2"]
    zone.rrsets.append(RRset(name="*.s2", type="CNAME", records=[Record(value="www.example.com.")]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (wrong_servers, "the parent zone names ns1.example.net, the zone is at helium.ns.example.net"),
        (stale_word, "the parent zone names ns1.example.net, the zone is at helium.ns.example.net"),
        (given_away, "s2.example.com is delegated to ns1.example.net: nobody asks example.com for it"),
        (alias, "*.s2.example.com is a CNAME, beside which no address can stand"),
    ],
)
async def test_records_that_nobody_would_ask_for_are_not_set(
    tmp_path: Path, change: Callable[[WorldState], None], words: str
) -> None:
    """A zone or part of one that the world asks elsewhere is found before anything is changed, and named."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it, it.client(says_yes()) as client:
            said = await call(client, TOOL, server="muscle-2", replace=True)
            assert [line for line in it.journal if "POST" in line] == []
    assert words in said.text


def another_editor(state: WorldState) -> None:
    """Set s2 to a server of somebody else."""
    state.hetzner.zones[0].rrsets.append(RRset(name="s2", type="A", records=[Record(value="203.0.113.50")]))


class BeforeStep(Before):
    """Changes the world once, just before the step of that id runs."""

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def changed(call: StepCall) -> JsonObject:
            return await (self.run(handler, call) if call.step_id == self.step else handler(call))

        return changed

    step = "dns_base_a"


async def test_what_another_editor_set_meanwhile_stays_and_the_rest_is_taken_back(tmp_path: Path) -> None:
    """A value that appears between the plan and its step makes the step stop; earlier sets are put back."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, wrap_handler=BeforeStep(tmp_path, "", another_editor)) as it:
            before = hetzner_sets(it)
            async with it.client(says_yes()) as client:
                said = await call(client, TOOL, server="muscle-2", wait_s=60)
            after = hetzner_sets(it)
    assert said.outcome == "undone", said.text
    assert "somebody else changed them" in said.text
    assert after == before | {"s2 A": ("203.0.113.50",)}
