"""Our Robot client and its steps against the emulated account, and against answers that no emulator should give."""

import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import httpx2
import pytest
from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_robot import (
    HetznerRobotAct,
    HetznerRobotLook,
    NewFirewall,
    NewRule,
    RestoredFirewall,
    classify,
    holds,
    restored,
    robot_settings,
)
from ink_infra_mcp.clients.hetzner_robot.rules import form_of
from ink_infra_mcp.clients.hetzner_robot.steps import HetznerRobotSteps
from ink_infra_mcp.core.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Rejected,
    StepFailed,
    Unauthorized,
    Unavailable,
    Unreachable,
    VendorError,
    WriteRefused,
)
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER, SERVER, TEMPLATE, RobotRule, RobotSet
from tests.clients.robot_account import PATH, Account, Counting, door_to
from tests.clients.steps import Steps
from tests.clients.trust import NOBODY
from tests.clock import FakeClock
from tests.ink import ink
from tests.permits import permit_here
from tests.sandbox.pretend import pretend_world

pytestmark = pytest.mark.anyio
POSTED = f"robot POST {PATH}"
WANTED = NewFirewall(
    filter_ipv6=True,
    whitelist_hos=True,
    input=(
        NewRule(name="ssh", ip_version="ipv4", protocol="tcp", src_ip="198.51.100.7", dst_port="22", action="accept"),
        NewRule(name="web", dst_port="80-443", action="accept"),
    ),
    output=(NewRule(name="allow all", action="accept"),),
)


def _canned(answer: Callable[[httpx2.Request], httpx2.Response]) -> HetznerRobotLook:
    return HetznerRobotLook(door_to(httpx2.MockTransport(answer), FakeClock()))


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(30):
        yield Account(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


async def test_servers_firewalls_and_templates_are_read(robot: Account) -> None:
    """The account's server with its addresses, its open firewall, and a template with its rules."""
    (server,) = await robot.look.servers()
    assert (server.server_number, server.server_ip, server.subnet and server.subnet[0].mask) == (
        SERVER,
        "192.0.2.21",
        "64",
    )
    assert await robot.look.server(SERVER) == server
    assert (await robot.look.server(7), await robot.look.template(7)) == (None, None)
    firewall = await robot.look.firewall(SERVER)
    assert (firewall.status, firewall.in_process, firewall.rules.input) == ("disabled", False, ())
    (template,) = await robot.look.templates()
    whole = await robot.look.template(template.id)
    assert whole is not None
    assert (template.id, template.rules.input, len(whole.rules.input or ())) == (TEMPLATE, None, 2)
    robot.arrange(lambda state: (state.robot.servers.clear(), state.robot.templates.clear()))
    assert (await robot.look.servers(), await robot.look.templates()) == ((), ())


async def test_a_set_is_sent_once_and_waited_for(robot: Account) -> None:
    """One POST; then a look every ten seconds until nothing is in process; a second call sends nothing."""
    firewall = await robot.act.set_firewall(SERVER, WANTED)
    assert holds(firewall, WANTED)
    assert (robot.journal, set(robot.clock.slept)) == ([POSTED], {10.0})
    assert 20 <= robot.clock.monotonic() <= 70
    assert [rule.src_ip for rule in robot.held.input] == ["198.51.100.7/32", None]
    await robot.act.set_firewall(SERVER, WANTED)
    assert robot.journal == [POSTED]


async def test_a_firewall_is_cleared(robot: Account) -> None:
    """DELETE lets everything pass in both directions."""
    await robot.act.set_firewall(SERVER, WANTED)
    firewall = await robot.act.clear_firewall(SERVER)
    assert [[r.action for r in rules or ()] for rules in (firewall.rules.input, firewall.rules.output)] == [
        ["accept"],
        ["accept"],
    ]


async def test_a_change_of_somebody_else_is_waited_for_before_ours(robot: Account) -> None:
    """While one is in process nothing is sent; a 409 that comes all the same is waited out after another look."""
    now = robot.clock.now().timestamp()
    robot.arrange(lambda state: setattr(state.robot.servers[0], "ready_at", now + 35))
    body = {"error": {"status": 409, "code": "FIREWALL_IN_PROCESS", "message": "in process"}}
    robot.trouble("status", status=409, body=json.dumps(body))
    assert holds(await robot.act.set_firewall(SERVER, WANTED), WANTED)
    assert robot.clock.slept[:4] == [10.0] * 4
    assert robot.asked[:7] == [f"GET {PATH}"] * 5 + [f"POST {PATH}", f"GET {PATH}"]
    assert (robot.posts, robot.journal) == (2, [POSTED])


async def test_a_firewall_in_process_for_ever_is_given_up_after_three_minutes(robot: Account) -> None:
    """The error says what we did until then: nothing before the sending, and that Robot took it after it."""
    robot.arrange(lambda state: setattr(state.robot.servers[0], "ready_at", 1e12))
    with pytest.raises(Conflict, match="still in process after 180 s") as before:
        await robot.act.set_firewall(SERVER, WANTED)
    assert (before.value.done, robot.posts, sum(robot.clock.slept)) == ("Nothing was changed.", 0, 180)
    robot.arrange(lambda state: setattr(state.robot.servers[0], "ready_at", 0))

    def stuck(request: httpx2.Request) -> httpx2.Response:
        status = "in process" if robot.asked else "disabled"
        robot.asked.extend([f"POST {PATH}"] if request.method == "POST" else [])
        return httpx2.Response(200, json={"firewall": {"server_number": SERVER, "status": status, "rules": {}}})

    act = HetznerRobotAct(robot.door(transport=httpx2.MockTransport(stuck)), permit_here())
    robot.asked.clear()
    with pytest.raises(Conflict) as after:
        await act.set_firewall(SERVER, WANTED)
    assert (after.value.done, robot.posts) == ("Robot accepted the change, and had not finished it.", 1)


@pytest.mark.parametrize(("kind", "posts"), [("drop_after", 1), ("drop", 2), ("html", 2)])
async def test_a_lost_answer_is_followed_by_a_look_before_anything_is_repeated(
    robot: Account, kind: str, posts: int
) -> None:
    """A set that arrived is not sent again; one that did not is sent a second time, after the look."""
    robot.trouble(kind)
    port, close = await listen(build_robot(robot.world))
    async with httpx2.AsyncHTTPTransport(verify=NOBODY) as socket:
        door = door_to(Counting(robot, socket), robot.clock, base_url=f"http://127.0.0.1:{port}")
        assert holds(await HetznerRobotAct(door, permit_here()).set_firewall(SERVER, WANTED), WANTED)
    await close()
    assert (robot.posts, robot.journal) == (posts, [POSTED])
    assert robot.asked[:3] == [f"GET {PATH}", f"POST {PATH}", f"GET {PATH}"]


async def test_a_robot_that_never_answers_well_is_given_up_after_three_tries(robot: Account) -> None:
    """A page of HTML with status 500 is told as it is, with what is known of the change."""
    robot.trouble("status", status=500, body="<html>oops</html>", headers={"content-type": "text/html"}, times=9)
    with pytest.raises(Unavailable, match="500") as failed:
        await robot.act.set_firewall(SERVER, WANTED)
    assert (failed.value.done, robot.posts, robot.journal) == (
        "It is not known whether the change happened.",
        3,
        [],
    )


async def test_a_refused_login_is_never_tried_again(robot: Account) -> None:
    """Twenty questions at once with a wrong password cost one failed login; after ten minutes there is one more."""
    door = robot.door("wrong")
    look = HetznerRobotLook(door)
    errors: list[Unauthorized] = []

    async def ask() -> None:
        with pytest.raises(Unauthorized) as refused:
            await look.servers()
        errors.append(refused.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
    assert (len(robot.world.read().robot.failed), robot.asked, robot.clock.slept) == (1, ["GET /server"], [])
    assert "hetzner_robot_password" in errors[0].next
    assert "was not asked" in errors[-1].failed
    robot.clock.advance(600)
    await ask()
    assert len(robot.asked) == 2


async def test_the_limit_is_told_and_not_waited_for_when_it_is_an_hour(robot: Account) -> None:
    """Robot's limit is a 403 that says over how long it counts; an hour is not waited, and nothing was changed."""
    robot.arrange(lambda state: state.robot.limits.update({"POST /firewall/{server}": 0}))
    with pytest.raises(RateLimited, match="0 requests in 3600 s") as limited:
        await robot.act.set_firewall(SERVER, WANTED)
    assert (limited.value.retry_after_s, limited.value.done, robot.posts) == (3600.0, "Nothing was changed.", 1)


async def test_a_short_limit_is_waited_out(robot: Account) -> None:
    """A limit that counts over five seconds is waited for, also for a write: nothing was done."""
    error = {"status": 403, "code": "RATE_LIMIT_EXCEEDED", "message": "m", "max_requests": 1, "interval": 5}
    robot.trouble("status", status=403, body=json.dumps({"error": error}))
    assert holds(await robot.act.set_firewall(SERVER, WANTED), WANTED)
    assert 5.0 <= robot.clock.slept[0] <= 6.0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"has_firewall": False}, "FIREWALL_NOT_AVAILABLE"),
        ({"has_port": False}, "FIREWALL_PORT_NOT_FOUND"),
        ({"number": 1}, "SERVER_NOT_FOUND"),
    ],
)
async def test_a_server_without_a_firewall_is_told_with_its_reason(
    robot: Account, change: dict[str, int], code: str
) -> None:
    """Each absence is NotFound with Robot's code, and never an open or a closed firewall."""

    def changed(state: WorldState) -> None:
        state.robot.servers = [state.robot.servers[0].model_copy(update=change)]

    robot.arrange(changed)
    with pytest.raises(NotFound) as absent:
        await robot.look.firewall(SERVER)
    assert absent.value.vendor_code == code


async def test_nothing_is_written_without_a_live_permit(robot: Account) -> None:
    """When the permit has ended neither a set nor a clearing leaves this process."""
    ended = permit_here()
    ended.revoke()
    act = HetznerRobotAct(robot.door(), ended)
    with pytest.raises(WriteRefused):
        await act.set_firewall(SERVER, WANTED)
    with pytest.raises(WriteRefused):
        await act.clear_firewall(SERVER)
    assert (robot.journal, robot.posts) == ([], 0)


def _answer(status: int, body: JsonValue) -> Answer:
    return Answer(method="POST", path=PATH, status=status, headers={}, text=json.dumps(body), json=body)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "UNAUTHORIZED", Unauthorized),
        (403, "RATE_LIMIT_EXCEEDED", RateLimited),
        (403, "SOMETHING_NEW", Forbidden),
        (404, "SERVER_NOT_FOUND", NotFound),
        (404, "FIREWALL_NOT_AVAILABLE", NotFound),
        (404, "FIREWALL_TEMPLATE_NOT_FOUND", NotFound),
        (409, "FIREWALL_IN_PROCESS", Conflict),
        (409, "FIREWALL_RULE_LIMIT_EXCEEDED", Rejected),
        (409, "FIREWALL_CANNOT_BE_DISABLED", Rejected),
        (400, "INVALID_INPUT", Rejected),
        (200, "INVALID_INPUT", Rejected),
        (412, "PRECONDITION_FAILED", Rejected),
        (500, "INTERNAL_ERROR", Unavailable),
        (503, "MAINTENANCE", Unavailable),
    ],
)
def test_each_code_of_robot_has_its_error(status: int, code: str, kind: type[VendorError]) -> None:
    """Class and code are kept, and what is wrong is named in whatever shape it comes."""
    error: JsonObject = {"status": status, "code": code, "message": "some\nwords\u202e", "missing": ["a"]}
    error["invalid"] = {"rules": ["b", ["c"]]}
    found = classify("Hetzner Robot", _answer(status, {"error": error}))
    assert (type(found), found.vendor_code, found.status) == (kind, code, status)
    assert found.failed == (
        f"Hetzner Robot answered {status} {code} to POST {PATH}: some words<U+202E> (missing: a; invalid: rules, b, c)."
    )


def test_an_answer_without_robots_words_is_told_by_its_status() -> None:
    """A refused login without a body still says what to check."""
    found = classify("Hetzner Robot", _answer(401, None))
    assert (type(found), "hetzner_robot_user" in found.next) == (Unauthorized, True)


@pytest.mark.parametrize("body", [{"server": {}}, [{"server": {"server_number": "x"}}], [7], "text"])
async def test_an_answer_of_another_shape_is_a_bad_answer(body: object) -> None:
    """Neither a map where a list should be nor a server without its number becomes an empty list."""
    with pytest.raises(BadAnswer):
        await _canned(lambda _: httpx2.Response(200, json=body)).servers()


async def test_an_error_that_comes_with_status_200_is_an_error() -> None:
    """Robot's error counts, not the status."""
    body = {"error": {"status": 404, "code": "SERVER_NOT_FOUND", "message": "none"}}
    with pytest.raises(NotFound):
        await _canned(lambda _: httpx2.Response(200, json=body)).firewall(1)


async def test_a_404_without_robots_word_is_no_empty_list() -> None:
    """What a proxy or a wrong address answers is an error, and not an account without servers."""
    with pytest.raises(NotFound):
        await _canned(lambda _: httpx2.Response(404, json={"message": "no such page"})).servers()


async def test_a_connection_that_cannot_be_made_changes_nothing(robot: Account) -> None:
    """Unreachable, with nothing changed."""

    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(Unreachable) as unreachable:
        await HetznerRobotAct(robot.door(transport=httpx2.MockTransport(refuse)), permit_here()).clear_firewall(SERVER)
    assert unreachable.value.done == "Nothing was changed."


async def _params(robot: Account) -> JsonObject:
    before = restored(await robot.look.firewall(SERVER)).model_dump(mode="json")
    return {"server": str(SERVER), "firewall": WANTED.model_dump(mode="json"), "before": before}


def _hold(*, status: str = "active", **rule: str) -> Callable[[WorldState], None]:
    def change(state: WorldState) -> None:
        rules = [RobotRule(action="accept", **rule)]
        held = RobotSet.model_validate({"status": status, "input": rules, "output": rules})
        state.robot.servers[0].firewall = held

    return change


@pytest.mark.parametrize("status", ["active", "disabled"])
async def test_a_step_sets_a_firewall_and_its_undo_puts_back_exactly_what_was_there(
    robot: Account, status: str
) -> None:
    """Also a rule that we would not write ourselves, and whether it was active."""
    robot.arrange(_hold(status=status, name="by hand", ip_version="ipv6", protocol="icmp"))
    before, steps = robot.held, robot.steps()
    result = await steps.run("hetzner_robot.set_firewall", await _params(robot))
    assert (result["changed"], robot.held.status, len(robot.held.input)) == (True, "active", 2)
    undo: JsonObject = {"server": str(SERVER), "firewall": result_of("one", "before")}
    await steps.run("hetzner_robot.restore_firewall", undo, "undo_one")
    assert robot.held == before
    await steps.run("hetzner_robot.restore_firewall", undo, "undo_one")
    assert robot.journal == [POSTED] * 2


async def test_a_step_that_runs_again_changes_nothing_and_still_knows_what_was_there(robot: Account) -> None:
    """Killed after the sending, the second run waits for it, sends nothing, and its undo has the old set."""
    steps, params = robot.steps(), await _params(robot)
    await robot.door().send("POST", PATH, permit=permit_here(), form=form_of(WANTED))
    result = await steps.run("hetzner_robot.set_firewall", params)
    assert (robot.journal, result["changed"]) == ([POSTED], False)
    assert RestoredFirewall.model_validate(result["before"]) == RestoredFirewall.model_validate(params["before"])


async def test_a_firewall_that_somebody_changed_since_the_plan_is_left_alone(robot: Account) -> None:
    """The step holds against what stands there now, and says that the plan is old."""
    params = await _params(robot)
    robot.arrange(_hold(name="somebody else"))
    with pytest.raises(StepFailed, match="no longer the one that the plan was made for"):
        await robot.steps().run("hetzner_robot.set_firewall", params)
    assert robot.journal == []


async def test_a_set_that_robot_takes_and_does_not_keep_is_a_failure(robot: Account) -> None:
    """The look after the change decides, not that it was accepted."""
    rules: dict[str, list[dict[str, str]]] = {"input": [], "output": [{"action": "accept"}]}
    other = {"server_number": SERVER, "status": "active", "rules": rules}
    disabled = {**other, "status": "disabled"}
    posted: list[bool] = []

    def forgetful(request: httpx2.Request) -> httpx2.Response:
        posted.extend([True] if request.method == "POST" else [])
        return httpx2.Response(200, json={"firewall": other if posted else disabled})

    params = await _params(robot)
    door = robot.door(transport=httpx2.MockTransport(forgetful))
    steps = Steps(HetznerRobotSteps(lambda: door).handlers(), robot.clock)
    with pytest.raises(StepFailed, match="0 input rules instead of 2") as failed:
        await steps.run("hetzner_robot.set_firewall", params)
    assert "not the one that was asked for" in failed.value.done


async def test_the_login_is_shown_nowhere(robot: Account) -> None:
    """Neither the password nor the header made of it comes out of an answer that repeats them."""
    password = Secret("very-secret-password")

    def tell(request: httpx2.Request) -> httpx2.Response:
        words = f"login {ROBOT_USER} {password.reveal()} {request.headers['authorization']}"
        return httpx2.Response(500, json={"error": {"status": 500, "code": "INTERNAL_ERROR", "message": words}})

    look = HetznerRobotLook(robot.door(password.reveal(), httpx2.MockTransport(tell)))
    with pytest.raises(Unavailable) as failed:
        await look.servers()
    shown = f"{failed.value} {failed.value.body}"
    token = robot_settings(Secret(ROBOT_USER), password).token
    assert token is not None
    assert not {password.reveal(), token.reveal()} & set(shown.split())
    assert mask(len(password.reveal())) in shown


async def test_the_product_reads_robot_where_it_is_told_and_knows_both_forms_of_the_login(tmp_path: Path) -> None:
    """The wired application asks the sandbox's Robot, and its redactor masks the login as the header writes it."""
    async with ink(tmp_path) as it:
        robot = it.app.look.robot
        assert robot is not None
        assert [server.server_number for server in await robot.servers()] == [SERVER]
        token = robot_settings(Secret(ROBOT_USER), Secret(ROBOT_PASSWORD)).token
        assert token is not None
        assert (
            it.app.redact(f"{token.reveal()} {ROBOT_PASSWORD}")
            == f"{mask(len(token.reveal()))} {mask(len(ROBOT_PASSWORD))}"
        )
