"""Setting record sets at Hetzner and at Cloudflare: the same promises at both, over real sockets."""

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ink_infra_mcp.core.dns.records import Record, RecordSet
from ink_infra_mcp.core.errors import RateLimited, StepFailed, VendorError
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.state import WorldState
from tests.clients.dns_beds import KINDS, PROVIDERS, Bed, bed, told
from tests.sandbox.cloud_spec import cloud_spec

pytestmark = pytest.mark.anyio

OURS = "ink-operation=op-1"
OLD, OLD_2, NEW, NEW_2, THEIRS = "203.0.113.9", "203.0.113.10", "192.0.2.13", "192.0.2.14", "203.0.113.77"
CHANGES = ("made", "replaced", "extended", "reduced", "retimed", "removed")
"""What a step can do to a set."""


@pytest.fixture(params=PROVIDERS)
async def zone(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bed]:
    """Give a zone at each provider."""
    with anyio.fail_after(90):
        async with bed(tmp_path, request.param) as made:
            yield made


def change(zone: Bed, which: str) -> tuple[RecordSet | None, RecordSet | None]:
    """Put the set of a change there; return it and what it shall be."""
    if which == "made":
        return None, zone.records(NEW, NEW_2)
    before = zone.put(zone.records(OLD, OLD_2, ttl=3600))
    wanted = {
        "replaced": zone.records(NEW),
        "extended": zone.records(OLD, OLD_2, NEW, ttl=3600),
        "reduced": zone.records(OLD, ttl=3600),
        "retimed": zone.records(OLD, OLD_2, ttl=60),
        "removed": None,
    }
    return before, wanted[which]


def values(zone: Bed) -> dict[str, tuple[int | None, frozenset[str]]]:
    """Return what is held, without comments."""
    return {
        name: (ttl, frozenset(one.partition(" ")[0] for one in found)) for name, (ttl, found) in zone.held().items()
    }


def wanted(after: RecordSet | None) -> dict[str, tuple[int | None, frozenset[str]]]:
    """Return what `values` gives when the set is there alone."""
    return {} if after is None else {"*.s9 A": (after.ttl, after.values)}


@pytest.mark.parametrize("which", CHANGES)
async def test_a_set_becomes_what_was_planned_and_can_be_put_back(zone: Bed, which: str) -> None:
    """Each kind of change happens, a second run changes nothing, and its undo gives back values, TTL and comments."""
    before, after = change(zone, which)
    at_first = zone.held()
    first = await zone.set(before, after)
    assert values(zone) == wanted(after)
    made = len(zone.writes)
    again = await zone.set(before, after)
    assert (first["changed"], again["changed"], len(zone.writes)) == (True, False, made)
    assert {one for one in again if again[one] != first[one]} == {"changed"}
    await zone.restore(before, after)
    assert zone.held() == at_first


@pytest.mark.parametrize("which", CHANGES)
async def test_every_lost_answer_is_settled_by_a_look(zone: Bed, which: str) -> None:
    """The connection is cut after each write in turn: the step ends well, and nothing is sent twice."""
    before, after = change(zone, which)
    await zone.set(before, after)
    sent = zone.writes
    await zone.restore(before, after)
    undone = len(zone.writes)
    for skip in range(len(sent)):
        zone.trouble("drop_after", skip=skip)
        at = len(zone.writes)
        await zone.set(before, after)
        assert (values(zone), zone.writes[at:]) == (wanted(after), sent)
        await zone.restore(before, after)
        assert len(zone.writes) == at + undone
        zone.arrange(lambda state: state.faults.clear())


@pytest.mark.parametrize("which", CHANGES)
async def test_a_request_that_never_arrived_is_sent_again_after_a_look(zone: Bed, which: str) -> None:
    """The connection is cut before the vendor acts: a look shows that, and the change is made."""
    before, after = change(zone, which)
    zone.trouble("drop")
    await zone.set(before, after)
    assert values(zone) == wanted(after)


@pytest.mark.parametrize("which", CHANGES)
async def test_a_run_goes_on_where_a_killed_one_stopped(zone: Bed, which: str) -> None:
    """Killed before any of its writes, the same step run again ends where it should; so does its undo."""
    before, after = change(zone, which)
    at_first = zone.held()
    await zone.set(before, after)
    writes = len(zone.writes)
    await zone.restore(before, after)
    for skip in range(writes):
        for ends in (zone.set, zone.restore):
            zone.trouble("status", status=403, skip=skip)
            with pytest.raises(VendorError):
                await zone.set(before, after)
            await ends(before, after)
            assert values(zone) == wanted(after if ends == zone.set else before)
            await zone.restore(before, after)
            assert zone.held() == at_first


async def test_what_is_no_longer_as_planned_is_left_alone(zone: Bed) -> None:
    """Another value, one more, another TTL, or a set where none was: the step stops before it changes anything."""
    planned = zone.put(zone.records(OLD))
    for now in (zone.records(THEIRS), zone.records(OLD, THEIRS), zone.records(OLD, ttl=900)):
        zone.put(now)
        held = zone.held()
        with pytest.raises(StepFailed, match=r"somebody else changed them.*Nothing was changed"):
            await zone.set(planned, zone.records(NEW))
        assert (zone.held(), zone.writes) == (held, [])
    with pytest.raises(StepFailed, match="and not not there"):
        await zone.set(None, zone.records(NEW))
    assert zone.writes == []


async def test_what_somebody_set_after_us_is_not_put_back(zone: Bed) -> None:
    """The undo gives way to a later editor, and says what stands there."""
    before, after = zone.put(zone.records(OLD)), zone.records(NEW)
    await zone.set(before, after)
    zone.put(zone.records(THEIRS))
    held = zone.held()
    with pytest.raises(StepFailed, match=THEIRS):
        await zone.restore(before, after)
    assert zone.held() == held


async def test_a_comment_tells_the_operation_and_those_of_others_stay(zone: Bed) -> None:
    """New records carry the operation's mark; a record that stays keeps what somebody wrote beside it."""
    before = zone.put(zone.records(OLD))
    await zone.set(before, zone.records(OLD, NEW))
    assert zone.held() == {"*.s9 A": (300, (*told([NEW], f"{OURS} {NEW}"), *told([OLD], "somebody's")))}


async def test_other_types_of_the_name_stay(zone: Bed) -> None:
    """What is set of A is nobody's business of AAAA and TXT at the same name."""
    zone.put(zone.records("2001:db8::9", type="AAAA"))
    zone.put(zone.records('"hello"', type="TXT"))
    await zone.set(None, zone.records(NEW))
    await zone.restore(None, zone.records(NEW))
    assert sorted(zone.held()) == ["*.s9 AAAA", "*.s9 TXT"]


async def test_values_may_come_from_an_earlier_step(zone: Bed) -> None:
    """An address that a purchase returns, its IPv6 network, and one that it has not: no record is made for that."""
    zone.steps.results["buy"] = {"ipv4": NEW, "ipv6": "2001:db8:7::/64", "none": ""}
    for type, field in (("A", "ipv4"), ("AAAA", "ipv6"), ("TXT", "none")):
        params = zone.params(None, zone.records("x", type=type))
        after = params["after"]
        assert isinstance(after, dict)
        after["records"] = [{"value": result_of("buy", field)}]
        await zone.steps.run(f"{KINDS[zone.provider]}.set_records", params)
    assert values(zone) == {"*.s9 A": (300, frozenset({NEW})), "*.s9 AAAA": (300, frozenset({"2001:db8:7::1"}))}


async def test_too_many_requests_are_waited_out_and_then_told(zone: Bed) -> None:
    """A 429 to a write is no lost answer: it is sent again after the vendor's pause, and in the end it is told."""
    zone.trouble("status", status=429, headers={"retry-after": "3"})
    await zone.set(None, zone.records(NEW))
    assert values(zone) == wanted(zone.records(NEW))
    zone.trouble("status", status=429, times=9)
    with pytest.raises(RateLimited, match="Nothing was changed"):
        await zone.restore(None, zone.records(NEW))


async def test_a_zone_that_is_being_published_is_waited_for(tmp_path: Path) -> None:
    """Hetzner refuses a change while another one is under way; it is made when that has ended."""

    def busy(state: WorldState) -> None:
        zone = state.hetzner.zones[0]
        zone.busy_until = made.clock.now().timestamp() + 30

    with anyio.fail_after(90):
        async with bed(tmp_path, "hetzner") as made:
            made.arrange(busy)
            await made.set(None, made.records(NEW))
            assert values(made) == wanted(made.records(NEW))


class Watch:
    """Keeps every write that goes to a provider, with its path as the vendor's description spells it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, object]] = []

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """Return the app behind this watch."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def kept() -> Message:
                message = await receive()
                if message["type"] == "http.request" and scope["method"] != "GET":
                    self.seen.append((scope["method"], _described(scope["path"]), json.loads(message["body"])))
                return message

            await app(scope, kept, send)

        return watched


def _described(path: str) -> str:
    one = re.sub(r"^/v1/zones/[^/]+/rrsets/[^/]+/[^/]+", "/zones/{id_or_name}/rrsets/{rr_name}/{rr_type}", path)
    return re.sub(r"^/v1/zones/[^/]+", "/zones/{id_or_name}", one)


async def test_every_write_is_what_hetzner_s_own_description_takes(tmp_path: Path) -> None:
    """Each kind of change and its undo, held against the official API description."""
    spec, watch = cloud_spec(), Watch()
    with anyio.fail_after(90):
        async with bed(tmp_path, "hetzner", watched=watch) as made:
            for which in CHANGES:
                before, after = change(made, which)
                await made.set(before, after)
                await made.restore(before, after)
                made.arrange(lambda state: state.hetzner.zones[0].rrsets.pop())
    assert {problem for one in watch.seen for problem in spec.request_problems(*one)} == set()
    assert {path.rpartition("/")[2] for _, path, _ in watch.seen} == {
        *("rrsets", "add_records", "remove_records", "change_ttl")
    }


async def test_every_change_of_a_record_at_cloudflare_names_the_record(tmp_path: Path) -> None:
    """Its API description wants id, name, type and TTL of each record that a batch changes, whatever stays as it is.

    The types that Cloudflare generates of that description are asked in tests/vendor_clients.
    """
    watch = Watch()
    with anyio.fail_after(90):
        async with bed(tmp_path, "cloudflare", watched=watch) as made:
            before, after = change(made, "retimed")
            await made.set(before, after)
    [(_, path, body)] = watch.seen
    ids = [record.id for record in made.world.read().cloudflare.zones[0].records if "s9" in record.name]
    of_all = {"name": "*.s9.example.org", "type": "A", "ttl": 60, "proxied": False}
    assert (path, body) == (
        f"/client/v4/zones/{'5a' * 16}/dns_records/batch",
        {"patches": [{"id": id, **of_all} for id in ids]},
    )


async def test_what_cloudflare_keeps_beside_a_record_comes_back_with_it(tmp_path: Path) -> None:
    """Proxy, tags, settings and a TTL of each record's own are put back as they were."""

    def rich(state: WorldState) -> None:
        for number, record in enumerate(r for r in state.cloudflare.zones[0].records if "s9" in r.name):
            record.tags, record.settings = ["team:web"], {"ipv4_only": True}
            record.ttl, record.proxied = (1, True) if number else (900, False)

    with anyio.fail_after(90):
        async with bed(tmp_path, "cloudflare") as made:
            made.put(made.records(OLD, OLD_2))
            made.arrange(rich)
            whole = _without_ids(made)
            (before,) = await made.look.record_sets(await made.zone(), [f"*.s9.{made.domain}"])
            await made.set(before, made.records(NEW))
            assert values(made) == wanted(made.records(NEW))
            await made.restore(before, made.records(NEW))
            assert _without_ids(made) == whole
    assert {record.proxied for record in before.records} == {True, False}


def _without_ids(made: Bed) -> list[dict[str, object]]:
    found = [r.model_dump(exclude={"id", "created"}) for r in made.world.read().cloudflare.zones[0].records]
    return sorted(found, key=lambda record: str(record["content"]))


async def test_a_record_only_through_the_proxy_is_another_answer(tmp_path: Path) -> None:
    """The right address behind Cloudflare's proxy is not what was asked for; it is changed in place."""
    with anyio.fail_after(90):
        async with bed(tmp_path, "cloudflare") as made:
            proxied = made.records(NEW, ttl=None).model_copy(update={"records": (Record(value=NEW, proxied=True),)})
            before = made.put(proxied)
            await made.set(before, made.records(NEW))
            (record,) = (r for r in made.world.read().cloudflare.zones[0].records if "s9" in r.name)
    assert (record.proxied, record.ttl, record.comment) == (False, 300, "somebody's")
