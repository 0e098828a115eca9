"""Wildcards and zones as other tools use them: before a server is there, at its end, and where no zone is ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.areas.dns.addresses import Addresses, addresses, addresses_of
from ink_infra_mcp.areas.dns.apps import AppName, FoundNames, app_names, follow, leave, names_below, names_of
from ink_infra_mcp.areas.dns.strays import kept_books
from ink_infra_mcp.areas.dns.wildcards import removal_steps, wildcard_of, wildcard_steps
from ink_infra_mcp.areas.dns.zones import zone_for
from ink_infra_mcp.areas.machines.orphans import record_drifts
from ink_infra_mcp.core.errors import InkError, InputError, RefusedByPolicy, SecretMissing
from ink_infra_mcp.core.fleet import Domains, Fleet
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CloudflareZone
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import ink

pytestmark = pytest.mark.anyio

LIMIT_S = 90
OURS = "ink-operation=op-aaaaaaaaaa"
MINE = Addresses(ipv4="192.0.2.13", ipv6="2001:db8:0:4::1")


def said(steps: tuple[Step, ...]) -> list[tuple[str, str | None, str | None]]:
    """Return id, before and after of each step."""
    return [(step.id, step.before, step.after) for step in steps]


async def test_a_server_that_is_still_to_be_bought_gets_its_records_planned(tmp_path: Path) -> None:
    """Addresses may stand for what a purchase returns; the plan says so, and the prefix keeps several servers apart."""
    bought = Addresses(ipv4=result_of("m3_buy", "ipv4"), ipv6=result_of("m3_buy", "ipv6"))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            found = await wildcard_of(it.app.look, bought, "s3.example.com", server="muscle-3")
    steps = wildcard_steps(found, prefix="m3_")
    fresh = "what m3_buy returns (300 s)"
    assert said(steps) == [
        ("m3_dns_wildcard_a", "no record", fresh),
        ("m3_dns_wildcard_aaaa", "no record", fresh),
        ("m3_dns_base_a", "no record", fresh),
        ("m3_dns_base_aaaa", "no record", fresh),
        ("m3_dns_prove", None, None),
    ]
    assert {step.servers for step in steps} == {("muscle-3",)}
    assert steps[3].undoes == tuple(step.id for step in steps[:4])
    buy = Step(id="m3_buy", kind="test.buy", target="muscle-3", summary="Buy it")
    assert Plan(tool="t", title="t", target="t", locks=(), steps=(buy, *steps)).steps[1:] == steps


async def test_a_server_without_ipv4_gets_no_a_record(tmp_path: Path) -> None:
    """Of its network the host's own address; a stale A record that is there must go, and only when that is said."""

    def stale(state: WorldState) -> None:
        old = RRset(name="*.s3", type="A", ttl=300, records=[Record(value="203.0.113.9")])
        state.hetzner.zones[0].rrsets.append(old)

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=stale) as it:
            of = addresses("2001:db8:0:4::/64")
            found = await wildcard_of(it.app.look, of, "s3.example.com", server="muscle-3")
    with pytest.raises(RefusedByPolicy, match=r"A 203\.0\.113\.9"):
        wildcard_steps(found)
    assert said(wildcard_steps(found, replace=True))[:2] == [
        ("dns_wildcard_a", "203.0.113.9 (300 s)", "no record"),
        ("dns_wildcard_aaaa", "no record", "2001:db8:0:4::1 (300 s)"),
    ]


async def test_what_is_taken_away_at_a_server_s_end_is_its_own(tmp_path: Path) -> None:
    """Values of others in the same set stay; sets without its addresses are not touched."""

    def shared(state: WorldState) -> None:
        state.hetzner.zones[0].rrsets += [
            RRset(name="*.s3", type="A", ttl=300, records=[Record(value="192.0.2.13"), Record(value="203.0.113.9")]),
            RRset(name="s3", type="A", ttl=300, records=[Record(value="192.0.2.13")]),
            RRset(name="s3", type="AAAA", ttl=300, records=[Record(value="2001:db8:9::9")]),
        ]

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=shared) as it:
            found = await wildcard_of(it.app.look, MINE, "s3.example.com", server="muscle-3")
    assert said(removal_steps(found, prefix="m3_")) == [
        ("m3_dns_wildcard_a_away", "192.0.2.13, 203.0.113.9 (300 s)", "203.0.113.9 (300 s)"),
        ("m3_dns_base_a_away", "192.0.2.13 (300 s)", "no record"),
    ]


async def test_the_records_of_an_app_go_with_it(tmp_path: Path) -> None:
    """What we wrote is taken away; what an operator pointed elsewhere stays."""
    name = AppName(app="shop", host="shop.example.com", server="muscle-1")

    def led(state: WorldState) -> None:
        records = [Record(value="192.0.2.12", comment=f"{OURS} 192.0.2.12"), Record(value="203.0.113.9")]
        state.hetzner.zones[0].rrsets.append(RRset(name="shop", type="A", ttl=60, records=records))

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=led) as it:
            found = await names_of(it.app.look, (name,), "example.com")
    assert said(leave(found)) == [("dns_app1_a_away", "192.0.2.12, 203.0.113.9 (60 s)", "203.0.113.9 (60 s)")]
    assert follow(found) == ()
    assert [step.id for step in follow(found, replace=True)] == ["dns_app1_a", "dns_app1_aaaa", "dns_prove"]


async def test_only_names_that_no_wildcard_covers_need_records(tmp_path: Path) -> None:
    """Covered by its own Muscle's wildcard: no. By another Muscle's or by none: yes; on a foreign server none can."""
    hosts = {
        "a.s1.example.com": "muscle-1",
        "b.s1.example.com": "muscle-2",
        "c.example.com": "muscle-1",
        "d.example.com": "",
        "example.com": "muscle-1",
        "e.example.org": "muscle-1",
    }
    names = [AppName(app=host[0], host=host, server=server) for host, server in hosts.items()]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            found = await names_of(it.app.look, names_below(it.app.look.fleet, names, "example.com"), "example.com")
    assert {each.name.app: (each.covered, bool(each.sets)) for each in found.names} == {
        "a": (True, False),
        "b": (False, True),
        "c": (False, True),
        "d": (False, False),
    }


def beside_the_wildcard(state: WorldState) -> None:
    """Give names below muscle-1's wildcard records of their own, of which the wildcard then says nothing."""
    state.hetzner.zones[0].rrsets += [
        RRset(name="moved.s1", type="A", records=[Record(value="192.0.2.12", comment=f"{OURS} 192.0.2.12")], ttl=60),
        RRset(name="text.s1", type="TXT", records=[Record(value='"mine"')], ttl=60),
        RRset(name="taken.s1", type="A", records=[Record(value="203.0.113.9")], ttl=60),
        RRset(name="*.own.s1", type="A", records=[Record(value="203.0.113.9")], ttl=60),
    ]


def sorted_out(found: FoundNames) -> dict[str, tuple[bool, bool, bool]]:
    """Return of each name whether a wildcard covers it, it leads to its Muscle, and it is somebody else's."""
    return {each.name.host: (each.covered, each.is_so, each.is_taken) for each in found.names}


async def test_a_record_of_its_own_beats_the_wildcard(tmp_path: Path) -> None:
    """A name below the wildcard that has a record, of whatever type, is led by that alone, and so is set; below it the
    wildcard leads nobody any more, and deeper names elsewhere it still does.
    """
    below = ("moved", "text", "taken", "deep.er", "under.moved", "x.own")
    hosts = tuple(f"{name}.s1.example.com" for name in below)
    names = tuple(AppName(app="shop", host=host, server="muscle-1") for host in hosts)
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=beside_the_wildcard) as it:
            found = await names_of(it.app.look, names, "example.com")
    assert sorted_out(found) == {
        "moved.s1.example.com": (False, False, False),
        "text.s1.example.com": (False, False, False),
        "taken.s1.example.com": (False, False, True),
        "deep.er.s1.example.com": (True, True, False),
        "under.moved.s1.example.com": (False, False, False),
        "x.own.s1.example.com": (False, False, False),
    }
    assert [step.target for step in follow(found) if not step.reads] == [
        host for host in (hosts[4], hosts[5], hosts[0], hosts[1]) for _ in ("A", "AAAA")
    ]


async def test_a_host_of_apps_on_several_servers_is_nobody_s(tmp_path: Path) -> None:
    """Neither app gets it, whichever comes last; where all of them are on one server it leads there. A Muscle's own
    name is no app's of another one, and a record may not end its wildcard for a name that others have.
    """
    names = [
        AppName(app="till", host="both.example.com", server="muscle-2"),
        AppName(app="shop", host="both.example.com", server="muscle-1"),
        AppName(app="docs", host="one.example.com", server="muscle-1"),
        AppName(app="shop", host="one.example.com", server="muscle-1"),
        AppName(app="evil", host="s1.example.com", server="muscle-2"),
        AppName(app="deep", host="a.shop.s1.example.com", server="muscle-2"),
    ]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            found = await names_of(it.app.look, names_below(it.app.look.fleet, names, "example.com"), "example.com")
    assert {each.name.host: each.apart for each in found.names} == {
        "both.example.com": "shop on muscle-1 and till on muscle-2 have it",
        "one.example.com": "",
        "s1.example.com": "it is the name of muscle-1 itself",
        "a.shop.s1.example.com": "a record of it would hide shop.s1.example.com from the wildcard of muscle-1",
    }
    assert {step.target for step in follow(found) if not step.reads} == {"one.example.com"}


async def test_a_tool_asks_for_the_records_of_one_app(tmp_path: Path) -> None:
    """For names below the fleet's domain, and not at all where its records are nobody's business here."""
    names = [AppName(app="shop", host=host, server="muscle-1") for host in ("shop.example.com", "shop.example.org")]
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            found = await app_names(it.app.look, names)
            none = await app_names(it.app.look, names[1:])
            by_hand = await app_names(without_books(it.app), names)
    assert found is not None
    assert ([each.name.host for each in found.names], none, by_hand) == (["shop.example.com"], None, None)


def made_and_left(state: WorldState) -> None:
    """Leave records of operations: one of an app that is gone, one at an address of nobody, one of an app, a wildcard
    with its base; one that somebody made by hand, and two that somebody changed.
    """
    state.hetzner.zones[0].rrsets += [
        RRset(name=name, type="A", records=[Record(value=value, comment=comment)], ttl=60)
        for name, value, comment in (
            ("gone", "192.0.2.12", f"{OURS} 192.0.2.12"),
            ("away", "192.0.2.99", f"{OURS} 192.0.2.99"),
            ("shop", "192.0.2.11", f"{OURS} 192.0.2.11"),
            ("*.s9", "192.0.2.99", f"{OURS} 192.0.2.99"),
            ("s9", "192.0.2.99", f"{OURS} 192.0.2.99"),
            ("hand", "192.0.2.12", ""),
            ("bob", "203.0.113.9", f"see {OURS} 203.0.113.9; Bob's own"),
            ("eve", "203.0.113.9", f"{OURS} 192.0.2.12"),
        )
    ]


async def test_records_of_ours_that_no_app_has_are_told_apart(tmp_path: Path) -> None:
    """Only what our operations made is a stray; a wildcard and its base are a Muscle's; what leads outside the fleet is
    worse than what leads into it.
    """
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=made_and_left) as it:
            books = await kept_books(it.app.look)
    assert books is not None
    strays = books.strays({"shop.example.com"})
    assert said(leave(strays)) == [
        ("dns_app1_a_away", "192.0.2.99 (60 s)", "no record"),
        ("dns_app2_a_away", "192.0.2.12 (60 s)", "no record"),
    ]
    assert [(d.severity, d.code, d.subject) for d in record_drifts(books, {"shop.example.com"})] == [
        ("high", "record_astray", "away.example.com"),
        ("warning", "record_without_app", "gone.example.com"),
    ]
    led = books.leading_to({"192.0.2.12", "2001:db8:0:3::1"})
    assert led == {"*.s2.example.com", "gone.example.com", "hand.example.com"}


def no_records(fleet: Fleet) -> Fleet:
    """Return a fleet whose records are made by hand."""
    return fleet.model_copy(update={"domains": Domains(fleet="example.com")})


def in_both(state: WorldState) -> None:
    """Hold example.com at both providers; the world asks Cloudflare."""
    state.cloudflare.zones.append(CloudflareZone(id="6b" * 16, name="example.com"))
    state.hetzner.zones[0].delegated = []


@pytest.mark.parametrize(
    ("change", "name", "error", "words"),
    [
        (no_records, "s3.example.com", InputError, "are not ours to make"),
        (None, "s3.example.net", InputError, "No zone at Hetzner DNS or Cloudflare holds s3.example.net"),
    ],
)
async def test_a_name_without_a_zone_of_ours_is_told(
    tmp_path: Path, change: Callable[[Fleet], Fleet] | None, name: str, error: type[InkError], words: str
) -> None:
    """The sentence says which, and what to do."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=change) as it:
            with pytest.raises(error, match=words):
                await zone_for(it.app.look, name)


async def test_without_a_token_the_provider_is_named(tmp_path: Path) -> None:
    """And the command that stores one."""
    async with ink(tmp_path) as it:
        look: Any = it.app.look
        bare = without_books(it.app)
        with pytest.raises(SecretMissing, match="secret set hetzner_cloud_token"):
            await zone_for(bare, "s3.example.com")
    assert set(look.dns.books) == {"hetzner", "cloudflare"}


def without_books(app: App) -> Any:
    """Return the application's look with no provider's token."""
    from dataclasses import replace

    return replace(app.look, dns=replace(app.look.dns, books={}))


async def test_of_two_zones_of_a_name_the_one_that_the_world_asks_is_ours(tmp_path: Path) -> None:
    """The provider in fleet.toml comes first only where the world asks it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=in_both) as it:
            served = await zone_for(it.app.look, "s3.example.com")
    assert (served.zone.provider, served.delegation.known) == ("cloudflare", "right")


async def test_a_cloud_server_s_addresses_are_the_vendor_s(tmp_path: Path) -> None:
    """Both of them, found by the address in fleet.toml."""
    async with ink(tmp_path) as it:
        assert await addresses_of(it.app.look, "muscle-2") == Addresses(ipv4="192.0.2.12", ipv6="2001:db8:0:3::1")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("10.0.0.5",), "no address of the public internet"),
        (("fd00::1",), "no address of the public internet"),
        (("127.0.0.1",), "no address of the public internet"),
        (("169.254.169.254",), "no address of the public internet"),
        (("192.0.2.1", "192.0.2.2"), "are of one kind"),
        (("muscle.example.com",), "is no address"),
        ((), "No address was given"),
    ],
)
def test_what_nobody_outside_could_reach_is_refused(given: tuple[str, ...], words: str) -> None:
    """Inner addresses, two of a kind, names, and nothing."""
    with pytest.raises(InputError, match=words):
        addresses(*given)
