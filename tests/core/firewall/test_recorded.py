"""Real hosts, recorded: what is computed of each is what real connects from outside have seen."""

from itertools import product

import pytest

from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.docker import Containers, Published
from ink_infra_mcp.core.firewall.exposure import Exposure, exposures, ports_that_matter
from ink_infra_mcp.core.firewall.firewalld import read_firewalld
from ink_infra_mcp.core.firewall.ufw import UfwRule, UfwStatus, read_ufw_rules, read_ufw_status
from tests.core.firewall.recorded import CLASSES, NAMES, facts, situation

CALLERS = (*product(("ipv4", "ipv6"), ("stranger", "admin")), ("ipv4", "neighbour"))
NOT_TOLD = {
    ("by_hand", "ipv4", 22, "stranger"),
    ("by_hand", "ipv4", 22, "admin"),
    ("by_hand", "ipv4", 9000, "stranger"),
    ("by_hand", "ipv4", 9000, "admin"),
    ("by_hand", "ipv4", 9000, "neighbour"),
    *(("sets_and_choices", family, 89, source) for family, source in CALLERS),
    *(("changed_headers", family, 8081, source) for family, source in CALLERS),
}
"""Ports behind a knock, a search of the packet's text, a time and a header that is set: the rules do not tell them."""


def computed(name: str) -> dict[tuple[str, int, str], Exposure]:
    """Return what is computed of a recorded host, for the TCP ports that were tried."""
    tried = sorted({seen.port for seen in situation(name).observed})
    found = exposures(facts(name), CLASSES, [("tcp", port) for port in tried])
    return {(each.family, each.port, each.source_class): each for each in found}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_computed_is_what_connects_have_seen(name: str) -> None:
    """Open is a connect that came through; closed is one that was refused or not answered; nothing else is claimed."""
    found = {key: each.state.value for key, each in computed(name).items()}
    seen = {
        (each.family, each.port, each.source): "unknown"
        if (name, each.family, each.port, each.source) in NOT_TOLD
        else ("open" if each.saw == "open" else "closed")
        for each in situation(name).observed
    }
    assert found == seen


def test_ufw_denies_what_docker_publishes_all_the_same() -> None:
    """Over IPv4 the published port goes round ufw; over IPv6 docker-proxy listens, and ufw denies it."""
    found = computed("ufw_published")
    over_four, over_six = found["ipv4", 8000, "stranger"], found["ipv6", 8000, "stranger"]
    assert over_four.evidence[-1] == "listener: it is sent on to container web at 172.17.0.2 port 8080"
    assert over_six == Exposure(
        host="ufw_published",
        family=Family.V6,
        protocol="tcp",
        port=8000,
        source_class="stranger",
        state=over_six.state,
        decided_by="host",
        depth=1,
        deniers=("host",),
        evidence=("iptables filter: -A ufw6-user-input -p tcp -m tcp --dport 8000 -j DROP",),
    )


def test_the_published_port_and_the_container_port_are_told_apart() -> None:
    """A rule on --ctorigdstport closes the published port 8000 and leaves 8001, which goes to the same port inside."""
    found = computed("ctorigdstport")
    closed = found["ipv4", 8000, "stranger"]
    rule = (
        "-A DOCKER-USER ! -s 203.0.113.66/32 -i eth0 -p tcp -m conntrack --ctorigdstport 8000 --ctdir ORIGINAL -j DROP"
    )
    assert closed.evidence == (f"iptables filter: {rule}",)
    assert found["ipv4", 8001, "stranger"].state == "open"


def test_the_rules_of_all_three_tools_count() -> None:
    """What iptables-nft accepts, iptables-legacy and nft still drop, and the evidence names the one that does."""
    found = computed("legacy_and_nft")
    assert found["ipv4", 9000, "stranger"].evidence == (
        "iptables-legacy filter: -A INPUT -p tcp -m tcp --dport 9000 -j DROP",
    )
    assert found["ipv4", 9001, "stranger"].evidence[0].startswith("nft ip own: in handle ")


def test_the_ports_that_matter_are_found() -> None:
    """Policy's ports, what listens, what is published and what rules name: each once; a loopback socket is not one."""
    found = ports_that_matter(facts("loopback"), [("tcp", 443)])
    assert found == (
        ("tcp", 22),
        ("tcp", 443),
        ("tcp", 8000),
        ("tcp", 8001),
        ("tcp", 8080),
        ("tcp", 9001),
        ("tcp", 9002),
    )


def test_containers_say_what_they_publish_and_where() -> None:
    """The host address of a published port is kept, so that one on the loopback is not one for everybody."""
    found = facts("loopback").containers
    assert isinstance(found, Containers)
    assert set(found.published) == {
        Published("web", "tcp", "127.0.0.1", 8000, 8080),
        Published("private", "tcp", "10.214.0.11", 8001, 8080),
    }
    host_mode = facts("host_network").containers
    assert isinstance(host_mode, Containers)
    assert {each.name: each.host_network for each in host_mode.running} == {"bare": True, "web": False}


def test_ufw_rules_of_every_shape_are_read() -> None:
    """Actions, directions, interfaces, lists, ranges, routes and comments come out as they were given."""
    said = situation("ufw_rules")
    rules = read_ufw_rules(said.answer("ufw_rules"), V4.FAMILY)
    assert not isinstance(rules, Unreadable)
    everyone = "0.0.0.0/0"
    base = UfwRule(family=Family.V4, action="allow", protocol="tcp", to=everyone, source=everyone)
    assert rules == (
        base.model_copy(update={"action": "deny", "protocol": "any", "source": "203.0.113.66"}),
        base.model_copy(update={"action": "limit", "ports": "22"}),
        base.model_copy(update={"protocol": "any", "ports": "80"}),
        base.model_copy(update={"ports": "81,82"}),
        base.model_copy(update={"ports": "6000:6010"}),
        base.model_copy(update={"action": "reject", "ports": "7000"}),
        base.model_copy(update={"ports": "5432", "source": "10.0.0.0/8"}),
        base.model_copy(update={"ports": "443", "protocol": "udp", "to": "203.0.113.11", "arrives": "eth0"}),
        base.model_copy(
            update={"ports": "8080", "to": "172.17.0.2", "route": True, "arrives": "eth0", "leaves": "docker0"}
        ),
        base.model_copy(update={"action": "deny", "ports": "25", "direction": "out"}),
    )
    commented = read_ufw_rules(situation("ufw_published").answer("ufw_rules"), V4.FAMILY)
    assert not isinstance(commented, Unreadable)
    assert commented[-1].comment == "admin only"
    assert read_ufw_status(said.answer("ufw_status")) == UfwStatus(
        active=True, incoming="deny", outgoing="allow", routed="deny"
    )
    assert read_ufw_status(situation("open").answer("ufw_status")) == UfwStatus(active=False)


def test_firewalld_zones_are_read() -> None:
    """The zones in use say what was set up: services, sources and rich rules."""
    zones = read_firewalld(situation("firewalld").answer("firewalld"))
    assert not isinstance(zones, Unreadable)
    by_name = {zone.name: zone for zone in zones}
    assert (by_name["public"].default, by_name["public"].services) == (True, ("dhcpv6-client", "http", "ssh"))
    assert by_name["public"].rich_rules == (
        'rule family="ipv4" source address="10.0.0.0/8" port port="9000" protocol="tcp" accept',
    )
    assert (by_name["trusted"].active, by_name["trusted"].sources) == (True, ("203.0.113.66",))
    assert isinstance(read_firewalld(situation("open").answer("firewalld")), Unreadable)
