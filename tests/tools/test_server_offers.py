"""list_server_offers: what can be had in the pretend world, at its prices, and what is said of the rest."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import SecretMissing
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.tools.list_server_offers import AUCTION_NOTE, CLOUD_NOTE, Args, ListServerOffers
from tests.ink import ink
from tests.tools.calls import call

pytestmark = pytest.mark.anyio
LIMIT_S = 60


async def test_what_meets_the_specs_is_listed_with_the_cheapest_memory_first(tmp_path: Path) -> None:
    """Smaller ones are left out, sold-out and leaving ones are named apart, prices are net and with VAT."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            found = await call(client, "list_server_offers", cores=4, memory_gb=16, limit=6)
            journal = it.journal
    leaving = found.data["leaving"][0]
    assert leaving.startswith("ccx23 at ash (20")
    assert found.text.splitlines()[2:] == [
        "cx53 at fsn1: 16 shared cores, 32 GB memory, 320 GB disk; 17.99 EUR (21.41 with VAT) a month, 0.56 a GB",
        "cx53 at nbg1: 16 shared cores, 32 GB memory, 320 GB disk; 17.99 EUR (21.41 with VAT) a month, 0.56 a GB",
        "auction 2900001 at FSN1-DC14: AMD Ryzen 7 3700X, 64 GB memory, 2048 GB disk; "
        "37.00 EUR (44.03 with VAT) a month, 0.58 a GB",
        "cx43 at fsn1: 8 shared cores, 16 GB memory, 160 GB disk; 9.99 EUR (11.89 with VAT) a month, 0.62 a GB",
        "cx43 at hel1: 8 shared cores, 16 GB memory, 160 GB disk; 9.99 EUR (11.89 with VAT) a month, 0.62 a GB",
        "12 more: ask with a higher limit, or for one location",
        "sold out: cx53 at hel1",
        f"no longer sold soon: {leaving}",
        f"note: {CLOUD_NOTE}",
        f"note: {AUCTION_NOTE}",
    ]
    assert journal == []


async def test_a_location_narrows_and_nothing_is_said_so(tmp_path: Path) -> None:
    """Where nothing as large can be had, the answer says that and why."""

    def gone(state: WorldState) -> None:
        for kind in state.hetzner.server_types:
            for offer in kind.offers:
                offer.available = False
        state.robot.market = []

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=gone) as it, it.client() as client:
            found = await call(client, "list_server_offers", location="fsn1")
    assert found.text.splitlines()[1:3] == ["nothing as large can be had now", "sold out: ccx43 at fsn1"]


async def test_without_a_token_the_answer_says_what_is_missing(tmp_path: Path) -> None:
    """No offers are made up."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            with pytest.raises(SecretMissing, match="There is no Hetzner Cloud token"):
                await ListServerOffers().observe(Args(), replace(it.app.look, hetzner=None))


async def test_servers_of_the_auction_stand_among_the_others(tmp_path: Path) -> None:
    """Large enough in what is told, with their set-up fee; a location is that of their data centre."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            found = await call(client, "list_server_offers", limit=3)
            helsinki = await call(client, "list_server_offers", location="hel1")
    assert found.text.splitlines()[1:4] == [
        "auction 2900002 at HEL1-DC2: Intel Xeon E5-1650V3, 128 GB memory, 960 GB disk; "
        "52.00 EUR (61.88 with VAT) a month, 0.41 a GB, 39.00 once",
        "auction 2900001 at FSN1-DC14: AMD Ryzen 7 3700X, 64 GB memory, 2048 GB disk; "
        "37.00 EUR (44.03 with VAT) a month, 0.58 a GB",
        "ccx43 at ash: 16 dedicated cores, 64 GB memory, 360 GB disk; 96.99 EUR (115.42 with VAT) a month, 1.52 a GB",
    ]
    assert [offer["type"] for offer in helsinki.data["offers"]] == ["auction 2900002", "ccx43"]


async def test_an_auction_that_does_not_answer_hides_no_cloud_server(tmp_path: Path) -> None:
    """What was not looked at is said, with the reason."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            report = await ListServerOffers().observe(Args(), replace(it.app.look, robot=None))
    assert {offer.source for offer in report.offers} == {"hetzner_cloud"}
    assert report.notes[-1] == "the server auction (Robot) was not looked at: there is no webservice user"
