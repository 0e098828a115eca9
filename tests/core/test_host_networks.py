"""What lies outside a server and what inside: told by routes, addresses and kinds of links, and never by a name."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.host_firewall.networks import Inner, Known, Networks, read_networks

FLEET = Known(
    held=frozenset({"203.0.113.11", "10.0.0.3"}),
    others=(V4.of(("203.0.113.10", "10.0.0.2")), V6()),
    private=(V4.parse("10.0.0.0/8"), V6()),
)
DEFAULT = [{"dst": "default", "gateway": "172.31.1.1", "dev": "eth0"}]


def link(name: str, kind: str = "", *addresses: str, **more: object) -> dict[str, object]:
    """Return a link as `ip -j -d address show` says it."""
    found: list[dict[str, object]] = []
    for text in addresses:
        local, _, length = text.partition("/")
        found.append({"family": "inet6" if ":" in local else "inet", "local": local, "prefixlen": int(length)})
    info: Mapping[str, object] = {"linkinfo": {"info_kind": kind}} if kind else {}
    return {"ifname": name, "link_type": "ether", "addr_info": found, **info, **more}


LO = link("lo", "", "127.0.0.1/8", link_type="loopback")
ETH0 = link("eth0", "", "203.0.113.11/32")


def networks(*links: dict[str, object], routes: object = DEFAULT, wired: tuple[str, ...] = ()) -> Networks:
    """Return the networks of a server with these links beside its loopback."""
    return read_networks(json.dumps([LO, *links]), [json.dumps(routes)], wired)


def test_whatever_it_is_called_a_network_of_containers_guests_or_a_tunnel_is_inside() -> None:
    """Docker's own bridges, one with a name of its own, vmbr0, virbr0, lxdbr0, podman0, wg0; ports of bridges are not
    networks, and nothing comes from a dummy.
    """
    found = networks(
        ETH0,
        link("docker0", "bridge", "172.17.0.1/16"),
        link("coolnet", "bridge", "172.18.0.1/16", "fe80::1/64"),
        link("veth12", "veth", master="coolnet"),
        link("vmbr0", "bridge", "10.10.10.1/24"),
        link("tap100", "tun", master="vmbr0"),
        link("virbr0", "bridge", "192.168.122.1/24"),
        link("lxdbr0", "bridge", "10.77.0.1/24", "fd42::1/64"),
        link("podman0", "bridge", "10.88.0.1/16"),
        link("wg0", "wireguard", "10.66.0.1/24"),
        link("failover", "dummy", "203.0.113.77/32"),
    )
    outside = found.outside(FLEET)
    assert outside == ("eth0",)
    assert found.inner(outside) == (
        Inner("coolnet", "bridge", ("172.18.0.1",), ("172.18.0.0/16",)),
        Inner("docker0", "bridge", ("172.17.0.1",), ("172.17.0.0/16",)),
        Inner("lxdbr0", "bridge", ("10.77.0.1", "fd42::1"), ("10.77.0.0/24", "fd42::/64")),
        Inner("podman0", "bridge", ("10.88.0.1",), ("10.88.0.0/16",)),
        Inner("virbr0", "bridge", ("192.168.122.1",), ("192.168.122.0/24",)),
        Inner("vmbr0", "bridge", ("10.10.10.1",), ("10.10.10.0/24",)),
        Inner("wg0", "wireguard", ("10.66.0.1",), ("10.66.0.0/24",)),
    )
    assert str(found.inner(outside)[0]) == "coolnet (172.18.0.0/16)"


@pytest.mark.parametrize(
    ("links", "routes", "wired", "outside"),
    [
        pytest.param((link("wan", "veth", "203.0.113.11/24"),), [], (), {"wan"}, id="its address in fleet.toml"),
        pytest.param((link("docker0", "veth", "10.0.0.3/32"),), [], (), {"docker0"}, id="its private address"),
        pytest.param((link("br-x", "bridge", "10.0.0.9/24"),), [], (), {"br-x"}, id="a neighbour of the fleet"),
        pytest.param((link("lo1", "", "10.5.0.9/32"),), [], (), {"lo1"}, id="a single address in a shared network"),
        pytest.param((link("eno2"),), [], ("eno2",), {"eno2"}, id="a card without an address"),
        pytest.param(
            (link("wg0", "wireguard"),), [{"dst": "default", "dev": "wg0", "table": "51820"}], (), {"wg0"},
            id="a default route of another table",
        ),
        pytest.param((link("tun0", "tun"),), [{"dst": "0.0.0.0/1", "dev": "tun0"}], (), {"tun0"}, id="half a route"),
        pytest.param(
            (link("a"), link("b")), [{"dst": "default", "nexthops": [{"dev": "a"}, {"dev": "b"}]}], (), {"a", "b"},
            id="two hops",
        ),
        pytest.param(
            (link("br-wan", "bridge"), link("eth0", "", master="br-wan"), link("tap1", "tun", master="br-wan")),
            [], ("eth0",), {"br-wan", "eth0"}, id="a bridge with a card in it",
        ),
        pytest.param(
            (link("eno1", ""), link("eno1.4000", "vlan", link="eno1"), link("shim", "macvlan", link="eno1.4000")),
            [], ("eno1",), {"eno1", "eno1.4000", "shim"}, id="what lies on a card's wire",
        ),
        pytest.param(
            (link("eno1"), link("vxlan7", "vxlan", "10.200.0.1/16", link="eno1")), [], ("eno1",), {"eno1"},
            id="a tunnel over a card",
        ),
        pytest.param((ETH0,), [{"type": "unreachable", "dst": "default", "dev": "lo"}], (), {"eth0"}, id="no way"),
    ],
)  # fmt: skip
def test_outside_is_what_routes_addresses_and_wires_say(
    links: tuple[dict[str, object], ...], routes: object, wired: tuple[str, ...], outside: set[str]
) -> None:
    """Default routes of every table, the fleet's networks, hardware, and what shares a wire with one of these."""
    assert set(networks(*links, routes=routes, wired=wired).outside(FLEET)) == outside


def test_a_bridge_that_lies_within_a_large_private_network_is_the_servers_own() -> None:
    """A fleet that calls 10.0.0.0/8 its own has not thereby told that guests at 10.10.10.0/24 are strangers."""
    assert networks(ETH0, link("vmbr0", "bridge", "10.10.10.1/24")).outside(FLEET) == ("eth0",)


names = st.lists(
    st.sampled_from(("docker0", "br-1f", "veth9", "lo7", "eth5", "coolnet", "vmbr0", "wg0", "x")),
    min_size=4, max_size=4, unique=True,
)  # fmt: skip


@given(called=names)
def test_no_name_makes_a_difference(called: list[str]) -> None:
    """The same links are outside and inside, whatever each of them is called."""
    card, bridge, port, tunnel = called
    found = networks(
        link(card, "", "203.0.113.11/32"),
        link(bridge, "bridge", "172.18.0.1/16"),
        link(port, "veth", master=bridge),
        link(tunnel, "tun", "10.66.0.1/24"),
        routes=[{"dst": "default", "dev": card}],
    )
    outside = found.outside(FLEET)
    assert (outside, {each.name for each in found.inner(outside)}) == ((card,), {bridge, tunnel})


@pytest.mark.parametrize("text", ["", "[]", "{}", "Object is not JSON", '[{"ifname": 7}]'])
def test_links_that_cannot_be_read_are_an_error(text: str) -> None:
    """An ip without JSON, or a damaged answer, is never a server without links."""
    with pytest.raises(ValueError, match=r".+"):
        read_networks(text, [], ())
