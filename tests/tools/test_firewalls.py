"""check_firewall and apply_firewall over the pretend world: what they say, change, refuse and take back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Access, Fleet
from ink_infra_mcp.hosts.firewall.knocking import MOST
from ink_infra_mcp.sandbox.state import WorldState
from tests.ink import Ink, data, ink, says_yes, text

pytestmark = pytest.mark.anyio

LIMIT_S = 120
SPEED = 15.0
"""A server waits three minutes for the proof of new rules: at this speed twelve seconds, which a busy machine has."""


def codes(report: dict[str, Any]) -> set[str]:
    """Return server and code of each finding that is worse than a warning."""
    return {f"{f['server']} {f['code']}" for f in report["findings"] if f["severity"] in {"critical", "high"}}


async def checked(it: Ink, **args: object) -> dict[str, Any]:
    """Return the report of check_firewall."""
    async with it.client() as client:
        return data(await client.call_tool("check_firewall", args))


async def test_a_muscle_is_closed_to_policy_in_front_of_it_and_on_it(tmp_path: Path) -> None:
    """What is open beyond policy is found, closed by the provider and on the server after a yes, and found no more; the
    same call again plans nothing, and the connects that are tried then agree with what is computed.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, speed=SPEED) as it:
            before = await checked(it)
            person = says_yes()
            async with it.client(person) as client:
                call = {"server": "muscle-2", "wait_s": 60}
                done = data(await client.call_tool("apply_firewall", call))
                again = data(await client.call_tool("apply_firewall", call))
            after = await checked(it, server="muscle-2", probe=True)
    asked = " ".join(person.asked[0].replace("... ", "").split())
    networks = "br-1f2e3d4c5b6a (10.0.1.0/24), docker0 (172.17.0.0/16)"
    assert f"that may reach (but for the provider's metadata service, 169.254.169.254): {networks}" in asked
    assert "from inside each but docker0: no container or guest" in asked
    ways = next(check["evidence"] for check in done["checks"] if check["name"] == "kept ways")
    assert "connects that got through before do so with the new rules" in ways
    assert {f"muscle-2 {code}" for code in ("ssh_open_to_world", "traefik_dashboard_open")} <= codes(before)
    assert (done["outcome"], again["outcome"], len(person.asked)) == ("applied", "already_so", 1)
    assert {check["name"]: check["status"] for check in done["checks"]} == dict.fromkeys(
        ("closed ports", "required ports", "connects", "kept ways"), "passed"
    )
    assert (after["verdict"], after.get("findings", []), after["connects"] > 0) == ("clean", [], True)
    assert after["probed_from"] == ["this machine", "factory", "muscle-1"]
    assert [note for note in after.get("notes", []) if "probe=true" in note] == []


async def test_what_rests_on_a_servers_own_word_is_offered_to_be_tried(tmp_path: Path) -> None:
    """Over the wire, and in the text that a person reads: which servers it concerns, and the call that tries it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            whole = await client.call_tool("check_firewall", {})
            one = await client.call_tool("check_firewall", {"server": "muscle-2"})
    (note,) = (note for note in data(one)["notes"] if "probe=true" in note)
    assert note.endswith(
        "TCP ports of muscle-2 rests on what the server itself says of its filters, routes and listeners, or is not "
        "known: check_firewall server=muscle-2 probe=true tries it"
    )
    assert f"note: {note}" in text(one)
    assert "check_firewall probe=true tries it" in " ".join(data(whole)["notes"])


def large(fleet: Fleet) -> Fleet:
    """Return a fleet in which one server goes by forty more names."""
    one = fleet.muscles[-1]
    more = [one.model_copy(update={"name": f"muscle-{number}"}) for number in range(10, 50)]
    return fleet.model_copy(update={"muscles": (*fleet.muscles, *more)})


async def test_a_large_fleet_is_probed_whole(tmp_path: Path) -> None:
    """More connects than one server tries at a time are tried in turn; none is left out without a word."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=large, speed=SPEED) as it:
            report = await checked(it, probe=True)
    named = [server["name"] for server in report["servers"]]
    assert (len(named), report.get("notes", []), report["connects"] > 4 * MOST) == (43, [], True)


def elsewhere(fleet: Fleet) -> Fleet:
    """Return a fleet whose admins come from another address than this server does."""
    return fleet.model_copy(update={"access": Access(admin=("203.0.113.200",))})


def nobody(fleet: Fleet) -> Fleet:
    """Return a fleet that names no admin."""
    return fleet.model_copy(update={"access": Access()})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (elsewhere, "would shut out of muscle-2: this very session (198.51.100.7/32 to tcp/22)"),
        (nobody, "names no admin networks"),
    ],
)
async def test_rules_that_would_lock_us_out_are_refused_before_anybody_is_asked(
    tmp_path: Path, change: Callable[[Fleet], Fleet], words: str
) -> None:
    """Whoever this server is to the policy, its own way in stays: else nothing is planned, and the answer says why."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=change) as it, it.client(person) as client:
            answer = text(await client.call_tool("apply_firewall", {"server": "muscle-2"}))
            assert words in answer
            assert (person.asked, it.journal) == ([], [])


def without_hetzner(state: WorldState) -> None:
    """Let Hetzner's firewalls not answer."""
    state.hetzner.servers.clear()


async def test_a_server_that_the_provider_does_not_know_is_unknown_and_not_changed(tmp_path: Path) -> None:
    """What stands in front of it is then a finding, never "nothing"; a plan for it is refused, and one for the server
    alone is not.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=without_hetzner) as it:
            report = await checked(it, server="muscle-2")
            async with it.client(says_yes()) as client:
                refused = text(await client.call_tool("apply_firewall", {"server": "muscle-2"}))
                alone = data(
                    await client.call_tool("apply_firewall", {"server": "muscle-2", "layers": "host", "wait_s": 60})
                )
    assert "muscle-2 unreadable_layer" in codes(report)
    assert report["verdict"] != "clean"
    assert "the provider's firewall could not be read" in refused
    assert alone["outcome"] in {"applied", "applied_unverified"}


def without_nft(state: WorldState) -> None:
    """Let nobody tell which rules the kernel has."""
    state.hosts["muscle-2"].without.append("nft")


async def test_filters_that_were_not_read_are_not_planned_on(tmp_path: Path) -> None:
    """The refusal says what was not read and why; nobody is asked, and nothing is changed."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=without_nft) as it, it.client(person) as client:
            refused = text(await client.call_tool("apply_firewall", {"server": "muscle-2"}))
            assert (person.asked, it.journal) == ([], [])
    assert "Nothing is planned for muscle-2: the IPv4 filters could not be read (nft is not installed" in refused


async def test_an_unknown_server_is_named_with_those_there_are(tmp_path: Path) -> None:
    """Both tools tell which names there are."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client() as client:
            answers = [
                text(await client.call_tool(tool, {"server": "muscle-9"}))
                for tool in ("check_firewall", "apply_firewall")
            ]
    assert all("Use one of: factory, muscle-1, muscle-2" in answer for answer in answers)


def muscle_off(state: WorldState) -> None:
    """Switch muscle-2 off."""
    state.hosts["muscle-2"].up = False


async def test_a_server_that_cannot_be_reached_is_a_finding_and_nothing_is_planned_for_it(tmp_path: Path) -> None:
    """One that is off is unknown, the others are judged all the same, and a change of it ends with its own error."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=muscle_off) as it:
            report = await checked(it)
            async with it.client(says_yes()) as client:
                refused = text(await client.call_tool("apply_firewall", {"server": "muscle-2"}))
            assert it.journal == []
    assert "muscle-2 not_reached" in codes(report)
    assert {server["name"]: server["checked"] > 0 for server in report["servers"]} == {
        "factory": True,
        "muscle-1": True,
        "muscle-2": False,
    }
    assert refused.startswith("[host_unreachable] muscle-2 does not answer over SSH"), refused


def of_a_real_server(*expressions: dict[str, object], comment: str = "web") -> Callable[[WorldState], None]:
    """Return a change of the world: muscle-2 has tables of iptables-nft as real tools print them, and drops the rest.

    `expressions` are those of a rule that nft has put before the others, of which iptables-save prints the verdict.
    """
    chain = {"family": "ip", "table": "filter", "name": "INPUT", "type": "filter", "hook": "input", "prio": 0}
    rule = {"family": "ip", "table": "filter", "chain": "INPUT"}
    web = [
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
        {"xt": {"type": "match", "name": "comment"}},
        {"counter": {"packets": 0, "bytes": 0}},
        {"accept": None},
    ]
    ruleset = [
        {"metainfo": {"version": "1.1.3", "json_schema_version": 1}},
        {"table": {"family": "ip", "name": "filter", "handle": 1}},
        {"chain": {**chain, "handle": 1, "policy": "drop"}},
        *([{"rule": {**rule, "handle": 9, "expr": list(expressions)}}] if expressions else []),
        {"rule": {**rule, "handle": 2, "expr": web}},
    ]
    lines = [
        "# Generated by iptables-save v1.8.11 (nf_tables) on Sun Nov 29 12:06:03 2026",
        "*filter",
        ":INPUT DROP [0:0]",
        *(["-A INPUT -p tcp -j DROP"] if expressions else []),
        f'-A INPUT -p tcp -m tcp --dport 80 -m comment --comment "{comment}" -j ACCEPT',
        "COMMIT",
        "# Completed on Sun Nov 29 12:06:03 2026",
    ]

    def change(state: WorldState) -> None:
        said = {"nft -j list ruleset": json.dumps({"nftables": ruleset}), "iptables-save": "\n".join(lines)}
        state.hosts["muscle-2"].firewall.said = said

    return change


TO_80: dict[str, object] = {
    "match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"set": [81, 443]}}
}


@pytest.mark.parametrize(
    ("change", "web", "https"),
    [
        (of_a_real_server(), "open", "closed"),
        (of_a_real_server(TO_80, {"drop": None}), "open", "closed"),
        (of_a_real_server(comment="x\n-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT"), "open", "closed"),
        (of_a_real_server(comment="x\n-A INPUT -p tcp -m tcp --dport 80 -j DROP"), "open", "closed"),
        (of_a_real_server(TO_80, {"newfangled": {"to": 80}}), "open", "unknown"),
        (of_a_real_server({"mangle": {"key": TO_80, "value": 80}}), "unknown", "unknown"),
    ],
)
async def test_what_the_kernel_says_decides_and_what_nobody_knows_closes_nothing(
    tmp_path: Path, change: Callable[[WorldState], None], web: str, https: str
) -> None:
    """Whatever iptables-save makes of rules of nft and of comments; behind a rule of an unknown kind all is unknown."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it:
            report = await checked(it, server="muscle-2")
    ports = {line["port"]: line["effective"] for line in report["servers"][0]["ports"] if line["family"] == "ipv4"}
    assert (state_of(ports["80/tcp"]), state_of(ports["443/tcp"])) == (web, https)


def state_of(effective: str) -> str:
    """Return how reachable a port is for the internet, as far as that is open, closed or unknown."""
    return next(word.partition("=")[2] for word in effective.split() if word.startswith("internet="))
