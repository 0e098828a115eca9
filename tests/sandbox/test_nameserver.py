"""The DNS server of the sandbox, asked by dnspython over real sockets and checked as a pure function."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import pytest

from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.nameserver import MAX_CHAIN, reply, serve
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN, Record, RRset, Zone
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, caller, pretend_world


def _rrset(name: str, type: str, *values: str) -> RRset:
    return RRset(name=name, type=type, records=[Record(value=value) for value in values])


ZONES = (
    Zone(
        id=1,
        name="example.com",
        created=0,
        delegation_status="valid",
        served=[
            _rrset("@", "SOA", "ns.example.net. dns.example.net. 1 86400 10800 3600000 3600"),
            _rrset("@", "A", "192.0.2.1"),
            _rrset("*.s1", "A", "192.0.2.11", "192.0.2.12"),
            _rrset("own.s1", "TXT", '"here"'),
            _rrset("www", "CNAME", "app.s1"),
            _rrset("away", "CNAME", "example.org."),
            _rrset("lost", "CNAME", "nowhere"),
            _rrset("loop", "CNAME", "loop"),
            _rrset("a.b.deep", "A", "192.0.2.5"),
        ],
    ),
    Zone(id=2, name="example.org", created=0, served=[_rrset("@", "A", "192.0.2.2")]),
    Zone(id=3, name="sub.example.com", created=0, delegation_status="valid", served=[_rrset("x", "A", "192.0.2.3")]),
)


@pytest.mark.parametrize(
    ("name", "type", "rcode", "values"),
    [
        ("example.com", "A", "NOERROR", ["192.0.2.1"]),
        ("EXAMPLE.com", "A", "NOERROR", ["192.0.2.1"]),
        ("app.s1.example.com", "A", "NOERROR", ["192.0.2.11", "192.0.2.12"]),
        ("a.b.s1.example.com", "A", "NOERROR", ["192.0.2.11", "192.0.2.12"]),
        ("app.s1.example.com", "AAAA", "NOERROR", []),
        ("s1.example.com", "A", "NOERROR", []),
        ("own.s1.example.com", "A", "NOERROR", []),
        ("below.own.s1.example.com", "A", "NXDOMAIN", []),
        ("b.deep.example.com", "A", "NOERROR", []),
        ("c.deep.example.com", "A", "NXDOMAIN", []),
        ("www.example.com", "A", "NOERROR", ["app.s1.example.com.", "192.0.2.11", "192.0.2.12"]),
        ("lost.example.com", "A", "NXDOMAIN", ["nowhere.example.com."]),
        ("away.example.com", "A", "NXDOMAIN", ["example.org."]),
        ("none.example.com", "A", "NXDOMAIN", []),
        ("example.org", "A", "NXDOMAIN", []),
        ("x.sub.example.com", "A", "NOERROR", ["192.0.2.3"]),
        ("y.sub.example.com", "A", "NXDOMAIN", []),
    ],
)
def test_names_are_answered_as_the_internet_would(name: str, type: str, rcode: str, values: list[str]) -> None:
    """Wildcards by closest encloser, names that only have others below them, aliases, and zones nobody delegates to."""
    answer = reply(ZONES, dns.message.make_query(name, type))
    assert dns.rcode.to_text(answer.rcode()) == rcode
    assert [line.split()[-1] for rrset in answer.answer for line in rrset.to_text().splitlines()] == values


def test_an_alias_that_leads_to_itself_ends() -> None:
    """A loop of CNAMEs is followed eight times and no further."""
    assert len(reply(ZONES, dns.message.make_query("loop.example.com", "A")).answer) == MAX_CHAIN


def test_no_data_comes_with_the_zone_s_soa() -> None:
    """A name without the type asked for is told with the SOA, so that resolvers know how long to remember."""
    answer = reply(ZONES, dns.message.make_query("example.com", "AAAA"))
    assert [str(rrset.name) for rrset in answer.authority] == ["example.com."]


@pytest.fixture
def time() -> SteppingTime:
    """Give a time that stands still."""
    return SteppingTime()


@pytest.fixture
def world(tmp_path: Path, time: SteppingTime) -> World:
    """Give a fresh world."""
    return pretend_world(tmp_path, time)


@pytest.fixture
async def port(world: World) -> AsyncGenerator[int]:
    """Serve the world's zones."""
    port, close = await serve(world)
    yield port
    await close()


async def _ask(port: int, name: str, *, timeout_s: float = 5.0) -> dns.message.Message:
    with anyio.fail_after(30):
        return await dns.asyncquery.udp(dns.message.make_query(name, "A"), "127.0.0.1", timeout=timeout_s, port=port)


@pytest.mark.anyio
async def test_udp_and_tcp_answer_alike(port: int) -> None:
    """The seeded wildcard answers over both transports of the one port."""
    query = dns.message.make_query("app.s1.example.com", "A")
    with anyio.fail_after(30):
        over_udp = await dns.asyncquery.udp(query, "127.0.0.1", timeout=5, port=port)
        over_tcp = await dns.asyncquery.tcp(query, "127.0.0.1", timeout=5, port=port)
    assert over_udp.answer[0].to_text() == "app.s1.example.com. 300 IN A 192.0.2.11"
    assert over_tcp.answer == over_udp.answer


@pytest.mark.anyio
async def test_a_record_is_served_when_its_zone_has_been_published(port: int, world: World, time: SteppingTime) -> None:
    """After add_records through the API the old answer stays until the action has ended, then the new one comes."""
    async with caller(build_hetzner(world), token=HETZNER_TOKEN) as api:
        body = {"records": [{"value": "192.0.2.12"}]}
        added = await api.post("/v1/zones/example.com/rrsets/new/A/actions/add_records", json=body)
    assert added.status_code == 201
    assert (await _ask(port, "new.example.com")).rcode() == dns.rcode.NXDOMAIN
    time.at += 3.0
    assert (await _ask(port, "new.example.com")).answer[0].to_text() == "new.example.com. 3600 IN A 192.0.2.12"


@pytest.mark.anyio
async def test_scripted_trouble_is_servfail_or_silence(port: int, world: World) -> None:
    """A status fault answers SERVFAIL, a drop answers nothing; rubbish is ignored and the server lives on."""
    with world.change() as state:
        state.faults.append(Fault(system="dns", match="A app.s1", kind="status"))
        state.faults.append(Fault(system="dns", match="A app.s1", kind="drop"))
    assert (await _ask(port, "app.s1.example.com")).rcode() == dns.rcode.SERVFAIL
    with pytest.raises(dns.exception.Timeout):
        await _ask(port, "app.s1.example.com", timeout_s=0.1)
    async with await anyio.create_connected_udp_socket("127.0.0.1", port) as udp:
        await udp.send(b"rubbish")
    assert (await _ask(port, "app.s1.example.com")).rcode() == dns.rcode.NOERROR
