"""Names of apps in zones in which others write, too: what leads them, what browsers follow, and whose a record is."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.dns.apps import AppName, FoundNames, follow, leave, names_below, names_of
from ink_infra_mcp.areas.dns.wildcards import wildcard_of, wildcard_steps
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.plan import Step
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CloudflareRecord, CloudflareZone
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.ink import ink

pytestmark = pytest.mark.anyio

LIMIT_S = 90
OURS = "ink-operation=op-aaaaaaaaaa"
ONE, TWO = "192.0.2.11", "192.0.2.12"
Change = Callable[[WorldState], None]


def records(*given: tuple[str, str, str, str]) -> Change:
    """Return a change that puts records into the zone: name, type, value and comment of each."""

    def change(state: WorldState) -> None:
        state.hetzner.zones[0].rrsets += [
            RRset(name=name, type=type, records=[Record(value=value, comment=comment)], ttl=60)
            for name, type, value, comment in given
        ]

    return change


def app(host: str, server: str = "muscle-1") -> AppName:
    """Return a name of an app below example.com."""
    return AppName(app="shop", host=f"{host}.example.com", server=server)


async def found_in(folder: Path, change: Change, *names: AppName) -> FoundNames:
    """Return the records of names in a zone that somebody changed."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change) as it:
            return await names_of(it.app.look, names_below(it.app.look.fleet, names, "example.com"), "example.com")


def set_by(steps: tuple[Step, ...]) -> list[str]:
    """Return the names whose records the steps set, each once."""
    return list(dict.fromkeys(step.target.removesuffix(".example.com") for step in steps if not step.reads))


@pytest.mark.parametrize(
    ("there", "hosts", "own"),
    [
        ("_acme-challenge.shop.s1", ("shop.s1", "other.s1"), ["shop.s1"]),
        ("_acme-challenge.shop.s1", ("deep.shop.s1", "deep.other.s1"), ["deep.shop.s1"]),
        ("a.b.shop.s1", ("b.shop.s1", "c.b.shop.s1", "x.a.b.shop.s1"), ["b.shop.s1", "c.b.shop.s1", "x.a.b.shop.s1"]),
        ("*.shop.s1", ("shop.s1",), ["shop.s1"]),
        ("shops.s1", ("shop.s1",), []),
    ],
)
async def test_a_name_above_another_one_is_not_led_by_the_wildcard(
    tmp_path: Path, there: str, hosts: tuple[str, ...], own: list[str]
) -> None:
    """A name without records under which another name has some exists (RFC 4592, 2.2.2): neither it nor what is below
    it is led by the wildcard above, and so it gets a record of its own.
    """
    found = await found_in(tmp_path, records((there, "TXT", '"x"', "")), *map(app, hosts))
    assert sorted(set_by(follow(found))) == own
    assert {each.name.host for each in found.names if not each.is_so} == {f"{host}.example.com" for host in own}


async def test_a_zone_at_cloudflare_knows_such_names_too(tmp_path: Path) -> None:
    """The whole zone is read there as well, over all its pages."""

    def moved(state: WorldState) -> None:
        zone = CloudflareZone(id="6b" * 16, name="example.com")
        below = [("a.shop.s1.example.com", "TXT", '"x"'), ("*.s1.example.com", "A", ONE)]
        below += [(f"n{number}.example.com", "TXT", '"x"') for number in range(60)]
        below += [("*.s1.example.com", "AAAA", "2001:db8:0:2::1")]
        zone.records = [
            CloudflareRecord(id=state.cloudflare.new_id(), name=name, type=type, content=content)
            for name, type, content in sorted(below)
        ]
        state.cloudflare.zones.append(zone)
        state.hetzner.zones[0].delegated = []

    found = await found_in(tmp_path, moved, app("shop.s1"), app("other.s1"))
    assert (found.zone.provider, set_by(follow(found))) == ("cloudflare", ["shop.s1"])


async def test_a_name_that_gets_records_takes_the_wildcard_from_those_below_it(tmp_path: Path) -> None:
    """In one plan: an app of another Muscle gets a record, and a name below it is led by the wildcard no more. Its own
    comes first, so that it leads somewhere at every moment.
    """
    found = await found_in(tmp_path, records(), app("deep.shop.s1"), app("shop.s1", "muscle-2"), app("other.s1"))
    assert set_by(follow(found)) == ["deep.shop.s1", "shop.s1"]


@pytest.mark.parametrize(("comment", "set_"), [("", []), (f"{OURS} {ONE}", ["shop"])])
async def test_a_record_that_somebody_put_behind_a_proxy_is_left_to_them(
    tmp_path: Path, comment: str, set_: list[str]
) -> None:
    """At Cloudflare the right address may answer through its proxy: that is changed only of a record that is ours."""

    def moved(state: WorldState) -> None:
        zone = CloudflareZone(id="6b" * 16, name="example.com")
        shop = CloudflareRecord(id=state.cloudflare.new_id(), name="shop.example.com", type="A", content=ONE)
        shop.proxied, shop.comment = True, comment
        zone.records = [shop]
        state.cloudflare.zones.append(zone)
        state.hetzner.zones[0].delegated = []

    found = await found_in(tmp_path, moved, app("shop"))
    assert (set_by(follow(found)), [each.is_so for each in found.names]) == (set_, [False])
    assert set_by(follow(found, replace=True)) == ["shop"]


BROWSERS = "browsers follow its HTTPS record"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('1 . alpn="h2,h3"', ""),
        (f'1 shop.example.com. ipv4hint="{ONE}" ipv6hint="2001:db8:0:2:0::1" port="443"', ""),
        ("0 cdn.example.net.", f"{BROWSERS} (0 cdn.example.net.)"),
        ("1 cdn.example.net. alpn=h2", f"{BROWSERS} (1 cdn.example.net. alpn=h2)"),
        ("1 . ipv4hint=203.0.113.9", f"{BROWSERS} (1 . ipv4hint=203.0.113.9)"),
        (f"1 . ipv4hint={ONE},203.0.113.9", f"{BROWSERS} (1 . ipv4hint={ONE},203.0.113.9)"),
        ("1 . port=8443", f"{BROWSERS} (1 . port=8443)"),
        ("1 . ech=AEX+DQBB", f"{BROWSERS} (1 . ech=AEX+DQBB)"),
        ("1 . key5=abcd", f"{BROWSERS} (1 . key5=abcd)"),
        ('1 . alpn="h2', f'{BROWSERS} (1 . alpn="h2)'),
        ("1", f"{BROWSERS} (1)"),
    ],
)
@pytest.mark.parametrize("type", ["HTTPS", "SVCB"])
async def test_a_name_of_which_browsers_follow_something_else_is_told_and_left(
    tmp_path: Path, type: str, value: str, why: str
) -> None:
    """RFC 9460: a browser goes where an HTTPS record says, whatever the addresses are. One that is not known to lead to
    the same place makes the name not right, and is left; what we wrote beside it still goes with its app.
    """
    there = (("shop", "A", ONE, f"{OURS} {ONE}"), ("shop", "AAAA", "2001:db8:0:2::1", ""), ("shop", type, value, ""))
    found = await found_in(tmp_path, records(*there), app("shop"))
    (shop,) = found.names
    assert (shop.why_not, shop.is_so, set_by(follow(found, replace=True))) == (why, not why, [])
    assert [(step.id, step.after) for step in leave(found)] == [("dns_app1_a_away", "no record")]


async def test_a_wildcard_of_which_browsers_follow_something_else_leads_nobody(tmp_path: Path) -> None:
    """A name below it gets a record of its own, to which no HTTPS record belongs; setting the wildcard is refused."""
    change = records(("*.s1", "HTTPS", "0 cdn.example.net.", ""))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it:
            names = await names_of(it.app.look, (app("shop.s1"),), "example.com")
            wildcard = await wildcard_of(it.app.look, "muscle-1", "s1.example.com")
    assert set_by(follow(names)) == ["shop.s1"]
    with pytest.raises(RefusedByPolicy, match=r"browsers follow its HTTPS record \(0 cdn\.example\.net\.\)"):
        wildcard_steps(wildcard, replace=True)


async def test_a_muscle_s_own_name_of_which_browsers_follow_something_else_is_left(tmp_path: Path) -> None:
    """The wildcard beside it is set."""
    change = records(("s3", "HTTPS", "0 cdn.example.net.", ""))
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=change) as it:
            found = await wildcard_of(it.app.look, "muscle-1", "s3.example.com")
    assert (set_by(wildcard_steps(found)), found.is_so) == (["*.s3"], False)


@pytest.mark.parametrize("value", [ONE, TWO, "203.0.113.9"], ids=["its Muscle's", "another Muscle's", "elsewhere"])
@pytest.mark.parametrize("comment", ["", f"{OURS} 192.0.2.99", OURS, "mine"])
async def test_what_no_operation_of_ours_wrote_is_never_taken_away(tmp_path: Path, value: str, comment: str) -> None:
    """A record that somebody made, or made another of, at whatever address: it stays when the app goes, and where it
    leads elsewhere it is not changed unless somebody says so.
    """
    found = await found_in(tmp_path, records(("shop", "A", value, comment)), app("shop"))
    (shop,) = found.names
    others = () if value == ONE else (value,)
    assert (leave(found), shop.foreign, shop.others) == ((), (value,), others)
    assert [step.before for step in follow(found) if not step.reads] == ([] if others else ["no record"])
    assert set_by(follow(found, replace=True)) == ["shop"]


async def test_what_we_wrote_follows_the_app_and_goes_with_it(tmp_path: Path) -> None:
    """A record with our mark of that very value, beside one that somebody made."""
    ours = ("shop", "A", TWO, f"{OURS} {TWO}")
    found = await found_in(tmp_path, records(ours, ("shop", "AAAA", "2001:db8:0:2::1", "")), app("shop"))
    assert [(step.before, step.after) for step in leave(found)] == [("192.0.2.12 (60 s)", "no record")]
    assert [(step.before, step.after) for step in follow(found) if not step.reads] == [
        ("192.0.2.12 (60 s)", "192.0.2.11 (60 s)")
    ]


BELOW = (
    *("a.s1", "b.s1", "_x.s1", "*.a.s1", "a.a.s1", "b.a.s1", "*.b.a.s1", "a.b.a.s1", "_x.a.s1", "_x.b.s1"),
    *("_x.b.a.s1", "a.a.a.a.s1", "aa.s1", "s1"),
)
HOSTS = ("a.s1", "b.s1", "c.s1", "a.a.s1", "b.a.s1", "c.a.s1", "a.b.s1", "a.b.a.s1", "c.b.a.s1", "c.c.c.s1", "aa.s1")


async def test_what_the_wildcard_leads_is_what_the_name_servers_answer(tmp_path: Path) -> None:
    """In zones of all kinds of records below the wildcard: a name that is called led there answers with the Muscle's
    address, and no other one does.
    """
    names = tuple(map(app, HOSTS))
    with anyio.fail_after(2 * LIMIT_S):
        async with ink(tmp_path) as it:
            first = it.state.hetzner.zones[0].rrsets
            for number in range(0, len(BELOW), 2):
                there = [BELOW[number], BELOW[(number * 5 + 3) % len(BELOW)]]
                with it.world.change() as state:
                    state.hetzner.zones[0].rrsets = [
                        *first,
                        *(RRset(name=n, type="TXT", records=[Record(value='"x"')]) for n in dict.fromkeys(there)),
                    ]
                found = await names_of(it.app.look, names, "example.com")
                servers = found.zone.served_by
                for each in found.names:
                    told = await it.app.look.dns.nameservers.ask(servers, each.name.host, "A")
                    assert (there, each.name.host, each.covered) == (
                        there,
                        each.name.host,
                        {one.values for one in told} == {(ONE,)},
                    )
