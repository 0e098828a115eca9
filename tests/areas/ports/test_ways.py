"""Where packets really go on a Linux host, recorded: what is computed is what connects came to, and never closed."""

import json

import pytest

from ink_infra_mcp.areas.ports.findings import findings_of, rows_of
from ink_infra_mcp.areas.ports.knocks import computed
from ink_infra_mcp.core.firewall.exposure import State
from tests.areas.ports.recorded_ways import NAMES, connects, ground_for, network, recorded

UNTOLD = {
    ("a_filter_first_at_one_priority", 8090): "either of two chains may come first",
    ("translation_first_at_one_priority", 8090): "either of two chains may come first",
    ("two_translations_of_one_priority", 8090): "either of two chains may come first",
    ("headers_that_are_rewritten", 8081): "headers are rewritten on the way in",
    ("headers_that_are_rewritten", 9100): "headers are rewritten on the way out",
    ("a_transparent_proxy", 8095): "a listener takes what was for another port",
    ("sent_to_another_device", 9200): "it leaves by another device",
    ("taken_in_by_another_card", 9100): "tc decides before any rule",
    ("taken_in_by_another_card", 9101): "tc decides before any rule",
    ("states_before_there_are_any", 9200): "before conntrack a packet has no state",
    ("states_before_there_are_any", 9201): "before conntrack a packet has no state",
    ("what_a_sender_chooses", 9100): "a sender chooses flags beside SYN",
    ("what_a_sender_chooses", 9102): "a rate is asked with the element of a set",
    ("a_status_compared_as_a_whole", 8001): "a status has more bits than the one that is compared",
    ("a_status_compared_as_a_whole", 9100): "a status has more bits than the one that is compared",
    ("a_helper_that_expects_connections", 9100): "a helper may have been told to expect the connection",
    ("a_card_in_a_bridge", 9101): "which port of the bridge it came in by is not told",
}
"""Ports of which the rules do not tell, each with the reason; everything else is told, and right."""


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_of_a_world_is_what_connects_came_to(name: str) -> None:
    """Open is a connect that came through, closed one that did not, and what cannot be told is called unknown."""
    ground = ground_for(network(name))
    told = {(each.address, each.port): str(computed(ground, each)) for each in connects(name)}
    assert told == {
        (each.address, each.port): "unknown"
        if (name, each.port) in UNTOLD
        else ("open" if each.answer == "open" else "closed")
        for each in connects(name)
    }


def at(name: str, port: str, **changed: str) -> dict[str, State]:
    """Return how reachable a port of a world's host is, by `family class`."""
    rows = rows_of(ground_for(network(name, **changed)))
    return {f"{r.exposure.family} {r.exposure.source_class}": r.exposure.state for r in rows if r.port == port}


def test_an_address_on_the_loopback_is_one_that_the_internet_calls() -> None:
    """What listens on a floating IP of `lo` alone is open for everybody, and so it says in the report."""
    assert at("an_address_on_the_loopback", "9302/tcp")["ipv4 internet"] is State.OPEN
    assert at("an_address_on_a_veth", "9301/tcp")["ipv4 internet"] is State.OPEN


def test_a_card_in_a_bridge_is_reported_over_both_families() -> None:
    """The bridge has the default route, so it is the way in, whatever it is called: IPv6 is open where IPv4 is not."""
    found = at("a_card_in_a_bridge", "9100/tcp")
    assert {key: found[key] for key in found if "internet" in key or "admin" in key} == {
        "ipv4 internet": State.CLOSED,
        "ipv4 admin": State.CLOSED,
        "ipv6 internet": State.OPEN,
        "ipv6 admin": State.OPEN,
    }


def test_a_whole_network_of_the_hosts_own_is_asked_about() -> None:
    """It is local by a route, not by an address; of its parts the rules close one, and the rest is open."""
    ways = ground_for(network("a_network_of_its_own_by_a_route")).facts.ways
    assert [(way.interface, way.also) for way in ways] == [("eth0", ("198.51.100.0/28",))]
    assert at("a_network_of_its_own_by_a_route", "9102/tcp")["ipv4 internet"] is State.OPEN


def test_a_network_that_rules_of_routing_may_lead_to_is_asked_about() -> None:
    """In a table of one's own it is the server's for whoever a rule sends there; a default route of such a table, which
    a transparent proxy needs, makes nothing more the server's own.
    """
    name = "a_network_of_its_own_by_a_route"
    routes = [
        {**route, "table": "200"} if route["dst"] == "198.51.100.0/28" else route
        for route in json.loads(recorded(name).answers["routes4"])
    ]
    proxy = {"type": "local", "dst": "default", "dev": "lo", "table": "100"}
    ground = ground_for(network(name, routes4=json.dumps([*routes, proxy])))
    assert [(way.interface, way.also) for way in ground.facts.ways] == [("eth0", ("198.51.100.0/28",))]
    answered = [each for each in connects(name) if each.answer == "open"]
    assert [each for each in answered if computed(ground, each) is State.CLOSED] == []


UNREAD = ("routes4", "routes6", "localnet", "addresses", "nft", "sockets")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lost", UNREAD)
def test_what_is_not_read_closes_nothing_that_answers(name: str, lost: str) -> None:
    """Without any one of a host's answers, no connect that really came through is called closed."""
    ground = ground_for(network(name, **{lost: "cut o"}))
    there = [each for each in connects(name) if any(way.has(each.address) for way in ground.facts.ways)]
    assert [each for each in there if each.answer == "open" and computed(ground, each) is State.CLOSED] == []


def test_a_connect_is_judged_by_the_way_that_leads_to_its_source() -> None:
    """One address, and two ways that do not come to the same: by the one whose interface leads back to the source it is
    open, by the other it is not; where routes do not tell which, it is unknown.
    """
    name = "an_address_on_a_veth"
    near = next(each for each in connects(name) if each.address == "192.0.2.129")
    known, cut = ground_for(network(name)), ground_for(network(name, routes4="cut o"))
    assert len([way for way in cut.facts.ways if way.has(near.address)]) > 1
    far = near.model_copy(update={"source": "198.51.100.7"})
    inner = near.model_copy(update={"source": "192.0.2.130"})
    assert [str(computed(known, each)) for each in (near, far)] == ["open", "open"]
    assert [str(computed(cut, each)) for each in (near, inner, far)] == ["unknown"] * 3


def test_routes_that_are_not_read_are_a_finding() -> None:
    """What is delivered where, nobody can tell without them."""
    ground = ground_for(network("a_card_in_a_bridge", routes6="cut o"))
    found = [finding for finding in findings_of(ground, rows_of(ground)) if finding.code == "unreadable_layer"]
    assert [(finding.severity, finding.what, finding.evidence) for finding in found] == [
        ("high", "the routes could not be read: what passes there is unknown", "what ip -j route said is not its JSON")
    ]
