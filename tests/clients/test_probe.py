"""The probe of public URLs, against the sandbox's edge on real sockets with real certificates."""

import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ink_infra_mcp.clients.outside import is_inside, is_public
from ink_infra_mcp.clients.probe import HttpSeen, Probe, TlsSeen
from ink_infra_mcp.sandbox.edge import build_edge
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.tls import edge_tls
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, pretend_world
from tests.sandbox.test_edge import edge_state

APP = "hello.s1.example.com"
MUSCLE = "192.0.2.11"
Ports = dict[tuple[str, int], tuple[str, int]]


@dataclass(frozen=True)
class Internet:
    """Where the muscle's ports really are, and whom to trust."""

    world: World
    ports: Ports
    authority: str

    def probe(self, *, authority: str | None = None) -> Probe:
        """Return a probe that trusts the sandbox's authority, or another one."""
        verify = ssl.create_default_context(cadata=authority or self.authority)
        return Probe(self.ports, verify)


@pytest.fixture
async def internet(tmp_path: Path) -> AsyncGenerator[Internet]:
    """Serve muscle-1 on two loopback ports."""
    world = pretend_world(tmp_path, SteppingTime())
    with world.change() as state:
        edge_state(state)
    app = build_edge(world, "muscle-1")
    server, authority = edge_tls(["*.s1.example.com"])
    plain, close_plain = await listen(app)
    secure, close_secure = await listen(app, tls=server)
    ports = {(MUSCLE, 80): ("127.0.0.1", plain), (MUSCLE, 443): ("127.0.0.1", secure)}
    yield Internet(world=world, ports=ports, authority=authority)
    await close_plain()
    await close_secure()


@pytest.mark.anyio
async def test_an_app_with_a_good_certificate_is_seen_whole(internet: Internet) -> None:
    """Status, first words, and the certificate: trusted, for which names, by whom, until when."""
    with anyio.fail_after(30):
        seen = await internet.probe().http(f"https://{APP}/", address=MUSCLE)
    assert seen.tls is not None
    assert seen.tls.not_after is not None
    left = seen.tls.not_after - datetime.now(UTC)
    assert timedelta(days=89) < left < timedelta(days=90)
    assert seen == HttpSeen(
        status=200,
        untrusted_start=f'{{"app": "hello", "host": "{APP}", "container": "hello0000000000000000000-100"}}',
        tls=TlsSeen(
            trusted=True,
            version="TLSv1.3",
            issuer="Sandbox Authority",
            names=("*.s1.example.com",),
            not_after=seen.tls.not_after,
        ),
    )


@pytest.mark.anyio
async def test_a_certificate_of_an_unknown_authority_is_told_with_what_stands_behind_it(internet: Internet) -> None:
    """The app is seen to answer, and the certificate is not trusted, with OpenSSL's reason."""
    _, other = edge_tls(["example.org"])
    with anyio.fail_after(30):
        seen = await internet.probe(authority=other).http(f"https://{APP}/", address=MUSCLE)
    assert (seen.kind, seen.status) == ("tls", 200)
    assert seen.tls == TlsSeen(trusted=False, problem=seen.error)
    assert "certificate" in seen.error


@pytest.mark.anyio
async def test_a_certificate_for_another_name_is_not_trusted(internet: Internet) -> None:
    """The name in the URL is what the certificate is checked against, whatever address is connected to."""
    with anyio.fail_after(30):
        seen = await internet.probe().http("https://hello.s2.example.com/", address=MUSCLE)
    assert (seen.kind, seen.status) == ("tls", 404)
    assert "hello.s2.example.com" in seen.error


@pytest.mark.anyio
async def test_an_expired_certificate_is_told(tmp_path: Path) -> None:
    """A certificate that ended yesterday is named as expired."""
    world = pretend_world(tmp_path, SteppingTime())
    server, authority = edge_tls(["*.s1.example.com"], now=datetime.now(UTC) - timedelta(days=91))
    with anyio.fail_after(30):
        port, close = await listen(build_edge(world, "muscle-1"), tls=server)
        probe = Probe({(APP, 443): ("127.0.0.1", port)}, ssl.create_default_context(cadata=authority))
        seen = await probe.http(f"https://{APP}/")
        await close()
    assert (seen.kind, seen.tls) == ("tls", TlsSeen(trusted=False, problem="certificate has expired"))


@pytest.mark.anyio
async def test_a_redirect_is_told_and_not_followed(internet: Internet) -> None:
    """Plain HTTP of an app that forces HTTPS: one answer, with where it points."""
    with internet.world.change() as state:
        state.coolify.applications[0].settings["is_force_https_enabled"] = True
    with anyio.fail_after(30):
        seen = await internet.probe().http(f"http://{APP}/a?b=c", address=MUSCLE)
    assert (seen.status, seen.location, seen.tls) == (302, f"https://{APP}/a?b=c", None)


@pytest.mark.anyio
async def test_a_server_that_is_down_is_unreachable_and_a_slow_one_is_late(internet: Internet) -> None:
    """A closed connection and silence are values with a reason, not exceptions."""
    with internet.world.change() as state:
        state.faults.append(Fault(system="edge", match="GET", kind="hang", seconds=0.3))
    with anyio.fail_after(30):
        late = await internet.probe().http(f"http://{APP}/", address=MUSCLE, timeout_s=0.1)
        with internet.world.change() as state:
            state.hosts["muscle-1"].up = False
        down = await internet.probe().http(f"http://{APP}/", address=MUSCLE)
        closed = await Probe({(APP, 80): ("127.0.0.1", 1)}).http(f"http://{APP}/")
    assert (late.kind, late.error) == ("timeout", "no answer within 0.1 seconds")
    assert (down.kind, down.status) == ("unreachable", None)
    assert (closed.kind, closed.status) == ("unreachable", None)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.2", "169.254.169.254", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"],
)
async def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """Loopback, private, shared, link-local and metadata addresses are not connected to."""
    with anyio.fail_after(30):
        seen = await Probe().http("http://example.com/", address=address)
    assert seen == HttpSeen(kind="refused_by_us", error=f"{address} is not a public address")


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "224.0.0.1"])
async def test_nobody_can_allow_loopback_or_the_metadata_service(address: str) -> None:
    """`inside` opens private networks only."""
    with anyio.fail_after(30):
        seen = await Probe().http("http://example.com/", address=address, inside=True)
    assert seen.kind == "refused_by_us"


@pytest.mark.parametrize(
    ("address", "inside"),
    [("10.0.0.2", True), ("100.64.0.1", True), ("fd00::1", True), ("192.0.2.1", False), ("169.254.169.254", False)],
)
def test_inside_are_private_networks_and_nothing_else(address: str, inside: bool) -> None:
    """RFC 1918, RFC 6598 and unique local addresses; metadata services are on none of them."""
    assert is_inside(address) is inside


@pytest.mark.anyio
async def test_a_name_is_never_followed_inside() -> None:
    """Only an address that the caller gives may be a private one, not what a name of the URL says."""
    with anyio.fail_after(30):
        seen = await Probe().http("http://10.255.255.1/", inside=True)
    assert seen.kind == "refused_by_us"


@pytest.mark.anyio
async def test_a_name_that_leads_inside_is_refused_too() -> None:
    """The host of the URL is resolved first, and what it leads to is judged: localhost is refused."""
    with anyio.fail_after(30):
        assert (await Probe().http("http://localhost/")).kind == "refused_by_us"
        assert (await Probe().http("http://[::1]:8000/")).kind == "refused_by_us"


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["ftp://example.com/", "https://", "example.com", "https://me:pw@example.com/", "//x"])
async def test_only_plain_web_addresses_are_probed(url: str) -> None:
    """Other schemes, missing hosts and user names are the caller's mistake."""
    with pytest.raises(ValueError, match="http"):
        await Probe().http(url)


@pytest.mark.anyio
async def test_the_first_words_are_cleaned_and_short() -> None:
    """Control characters are gone, and a long page is read no further than needed."""

    async def page(request: Request) -> Response:
        return PlainTextResponse(f"\x1b[31mIgnore\u202e all\n {request.headers['host']} " + "x" * 100_000)

    with anyio.fail_after(30):
        port, close = await listen(Starlette(routes=[Route("/", page)]))
        seen = await Probe({("app.example.com", 8080): ("127.0.0.1", port)}).http("http://app.example.com:8080/")
        await close()
    assert seen.untrusted_start.startswith("Ignore<U+202E> all app.example.com:8080 xxx")
    assert len(seen.untrusted_start) == 200


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_an_inside_address_hidden_in_ipv6_is_not_public(inside: object) -> None:
    """Mapped, NAT64 and 6to4 forms of an inside IPv4 address are judged by what they hide."""
    number = int.from_bytes(bytes(map(int, str(inside).split("."))), "big")
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    assert not any(map(is_public, (str(inside), f"::ffff:{inside}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::1")))


@pytest.mark.parametrize(
    "address",
    [
        *("::127.0.0.1", "::10.0.0.1", "::ffff:0:a00:1", "64:ff9b:1::a00:1", "fec0::1", "5f00::1"),
        *("192.0.0.8", "192.0.0.192", "192.0.0.9"),
    ],
)
def test_what_leads_inside_in_a_rarer_way_is_not_public(address: str) -> None:
    """IPv4 in other clothes, site-local and unassigned IPv6, a cloud's metadata: whatever this Python says of them."""
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    """Ordinary addresses of both families pass; rubbish and multicast do not."""
    assert is_public("8.8.8.8")
    assert is_public("2a01:4f8::1")
    assert not is_public("224.0.0.251")
    assert not is_public("localhost")
