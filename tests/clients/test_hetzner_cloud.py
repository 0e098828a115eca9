"""Our Hetzner Cloud client against the emulated project, and against answers that no emulator should give."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import anyio
import httpx2
import pytest
from hcloud.exp.zone import format_txt_record
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_cloud import READS, Action, HetznerCloudAct, HetznerCloudLook, Zone, classify
from ink_infra_mcp.clients.hetzner_cloud.act import txt_value
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    Unreachable,
    VendorError,
    WriteRefused,
)
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_READ_TOKEN, HETZNER_TOKEN
from ink_infra_mcp.sandbox.world import World
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio


def _http(transport: httpx2.AsyncBaseTransport | None, clock: FakeClock, *, token: str, base_url: str) -> Http:
    secret = Secret(token)
    settings = HttpSettings(service="hetzner_cloud", base_url=base_url, reads=READS, token=secret)
    return Http(settings, clock=clock, redact=Redactor([secret]), classify=classify, transport=transport)


def _permit() -> Permit:
    return permit_here("op-1", "dns.add_record")


@dataclass(frozen=True)
class Project:
    """An emulated project and its time."""

    world: World
    clock: FakeClock

    def http(self, token: str = HETZNER_TOKEN) -> Http:
        """Return the HTTP door of the project."""
        transport = httpx2.ASGITransport(app=build_hetzner(self.world))
        return _http(transport, self.clock, token=token, base_url="http://cloud.example.com/v1")

    @property
    def look(self) -> HetznerCloudLook:
        """Return the read side."""
        return HetznerCloudLook(self.http())

    def act(self, permit: Permit | None = None) -> HetznerCloudAct:
        """Return the write side."""
        return HetznerCloudAct(self.http(), permit or _permit(), clock=self.clock)


@pytest.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Project]:
    """Give a fresh project whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(60):
        yield Project(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


def _canned(answer: Callable[[httpx2.Request], httpx2.Response]) -> HetznerCloudLook:
    transport = httpx2.MockTransport(answer)
    return HetznerCloudLook(_http(transport, FakeClock(), token="t" * 64, base_url="http://cloud.example.com/v1"))


async def test_the_servers_of_a_project_are_read_whole(project: Project) -> None:
    """All three, with addresses (the host's one in its /64), type, place, labels and volumes."""
    servers = await project.look.servers()
    assert [(s.name, s.ipv4, s.ipv6, s.server_type.name, s.location.name) for s in servers] == [
        ("factory", "192.0.2.10", "2001:db8:0:1::1", "ccx33", "fsn1"),
        ("muscle-1", "192.0.2.11", "2001:db8:0:2::1", "ccx33", "fsn1"),
        ("muscle-2", "192.0.2.12", "2001:db8:0:3::1", "ccx33", "fsn1"),
    ]
    assert (servers[0].labels, servers[0].volumes, servers[0].status) == ({"role": "factory"}, (4710200,), "running")


@pytest.mark.parametrize(
    ("key", "name"),
    [("muscle-1", "muscle-1"), (4710003, "muscle-2"), ("4710003", "muscle-2"), ("none", None), (1, None)],
)
async def test_a_server_is_found_by_id_or_name(project: Project, key: int | str, name: str | None) -> None:
    """Either finds it; what is not there is None."""
    server = await project.look.server(key)
    assert (server.name if server else None) == name


async def test_a_server_whose_name_is_a_number_is_found(project: Project) -> None:
    """An id that nobody has is tried as a name."""
    with project.world.change() as state:
        state.hetzner.servers[0].name = "42"
    server = await project.look.server("42")
    assert server is not None
    assert server.id == 4710001


async def test_what_a_server_costs_is_read_as_decimals(project: Project) -> None:
    """Prices by location, availability by location, and the prices around a server."""
    types = {kind.name: kind for kind in await project.look.server_types()}
    price = types["ccx33"].monthly("fsn1")
    assert price is not None
    assert (price.net, types["cx23"].monthly("ash")) == (Decimal("48.49"), None)
    assert {p.name: p.available for p in types["cx53"].locations} == {"fsn1": True, "nbg1": True, "hel1": False}
    pricing = await project.look.pricing()
    assert (pricing.currency, pricing.volume.price_per_gb_month.net) == ("EUR", Decimal("0.044"))


@pytest.mark.parametrize(
    ("domain", "zone"),
    [
        ("app.s1.example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("a.sub.example.com", "sub.example.com"),
        ("badexample.com", None),
        ("example.org", None),
    ],
)
async def test_the_closest_zone_of_a_domain_is_found(project: Project, domain: str, zone: str | None) -> None:
    """By whole labels, ignoring case, and the longest name wins."""
    with project.world.change() as state:
        state.hetzner.zones.append(state.hetzner.zones[0].model_copy(update={"id": 7, "name": "sub.example.com"}))
    found = await project.look.zone_for(domain)
    assert (found.name if found else None) == zone


def test_a_domain_is_relative_to_its_zone() -> None:
    """Below the zone, the zone itself, a wildcard; a foreign domain is an error."""
    zone = Zone(id=1, name="example.com", status="ok", ttl=3600)
    assert [zone.relative(d) for d in ("*.s1.example.com", "Example.com.")] == ["*.s1", "@"]
    with pytest.raises(ValueError, match="not in the zone"):
        zone.relative("badexample.com")


async def test_a_record_set_is_read_or_absent(project: Project) -> None:
    """The wildcard and the apex are found by their relative names; what is not there is None."""
    wildcard = await project.look.rrset("example.com", "*.s1", "A")
    apex = await project.look.rrset("4710300", "@", "SOA")
    assert wildcard is not None
    assert apex is not None
    assert (wildcard.id, wildcard.values, wildcard.ttl) == ("*.s1/A", ("192.0.2.11",), 300)
    assert await project.look.rrset("example.com", "*.s9", "A") is None
    assert await project.look.rrset("example.org", "@", "A") is None


async def test_records_are_added_waited_for_and_removed(project: Project) -> None:
    """An added value is there beside the others when its action has ended, and gone after its removal."""
    act = project.act()
    first = await act.add_records("example.com", "app", "A", values=["192.0.2.11"], ttl=300)
    assert first.running
    done = await act.wait([first], deadline_s=60)
    assert [action.status for action in done] == ["success"]
    await act.wait([await act.add_records("example.com", "app", "A", values=["192.0.2.12"])], deadline_s=60)
    both = await act.rrset("example.com", "app", "A")
    assert both is not None
    assert (both.values, both.ttl) == (("192.0.2.11", "192.0.2.12"), 300)
    await act.wait([await act.remove_records("example.com", "app", "A", values=both.values)], deadline_s=60)
    assert await act.rrset("example.com", "app", "A") is None
    path = "/v1/zones/example.com/rrsets/app/A/actions"
    assert project.world.read().journal == [
        f"hetzner POST {path}/{verb}" for verb in ("add_records", "add_records", "remove_records")
    ]


async def test_a_zone_that_is_busy_is_waited_for(project: Project) -> None:
    """A conflict means nothing was done, so the same change is sent again until the zone is free."""
    act = project.act()
    await act.add_records("example.com", "one", "A", values=["192.0.2.1"])
    await act.add_records("example.com", "two", "TXT", values=["hello"])
    two = await act.rrset("example.com", "two", "TXT")
    assert two is not None
    assert two.values == ('"hello"',)
    assert project.clock.slept == [1.0, 2.0]


async def test_a_change_that_is_refused_for_good_is_sent_once(project: Project) -> None:
    """Wrong input is Rejected with the field's message, protection with what a person must do; neither is repeated."""
    with pytest.raises(Rejected, match="records: not-an-address is not a valid A value") as wrong:
        await project.act().add_records("example.com", "x", "A", values=["not-an-address"])
    with project.world.change() as state:
        state.hetzner.zones[0].rrsets[2].protected = True
    with pytest.raises(Rejected, match="protection") as protected:
        await project.act().remove_records("example.com", "coolify", "A", values=["192.0.2.10"])
    assert (wrong.value.vendor_code, protected.value.vendor_code) == ("invalid_input", "protected")
    assert project.clock.slept == []


async def test_nothing_is_written_without_a_live_permit(project: Project) -> None:
    """When the permit has ended the write never leaves this process."""
    permit = _permit()
    permit.revoke()
    with pytest.raises(WriteRefused):
        await project.act(permit).add_records("example.com", "x", "A", values=["192.0.2.1"])
    assert project.world.read().journal == []


async def test_waiting_ends_at_the_deadline_with_what_still_runs(project: Project) -> None:
    """Polling slows down as it goes on, and at the deadline the action is returned as running, not as an error."""
    with project.world.change() as state:
        state.hetzner.action_s = 1000.0
    action = await project.act().add_records("example.com", "x", "A", values=["192.0.2.1"])
    left = await project.act().wait([action], deadline_s=15)
    assert [(a.id, a.status) for a in left] == [(action.id, "running")]
    assert project.clock.slept == [1.0, 1.0, 2.0, 3.0, 5.0, 3.0]


async def test_an_action_that_fails_is_an_error_with_its_code(project: Project) -> None:
    """The vendor's code and words are told, and that the change was begun."""
    action = await project.act().add_records("example.com", "x", "A", values=["192.0.2.1"])
    with project.world.change() as state:
        state.hetzner.actions[0].error_code = "action_failed"
        state.hetzner.actions[0].error_message = "Action failed"
    with pytest.raises(Rejected, match="Action failed") as failed:
        await project.act().wait([action], deadline_s=60)
    assert (failed.value.vendor_code, failed.value.done) == (
        "action_failed",
        "The change was begun and did not end well.",
    )


async def test_many_actions_are_asked_for_in_batches(project: Project) -> None:
    """Sixty ids need three requests, and come back in the order asked for; a missing one is a bad answer."""
    await project.act().add_records("example.com", "x", "A", values=["192.0.2.1"])
    with project.world.change() as state:
        one = state.hetzner.actions[0]
        state.hetzner.actions = [one.model_copy(update={"id": n}) for n in range(1, 61)]
    before = project.world.read().hetzner.rate_left
    actions = await project.look.actions(list(range(60, 0, -1)))
    assert [action.id for action in actions] == list(range(60, 0, -1))
    assert before - project.world.read().hetzner.rate_left == 3
    assert (await project.look.action(7)).command == "add_rrset_records"
    with pytest.raises(BadAnswer, match="action 99 is missing"):
        await project.look.actions([1, 99])


async def test_tokens_that_may_not_are_told_apart(project: Project) -> None:
    """A wrong token is Unauthorized, a read-only one reads and is Forbidden to write; neither is retried."""
    with pytest.raises(Unauthorized):
        await HetznerCloudLook(project.http("wrong-token")).servers()
    reader = HetznerCloudAct(project.http(HETZNER_READ_TOKEN), _permit(), clock=project.clock)
    assert len(await reader.servers()) == 3
    with pytest.raises(Forbidden) as refused:
        await reader.add_records("example.com", "x", "A", values=["192.0.2.1"])
    assert refused.value.vendor_code == "token_readonly"
    assert refused.value.request_id
    assert project.clock.slept == []


async def test_the_rate_limit_is_waited_out_and_never_shows_the_token(project: Project) -> None:
    """An empty bucket refills while we wait; when it does not, the error has no character of the token."""
    with project.world.change() as state:
        state.hetzner.rate_left = 0.0
        state.hetzner.rate_at = project.clock.now().timestamp()
    assert len(await project.look.servers()) == 3
    assert len(project.clock.slept) >= 1
    with project.world.change() as state:
        state.hetzner.rate_limit, state.hetzner.rate_left = 1, 0.0
    with pytest.raises(RateLimited) as limited:
        await project.look.servers()
    shown = str(limited.value) + json.dumps(limited.value.body)
    assert (HETZNER_TOKEN[:16] in shown, " characters hidden)" in shown) == (False, True)


async def test_a_change_whose_answer_is_lost_may_have_happened(tmp_path: Path) -> None:
    """A connection cut after a POST is Unreachable, says that it is not known, and is not repeated."""
    clock = FakeClock()
    world = pretend_world(tmp_path, lambda: clock.now().timestamp())
    with world.change() as state:
        state.faults.append(Fault(system="hetzner", match="POST", kind="drop_after"))
    with anyio.fail_after(30):
        port, close = await listen(build_hetzner(world))
        async with _http(None, clock, token=HETZNER_TOKEN, base_url=f"http://127.0.0.1:{port}/v1") as http:
            act = HetznerCloudAct(http, _permit(), clock=clock)
            with pytest.raises(Unreachable) as lost:
                await act.add_records("example.com", "x", "A", values=["192.0.2.1"])
            assert await act.rrset("example.com", "x", "A") is not None
        await close()
    assert lost.value.done == "It is not known whether the change happened."
    assert len(world.read().journal) == 1


def _page(number: int, following: int | None) -> Mapping[str, object]:
    return {
        "zones": [{"id": number, "name": "z", "status": "ok", "ttl": 60}],
        "meta": {"pagination": {"next_page": following}},
    }


@pytest.mark.parametrize("following", [1, 2, 201])
async def test_pages_that_never_end_are_stopped(following: int) -> None:
    """A next page that is not after this one, or beyond reason, is a bad answer instead of a loop."""
    look = _canned(lambda _: httpx2.Response(200, json=_page(1, following)))
    with pytest.raises(BadAnswer, match="follows page"), anyio.fail_after(30):
        await look.zones()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"zones": {}},
        {"zones": [{"id": "x"}], "meta": {"pagination": {}}},
        {"zones": []},
        [],
    ],
)
async def test_an_answer_of_another_shape_is_a_bad_answer(body: object) -> None:
    """Missing keys and wrong types name what is wrong, and never become an empty list."""
    with pytest.raises(BadAnswer):
        await _canned(lambda _: httpx2.Response(200, json=body)).zones()


async def test_words_that_the_vendor_adds_do_not_break_us() -> None:
    """Unknown fields are left out, unknown states are kept as they are."""
    body = {"action": {"id": 1, "command": "new_thing", "status": "paused", "surprise": [1], "error": None}}
    action = await _canned(lambda _: httpx2.Response(200, json=body)).action(1)
    assert action == Action(id=1, command="new_thing", status="paused")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Unauthorized),
        (401, "token_readonly", Forbidden),
        (403, "token_readonly", Forbidden),
        (403, "maintenance", Unavailable),
        (403, "resource_limit_exceeded", Rejected),
        (404, "not_found", NotFound),
        (409, "conflict", Conflict),
        (409, "uniqueness_error", Conflict),
        (410, "deprecated_api_endpoint", Rejected),
        (412, "resource_unavailable", Rejected),
        (422, "placement_error", Rejected),
        (422, "a_new_code", Rejected),
        (423, "locked", Conflict),
        (423, "protected", Rejected),
        (429, "rate_limit_exceeded", RateLimited),
        (502, "bad_gateway", Unavailable),
        (500, "server_error", Unavailable),
    ],
)
def test_each_code_of_the_vendor_has_its_error(status: int, code: str, kind: type[VendorError]) -> None:
    """Class, code, correlation id and the cleaned words of the vendor are kept."""
    body: JsonValue = {"error": {"code": code, "message": "some\nwords\u202e", "details": None}}
    headers = {"x-correlation-id": "abc"}
    answer = Answer(method="POST", path="/servers", status=status, headers=headers, text=json.dumps(body), json=body)
    error = classify("hetzner_cloud", answer)
    assert (type(error), error.vendor_code, error.request_id, error.status) == (kind, code, "abc", status)
    assert error.failed == f"hetzner_cloud answered {status} {code} to POST /servers: some words<U+202E>."


def test_an_error_that_is_not_hetzner_s_is_told_by_its_status() -> None:
    """A proxy's page or bare text still becomes the error that the status calls for."""
    answer = Answer(method="GET", path="/servers", status=502, headers={}, text="upstream", json=None)
    assert isinstance(classify("hetzner_cloud", answer), Unavailable)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters='\\"'), max_size=700))
def test_text_is_quoted_as_the_official_client_does(text: str) -> None:
    """The parts of at most 255 characters are those that hcloud-python makes."""
    assert txt_value(text) == (format_txt_record(text) or '""')


def test_quotes_and_backslashes_in_text_are_escaped_and_quoted_text_is_left_alone() -> None:
    """What is quoted already passes unchanged; inside plain text quotes and backslashes are escaped."""
    assert txt_value('"v=1" "x"') == '"v=1" "x"'
    assert txt_value('say "a\\b') == '"say \\"a\\\\b"'
