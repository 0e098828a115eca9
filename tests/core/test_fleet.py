"""The fleet's values: which names, domains, addresses and limits a person may write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ink_infra_mcp.core.fleet import (
    CoolifySettings,
    Fleet,
    Host,
    Muscle,
    address,
    cpu_limit,
    dns_label,
    domain,
    memory_bytes,
    memory_limit,
)

FLEET = Fleet(
    coolify=CoolifySettings(url="https://coolify.example.com"),
    factory=Host(name="factory", address="192.0.2.1"),
    muscles=(Muscle(name="s1", address="192.0.2.2"),),
    bastions=(Host(name="door", address="192.0.2.3"),),
)


@pytest.mark.parametrize("name", ["a", "s1", "muscle-1", "x" * 63])
def test_a_name_is_a_dns_label(name: str) -> None:
    """Names can be used in host names, so they are lower-case DNS labels."""
    assert dns_label(name) == name


@pytest.mark.parametrize("name", ["", "S1", "-a", "a-", "a_b", "a.b", "a b", "x" * 64, "s1\n", "é"])
def test_what_is_no_dns_label_is_refused(name: str) -> None:
    """Capitals, edges, dots, spaces and long names are refused with what would be right."""
    with pytest.raises(ValueError, match="lower-case letters"):
        dns_label(name)


@pytest.mark.parametrize("name", ["s1.example.com", "a.example", "xn--mnchen-3ya.example.org", "1.example.com"])
def test_a_domain_is_bare(name: str) -> None:
    """A domain has at least one dot and nothing around it."""
    assert domain(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("example", "*.example.com", "https://example.com", "example.com/", "example.com:443", "Example.com"),
        *("example.com.", ".example.com", "a..b", "192.0.2.1", f"{'a' * 64}.com", f"{'a.' * 130}com", "a.com\n"),
    ],
)
def test_what_is_no_bare_domain_is_refused(name: str) -> None:
    """A scheme, a star, a port, a path, a trailing dot or an address is refused."""
    with pytest.raises(ValueError, match="bare domain"):
        domain(name)


def test_an_address_is_written_in_one_way() -> None:
    """IPv6 addresses are normalised, so that one server has one address; host names stay."""
    assert [address(text) for text in ("192.0.2.1", "2001:DB8:0::1", "host.example.com", "localhost")] == [
        "192.0.2.1",
        "2001:db8::1",
        "host.example.com",
        "localhost",
    ]
    with pytest.raises(ValueError, match="bare domain"):
        address("192.0.2.256")


@pytest.mark.parametrize(("limit", "size"), [("6m", 6 * 2**20), ("8192k", 2**23), ("512m", 2**29), ("2g", 2**31)])
def test_a_memory_limit_is_docker_s(limit: str, size: int) -> None:
    """A limit has a unit, in lower case, and its size is in binary units."""
    assert (memory_limit(limit), memory_bytes(limit)) == (limit, size)


@pytest.mark.parametrize("limit", ["0", "0m", "512", "512M", "512mb", "-1g", "1.5g", "", "\u0661g"])
def test_unlimited_memory_is_refused(limit: str) -> None:
    """An app without a limit could take the whole Muscle, and what Docker cannot read is no limit."""
    with pytest.raises(ValueError, match="unlimited is not accepted"):
        memory_limit(limit)


def test_a_limit_that_docker_refuses_is_refused_here() -> None:
    """Docker takes nothing below 6 MiB; better to hear it before the deployment."""
    with pytest.raises(ValueError, match="6m or more"):
        memory_limit("5m")


@pytest.mark.parametrize("limit", ["0.5", "0.50", "0.01", "1", "2.25", "64", "0.10"])
def test_a_cpu_limit_is_a_number_above_zero(limit: str) -> None:
    """Whole and broken numbers of CPUs with up to two digits are taken as they are written."""
    assert cpu_limit(limit) == limit


@pytest.mark.parametrize("limit", ["0", "0.0", "0.00", "", "-1", "1.555", ".5", "1,5", "all", "\u0661"])
def test_no_cpu_at_all_is_refused(limit: str) -> None:
    """Zero means unlimited to Docker, so it is refused, and so is what is no number."""
    with pytest.raises(ValueError, match="above 0"):
        cpu_limit(limit)


@given(st.integers(1, 999), st.integers(0, 99))
def test_any_positive_cpu_limit_is_taken(whole: int, part: int) -> None:
    """Every number of CPUs from 1 to 999.99 can be said."""
    assert float(cpu_limit(f"{whole}.{part:02d}")) == pytest.approx(whole + part / 100)


def test_every_server_is_found_by_its_name() -> None:
    """`hosts` lists Factory, Muscles and bastions in that order, `host` finds each, and a stranger is a KeyError."""
    assert [host.name for host in FLEET.hosts] == ["factory", "s1", "door"]
    assert [FLEET.host(host.name) for host in FLEET.hosts] == list(FLEET.hosts)
    with pytest.raises(KeyError):
        FLEET.host("s2")


@pytest.mark.parametrize("port", [0, 65536])
def test_a_port_outside_its_range_is_refused(port: int) -> None:
    """Ports are 1-65535."""
    with pytest.raises(ValidationError):
        Host(name="s1", address="192.0.2.1", ssh_port=port)
