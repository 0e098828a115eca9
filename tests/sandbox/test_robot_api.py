"""The Robot emulator, asked with the very bytes of forms and logins, as curl and other people's clients send them."""

import base64
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import pytest

from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.robot.app import ROUTES
from ink_infra_mcp.sandbox.state import Fault
from ink_infra_mcp.sandbox.state_robot import ROBOT_USER, SERVER, TEMPLATE
from tests.sandbox.pretend import BEGAN, SteppingTime, pretend_world
from tests.sandbox.robot_account import RIGHT, Account, described, endpoint

pytestmark = pytest.mark.anyio
PATH = f"/firewall/{SERVER}"
OPEN = "status=active&rules[input][0][action]=accept&rules[output][0][action]=accept"
WRONG = base64.b64encode(f"{ROBOT_USER}:wrong".encode()).decode()


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time stands still."""
    time = SteppingTime()
    world = pretend_world(tmp_path, time)
    transport = httpx2.ASGITransport(app=build_robot(world))
    with anyio.fail_after(30):
        async with httpx2.AsyncClient(transport=transport, base_url="http://robot.example.com") as api:
            yield Account(world=world, time=time, api=api)


async def test_a_bought_server_is_listed_and_open(robot: Account) -> None:
    """Lists wrap each server, a single one has more fields, and its firewall is disabled and empty."""
    status, listed = await robot.ask("GET", "/server")
    assert (status, [one["server"]["server_number"] for one in listed]) == (200, [SERVER])
    one = (await robot.ask("GET", f"/server/{SERVER}"))[1]["server"]
    assert (one["server_ip"], one["subnet"], one["rescue"]) == (
        "192.0.2.21",
        [{"ip": "2001:db8:21::", "mask": "64"}],
        True,
    )
    assert await robot.firewall() == {
        "server_ip": "192.0.2.21",
        "server_number": SERVER,
        "status": "disabled",
        "filter_ipv6": False,
        "whitelist_hos": True,
        "port": "main",
        "rules": {"input": [], "output": []},
    }


async def test_what_is_not_there_is_404_with_its_own_code(robot: Account) -> None:
    """Also an empty list is a 404; each absence has its code."""
    assert await robot.code("GET", "/server/7") == (404, "SERVER_NOT_FOUND")
    assert await robot.code("GET", "/firewall/7") == (404, "SERVER_NOT_FOUND")
    assert await robot.code("GET", "/nothing") == (404, "NOT_FOUND")
    assert await robot.code("GET", "/firewall/template/7") == (404, "NOT_FOUND")
    assert await robot.code("POST", PATH, "template_id=7") == (404, "FIREWALL_TEMPLATE_NOT_FOUND")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "has_port", False))
    assert await robot.code("GET", PATH) == (404, "FIREWALL_PORT_NOT_FOUND")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "has_firewall", False))
    assert await robot.code("DELETE", PATH) == (404, "FIREWALL_NOT_AVAILABLE")
    robot.arrange(lambda state: (state.robot.servers.clear(), state.robot.templates.clear()))
    assert await robot.code("GET", "/server") == (404, "SERVER_NOT_FOUND")
    assert await robot.code("GET", "/firewall/template") == (404, "NOT_FOUND")
    assert robot.world.read().journal == ["robot UNKNOWN GET /nothing"]


async def test_the_documented_form_replaces_both_directions(robot: Account) -> None:
    """Brackets plain or encoded nest; what a rule does not say is null; the order of the form is the order of rules."""
    form = (
        "status=active&filter_ipv6=true&whitelist_hos=false"
        "&rules[input][0][name]=rule+1&rules[input][0][ip_version]=ipv4&rules[input][0][src_ip]=192.0.2.10"
        "&rules[input][0][dst_port]=80-443&rules[input][0][action]=accept"
        "&rules%5Binput%5D%5B1%5D%5Baction%5D=discard&rules%5Boutput%5D%5B0%5D%5Baction%5D=accept"
    )
    status, body = await robot.ask("POST", PATH, form)
    nothing = dict.fromkeys(("name", "ip_version", "dst_ip", "src_ip", "dst_port", "src_port", "protocol", "tcp_flags"))
    rules = {
        "input": [
            {**nothing, "name": "rule 1", "ip_version": "ipv4", "src_ip": "192.0.2.10", "dst_port": "80-443"}
            | {"action": "accept"},
            {**nothing, "action": "discard"},
        ],
        "output": [{**nothing, "action": "accept"}],
    }
    assert (status, body["firewall"]["status"], body["firewall"]["rules"]) == (200, "in process", rules)
    robot.time.at += 60
    shown = await robot.firewall()
    assert (shown["status"], shown["filter_ipv6"], shown["whitelist_hos"]) == ("active", True, False)
    assert robot.world.read().journal == [f"robot POST {PATH}"]


@pytest.mark.parametrize(
    "form",
    [
        "status=active&rules=%7B%27input%27%3A+%5B%7B%27action%27%3A+%27accept%27%7D%5D%7D",
        "status=active&rules[input][0][action]=accept",
        "status=active",
    ],
)
async def test_a_form_without_output_rules_cuts_the_server_off(robot: Account, form: str) -> None:
    """Robot takes it: a nested value as one text is no rules, and an active set without output lets nothing out."""
    status, body = await robot.ask("POST", PATH, form)
    assert (status, body["firewall"]["rules"]["output"]) == (200, [])
    robot.time.at += 60
    assert robot.server().in_force(robot.time.at).lets_nothing_out is True


async def test_a_body_that_is_no_form_is_no_body(robot: Account) -> None:
    """JSON is not read at all: what is sent as JSON replaces the rules by nothing."""
    answer = await robot.api.post(
        PATH, json={"status": "active", "rules": {"output": [{"action": "accept"}]}}, headers=_basic()
    )
    assert (answer.status_code, robot.server().firewall.output) == (200, [])


def _basic() -> dict[str, str]:
    return {"Authorization": f"Basic {RIGHT}"}


async def test_a_change_is_in_process_for_20_to_60_seconds(robot: Account) -> None:
    """Meanwhile the switch filters as before, and every other change is a 409."""
    for number in range(4):
        before = robot.server().firewall
        assert (await robot.ask("POST", PATH, f"{OPEN}&rules[input][0][name]=change+{number}"))[0] == 200
        assert robot.server().in_force(robot.time.at) == before
        assert 20 <= robot.server().ready_at - robot.time.at <= 60
        robot.time.at += 19
        for method in ("POST", "DELETE"):
            assert await robot.code(method, PATH, OPEN) == (409, "FIREWALL_IN_PROCESS")
        robot.time.at += 41
        assert robot.server().in_force(robot.time.at) == robot.server().firewall


async def test_deleting_lets_everything_pass_again(robot: Account) -> None:
    """No rules are shown in its answer; then there is one accepting rule for each direction."""
    await robot.ask("POST", PATH, OPEN.replace("accept", "discard"))
    robot.time.at += 60
    status, body = await robot.ask("DELETE", PATH)
    assert (status, body["firewall"]["status"], body["firewall"]["rules"]) == (200, "in process", {})
    robot.time.at += 60
    rules = (await robot.firewall())["rules"]
    assert [[rule["action"] for rule in rules[way]] for way in ("input", "output")] == [["accept"], ["accept"]]


async def test_a_template_goes_alone(robot: Account) -> None:
    """Its id brings its rules, and goes with neither rules nor whitelist_hos; the list shows no rules."""
    listed = (await robot.ask("GET", "/firewall/template"))[1]
    assert [sorted(one["firewall_template"]) for one in listed] == [
        ["filter_ipv6", "id", "is_default", "name", "whitelist_hos"]
    ]
    assert await robot.code("POST", PATH, f"template_id={TEMPLATE}&whitelist_hos=true") == (400, "INVALID_INPUT")
    assert (await robot.ask("POST", PATH, f"template_id={TEMPLATE}"))[0] == 200
    template = (await robot.ask("GET", f"/firewall/template/{TEMPLATE}"))[1]["firewall_template"]
    assert (await robot.firewall())["rules"] == template["rules"]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("[src_ip]=192.0.2.1", "src_ip"),
        ("[ip_version]=ipv6&rules[input][0][dst_ip]=2001:db8::1", "dst_ip"),
        ("[ip_version]=ipv4&rules[input][0][src_ip]=192.0.2.1/24", "src_ip"),
        ("[protocol]=tcp", "protocol"),
        ("[ip_version]=ipv4&rules[input][0][protocol]=icmpv6", "protocol"),
        ("[ip_version]=v4", "ip_version"),
        ("[dst_port]=0", "dst_port"),
        ("[dst_port]=443-80", "dst_port"),
        ("[name]=%3Cb%3E", "name"),
        ("[ip_version]=ipv4&rules[input][0][protocol]=tcp&rules[input][0][tcp_flags]=syn%2Cack", "tcp_flags"),
    ],
)
async def test_what_a_rule_may_not_say_is_named(robot: Account, rule: str, field: str) -> None:
    """Nothing is changed by a form with a wrong rule, and the answer names the field."""
    form = f"status=active&rules[input][0][action]=accept&rules[input][0]{rule}&rules[output][0][action]=accept"
    status, body = await robot.ask("POST", PATH, form)
    assert (status, body["error"]["code"], body["error"]["missing"]) == (400, "INVALID_INPUT", None)
    assert f"rules[input][0][{field}]" in body["error"]["invalid"]
    assert robot.server().changes == 0


async def test_a_rule_needs_an_action_and_ten_are_enough(robot: Account) -> None:
    """What is missing is named; the eleventh rule has a code of its own; so has a firewall that must stay on."""
    assert (await robot.ask("POST", PATH, "status=active&rules[input][0][name]=x"))[1]["error"]["missing"] == [
        "rules[input][0][action]"
    ]
    many = "&".join(f"rules[input][{n}][action]=accept" for n in range(11))
    assert await robot.code("POST", PATH, f"status=active&{many}") == (409, "FIREWALL_RULE_LIMIT_EXCEEDED")
    robot.arrange(lambda state: setattr(state.robot.servers[0], "pinned", True))
    assert await robot.code("POST", PATH, "status=disabled") == (409, "FIREWALL_CANNOT_BE_DISABLED")
    assert await robot.code("POST", PATH, "status=on") == (400, "INVALID_INPUT")
    assert await robot.code("POST", PATH, "filter_ipv6=1") == (400, "INVALID_INPUT")


async def test_three_failed_logins_block_the_address_for_ten_minutes(robot: Account) -> None:
    """The right password is refused too until then; a good login in between begins the count anew."""
    for login in (WRONG, "%%%", RIGHT, WRONG, WRONG):
        await robot.ask("GET", "/server", login=login)
    assert (await robot.ask("GET", "/server"))[0] == 200
    for _ in range(3):
        assert await robot.code("GET", "/server", login=WRONG) == (401, "UNAUTHORIZED")
    assert await robot.code("GET", "/server") == (401, "UNAUTHORIZED")
    robot.time.at += 599
    assert await robot.code("GET", "/server") == (401, "UNAUTHORIZED")
    robot.time.at += 1
    assert (await robot.ask("GET", "/server"))[0] == 200


async def test_requests_are_counted_by_the_hour_and_endpoint(robot: Account) -> None:
    """The limit is a 403 with its numbers, holds for one endpoint, and ends with the hour."""
    robot.arrange(lambda state: state.robot.limits.update({"GET /server": 2}))
    statuses = [(await robot.ask("GET", "/server"))[0] for _ in range(3)]
    assert statuses == [200, 200, 403]
    status, body = await robot.ask("GET", "/server")
    assert (status, body["error"]) == (
        403,
        {
            "status": 403,
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "rate limit exceeded",
            "max_request": 2,
            "interval": 3600,
        },
    )
    assert (await robot.ask("GET", PATH))[0] == 200
    robot.time.at = BEGAN + 3600
    assert (await robot.ask("GET", "/server"))[0] == 200


async def test_scripted_trouble_comes_before_the_answer(robot: Account) -> None:
    """A scripted status is answered in place of ours, as often as it says."""
    fault = Fault(system="robot", match="GET /server", kind="status", status=503, body='{"error": {"code": "X"}}')
    robot.arrange(lambda state: state.faults.append(fault))
    assert [(await robot.ask("GET", "/server"))[0] for _ in range(2)] == [503, 200]


def test_every_route_is_described_with_our_limit() -> None:
    """Endpoints and their limits are those of the published description."""
    for route in ROUTES:
        assert described()[endpoint(route.method, route.path)]["hourly"] == route.limit, route.name
