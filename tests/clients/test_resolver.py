"""The resolver, asking the sandbox's DNS server over a real socket."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.clients.resolver import Resolved, Resolver
from ink_infra_mcp.sandbox.nameserver import serve
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, pretend_world

pytestmark = pytest.mark.anyio


def _rrset(name: str, type: str, value: str) -> RRset:
    return RRset(name=name, type=type, records=[Record(value=value)])


@dataclass(frozen=True)
class Dns:
    """A served world, where it answers, and a resolver that asks it."""

    world: World
    port: int
    resolver: Resolver


@pytest.fixture
async def dns(tmp_path: Path) -> AsyncGenerator[Dns]:
    """Serve the seeded zone and some more records."""
    world = pretend_world(tmp_path, SteppingTime())
    with world.change() as state:
        state.hetzner.zones[0].rrsets += [
            _rrset("six", "AAAA", "2001:db8::6"),
            _rrset("coolify", "AAAA", "2001:db8::10"),
            _rrset("www", "CNAME", "app.s2"),
            _rrset("mail", "TXT", '"none"'),
            _rrset("text", "CNAME", "mail"),
        ]
    port, close = await serve(world)
    yield Dns(world=world, port=port, resolver=Resolver([("127.0.0.1", port)], timeout_s=2.0))
    await close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.s1.example.com", Resolved(status="found", ipv4=("192.0.2.11",))),
        ("APP.s1.example.com.", Resolved(status="found", ipv4=("192.0.2.11",))),
        ("six.example.com", Resolved(status="found", ipv6=("2001:db8::6",))),
        ("coolify.example.com", Resolved(status="found", ipv4=("192.0.2.10",), ipv6=("2001:db8::10",))),
        ("www.example.com", Resolved(status="found", ipv4=("192.0.2.12",), cname="app.s2.example.com")),
        ("mail.example.com", Resolved(status="none")),
        ("text.example.com", Resolved(status="none", cname="mail.example.com")),
        ("nowhere.example.com", Resolved(status="nxdomain")),
        ("a..b", Resolved(status="failed")),
        ("x" * 64 + ".example.com", Resolved(status="failed")),
    ],
)
async def test_a_name_leads_to_addresses_or_says_why_not(dns: Dns, name: str, expected: Resolved) -> None:
    """Both families, aliases, names without addresses, names that are not there, and names that cannot be."""
    with anyio.fail_after(30):
        assert await dns.resolver.addresses(name) == expected


async def test_one_family_that_fails_does_not_hide_the_other(dns: Dns) -> None:
    """SERVFAIL for AAAA leaves the A record found; SERVFAIL for both is a failure, not an absence."""
    with dns.world.change() as state:
        state.faults.append(Fault(system="dns", match="AAAA ", kind="status", times=100))
    with anyio.fail_after(30):
        found = await dns.resolver.addresses("app.s1.example.com")
        absent = await dns.resolver.addresses("mail.example.com")
    assert (found, absent) == (Resolved(status="found", ipv4=("192.0.2.11",)), Resolved(status="failed"))


async def test_silence_is_a_failure_within_the_time_out(dns: Dns) -> None:
    """A name server that does not answer costs the time-out and raises nothing."""
    with dns.world.change() as state:
        state.faults.append(Fault(system="dns", match="silent", kind="drop", times=100))
    hasty = Resolver([("127.0.0.1", dns.port)], timeout_s=0.2)
    with anyio.fail_after(2):
        assert await hasty.addresses("silent.example.com") == Resolved(status="failed")


async def test_the_next_name_server_is_asked_when_one_does_not_listen(dns: Dns) -> None:
    """Of two name servers the one that answers is enough."""
    both = Resolver([("127.0.0.1", 1), ("127.0.0.1", dns.port)], timeout_s=2.0)
    with anyio.fail_after(30):
        assert (await both.addresses("app.s1.example.com")).status == "found"
