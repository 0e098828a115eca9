"""Ports of real, recorded hosts as check_firewall judges them: what it computes is what connects came to."""

from dataclasses import replace

import pytest

from ink_infra_mcp.areas.ports.findings import Ground, findings_of, rows_of
from ink_infra_mcp.areas.ports.knocks import Knocked, computed, disagreements
from ink_infra_mcp.areas.ports.lines import PortLine, lines_of
from ink_infra_mcp.areas.ports.providers import InFront
from ink_infra_mcp.areas.ports.ways_in import classes_of, neighbours_of, ways_of
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import HostFacts, State
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.fleet import Access, CoolifySettings, Fleet, Host, Muscle
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts
from ink_infra_mcp.settings.policy_files import load_ports
from tests.core.firewall.recorded import NAMES, facts, situation

SOURCES = {
    ("stranger", "ipv4"): "203.0.113.1",
    ("stranger", "ipv6"): "2001:db8::1",
    ("admin", "ipv4"): "203.0.113.66",
    ("admin", "ipv6"): "2001:db8::66",
    ("neighbour", "ipv4"): "10.214.0.1",
}
PUBLIC = {"ipv4": "203.0.113.11", "ipv6": "2001:db8::11"}
PRIVATE = "10.214.0.11"
FLEET = Fleet(
    coolify=CoolifySettings(url="https://coolify.example.com"),
    factory=Host(name="factory", address="203.0.113.10", private_address="10.214.0.10"),
    muscles=(Muscle(name="muscle-1", address="203.0.113.11", private_address=PRIVATE),),
    access=Access(admin=("203.0.113.66", "2001:db8::66"), private=("10.214.0.0/16",)),
)
OPEN = Gates(Gate("provider", opened_by="nobody filters"), Gate("provider", opened_by="nobody filters"))


def ground(name: str, *, ufw: bool = False, unread: str = "") -> Ground:
    """Return what a recorded host is judged by, with the layer called `unread` not readable."""
    known = facts(name)
    host = FLEET.host("muscle-1")
    network = NetworkFacts(
        host=host.name,
        v4=known.v4,
        v6=known.v6,
        interfaces=known.interfaces,
        sockets=known.sockets,
        containers=known.containers,
        came_from="203.0.113.66",
        came_to="203.0.113.11",
    )
    if unread:
        network = replace(network, **{unread: Unreadable("cut off")})
    neighbours = neighbours_of(FLEET, {host.name: network})
    return Ground(
        facts=HostFacts(
            name=host.name,
            provider=OPEN,
            v4=network.v4,
            v6=network.v6,
            interfaces=network.interfaces,
            sockets=network.sockets,
            containers=network.containers,
            ways=ways_of(host, network, neighbours),
        ),
        classes=classes_of(host, FLEET, neighbours),
        role="muscle",
        policy=load_ports().with_domain(has_domain=True),
        front=InFront(OPEN),
        ufw=ufw,
    )


def knocks(name: str) -> list[Knocked]:
    """Return the recorded connects as a probe would tell them."""
    return [
        Knocked(
            server="muscle-1",
            origin=seen.source,
            source=SOURCES[seen.source, seen.family],
            address=PRIVATE if seen.source == "neighbour" else PUBLIC[seen.family],
            port=seen.port,
            answer=seen.saw,
        )
        for seen in situation(name).observed
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_connect_came_to_what_is_computed_for_it(name: str) -> None:
    """Port by port, family by family and source by source, nothing that answered is called closed, nor the reverse."""
    tried = knocks(name)
    told = {knocked: computed(ground(name), knocked) for knocked in tried}
    assert {knocked: state for knocked, state in told.items() if state is not State.UNKNOWN} == {
        knocked: State.OPEN if knocked.answer == "open" else State.CLOSED
        for knocked, state in told.items()
        if state is not State.UNKNOWN
    }
    assert disagreements([ground(name)], tried) == tuple(
        finding for finding in disagreements([ground(name)], tried) if "could not be told" in finding.what
    )


def test_a_connect_that_contradicts_the_computation_is_a_critical_finding() -> None:
    """What answers though every layer should stop it means that something was read wrong: nothing is called fine."""
    here = Knocked(
        server="muscle-1", origin="here", source="203.0.113.1", address="203.0.113.11", port=8080, answer="open"
    )
    (finding,) = disagreements([ground("open")], [here])
    assert (finding.severity, finding.code, finding.evidence) == (
        "critical",
        "probe_differs",
        "computed closed for 203.0.113.1, observed open",
    )


def codes(of: Ground) -> set[tuple[str, str]]:
    """Return severity and code of each finding."""
    return {(finding.severity, finding.code) for finding in findings_of(of, rows_of(of))}


def test_docker_that_goes_round_ufw_is_told_and_a_closed_port_is_not() -> None:
    """ufw denies 8000 and Docker publishes it: open over IPv4, where Docker translates; SSH is open to the world."""
    of = ground("ufw_published", ufw=True)
    assert codes(of) == {
        ("high", "docker_bypasses_ufw"),
        ("high", "ssh_open_to_world"),
        ("high", "required_port_closed"),
        ("warning", "one_layer_deep"),
        ("warning", "open_to_neighbours"),
        ("warning", "no_provider_firewall"),
    }
    lines = {(line.port, line.family): line for line in lines_of(rows_of(of))}
    assert lines["8000/tcp", "ipv4"] == PortLine(
        port="8000/tcp",
        family="ipv4",
        intended="factory=closed fleet=closed internet=closed admin=closed",
        effective="factory=open fleet=open internet=open admin=open",
        layer="listener",
        depth=0,
        agrees=False,
    )
    assert lines["8000/tcp", "ipv6"].agrees


@pytest.mark.parametrize("layer", ["v4", "v6", "sockets", "containers", "interfaces"])
def test_a_layer_that_could_not_be_read_is_a_finding_and_closes_nothing(layer: str) -> None:
    """Each unread layer is told with its reason, and no port that was open before is closed by not looking."""
    whole, blind = ground("open"), ground("open", unread=layer)
    assert ("high", "unreadable_layer") in codes(blind)
    opened = {
        (r.port, r.exposure.family, r.exposure.source_class) for r in rows_of(whole) if r.exposure.state is State.OPEN
    }
    closed = {
        (r.port, r.exposure.family, r.exposure.source_class) for r in rows_of(blind) if r.exposure.state is State.CLOSED
    }
    assert opened & closed == set()


def test_classes_of_sources_never_overlap_and_the_factory_is_no_mere_neighbour() -> None:
    """Each address belongs to at most one class on its way, and the whole internet is the rest of what is routed."""
    classes = ground("open").classes
    pairs = [(one, other) for one in classes for other in classes if one is not other and one.way == other.way]
    assert [(one.name, other.name) for one, other in pairs if one.v4 & other.v4 or one.v6 & other.v6] == []
    assert {(each.name, each.way, str(each.v4)) for each in classes if each.name in {"factory", "admin"}} == {
        ("factory", "public", "203.0.113.10/32"),
        ("factory", "private", "10.214.0.10/32"),
        ("admin", "public", "203.0.113.66/32"),
    }
