"""Which addresses are knocked at, from where, and what of it contradicts what was computed."""

from dataclasses import replace

import pytest

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.knocks import Knocked, Origin, contradicting, routed_to
from ink_infra_mcp.areas.ports.ways_in import PRIVATE, PUBLIC
from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.exposure import WayIn
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.fleet import Host
from tests.areas.ports.test_ground import FLEET, ground

HOST = FLEET.host("muscle-1")


def with_ways(*ways: WayIn, host: Host = HOST) -> tuple[str, ...]:
    """Return the addresses that are known to lead to a server with these ways in."""
    return routed_to(host, replace(ground("open").facts, ways=ways))


def test_only_addresses_that_lead_to_the_server_are_dialled_from_elsewhere() -> None:
    """The one of fleet.toml and its neighbours on the same link; not those of a bridge, a tunnel or a private network,
    which may be somebody else's where the connect is made.
    """
    card = WayIn(PUBLIC, ("203.0.113.11", "2001:db8::11", "10.9.9.9", "fd00::9"), "eth0")
    bridges = (
        WayIn(PUBLIC, ("172.18.0.1",), "coolnet"),
        WayIn(PUBLIC, ("198.51.100.9",), "vmbr0"),
        WayIn(PRIVATE, ("10.214.0.11",), "eth1"),
    )
    assert with_ways(card, *bridges) == ("203.0.113.11", "2001:db8::11")


def test_an_address_behind_nat_is_the_one_that_is_dialled() -> None:
    """The server holds an address of its provider's inside; what leads to it is what fleet.toml says."""
    assert with_ways(WayIn(PUBLIC, ("10.0.0.5", "203.0.113.11"), "eth0")) == ("203.0.113.11",)


@pytest.mark.parametrize(
    ("address", "source"), [("10.214.0.11", "10.214.0.10"), ("10.30.0.1", None), ("10.214.0.10", None)]
)
def test_a_server_does_not_knock_at_what_lies_behind_its_own_bridge(address: str, source: str | None) -> None:
    """Both servers may have a bridge with the same network: the other's address there is its own for it."""
    own = Interfaces(
        tuple(
            OwnAddress(name, Family.V4, text, V4.parse(text).spans[0][0], V4.parse(f"{text}/16"), 16)
            for name, text in (("eth1", "10.214.0.10"), ("br-7", "10.30.0.1"))
        )
    )
    origin = Origin("factory", (WayIn(PRIVATE, ("10.214.0.10",), "eth1"),), own)
    assert origin.towards(WayIn(PRIVATE, (address,), "eth1"), address) == source


@pytest.mark.parametrize(
    ("port", "answer", "counts"),
    [(22, "open", False), (22, "silent", True), (22, "refused", True), (8080, "open", True), (8080, "silent", False)],
)
def test_a_connect_counts_both_ways(port: int, answer: str, counts: bool) -> None:
    """What is computed open and does not answer contradicts as well as what is computed closed and does."""
    of: Ground = ground("open")
    here = Knocked.model_validate(
        {"server": "muscle-1", "origin": "here", "source": "203.0.113.1", "address": "203.0.113.11", "port": port,
         "answer": answer}
    )  # fmt: skip
    assert bool(contradicting(of, [here])) is counts
