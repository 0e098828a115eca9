"""Names in DNS."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.dns import names

LABEL = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)


@given(NAME, NAME)
def test_what_a_zone_calls_a_name_leads_back_to_it(below: str, zone: str) -> None:
    """`relative` and `absolute` are each other's way back, for the zone itself and for what is below it."""
    for name in (zone, f"{below}.{zone}", names.wildcard(f"{below}.{zone}")):
        assert names.absolute(names.relative(name, zone), zone) == name


@given(NAME, NAME)
def test_a_name_that_only_ends_alike_is_not_in_the_zone(prefix: str, zone: str) -> None:
    """`evilexample.com` is not below `example.com`."""
    assert not names.is_below(f"{prefix}{zone}", zone)
    with pytest.raises(ValueError, match="not in the zone"):
        names.relative(f"{prefix}{zone}", zone)


@given(NAME, NAME)
def test_everything_between_a_name_and_its_zone_is_looked_at(below: str, zone: str) -> None:
    """Each name on the way may be delegated elsewhere: none is left out, and the zone itself is not among them."""
    found = list(names.between(f"{below}.{zone}", zone))
    assert found[0] == f"{below}.{zone}"
    assert len(found) == below.count(".") + 1
    assert all(names.is_below(name, zone) and name != zone for name in found)


@given(st.lists(LABEL, min_size=2, max_size=5).map(".".join))
def test_what_is_above_a_name_ends_with_its_last_label(name: str) -> None:
    """The closest comes first."""
    assert list(names.above(name))[-1] == name.rpartition(".")[2]
    assert len(list(names.above(name))) == name.count(".")


@pytest.mark.parametrize("name", ["", ".", "a..b", "*", "*a.example.com", "a.*.example.com", "a b", "é.example.com"])
def test_what_no_record_can_be_called_is_refused(name: str) -> None:
    """A star stands alone and first, or nowhere."""
    with pytest.raises(ValueError, match="not a name"):
        names.canonical(name)


def test_a_name_has_one_spelling() -> None:
    """Case and the last dot say nothing."""
    assert names.canonical("*.S1.Example.COM.") == "*.s1.example.com"


@given(st.integers(0, 2**64 - 1))
def test_a_host_of_an_ipv6_network_is_its_first_address(network: int) -> None:
    """Vendors tell the /64; the host answers at ::1 of it."""
    net = ipaddress.IPv6Network((network << 64, 64))
    assert ipaddress.ip_address(names.host_address(str(net))) == net[1]


@pytest.mark.parametrize("text", ["192.0.2.0/24", "2001:db8::/80", "example.com", ""])
def test_what_is_no_host_is_refused(text: str) -> None:
    """An IPv4 network is nobody's address, nor is a small IPv6 one."""
    with pytest.raises(ValueError, match=r"."):
        names.host_address(text)
