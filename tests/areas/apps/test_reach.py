"""Whether an app is public is told from its name and its addresses, and nothing public is ever passed over."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.apps.reach import leads_only, spelt_address, why_not_public
from ink_infra_mcp.clients.outside import seems_public

INSIDE = ("10.0.0.5", "172.16.9.9", "192.168.1.1", "100.64.0.7", "169.254.1.1", "127.0.0.1", "fd00::5", "fe80::1")
PUBLIC = "192.0.2.11"


@pytest.mark.parametrize("address", [*INSIDE, "::ffff:10.0.0.5", "64:ff9b::a00:5"])
def test_a_server_with_an_address_inside_is_not_public(address: str) -> None:
    """Private, shared, link-local and loopback addresses of both families say so, hidden ones too."""
    assert why_not_public("shop.example.com", address, ()) == f"{address} is not a public address"


@pytest.mark.parametrize("address", ["192.0.2.11", "198.51.100.7", "203.0.113.1", "2001:db8::1", "8.8.8.8"])
def test_public_addresses_and_those_of_documentation_are_public(address: str) -> None:
    """Pretend worlds are made of documentation addresses: they are looked at as public ones are."""
    assert why_not_public("shop.example.com", address, (address,)) == ""


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("shop.internal", "no public DNS serves names that end in .internal"),
        ("shop.lab.TEST.", "no public DNS serves names that end in .test"),
        ("printer.local", "names that end in .local"),
        ("nas.home.arpa", "names that end in .home.arpa"),
        ("intranet", "no public DNS serves names without a dot"),
        ("app.10.0.0.5.sslip.io", "app.10.0.0.5.sslip.io stands for 10.0.0.5, which is not a public address"),
        ("app-10-0-0-5.sslip.io", "stands for 10.0.0.5"),
        ("fd00--5.sslip.io", "stands for fd00::5"),
    ],
)
def test_a_name_that_no_public_dns_serves_is_not_public(host: str, words: str) -> None:
    """Reserved names, bare ones, and those that spell a private address are told apart without asking anybody."""
    assert words in why_not_public(host, PUBLIC, ())


@pytest.mark.parametrize(
    "host", ["shop.example.com", "app.192.0.2.11.sslip.io", "local.example.com", "test.example.net", "x.sslip.io"]
)
def test_other_names_are_public(host: str) -> None:
    """Only the end of a name makes it reserved; a name of sslip.io counts by the address that it spells."""
    assert why_not_public(host, PUBLIC, ()) == ""


def test_a_name_that_leads_inside_only_is_not_public() -> None:
    """One public address among several is enough to be looked at from outside."""
    reason = "shop.example.com leads to 10.0.0.5, fd00::5 only, which is not public"
    assert why_not_public("shop.example.com", PUBLIC, ("10.0.0.5", "fd00::5")) == reason
    assert why_not_public("shop.example.com", PUBLIC, ("10.0.0.5", PUBLIC)) == ""
    assert why_not_public("shop.example.com", PUBLIC, ()) == ""


@given(st.ip_addresses())
def test_whatever_the_internet_routes_is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """No address that is global is ever skipped, but for multicast, those that hide a private one, and those that no
    registry gives out (IANA: global unicast of IPv6 is 2000::/3; 192.0.0.0/24 is for protocols).
    """
    hides = isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip in NAT64)
    given = ip in UNICAST if isinstance(ip, ipaddress.IPv6Address) else ip not in PROTOCOLS
    if ip.is_global and given and not ip.is_multicast and not hides:
        assert seems_public(str(ip))


@given(st.text(max_size=80))
def test_any_text_for_a_name_is_judged(host: str) -> None:
    """Nothing breaks: a name either spells an address or does not."""
    spelt = spelt_address(host)
    assert spelt == "" or str(ipaddress.ip_address(spelt)) == spelt
    assert isinstance(why_not_public(host, PUBLIC, ()), str)


UNICAST, PROTOCOLS = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv4Network("192.0.0.0/24")
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@pytest.mark.parametrize(
    ("seen", "own", "leads"),
    [
        (("192.0.2.11",), ("192.0.2.11",), True),
        (("192.0.2.11", "2001:db8::1"), ("192.0.2.11",), True),
        (("192.0.2.11", "2001:db8::1"), ("192.0.2.11", "2001:db8::2"), False),
        (("192.0.2.11", "203.0.113.9"), ("192.0.2.11",), False),
        (("203.0.113.9",), ("192.0.2.11",), False),
        (("2001:db8::1",), ("192.0.2.11",), False),
        (("2001:db8:0:0::1",), ("2001:db8::1",), True),
        (("192.0.2.11",), ("192.0.2.11", "10.0.0.2"), True),
        ((), ("192.0.2.11",), False),
        (("192.0.2.11",), ("muscle.example.com",), False),
        (("192.0.2.11",), (), False),
    ],
)
def test_a_name_leads_to_a_server_only_where_no_other_address_is_beside_its_own(
    seen: tuple[str, ...], own: tuple[str, ...], leads: bool
) -> None:
    """Half of the users would come to another one; of a version of which no own address is known nothing is said."""
    assert leads_only(seen, own) is leads
