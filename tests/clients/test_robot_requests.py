"""What our Robot client sends beside its machine steps: looks and firewalls, held against the published description."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook, NewFirewall, NewRule, restored
from ink_infra_mcp.sandbox.state_robot import SERVER, TEMPLATE, RobotRule, RobotSet, VSwitch
from tests.clients.robot_account import Account
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world
from tests.sandbox.robot_spec import robot_spec

pytestmark = pytest.mark.anyio
OPEN = NewRule(name="allow all", action="accept")
SSH = NewRule(
    name="ssh",
    ip_version="ipv4",
    protocol="tcp",
    src_ip="198.51.100.7",
    dst_ip="192.0.2.21",
    src_port="1024-65535",
    dst_port="22",
    tcp_flags="syn|ack",
    action="accept",
)


@pytest.fixture
async def robot(tmp_path: Path) -> AsyncGenerator[Account]:
    """Give a fresh account whose time is the clock's."""
    clock = FakeClock()
    with anyio.fail_after(60):
        yield Account(world=pretend_world(tmp_path, lambda: clock.now().timestamp()), clock=clock)


async def test_every_look_is_a_request_that_is_described(robot: Account) -> None:
    """Each method of the read side is called once, and asks for nothing that the description does not have."""
    spec, look = robot_spec(), robot.look
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "servers": look.servers,
        "server": lambda: look.server(SERVER),
        "firewall": lambda: look.firewall(SERVER),
        "settled_firewall": lambda: look.settled_firewall(SERVER),
        "templates": look.templates,
        "template": lambda: look.template(TEMPLATE),
        "keys": look.keys,
        "boot": lambda: look.boot(SERVER),
        "last_linux": lambda: look.last_linux(SERVER),
        "last_rescue": lambda: look.last_rescue(SERVER),
        "reset_ways": lambda: look.reset_ways(SERVER),
        "cancellation": lambda: look.cancellation(SERVER),
        "market": look.market,
        "vswitches": look.vswitches,
        "vswitch": lambda: look.vswitch(4321),
    }
    robot.arrange(lambda state: state.robot.vswitches.append(VSwitch(id=4321, name="inner", vlan=4000)))
    assert looks.keys() == {name for name in vars(HetznerRobotLook) if not name.startswith("_")}
    for ask in looks.values():
        await ask()
    assert len(robot.forms) == len(looks)
    assert [problem for sent in robot.forms for problem in spec.request_problems(*sent)] == []


async def test_every_form_of_a_firewall_is_one_that_is_described(robot: Account) -> None:
    """Ours with every field of a rule, one that is put back as it was, also switched off, and the clearing."""
    spec, odd = robot_spec(), RobotRule(name="by hand", ip_version="ipv6", protocol="icmp", action="discard")
    held = RobotSet(status="disabled", input=[odd], output=[odd])
    robot.arrange(lambda state: setattr(state.robot.servers[0], "firewall", held))
    before = restored(await robot.look.firewall(SERVER))
    ours = NewFirewall(filter_ipv6=True, whitelist_hos=False, input=(SSH, OPEN), output=(OPEN,))
    await robot.act.set_firewall(SERVER, ours)
    await robot.act.set_firewall(SERVER, before)
    assert robot.held == held
    await robot.act.clear_firewall(SERVER)
    assert [method for method, _, _ in robot.forms if method != "GET"] == ["POST", "POST", "DELETE"]
    assert [problem for sent in robot.forms for problem in spec.request_problems(*sent)] == []


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/firewall/1", "status=on&rules[input][0][action]=accept"),
        ("/firewall/1", "status=active&rules[input][0][action]=maybe"),
        ("/boot/1/linux", "dist=Debian"),
        ("/nowhere", ""),
    ],
)
def test_the_description_finds_what_is_wrong(path: str, form: str) -> None:
    """The judge itself works: a value, a missing field or an endpoint that is not described is told."""
    assert robot_spec().request_problems("POST", path, form) != []
