"""check_firewall and apply_firewall on servers that are wrong in more than thirty ways: said, seen, mended, lasting."""

from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.tools.check_firewall import Args, CheckFirewall
from tests.ink import data, says_yes
from tests.lab.bed import Bed, meanwhile
from tests.lab.broken import BROKEN, NO_IPV6, PORTS, Broken, break_
from tests.lab.chosen import chosen
from tests.lab.connects import knocks, met, observed
from tests.lab.open_ssh import goes_on, open_ssh
from tests.lab.tools_bed import app_of, client_of

pytestmark = pytest.mark.anyio

NAME = "muscle-2"
LIMIT_S = 330
ALLOWED = {22: {"admin", "factory"}, 80: {"admin", "factory", "outside", "muscle-1"}}
ALLOWED[443] = ALLOWED[80]
HARMLESS = {"no_provider_firewall", "one_layer_deep", "no_listener"}
"""What a firewall of the server alone cannot mend, and services that the lab does not run."""
IN_EVERY_RUN = frozenset(
    {
        "nothing filters and Coolify's port is published",
        "published over IPv6 only",
        "Docker's API over TCP",
        "ufw with SSH for the admin alone",
        "a rule of DOCKER-USER for the published port",
        "iptables of the old kind and nft",
        "nft with sets and a jump",
        "firewalld",
    }
)
"""Of the ways to be wrong, one for each that filters and each that goes round it; a minute each."""


def beyond_policy(seen: list[Knocked], how: Broken) -> list[str]:
    """Return the connects that policy wants otherwise, once it is applied; where nobody listens, none answers."""
    served = {
        22,
        *(int(port) for port, _, _ in (published.partition(":") for published in how.published) if port.isdigit()),
    }
    return [
        f"{k.origin} -> {k.address}:{k.port}: {k.answer}"
        for k in seen
        if (k.answer == "open") != (k.origin in ALLOWED.get(k.port, set()) and k.port in served)
    ]


@pytest.mark.parametrize("way", chosen(BROKEN, IN_EVERY_RUN))
async def test_what_is_wrong_is_told_as_connects_see_it_and_mended_without_losing_a_connection(
    bed: Bed, tmp_path: Path, way: str
) -> None:
    """Each of hundreds of connects comes to what was computed; applied once the server is clean and an open connection
    lives; applied twice nothing changes.
    """
    server = bed.fresh(NAME)
    await meanwhile(partial(break_, bed.lab.site, server, BROKEN[way]))
    app = app_of(bed, tmp_path / "state")
    try:
        with anyio.fail_after(LIMIT_S):
            assert (await met(bed, app, NAME, PORTS))[1] == []
            with open_ssh(bed.lab.site, "admin", server.machine.ipv4) as kept:
                async with client_of(app, says_yes()) as client:
                    first = data(await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 100}))
                    again = data(await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 100}))
                assert (first["outcome"], again["outcome"]) == ("applied", "already_so"), (first, again)
                after, wrong = await met(bed, app, NAME, PORTS)
                assert goes_on(kept)
            assert beyond_policy(after, BROKEN[way]) == []
            assert wrong == []
            report = await CheckFirewall().observe(Args(server=NAME), app.look)
            assert [f for f in report.findings if f.code not in HARMLESS] == []
    finally:
        await app.aclose()


async def test_a_required_port_that_ufw_cannot_open_is_told_and_not_called_reachable(bed: Bed, tmp_path: Path) -> None:
    """Where ufw drops all of IPv6, the rest is closed to policy, the plan says what to set, the result is unproved."""
    server = bed.fresh(NAME)
    await meanwhile(partial(break_, bed.lab.site, server, NO_IPV6))
    app = app_of(bed, tmp_path / "state")
    person = says_yes()
    try:
        with anyio.fail_after(LIMIT_S):
            async with client_of(app, person) as client:
                done = data(await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 100}))
            after = await anyio.to_thread.run_sync(observed, bed, knocks(bed, NAME, PORTS))
    finally:
        await app.aclose()
    assert "set IPV6=yes in /etc/default/ufw" in " ".join(person.asked[0].replace("... ", "").split())
    assert (done["outcome"], {c["name"]: c["status"] for c in done["checks"]}) == (
        "applied_unverified",
        {"closed ports": "passed", "required ports": "failed", "connects": "passed", "kept ways": "passed"},
    )
    assert [k for k in after if ":" in k.address and k.answer == "open"] == []
    assert beyond_policy([k for k in after if ":" not in k.address], NO_IPV6) == []
