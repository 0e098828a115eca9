"""Sets of ports and addresses: exact algebra, one family at a time, printed as the fewest CIDRs."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6, split
from ink_infra_mcp.core.firewall.ports import Ports

SMALL = 40
spans = st.lists(
    st.tuples(st.integers(0, SMALL), st.integers(0, SMALL)).map(lambda pair: (min(pair), max(pair))), max_size=5
)


def members(ports: Ports) -> set[int]:
    """Return the numbers of a set that a test looks at."""
    return {number for number in range(SMALL + 3) if number in ports}


@given(spans, spans)
def test_the_algebra_is_that_of_plain_sets(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> None:
    """Union, intersection, difference, complement and inclusion say what the same sets of numbers say."""
    one, other = Ports.of_spans(ours), Ports.of_spans(theirs)
    mine, yours = members(one), members(other)
    assert members(one | other) == mine | yours
    assert members(one & other) == mine & yours
    assert members(one - other) == mine - yours
    assert members(~one) == set(range(SMALL + 3)) - mine
    assert (one <= other) is (mine <= yours)
    assert (one - other) | (one & other) == one
    assert ~~one == one


@given(st.lists(st.ip_addresses(v=4), max_size=4), st.integers(8, 32))
def test_cidrs_say_the_same_set_in_the_fewest_words(addresses: list[ipaddress.IPv4Address], length: int) -> None:
    """What is printed reads back as the same set, and is what the standard library collapses the list to."""
    texts = [f"{address}/{length}" for address in addresses]
    found = V4.of(texts)
    collapsed = ipaddress.collapse_addresses(ipaddress.IPv4Network(text, strict=False) for text in texts)
    assert found.cidrs() == tuple(str(network) for network in collapsed)
    assert V4.of(found.cidrs()) == found


def test_the_families_are_never_mixed() -> None:
    """An IPv4 set refuses an IPv6 one in every operation, is not equal to it, and reads no IPv6 address."""
    four, six = V4.all(), V6(V4.all().spans)
    for operation in ("__or__", "__and__", "__sub__"):
        with pytest.raises(TypeError, match="V4 and V6 cannot be combined"):
            getattr(four, operation)(six)
    assert four != six
    with pytest.raises(ValueError, match="2001:db8::1"):
        V4.parse("2001:db8::1")
    assert split(["192.0.2.0/24", "2001:db8::/32"]) == (V4.parse("192.0.2.0/24"), V6.parse("2001:db8::/32"))


def test_ports_are_read_and_printed_as_people_write_them() -> None:
    """Lists and ranges come back in order and joined; what is no port is refused."""
    assert str(Ports.parse("443, 80-81,82")) == "80-82,443"
    assert str(Ports.parse("any")) == "any"
    for wrong in ("", "http", "70000", "9-8", "-1"):
        with pytest.raises(ValueError):
            Ports.parse(wrong)
