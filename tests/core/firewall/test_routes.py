"""What a host delivers to itself, sends on or drops, by its routes, addresses and links, and what is told of none."""

from dataclasses import replace

import pytest

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces, Link, OwnAddress
from ink_infra_mcp.core.firewall.routes import Delivery, Route, Routes, read_localnet, read_routes
from tests.core.firewall.routed import routed

LOST = Unreadable("cut off")


def number(text: str) -> int:
    """Return the number of an IPv4 address."""
    return V4.parse(text).spans[0][0]


def route(network: str, *devices: str, table: str = "main", own: bool = False) -> Route:
    """Return a route of IPv4."""
    return Route(Family.V4, V4.parse(network), devices, table, delivered=own)


HOST = Interfaces(
    (
        OwnAddress("eth0", Family.V4, "203.0.113.11", number("203.0.113.11"), V4.parse("203.0.113.0/24"), 24),
        OwnAddress("br0", Family.V4, "192.0.2.1", number("192.0.2.1"), V4.parse("192.0.2.0/24"), 24),
    ),
    links=(Link("lo", "loopback"), Link("eth0"), Link("br0", "bridge"), Link("veth1", "veth", master="br0")),
)


@pytest.mark.parametrize(
    ("more", "address", "becomes"),
    [
        ((), "203.0.113.11", Delivery.HERE),
        ((), "192.0.2.9", Delivery.ONWARD),
        ((), "127.0.0.2", Delivery.NOWHERE),
        ((route("198.51.100.0/28", "lo", table="local", own=True),), "198.51.100.9", Delivery.HERE),
        ((route("198.51.100.0/28", "lo", own=True),), "198.51.100.9", Delivery.HERE),
        ((route("198.51.100.0/28", "lo", own=True), route("198.51.100.8/29", "br0")), "198.51.100.9", Delivery.ONWARD),
        ((route("0.0.0.0/0", "lo", table="100", own=True),), "198.51.100.9", Delivery.UNTOLD),
        ((route("0.0.0.0/0", "lo", table="100", own=True),), "203.0.113.11", Delivery.HERE),
    ],
)
def test_routes_decide_what_is_delivered(more: tuple[Route, ...], address: str, becomes: Delivery) -> None:
    """The local table comes first, then the smallest network of the main one; a further table makes both possible."""
    assert routed(HOST, *more).delivery(number(address), Family.V4, "eth0") is becomes


def test_of_what_is_not_read_nothing_is_told() -> None:
    """Without routes only own addresses are known, without the settings the loopback is not; nobody comes to ::1."""
    blind = replace(routed(HOST), routes=LOST)
    assert blind.delivery(number("192.0.2.9"), Family.V4, "eth0") is Delivery.UNTOLD
    assert blind.delivery(number("203.0.113.11"), Family.V4, "eth0") is Delivery.HERE
    loopback = number("127.0.0.2")
    assert replace(blind, localnet=LOST).delivery(loopback, Family.V4, "eth0") is Delivery.UNTOLD
    assert routed(HOST, localnet=frozenset({"eth0"})).delivery(loopback, Family.V4, "eth0") is Delivery.HERE
    assert routed(HOST, localnet=frozenset({"eth0"})).delivery(loopback, Family.V4, None) is Delivery.UNTOLD
    assert routed(HOST, localnet=frozenset({"eth0"})).delivery(1, Family.V6, "eth0") is Delivery.NOWHERE


def test_which_links_lead_inside_is_said_by_what_they_are_and_where_routes_lead() -> None:
    """A bridge with cables of containers is inside; with a card in it, or with the default route, it is not."""
    assert routed(HOST).inner() == {"lo", "br0", "veth1"}
    card = Link("eth1", master="br0")
    assert routed(replace(HOST, links=(*HOST.links, card))).inner() == {"lo", "veth1"}
    assert routed(HOST, uplink="br0").inner() == {"lo", "veth1"}
    assert replace(HOST, links=(*HOST.links, card)).under("br0") == {"veth1", "eth1"}


def test_a_redirection_leads_to_the_first_address_or_is_not_told() -> None:
    """Of an interface without one, and while IPv6 may still give an address up, nothing is told."""
    assert HOST.redirected("eth0", Family.V4) == number("203.0.113.11")
    assert (HOST.redirected("eth0", Family.V6), HOST.redirected(None, Family.V4)) == (None, None)
    one = V6.parse("2001:db8::1")
    mine = OwnAddress("eth0", Family.V6, "2001:db8::1", one.spans[0][0], one, 128)
    assert Interfaces((mine,)).redirected("eth0", Family.V6) == one.spans[0][0]
    assert Interfaces((replace(mine, settled=False),)).redirected("eth0", Family.V6) is None


def test_answers_of_the_tools_are_read_or_unreadable() -> None:
    """Several hops, routes that drop, tables by number; what is no JSON of ip, and no setting, is unreadable."""
    text = (
        '[{"dst":"default","flags":[],"nexthops":[{"dev":"eth0","weight":1},{"dev":"eth1","weight":1}]},'
        '{"type":"blackhole","dst":"192.0.2.0/24","table":"7"}]'
    )
    assert read_routes([(Family.V4, Answer(text))]) == Routes(
        (route("0.0.0.0/0", "eth0", "eth1"), route("192.0.2.0/24", table="7"))
    )
    for bad in (Answer("[{]"), Answer('[{"dev":"eth0"}]'), Answer("", 1)):
        assert isinstance(read_routes([(Family.V4, bad)]), Unreadable)
    assert read_localnet(Answer("/c/all/route_localnet:1\n/c/eth0.5/route_localnet:0")) == {"all", "eth0.5"}
    for bad in (Answer(""), Answer("/c/all/route_localnet:2"), Answer("", 2)):
        assert isinstance(read_localnet(bad), Unreadable)
