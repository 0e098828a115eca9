"""Robot's emulator, driven by the modules of community.hrobot as they are published.

They have no option for another address, and none of their bytes is changed: they look for Robot at its own name over
HTTPS, and a proxy on this machine leads there (`https_proxy`, `SSL_CERT_FILE`).
"""

from collections.abc import Mapping
from typing import Any

import pytest

from ink_infra_mcp.sandbox.robot.settling import settle_robot
from ink_infra_mcp.sandbox.state_robot import SERVER, RobotRule, RobotSet
from tests.vendor_clients.ansible import Task
from tests.vendor_clients.conftest import FINGERPRINT, PUBLIC_KEY, Modules

pytestmark = [pytest.mark.timeout(540), pytest.mark.clients]

RULES: Mapping[str, list[dict[str, str]]] = {
    "input": [
        {
            "name": "ssh + more",
            "ip_version": "ipv4",
            "src_ip": "198.51.100.7",
            "dst_ip": "192.0.2.21/32",
            "src_port": "1024-65535",
            "dst_port": "22",
            "protocol": "tcp",
            "tcp_flags": "syn|ack",
            "action": "accept",
        },
        {"name": "no mail", "ip_version": "ipv4", "protocol": "tcp", "dst_port": "25", "action": "discard"},
        {"ip_version": "ipv4", "protocol": "icmp", "action": "accept"},
    ],
    "output": [{"name": "all", "action": "accept"}],
}
NUMBER = {"server_number": SERVER}
AT_ONCE = {**NUMBER, "wait_delay": 0}
NOT_THERE = "This server does not exist, or you do not have access rights for it"


def hrobot(module: str, **arguments: Any) -> Task:
    """Return a task."""
    return f"community.hrobot.{module}", arguments


def test_servers_are_listed_and_keys_come_and_go(on_robot: Modules) -> None:
    """The server is told with all its fields; a key is made once, found by the fingerprint that Ansible computes."""
    key = {"name": "ci", "public_key": PUBLIC_KEY}
    [servers, other, empty, made, again, listed, gone, still_gone] = on_robot.ansible.run(
        hrobot("server_info", full_info=True),
        hrobot("server_info", server_number=7),
        hrobot("ssh_key_info"),
        hrobot("ssh_key", state="present", **key),
        hrobot("ssh_key", state="present", **key),
        hrobot("ssh_key_info"),
        hrobot("ssh_key", state="absent", public_key=PUBLIC_KEY),
        hrobot("ssh_key", state="absent", fingerprint=FINGERPRINT),
    )
    [server] = servers["servers"]
    assert {name: server[name] for name in ("server_number", "server_name", "server_ip", "subnet", "cancelled")} == {
        "server_number": SERVER,
        "server_name": "metal-1",
        "server_ip": "192.0.2.21",
        "subnet": [{"ip": "2001:db8:21::", "mask": "64"}],
        "cancelled": False,
    }
    assert (other["servers"], empty["ssh_keys"]) == ([], [])
    assert [(one["changed"], one["fingerprint"]) for one in (made, again, gone, still_gone)] == [
        (changed, FINGERPRINT) for changed in (True, False, True, False)
    ]
    [shown] = listed["ssh_keys"]
    assert shown == {
        "name": "ci",
        "fingerprint": FINGERPRINT,
        "type": "ED25519",
        "size": 256,
        "data": PUBLIC_KEY.rpartition(" ")[0],
        "created_at": shown["created_at"],
    }
    assert on_robot.world.read().journal == ["robot POST /key", f"robot DELETE /key/{FINGERPRINT}"]


def test_a_firewall_is_what_the_form_of_others_says(on_robot: Modules) -> None:
    """Ansible's own spelling of nested rules arrives field by field, is read back as the same, and is waited for."""
    wrong = {"input": [{"ip_version": "ipv4", "protocol": "udp", "tcp_flags": "syn", "action": "accept"}]}
    [before, set_, again, running, refused, off] = on_robot.ansible.run(
        hrobot("firewall_info", **AT_ONCE),
        hrobot("firewall", **AT_ONCE, filter_ipv6=True, allowlist_hos=False, rules=RULES),
        hrobot("firewall", **AT_ONCE, rules=RULES),
        hrobot("firewall_info", **AT_ONCE),
        hrobot("firewall", **AT_ONCE, rules=wrong),
        hrobot("firewall", **AT_ONCE, state="absent"),
    )
    assert (before["firewall"]["status"], before["firewall"]["rules"]) == ("disabled", {"input": [], "output": []})
    assert (set_["changed"], again["changed"], off["changed"]) == (True, False, True)
    assert set_["firewall"] == running["firewall"]
    told = running["firewall"]["rules"]
    read = {way: [RobotRule.model_validate(rule) for rule in told[way]] for way in told}
    asked = {way: [RobotRule.model_validate(rule) for rule in RULES[way]] for way in RULES}
    asked["input"][0].src_ip = "198.51.100.7/32"
    assert read == asked
    kept = RobotSet(status="active", filter_ipv6=True, whitelist_hos=False, **asked)
    assert on_robot.world.read().robot.servers[0].before == kept
    assert refused["error"] == {
        "status": 400,
        "code": "INVALID_INPUT",
        "message": "invalid input",
        "missing": None,
        "invalid": ["rules[input][0][tcp_flags]"],
    }
    assert (off["firewall"]["status"], on_robot.world.read().robot.servers[0].firewall.status) == ("disabled",) * 2


def test_what_boots_next_is_set_once_and_a_reset_boots_it(on_robot: Modules) -> None:
    """Rescue system and installation replace each other, are the same the second time, and a reset uses one up."""
    rescue = {"os": "linux", "authorized_keys": [PUBLIC_KEY]}
    linux = {"dist": "Debian 13 base", "lang": "en", "authorized_keys": [PUBLIC_KEY]}
    [_, ways, *booting, power, reset] = on_robot.ansible.run(
        hrobot("ssh_key", state="present", name="ci", public_key=PUBLIC_KEY),
        hrobot("reset_info", **NUMBER),
        hrobot("boot", **NUMBER, rescue=rescue),
        hrobot("boot", **NUMBER, rescue=rescue),
        hrobot("boot", **NUMBER, install_linux=linux),
        hrobot("boot", **NUMBER, install_linux=linux),
        hrobot("boot", **NUMBER, regular_boot=True),
        hrobot("boot", **NUMBER, rescue=rescue),
        hrobot("reset", **NUMBER, reset_type="power"),
        hrobot("reset", **NUMBER, reset_type="hardware"),
    )
    assert ways["reset"]["type"] == ["software", "hardware", "manual"]
    assert [(one["changed"], one["configuration_type"], one["password"] is None) for one in booting] == [
        (True, "rescue", False),
        (False, "rescue", False),
        (True, "install_linux", False),
        (False, "install_linux", False),
        (True, "regular_boot", True),
        (True, "rescue", False),
    ]
    assert (power["msg"], reset) == ("The chosen reset method is not supported for this server", {"changed": True})
    with on_robot.world.change() as state:
        settle_robot(state, on_robot.world.now(state) + 60)
        server = state.robot.servers[0]
    assert (server.rescue, server.linux, server.last_linux) == (None, None, None)
    last = server.last_rescue
    assert last is not None
    assert ([key.fingerprint for key in last.keys], last.booted_at is not None) == ([FINGERPRINT], True)


def test_refusals_are_understood(on_robot: Modules) -> None:
    """Each of Robot's codes is one that the modules know by name, or tell in full."""
    with on_robot.world.change() as state:
        server = state.robot.servers[0]
        server.technician = server.pinned = True
        server.boots = server.has_port = False
        state.robot.limits = {"GET /server": 0}
    [busy, nowhere, unknown, no_boot, no_port, too_often] = on_robot.ansible.run(
        hrobot("reset", **NUMBER, reset_type="manual"),
        hrobot("reset", server_number=7, reset_type="hardware"),
        hrobot("boot", server_number=7, regular_boot=True),
        hrobot("boot", **NUMBER, regular_boot=True),
        hrobot("firewall_info", **AT_ONCE),
        hrobot("server_info"),
    )
    assert [one["msg"] for one in (busy, nowhere, unknown, no_boot)] == [
        "A manual reset is already running",
        NOT_THERE,
        NOT_THERE,
        "There is no boot configuration available for this server",
    ]
    assert (no_port["error"]["code"], no_port["error"]["status"]) == ("FIREWALL_PORT_NOT_FOUND", 404)
    assert too_often["error"] == {
        "status": 403,
        "code": "RATE_LIMIT_EXCEEDED",
        "message": "rate limit exceeded",
        "max_request": 0,
        "interval": 3600,
    }


def test_a_wrong_password_is_told_as_such(on_robot: Modules) -> None:
    """The login travels as Ansible writes it; a wrong one is 401 with Robot's own code, and the third one blocks."""
    wrong = hrobot("server_info", hetzner_password="wrong")
    answers = on_robot.ansible.run(hrobot("server_info"), wrong, wrong, wrong, hrobot("server_info"))
    unauthorized = {"status": 401, "code": "UNAUTHORIZED", "message": "Unauthorized"}
    assert [answer.get("error") for answer in answers] == [None, *[unauthorized] * 4]
