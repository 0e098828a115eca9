"""Containers with an address of their own beside the server are in the report, and nothing of them is called fine."""

from dataclasses import replace

import pytest

from ink_infra_mcp.areas.ports.checks import closed
from ink_infra_mcp.areas.ports.findings import Ground, findings_of, rows_of
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.docker import Container, Containers
from ink_infra_mcp.core.firewall.interfaces import Interfaces, Link
from tests.areas.ports.test_ground import ground

MINE = "203.0.113.50"


def with_container(apart: tuple[str, ...]) -> Ground:
    """Return a server on which a container has these addresses in a network that is not known to be behind it."""
    of = ground("open")
    assert isinstance(of.facts.interfaces, Interfaces)
    interfaces = replace(of.facts.interfaces, links=(Link("lo", "loopback"), Link("eth0"), Link("docker0", "bridge")))
    containers = Containers(
        (Container("wan", apart or ("172.17.0.9",), host_network=False, published=(), apart=apart),)
    )
    return replace(of, facts=replace(of.facts, interfaces=interfaces, containers=containers))


def test_no_proof_of_closed_ports_passes_beside_such_a_container() -> None:
    """What it listens on is open whatever the server's own rules say, so that apply_firewall says so."""
    said = "container wan has an address of its own beside the server (203.0.113.50): no filter of the server stands"
    shut = closed(with_container((MINE,)), ())
    assert (shut.status, shut.evidence[: len(said)]) == ("failed", said)
    assert closed(with_container(("172.17.0.9",)), ()).status == "passed"


@pytest.mark.parametrize(
    ("apart", "found"),
    [
        ((MINE,), f"{MINE}, in a network of Docker that is none behind the server (macvlan, ipvlan ...)"),
        (("172.17.0.9",), ""),
        ((), ""),
    ],
)
def test_a_container_beside_the_server_is_a_finding(apart: tuple[str, ...], found: str) -> None:
    """One whose network is not known to be behind the server is told, unless the routes lead to it inside."""
    of = with_container(apart)
    told = [each for each in findings_of(of, rows_of(of)) if each.code == "container_beside"]
    assert [(each.severity, each.evidence) for each in told] == ([("high", found)] if found else [])
    blind = replace(of, facts=replace(of.facts, interfaces=Unreadable("cut off")))
    assert ("container_beside" in {each.code for each in findings_of(blind, rows_of(blind))}) is bool(apart)
