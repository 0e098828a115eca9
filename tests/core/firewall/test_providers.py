"""Provider firewalls: several Cloud ones add up, a Robot one is read in its order, and half a change is unknown."""

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.cloud import (
    Attachment,
    CloudFirewall,
    CloudRule,
    cloud_gates,
    outbound,
    read_cloud_firewalls,
)
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.firewall.robot import (
    RobotFirewall,
    RobotRule,
    RobotTemplate,
    read_robot_firewall,
    read_robot_template,
    robot_gates,
)
from ink_infra_mcp.core.firewall.selector import selects
from tests.core.firewall.asking import at_gate, words

SOURCES = V4.parse("192.0.2.0/24")
Told = tuple[str, str, str]
ALL, NOBODY = "192.0.2.0/24", "nobody"
ADMIN = "192.0.2.64/28"


def four(gates: Gates | Unreadable, port: int, protocol: str = "tcp") -> Told:
    """Return who of the IPv4 sources is admitted, denied and unknown."""
    assert isinstance(gates, Gates), gates
    return words(at_gate(gates.v4, SOURCES, port, protocol))


def six(gates: Gates | Unreadable, port: int) -> str:
    """Return what becomes of all IPv6 sources."""
    assert isinstance(gates, Gates), gates
    admitted, denied, _ = at_gate(gates.v6, V6.all(), port)
    return "admitted" if admitted.is_all else "denied" if denied.is_all else "mixed"


def allow(port: str, *remote: str, protocol: str = "tcp") -> CloudRule:
    """Return a rule in."""
    return CloudRule.model_validate({"direction": "in", "protocol": protocol, "port": port, "remote": remote})


def firewall(number: int, *rules: CloudRule) -> CloudFirewall:
    """Return a firewall of that id."""
    return CloudFirewall(id=number, name=f"fw-{number}", rules=rules)


WEB = firewall(1, allow("80", "0.0.0.0/0"), allow("443", "0.0.0.0/0", "::/0"))
SSH = firewall(2, allow("22", ADMIN))


def test_firewalls_on_one_server_add_up() -> None:
    """Each opens what it names, and nothing else is let in; 0.0.0.0/0 does not open IPv6."""
    gates = cloud_gates([WEB, SSH], [Attachment(1, applied=True), Attachment(2, applied=True)])
    assert four(gates, 80) == (ALL, NOBODY, NOBODY)
    assert four(gates, 22)[0] == ADMIN
    assert four(gates, 8000) == (NOBODY, ALL, NOBODY)
    assert four(gates, 443, "udp") == (NOBODY, ALL, NOBODY)
    assert (six(gates, 80), six(gates, 443)) == ("denied", "admitted")


def test_without_a_firewall_all_is_open_and_an_empty_one_closes_all() -> None:
    """None on the server is open; one without rules lets nothing in."""
    assert four(cloud_gates([WEB], []), 8000) == (ALL, NOBODY, NOBODY)
    assert four(cloud_gates([firewall(3)], [Attachment(3, applied=True)]), 22) == (NOBODY, ALL, NOBODY)


def test_a_pending_firewall_is_neither_there_nor_away() -> None:
    """What no other one surely lets in is unknown: the rules that it had before are still in force, and nobody tells
    them; a note says that it is being applied.
    """
    adding = cloud_gates([WEB, SSH], [Attachment(1, applied=True), Attachment(2, applied=False)])
    assert four(adding, 80) == (ALL, NOBODY, NOBODY)
    assert four(adding, 22) == four(adding, 8000) == (NOBODY, NOBODY, ALL)
    alone = cloud_gates([SSH], [Attachment(2, applied=False)])
    assert four(alone, 22)[0] == ADMIN
    assert four(alone, 8000) == (NOBODY, NOBODY, ALL)
    assert isinstance(alone, Gates)
    assert alone.notes == ("firewall fw-2 is still being applied",)


def test_rules_that_are_not_known_are_not_taken_for_none() -> None:
    """A firewall that is on the server and not in the list, or a list of another shape, is unreadable."""
    assert isinstance(cloud_gates([WEB], [Attachment(9, applied=True)]), Unreadable)
    assert isinstance(read_cloud_firewalls({"error": {"code": "unauthorized"}}), Unreadable)
    assert isinstance(read_cloud_firewalls(json.loads('{"firewalls": [{"id": 1, "name": "x"}]}')), Unreadable)


def test_the_api_answer_is_read_with_what_the_firewall_is_on() -> None:
    """Rules of both directions, servers by id, and label selectors, which are told from servers."""
    rules: list[object] = [
        {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": [ADMIN], "description": None},
        {"direction": "out", "protocol": "udp", "port": "53", "destination_ips": ["0.0.0.0/0"], "source_ips": ()},
    ]
    on: list[object] = [
        {"type": "server", "server": {"id": 42}},
        {"type": "label_selector", "label_selector": {"selector": "role in (muscle,edge), !old"}},
    ]
    found = read_cloud_firewalls({"firewalls": [{"id": 7, "name": "fw", "rules": rules, "applied_to": on}]})
    assert not isinstance(found, Unreadable)
    out = CloudRule(direction="out", protocol="udp", port="53", remote=("0.0.0.0/0",))
    selector = "role in (muscle,edge), !old"
    assert found == (
        CloudFirewall(id=7, name="fw", rules=(allow("22", ADMIN), out), servers=(42,), selectors=(selector,)),
    )
    assert found[0].attached_by(42, {"role": "muscle"}) == ("server", selector)
    assert found[0].attached_by(1, {"role": "muscle", "old": ""}) == ()


def test_everything_goes_out_until_a_rule_out_is_there() -> None:
    """One outbound rule on any of the firewalls closes the rest of outbound."""
    dns = firewall(4, CloudRule(direction="out", protocol="udp", port="53", remote=("0.0.0.0/0",)))
    for firewalls, port, goes in (((WEB,), 25, True), ((WEB, dns), 53, True), ((WEB, dns), 25, False)):
        gate = Gate("cloud firewall", (outbound(V4, firewalls),))
        assert bool(at_gate(gate, SOURCES, port, "udp")[0]) is goes


cloud_rules = st.builds(
    allow,
    st.sampled_from(("22", "80-90", "443")),
    st.sampled_from(("192.0.2.0/25", ADMIN, "0.0.0.0/0", "::/0")),
    protocol=st.sampled_from(("tcp", "udp")),
)


@given(st.lists(cloud_rules, max_size=4), st.sampled_from((22, 85, 443, 8000)))
def test_the_order_of_cloud_rules_means_nothing(rules: list[CloudRule], port: int) -> None:
    """However the rules are ordered and spread over firewalls, the same is let in."""
    whole = four(cloud_gates([firewall(1, *rules)], [Attachment(1, applied=True)]), port)
    for order in list(permutations(rules))[:6]:
        spread = [firewall(1, *order[:2]), firewall(2, *order[2:])]
        assert four(cloud_gates(spread, [Attachment(1, applied=True), Attachment(2, applied=True)]), port) == whole


@pytest.mark.parametrize(
    ("selector", "met"),
    [("a", True), ("!a", False), ("a=1", True), ("a==2", False), ("a!=2", True), ("b!=1", True), ("a in (0, 1)", True)],
)
def test_label_selectors_are_met_as_documented(selector: str, met: bool) -> None:
    """Every form of the selector, against the label a=1; a label that is missing is not equal to anything."""
    assert selects(selector, {"a": "1"}) is met
    assert selects(f"{selector},a notin (5)", {"a": "1"}) is met


OUT = RobotRule(name="out", action="accept")


def robot(*rules: RobotRule, output: tuple[RobotRule, ...] = (OUT,), ipv6: bool = True) -> RobotFirewall:
    """Return an active Robot firewall."""
    return RobotFirewall(server_number=1, status="active", filter_ipv6=ipv6, input=rules, output=output)


def rule(action: str, **asked: str) -> RobotRule:
    """Return a rule of the Robot."""
    return RobotRule.model_validate({"action": action, **asked})


def test_the_first_robot_rule_decides_and_the_rest_is_discarded() -> None:
    """The order of an accept and a discard matters; what no rule names is not let in."""
    accept = rule("accept", ip_version="ipv4", protocol="tcp", dst_port="22")
    discard = rule("discard", ip_version="ipv4", src_ip=ADMIN)
    assert four(robot_gates(robot(accept, discard)), 22) == (ALL, NOBODY, NOBODY)
    assert four(robot_gates(robot(discard, accept)), 22)[1] == ADMIN
    assert four(robot_gates(robot(accept)), 80) == (NOBODY, ALL, NOBODY)


def test_a_rule_for_answers_lets_no_connection_in() -> None:
    """A rule on the ack flag matches answers, not the first packet; one on syn does."""
    ack = rule("accept", ip_version="ipv4", protocol="tcp", tcp_flags="ack", dst_port="32768-65535")
    assert four(robot_gates(robot(ack)), 40000) == (NOBODY, ALL, NOBODY)
    either = rule("accept", ip_version="ipv4", protocol="tcp", tcp_flags="syn|ack")
    both = rule("accept", ip_version="ipv4", protocol="tcp", tcp_flags="syn&ack")
    assert four(robot_gates(robot(either)), 22) == (ALL, NOBODY, NOBODY)
    assert four(robot_gates(robot(both)), 22) == (NOBODY, ALL, NOBODY)


def test_answers_must_get_out() -> None:
    """Without an output rule for the answers nothing is open, and one that discards some of them closes for those."""
    ssh = rule("accept", ip_version="ipv4", protocol="tcp", dst_port="22")
    assert four(robot_gates(robot(ssh, output=())), 22) == (NOBODY, ALL, NOBODY)
    answers = rule("accept", ip_version="ipv4", protocol="tcp", src_port="22", dst_port="32768-65535")
    assert four(robot_gates(robot(ssh, output=(answers,))), 22) == (ALL, NOBODY, NOBODY)
    mute = rule("discard", ip_version="ipv4", dst_ip=ADMIN)
    assert four(robot_gates(robot(ssh, output=(mute, OUT))), 22)[1] == ADMIN
    no_syn = rule("discard", ip_version="ipv4", protocol="tcp", tcp_flags="syn")
    assert four(robot_gates(robot(ssh, output=(no_syn, OUT))), 22) == (NOBODY, ALL, NOBODY)


def test_ipv6_is_open_unless_it_is_filtered() -> None:
    """filter_ipv6 off leaves every IPv6 port open; on, a rule without a version counts for both families."""
    http = rule("accept", dst_port="80")
    assert (six(robot_gates(robot(http, ipv6=False)), 22), six(robot_gates(robot(http)), 22)) == ("admitted", "denied")
    assert six(robot_gates(robot(http)), 80) == "admitted"
    assert six(robot_gates(robot(rule("accept", ip_version="ipv4", src_ip=ADMIN))), 22) == "denied"


def test_a_robot_firewall_that_changes_is_unknown_and_a_disabled_one_is_open() -> None:
    """`in process` is unreadable, since the rules in force are not those that are shown; disabled filters nothing."""
    ssh = robot(rule("accept", dst_port="22"))
    assert isinstance(robot_gates(ssh.model_copy(update={"status": "in process"})), Unreadable)
    assert four(robot_gates(ssh.model_copy(update={"status": "disabled"})), 80) == (ALL, NOBODY, NOBODY)


@pytest.mark.parametrize("empty", [[], {}, {"input": []}, {"input": {}, "output": None}])
def test_every_way_in_which_php_writes_no_rules_is_read(empty: object) -> None:
    """A list, an object or a missing direction: none of them is an error, and none of them lets anything in."""
    body = {"server_ip": "203.0.113.11", "server_number": 1, "status": "active", "filter_ipv6": False}
    found = read_robot_firewall({"firewall": {**body, "whitelist_hos": True, "port": "main", "rules": empty}})
    assert found == RobotFirewall(server_number=1, status="active", whitelist_hos=True)
    assert isinstance(found, RobotFirewall)
    assert four(robot_gates(found), 22) == (NOBODY, ALL, NOBODY)


@pytest.mark.parametrize("empty", [None, ""])
def test_a_rule_that_leaves_everything_open_has_no_name_either(empty: object) -> None:
    """Robot shows what is not set as null or as an empty text; such a rule is read, and is not unreadable."""
    shown = dict.fromkeys(("name", "ip_version", "dst_ip", "src_ip", "src_port", "protocol", "tcp_flags"), empty)
    rules = {"input": [{**shown, "dst_port": "22", "action": "accept"}], "output": [{**shown, "action": "accept"}]}
    body = {"server_number": 1, "status": "active", "filter_ipv6": True, "whitelist_hos": False, "rules": rules}
    ssh, everything = RobotRule(dst_port="22", action="accept"), RobotRule(action="accept")
    assert read_robot_firewall({"firewall": body}) == RobotFirewall(
        server_number=1, status="active", filter_ipv6=True, input=(ssh,), output=(everything,)
    )


def test_an_error_of_the_webservice_is_not_an_open_firewall() -> None:
    """Errors, unknown states and rules with fields that are no ports are unreadable, with the reason."""
    assert isinstance(read_robot_firewall({"error": {"status": 404, "code": "FIREWALL_NOT_AVAILABLE"}}), Unreadable)
    odd: dict[str, object] = {
        "server_number": 1,
        "status": "asleep",
        "filter_ipv6": False,
        "whitelist_hos": False,
        "rules": [],
    }
    found = read_robot_firewall({"firewall": odd})
    assert isinstance(found, Unreadable)
    assert "status" in found.reason


def test_a_template_becomes_the_firewall_of_a_server() -> None:
    """What a template says is what a server has once it is put on it."""
    shown = {"name": "http", "ip_version": None, "dst_ip": None, "src_ip": None, "dst_port": "80", "src_port": None}
    rules = {"input": [{**shown, "protocol": None, "tcp_flags": None, "action": "accept"}], "output": []}
    body = {"id": 3, "name": "web", "filter_ipv6": True, "whitelist_hos": True, "is_default": True, "rules": rules}
    template = read_robot_template({"firewall_template": body})
    http = RobotRule(name="http", dst_port="80", action="accept")
    assert template == RobotTemplate(
        id=3, name="web", filter_ipv6=True, whitelist_hos=True, is_default=True, input=(http,)
    )
    assert isinstance(template, RobotTemplate)
    assert template.on(9) == RobotFirewall(
        server_number=9, status="active", filter_ipv6=True, whitelist_hos=True, input=(http,)
    )
