"""Our Cloud client and its steps for firewalls, against the emulated project and answers that it never gives."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_cloud import (
    Firewall,
    HetznerCloudAct,
    HetznerCloudLook,
    NewRule,
    RuleSet,
    classify,
    same_rules,
)
from ink_infra_mcp.clients.hetzner_cloud.act import server_resource
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    NotFound,
    RateLimited,
    Rejected,
    StepFailed,
    VendorError,
    WriteRefused,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import FIREWALL
from tests.clients.cloud_project import Project, http_of
from tests.clock import FakeClock
from tests.permits import permit_here
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
FACTORY, MUSCLE_1, MUSCLE_2 = "4710001", "4710002", "4710003"
SEEDED = str(FIREWALL)
WEB: JsonObject = {"direction": "in", "protocol": "tcp", "port": "443", "source_ips": ["0.0.0.0/0", "::/0"]}
SSH: JsonObject = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["198.51.100.7/32"]}
CREATE = "hetzner_cloud.create_firewall"
DELETE = "hetzner_cloud.delete_firewall"
SET = "hetzner_cloud.set_firewall_rules"
RESTORE = "hetzner_cloud.restore_firewall_rules"
ATTACH = "hetzner_cloud.attach_firewall"
DETACH = "hetzner_cloud.detach_firewall"


@pytest.fixture
async def project(tmp_path: Path) -> AsyncGenerator[Project]:
    """Give a fresh project whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(60):
        yield Project(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


def _rules(project: Project) -> list[JsonValue]:
    keep = ("direction", "protocol", "port", "source_ips", "description")
    return [rule.model_dump(include=set(keep)) for rule in project.held().rules]


async def test_firewalls_are_read_by_id_by_name_by_label_and_by_server(project: Project) -> None:
    """The seeded one with its rules and where it is; what is not there is None or nothing."""
    seeded = await project.look.firewall(FIREWALL)
    assert seeded is not None
    assert (seeded.name, len(seeded.rules), seeded.servers, seeded.selectors) == (
        "muscle-1",
        4,
        frozenset({int(MUSCLE_1)}),
        frozenset[str](),
    )
    assert await project.look.firewall("muscle-1") == seeded
    assert (await project.look.firewall("none"), await project.look.firewall(1)) == (None, None)
    assert await project.look.firewalls(label_selector="role=muscle") == (seeded,)
    assert await project.look.firewalls(label_selector="role=factory") == ()
    servers = {server.name: server for server in await project.look.servers()}
    assert await project.look.firewalls_of(servers["muscle-1"]) == (seeded,)
    assert await project.look.firewalls_of(servers["muscle-2"]) == ()


async def test_what_is_read_can_be_handed_on_in_the_vendors_shape(project: Project) -> None:
    """The JSON of our models holds everything of the answer that a firewall can be judged by, unknown fields too."""
    answer = await project.http.get("/firewalls")
    assert isinstance(answer.json, dict)
    every = answer.json["firewalls"]
    assert isinstance(every, list)
    (body,) = every
    assert isinstance(body, dict)
    ours = Firewall.model_validate(body).as_json()
    assert ours["rules"] == body["rules"]
    assert ours["applied_to"] == [
        {"type": "server", "server": {"id": int(MUSCLE_1)}, "label_selector": None, "applied_to_resources": None}
    ]
    newer = {**WEB, "destination_ips": [], "new_condition": "x"}
    assert "new_condition" in str(Firewall.model_validate({**body, "rules": [newer]}).as_json())
    server = await project.look.server(MUSCLE_1)
    assert server is not None
    net = server.as_json()["public_net"]
    assert isinstance(net, dict)
    assert net["firewalls"] == [{"id": FIREWALL, "status": "applied"}]


async def test_many_firewalls_come_in_pages(project: Project) -> None:
    """Sixty of them need two requests, with the filter on each."""

    def many(state: WorldState) -> None:
        one = state.hetzner.firewalls[0]
        state.hetzner.firewalls = [one.model_copy(update={"id": n, "name": f"fw-{n}"}) for n in range(1, 61)]

    project.arrange(many)
    found = await project.look.firewalls(label_selector="role=muscle")
    assert [firewall.id for firewall in found] == list(range(1, 61))


@pytest.mark.parametrize("missing", ["rules", "applied_to", "id"])
async def test_a_firewall_without_its_rules_is_a_bad_answer(project: Project, missing: str) -> None:
    """What is missing is never taken for an empty list, which would let nothing in."""
    whole: JsonObject = {"id": 1, "name": "x", "created": "2026-01-01T00:00:00Z", "rules": [], "applied_to": []}
    body = {"firewall": {key: value for key, value in whole.items() if key != missing}}
    http = http_of(httpx2.MockTransport(lambda _: httpx2.Response(200, json=body)), project.clock)
    with pytest.raises(BadAnswer):
        await HetznerCloudLook(http).firewall(1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source_ips": ["192.0.2.1/24"]}, "host bits"),
        ({"source_ips": ["192.0.2.1"]}, "write a network"),
        ({"source_ips": ["192.0.2.300/32"]}, "192.0.2.300"),
        ({"source_ips": ["fe80::1%eth0/128"]}, "write a network"),
        ({"source_ips": [f"10.0.{n}.0/24" for n in range(101)]}, "at most 100"),
        ({"source_ips": []}, "needs source_ips"),
        ({"destination_ips": ["::/0"]}, "needs source_ips"),
        ({"direction": "out"}, "destination_ips only"),
        ({"port": None}, "need a port"),
        ({"protocol": "icmp"}, "nothing else has one"),
        ({"port": "0"}, "such as 22"),
        ({"port": "65536"}, "such as 22"),
        ({"port": "90-80"}, "such as 22"),
        ({"port": "80-80"}, "such as 22"),
        ({"port": "any"}, "such as 22"),
        ({"port": "22\n"}, "such as 22"),
        ({"protocol": "ah"}, "tcp"),
        ({"description": "x" * 256}, "255"),
        ({"action": "drop"}, "action"),
    ],
)
def test_what_hetzner_would_refuse_is_refused_before_it_is_sent(change: JsonObject, why: str) -> None:
    """The limits of the published description: networks, ports, lengths, and no field that we do not know."""
    with pytest.raises(ValidationError, match=why):
        NewRule.model_validate({**WEB, **change})


def test_there_are_limits_to_a_whole_set() -> None:
    """At most 50 rules, and 500 when each network of a rule counts; networks are written in their canonical form."""
    wide = {"direction": "in", "protocol": "gre", "source_ips": [f"10.{n}.0.0/16" for n in range(100)]}
    assert len(RuleSet.model_validate({"rules": [wide] * 5}).rules) == 5
    for rules in ([wide] * 6, [WEB] * 51):
        with pytest.raises(ValidationError, match=r"500 effective|at most 50"):
            RuleSet.model_validate({"rules": rules})
    rule = NewRule.model_validate({**WEB, "source_ips": ["2001:0DB8::/32", "2001:db8::/32"]})
    assert rule.source_ips == ("2001:db8::/32",)


networks = st.lists(
    st.one_of(st.ip_addresses(v=4).map(lambda a: f"{a}/32"), st.ip_addresses(v=6).map(lambda a: f"{a.exploded}/128")),
    min_size=1,
    max_size=3,
    unique=True,
)
ports = st.integers(1, 65535).map(str)
rules_ = st.fixed_dictionaries(
    {"direction": st.just("in"), "protocol": st.just("tcp"), "port": ports, "source_ips": networks}
)


@given(st.lists(rules_, max_size=6), st.randoms())
def test_the_order_of_rules_and_networks_means_nothing(bodies: list[dict[str, Any]], random: Any) -> None:
    """Two sets are the same when their rules are, however written and ordered; one rule more is another set."""
    wanted = RuleSet.model_validate({"rules": bodies})
    shuffled = [{"destination_ips": [], **rule} for rule in wanted.as_json()]
    for rule in shuffled:
        nets = rule["source_ips"]
        assert isinstance(nets, list)
        random.shuffle(nets)
    random.shuffle(shuffled)
    seen = {"id": 1, "name": "x", "created": "2026-01-01T00:00:00Z", "rules": shuffled, "applied_to": []}
    firewall = Firewall.model_validate(seen)
    assert same_rules(firewall.rules, wanted.rules)
    assert not same_rules(firewall.rules, [*wanted.rules, NewRule.model_validate(SSH)])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "firewall_already_applied", Rejected),
        (422, "firewall_managed_by_label_selector", Rejected),
        (422, "firewall_resource_not_found", NotFound),
        (404, "firewall_resource_not_found", NotFound),
        (422, "resource_in_use", Rejected),
        (422, "private_net_only_server", Rejected),
        (422, "incompatible_network_type", Rejected),
        (422, "server_already_added", Rejected),
    ],
)
def test_each_code_of_a_firewall_has_its_error_and_advice(status: int, code: str, kind: type[VendorError]) -> None:
    """Class, code, and what to do next."""
    body: JsonValue = {"error": {"code": code, "message": "words", "details": None}}
    answer = Answer(method="POST", path="/firewalls", status=status, headers={}, text=json.dumps(body), json=body)
    error = classify("hetzner_cloud", answer)
    assert (type(error), error.vendor_code, bool(error.next)) == (kind, code, True)


async def test_locked_is_waited_for_and_protected_is_not(project: Project) -> None:
    """While another change of the firewall runs ours is sent again; what a person must unlock is told at once."""
    act = project.act
    await act.set_firewall_rules(FIREWALL, [WEB])
    await act.set_firewall_rules(FIREWALL, [SSH])
    assert (project.clock.slept, [rule.port for rule in project.held().rules]) == ([1.0, 2.0], ["22"])
    body = json.dumps({"error": {"code": "protected", "message": "protected"}})
    project.trouble("status", "set_rules", status=423, body=body)
    with pytest.raises(Rejected, match="protected"):
        await act.set_firewall_rules(FIREWALL, [WEB])
    assert len(project.clock.slept) == 2


async def test_a_full_bucket_of_requests_is_waited_out(project: Project) -> None:
    """Nothing was done at 429, so that a change is sent again; when it stays so, that is told."""
    body = json.dumps({"error": {"code": "rate_limit_exceeded", "message": "limit"}})
    project.trouble("status", "set_rules", status=429, body=body)
    await project.act.set_firewall_rules(FIREWALL, [WEB])
    project.trouble("status", "set_rules", status=429, body=body, times=9)
    with pytest.raises(RateLimited):
        await project.act.set_firewall_rules(FIREWALL, [SSH])
    assert project.writes == ["set_rules"]


async def test_nothing_is_written_without_a_live_permit(project: Project) -> None:
    """When the permit has ended no change of a firewall leaves this process."""
    ended = permit_here()
    ended.revoke()
    act = HetznerCloudAct(project.http, ended, clock=project.clock)
    for write in (
        act.set_firewall_rules(FIREWALL, []),
        act.attach_firewall(FIREWALL, server_resource(1)),
        act.detach_firewall(FIREWALL, server_resource(1)),
        act.delete_firewall(FIREWALL),
    ):
        with pytest.raises(WriteRefused):
            await write
    assert project.writes == []


async def test_a_new_firewall_is_made_filled_attached_and_all_of_it_undone(project: Project) -> None:
    """The plan's steps one after the other, each safe to run twice; their undos leave the project as it was."""
    steps, before = project.steps, project.world.read().hetzner.firewalls
    create: JsonObject = {"name": "muscle-2", "role": "muscle", "rules": [WEB]}
    fill: JsonObject = {"firewall": result_of("create", "firewall"), "rules": [WEB, SSH], "before": [WEB]}
    attach: JsonObject = {"firewall": result_of("create", "firewall"), "server": MUSCLE_2}
    undo_rules: JsonObject = {"firewall": fill["firewall"], "rules": result_of("fill", "before")}
    for kind, params, name in ((CREATE, create, "create"), (SET, fill, "fill"), (ATTACH, attach, "attach")):
        await steps.run(kind, params, name)
        await steps.run(kind, params, name)
    assert steps.results["fill"] == {"firewall": steps.results["create"]["firewall"], "before": [WEB], "changed": False}
    made = str(steps.results["create"]["firewall"])
    assert project.held(made).labels == {"ink-operation": "op-1", "role": "muscle"}
    assert await project.states(MUSCLE_2) == {made: "applied"}
    assert project.writes == ["firewalls", "set_rules", "apply_to_resources"]
    for _ in range(2):
        await steps.run(DETACH, attach, "undo_attach")
    await steps.run(RESTORE, undo_rules, "undo_fill")
    assert [rule.port for rule in project.held(made).rules] == ["443"]
    for _ in range(2):
        await steps.run(DELETE, {"firewall": result_of("create", "firewall")}, "undo_create")
    assert (await project.states(MUSCLE_2), project.world.read().hetzner.firewalls) == ({}, before)


async def test_rules_are_replaced_when_they_are_those_of_the_plan_and_put_back(project: Project) -> None:
    """The old rules come out as they were, descriptions too; the server has the new ones when the step ends."""
    before, old, steps = _rules(project), project.held().rules, project.steps
    await steps.run(SET, {"firewall": SEEDED, "rules": [SSH], "before": before})
    assert await project.states(MUSCLE_1) == {SEEDED: "applied"}
    await steps.run(RESTORE, {"firewall": SEEDED, "rules": result_of("one", "before")}, "undo_one")
    assert project.held().rules == old


async def test_rules_that_somebody_changed_since_the_plan_are_left_alone(project: Project) -> None:
    """The step holds against the rules that are there now."""
    with pytest.raises(StepFailed, match="no longer those that the plan was made for"):
        await project.steps.run(SET, {"firewall": SEEDED, "rules": [SSH], "before": [WEB]})
    assert project.writes == []


@pytest.mark.parametrize(
    ("kind", "params", "match"),
    [
        (CREATE, {"name": "fresh", "role": "muscle", "rules": [WEB]}, "POST /v1/firewalls"),
        (SET, {"firewall": SEEDED, "rules": [SSH], "before": "now"}, "set_rules"),
        (ATTACH, {"firewall": SEEDED, "server": MUSCLE_2}, "apply_to_resources"),
        (DETACH, {"firewall": SEEDED, "server": MUSCLE_1}, "remove_from_resources"),
    ],
)
async def test_a_change_whose_answer_got_lost_is_found_by_the_look_after_it(
    project: Project, kind: str, params: JsonObject, match: str
) -> None:
    """The connection is cut after the change: it is not sent again, and the step ends well."""
    project.trouble("drop_after", match)
    port, close = await listen(build_hetzner(project.world))
    wanted: JsonObject = {**params, "before": _rules(project)} if "before" in params else params
    async with http_of(None, project.clock, base_url=f"http://127.0.0.1:{port}/v1") as http:
        await project.steps_over(http).run(kind, wanted)
    await close()
    assert len(project.writes) == 1


async def test_a_name_that_somebody_else_uses_is_not_taken_over(project: Project) -> None:
    """A firewall without this operation's label is neither filled nor deleted."""
    with pytest.raises(StepFailed, match="did not make it"):
        await project.steps.run(CREATE, {"name": "muscle-1", "role": "muscle", "rules": [WEB]})
    with pytest.raises(StepFailed, match="not made by this operation"):
        await project.steps.run(DELETE, {"firewall": SEEDED})
    assert project.writes == []


async def test_a_firewall_that_is_gone_fails_the_step(project: Project) -> None:
    """Rules cannot be set on nothing; to be taken off and deleted, it need not be there."""
    project.arrange(lambda state: state.hetzner.firewalls.clear())
    for kind in (SET, RESTORE, ATTACH):
        with pytest.raises(StepFailed, match="is gone"):
            await project.steps.run(kind, {"firewall": SEEDED, "rules": [], "before": [], "server": MUSCLE_1})
    await project.steps.run(DETACH, {"firewall": SEEDED, "server": MUSCLE_1})
    await project.steps.run(DELETE, {"firewall": SEEDED})
    assert project.writes == []


async def test_a_selector_attaches_to_whatever_it_matches(project: Project) -> None:
    """All matching servers have it when the step ends; its undo takes the selector off, and with it the servers."""
    steps = project.steps
    await steps.run(CREATE, {"name": "fleet", "role": "muscle", "rules": [WEB]}, "create")
    params: JsonObject = {"firewall": result_of("create", "firewall"), "selector": "role=muscle"}
    await steps.run(ATTACH, params)
    made = str(steps.results["create"]["firewall"])
    assert [await project.states(server) for server in (FACTORY, MUSCLE_1, MUSCLE_2)] == [
        {},
        {SEEDED: "applied", made: "applied"},
        {made: "applied"},
    ]
    with pytest.raises(StepFailed, match="role=muscle, which does not go together with server ids"):
        await steps.run(ATTACH, {"firewall": params["firewall"], "server": FACTORY})
    with pytest.raises(StepFailed, match="4710002, which does not go together with selectors"):
        await steps.run(ATTACH, {"firewall": SEEDED, "selector": "role=muscle"})
    await steps.run(DETACH, params)
    assert await project.states(MUSCLE_2) == {}


async def test_a_firewall_that_stays_pending_is_not_called_applied(project: Project) -> None:
    """After the waiting the step fails and says that Hetzner may still work on it."""
    project.arrange(lambda state: setattr(state.hetzner, "action_s", 1e6))
    with pytest.raises(StepFailed, match="not as asked everywhere after 60 s"):
        await project.steps.run(ATTACH, {"firewall": SEEDED, "server": MUSCLE_2})
    assert await project.states(MUSCLE_2) == {SEEDED: "pending"}


@pytest.mark.parametrize(
    ("kind", "undo", "params", "server"),
    [
        (SET, RESTORE, {"rules": [SSH]}, MUSCLE_1),
        (ATTACH, DETACH, {"server": MUSCLE_2}, MUSCLE_2),
        (DETACH, ATTACH, {"server": MUSCLE_1}, MUSCLE_1),
    ],
)
async def test_what_puts_a_change_back_waits_for_its_end_first(
    project: Project, kind: str, undo: str, params: JsonObject, server: str
) -> None:
    """A change that takes too long fails, and locks the firewall; its undo comes when it has ended, and stays."""
    before = _rules(project)
    held, states = project.held().rules, await project.states(server)
    given: JsonObject = {"firewall": SEEDED, **params}
    if kind == SET:
        given["before"] = before
    project.arrange(lambda state: setattr(state.hetzner, "action_s", 300))
    with pytest.raises(StepFailed, match="not as asked everywhere after 60 s"):
        await project.steps.run(kind, given)
    project.arrange(lambda state: setattr(state.hetzner, "action_s", 3))
    await project.steps.run(undo, {"firewall": SEEDED, "rules": before} if kind == SET else given)
    project.clock.advance(1000)
    assert (project.held().rules, await project.states(server)) == (held, states)


async def test_a_change_that_never_ends_is_not_undone_blindly(project: Project) -> None:
    """After three minutes of waiting the undo says so, and has sent nothing."""
    before = _rules(project)
    project.arrange(lambda state: setattr(state.hetzner, "action_s", 1e6))
    with pytest.raises(StepFailed):
        await project.steps.run(SET, {"firewall": SEEDED, "rules": [SSH], "before": before})
    with pytest.raises(StepFailed, match="still being changed after 180 s"):
        await project.steps.run(RESTORE, {"firewall": SEEDED, "rules": before})
    assert project.writes == ["set_rules"]


async def test_a_firewall_in_use_is_not_deleted(project: Project) -> None:
    """The undo of a creation waits for nobody: what is attached stays, and the error says so."""
    steps = project.steps
    await steps.run(CREATE, {"name": "busy", "role": "muscle", "rules": [WEB]}, "create")
    await steps.run(ATTACH, {"firewall": result_of("create", "firewall"), "server": MUSCLE_2})
    with pytest.raises(Rejected, match="resource_in_use"):
        await steps.run(DELETE, {"firewall": result_of("create", "firewall")})


async def test_a_conflict_that_stays_is_told(project: Project) -> None:
    """After five tries the error is the vendor's, with nothing changed."""
    body = json.dumps({"error": {"code": "conflict", "message": "resource has changed"}})
    project.trouble("status", "set_rules", status=409, body=body, times=9)
    with pytest.raises(Conflict) as conflict:
        await project.steps.run(SET, {"firewall": SEEDED, "rules": [SSH], "before": _rules(project)})
    assert (conflict.value.vendor_code, conflict.value.done) == ("conflict", "Nothing was changed.")
