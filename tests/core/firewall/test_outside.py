"""What lies outside a server and what inside: told by routes, addresses and kinds of links, and never by a name."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces, read_interfaces
from ink_infra_mcp.core.firewall.outside import Inner, Known, called_by, inner_networks, outside, perhaps_called_by
from ink_infra_mcp.core.firewall.routes import read_routes

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


def networks(*links: dict[str, object], routes: object = DEFAULT, wired: tuple[str, ...] = ()) -> Interfaces:
    """Return the interfaces of a server with these links beside its loopback."""
    found, told = read_interfaces(Answer(json.dumps([LO, *links]))), Answer(json.dumps(routes))
    assert isinstance(found, Interfaces)
    return replace(found, routes=read_routes([(Family.V4, told)]), cards=frozenset(wired))


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
    leading = outside(found, FLEET)
    assert leading == ("eth0",)
    inside = inner_networks(found, leading)
    assert inside == (
        Inner("coolnet", "bridge", ("172.18.0.1",), ("172.18.0.0/16",)),
        Inner("docker0", "bridge", ("172.17.0.1",), ("172.17.0.0/16",)),
        Inner("lxdbr0", "bridge", ("10.77.0.1", "fd42::1"), ("10.77.0.0/24", "fd42::/64")),
        Inner("podman0", "bridge", ("10.88.0.1",), ("10.88.0.0/16",)),
        Inner("virbr0", "bridge", ("192.168.122.1",), ("192.168.122.0/24",)),
        Inner("vmbr0", "bridge", ("10.10.10.1",), ("10.10.10.0/24",)),
        Inner("wg0", "wireguard", ("10.66.0.1",), ("10.66.0.0/24",)),
    )
    assert str(inside[0]) == "coolnet (172.18.0.0/16)"


@pytest.mark.parametrize(
    ("links", "routes", "wired", "leading"),
    [
        pytest.param((link("wan", "veth", "203.0.113.11/24"),), [], (), {"wan"}, id="its address in fleet.toml"),
        pytest.param((link("eth1", "veth", "198.51.100.11/24"),), [], (), {"eth1"}, id="a card that is a cable's end"),
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
    links: tuple[dict[str, object], ...], routes: object, wired: tuple[str, ...], leading: set[str]
) -> None:
    """Default routes of every table, the fleet's networks, hardware, and what shares a wire with one of these."""
    assert set(outside(networks(*links, routes=routes, wired=wired), FLEET)) == leading


def test_a_bridge_that_lies_within_a_large_private_network_is_the_servers_own() -> None:
    """A fleet that calls 10.0.0.0/8 its own has not thereby told that guests at 10.10.10.0/24 are strangers."""
    assert outside(networks(ETH0, link("vmbr0", "bridge", "10.10.10.1/24")), FLEET) == ("eth0",)


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
    leading = outside(found, FLEET)
    assert (leading, {each.name for each in inner_networks(found, leading)}) == ((card,), {bridge, tunnel})


def test_a_tunnel_with_an_address_of_the_internet_leads_outside_unless_the_server_lets_its_peers_in_itself() -> None:
    """Whatever the internet sends comes through GRE or the like; whoever is in WireGuard or behind a tap is a guest."""
    found = networks(
        ETH0,
        link("gre1", "gre", "198.51.100.1/30"),
        link("wg0", "wireguard", "10.66.0.1/24", "2001:db8:66::1/64"),
        link("tap0", "tun", "198.51.100.9/29"),
    )
    assert outside(found, FLEET) == ("eth0", "gre1")
    wg0 = Inner("wg0", "wireguard", ("10.66.0.1", "2001:db8:66::1"), ("10.66.0.0/24", "2001:db8:66::/64"), routed=True)
    assert wg0 in inner_networks(found, ("eth0", "gre1"))


def test_a_tunnel_within_a_large_private_network_may_be_a_way_in_and_is_no_outside() -> None:
    """check_firewall asks about it, too; apply_firewall closes nothing of what may be the server's own."""
    found = networks(ETH0, link("wg0", "wireguard", "10.66.0.1/24"), link("vmbr0", "bridge", "10.10.10.1/24"))
    assert called_by(found, FLEET) == {"eth0"}
    assert perhaps_called_by(found, FLEET) - {"eth0"} == {"wg0"}


def test_the_end_of_a_cable_is_no_card_where_it_is_in_a_bridge_or_has_no_address_of_the_internet() -> None:
    """Whoever runs in a container has cards that are ends of cables; a guest's cable leads inside."""
    found = networks(
        ETH0,
        link("br0", "bridge", "172.18.0.1/16"),
        link("veth1", "veth", "198.51.100.7/32", master="br0"),
        link("veth2", "veth", "192.168.7.1/24"),
    )
    assert outside(found, FLEET) == ("eth0",)


@given(st.data())
def test_every_way_in_leads_outside(data: st.DataObject) -> None:
    """What others are known to come in by is outside for the rules, too: of any links, kinds, addresses and routes."""
    addresses = ("203.0.113.11/32", "10.0.0.3/32", "10.9.0.1/16", "198.51.100.7/28", "192.168.7.1/24", "2001:db8::1/64")
    names = ("a", "b", "c", "d")
    made = [
        link(
            name,
            data.draw(st.sampled_from(("", "bridge", "veth", "wireguard", "tun", "gre", "vlan", "bond", "dummy"))),
            *data.draw(st.lists(st.sampled_from(addresses), max_size=2, unique=True)),
            master=data.draw(st.sampled_from(("", *names))),
        )
        for name in names
    ]
    found = networks(*made, routes=[{"dst": "default", "dev": data.draw(st.sampled_from(names))}])
    leading = outside(found, FLEET)
    assert called_by(found, FLEET) <= set(leading)
    assert not {each.name for each in inner_networks(found, leading)} & {*leading}


def test_without_routes_every_link_with_an_address_may_be_a_way_in() -> None:
    """But for the loopback, and what has nothing behind it."""
    found = networks(ETH0, link("x", "bridge", "172.18.0.1/16"), link("spare", "dummy", "203.0.113.77/32"))
    assert called_by(replace(found, routes=Unreadable("cut off")), FLEET) == {"eth0", "x"}


def test_of_a_link_in_a_vrf_rules_may_see_another() -> None:
    """What comes in by it is at the input hook from the VRF's own device."""
    found = networks(ETH0, link("eth1", "", "198.51.100.11/24", master="blue"), link("blue", "vrf"))
    assert [found.is_in_vrf(name) for name in ("eth0", "eth1", "blue")] == [False, True, False]
