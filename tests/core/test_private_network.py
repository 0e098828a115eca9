"""What a private network may not overlap: nothing that a server routes elsewhere or Docker may take passes unseen."""

import json
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.firewall.routes import Route, Routes
from ink_infra_mcp.core.private_network import DOCKER_POOLS, pools_met, pools_of, routed_elsewhere

NETWORK, OWN = "10.250.0.0/16", "10.250.0.3"


def _network(number: int, size: int) -> IPv4Network:
    return IPv4Network((number >> (32 - size) << (32 - size), size))


NETWORKS = st.builds(_network, st.integers(0, 2**32 - 1), st.integers(4, 32))


def route(network: str, *devices: str, delivered: bool = False) -> Route:
    """Return a route."""
    return Route(Family.V4, V4.parse(network), devices, delivered=delivered)


def server(*routes: Route) -> Interfaces:
    """Return a server whose private card is enp7s0."""
    network = V4.parse(f"{OWN}/32")
    own = OwnAddress("enp7s0", Family.V4, OWN, int(IPv4Network(OWN).network_address), network, 32)
    return Interfaces(addresses=(own,), routes=Routes(routes))


def test_the_private_cards_own_routes_and_the_default_one_are_no_obstacle() -> None:
    """What DHCP of a Cloud network sets leads to the card itself, and the default route covers everything."""
    there = server(
        route("0.0.0.0/0", "eth0"),
        route("10.250.0.1", "enp7s0"),
        route(NETWORK, "enp7s0"),
        route(OWN, "enp7s0", delivered=True),
    )
    assert routed_elsewhere(NETWORK, there, OWN) == ()
    assert routed_elsewhere(NETWORK, there, "") == (
        "10.250.0.1/32 leads to enp7s0",
        "10.250.0.0/16 leads to enp7s0",
    )


@given(there=NETWORKS, wanted=NETWORKS)
def test_a_route_elsewhere_is_an_obstacle_exactly_where_it_overlaps(there: IPv4Network, wanted: IPv4Network) -> None:
    """Whichever of the two is the larger one, and also a route that drops."""
    for devices in (("docker0",), ()):
        said = routed_elsewhere(str(wanted), server(route(str(there), *devices)), OWN)
        assert bool(said) is there.overlaps(wanted)


@pytest.mark.parametrize("unread", [Unreadable("no ip"), Interfaces(routes=Unreadable("no ip"))])
def test_routes_that_are_not_known_are_an_obstacle(unread: Interfaces | Unreadable) -> None:
    """Nobody knows what they say."""
    assert routed_elsewhere(NETWORK, unread, OWN) == ("its routes are not known (no ip)",)


@given(pool=NETWORKS, wanted=NETWORKS)
def test_a_pool_is_met_exactly_where_it_overlaps(pool: IPv4Network, wanted: IPv4Network) -> None:
    """By the settings' own pools alone, where they name some."""
    daemon = json.dumps({"default-address-pools": [{"base": str(pool), "size": 32}]})
    assert pools_met(str(wanted), daemon) == ((f"Docker may take {pool}",) if pool.overlaps(wanted) else ())


@pytest.mark.parametrize("daemon", ["", "{}", '{"default-address-pools": []}', '{"default-address-pools": null}'])
def test_without_pools_docker_takes_its_own(daemon: str) -> None:
    """Which it has built in."""
    assert pools_of(daemon) == DOCKER_POOLS


@pytest.mark.parametrize(
    "daemon",
    [
        None,
        "{",
        '{"default-address-pools": 5}',
        '{"default-address-pools": [{"base": "x"}]}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_settings_that_are_not_understood_are_met(daemon: str | None) -> None:
    """What is not known is never fine."""
    assert len(pools_met(NETWORK, daemon)) == 1
