"""Robot's sets and their form: what may be said, how it goes over the wire, and that it can lock nobody out."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from ink_infra_mcp.clients.hetzner_robot import (
    NewFirewall,
    NewRule,
    RestoredFirewall,
    RobotFirewall,
    SeenRule,
    holds,
    restored,
)
from ink_infra_mcp.clients.hetzner_robot.form import form_fields, refuse_lockout
from ink_infra_mcp.clients.hetzner_robot.rules import form_of
from ink_infra_mcp.sandbox.robot.forms import Nested, parse_form
from ink_infra_mcp.sandbox.robot.rules import rules_of

ALL = NewRule(name="allow all", action="accept")
SSH = NewRule(name="ssh", ip_version="ipv4", protocol="tcp", src_ip="198.51.100.7", dst_port="22", action="accept")
HOSTILE = ("<b>", "a;b", "drop\ntable", "ä", "\u202ereversed", "a" * 101, "", "rules[output][0][action]=discard")


def new(*, input: Sequence[NewRule] = (SSH,), output: Sequence[NewRule] = (ALL,), ipv6: bool = True) -> NewFirewall:
    """Return a set."""
    return NewFirewall(filter_ipv6=ipv6, whitelist_hos=True, input=tuple(input), output=tuple(output))


def seen(wanted: NewFirewall | RestoredFirewall, **changes: Any) -> RobotFirewall:
    """Return the firewall as Robot shows a set that it holds."""
    rules = {way: [rule.model_dump() for rule in getattr(wanted, way)] for way in ("input", "output")}
    flags = wanted.model_dump(include={"status", "filter_ipv6", "whitelist_hos"})
    return RobotFirewall.model_validate({"server_number": 1, **flags, "rules": rules, **changes})


def test_a_set_goes_out_field_by_field() -> None:
    """Every field of every rule is a pair of its own; what is not said is not sent."""
    assert form_of(new()) == (
        ("status", "active"),
        ("filter_ipv6", "true"),
        ("whitelist_hos", "true"),
        ("rules[input][0][name]", "ssh"),
        ("rules[input][0][ip_version]", "ipv4"),
        ("rules[input][0][src_ip]", "198.51.100.7/32"),
        ("rules[input][0][dst_port]", "22"),
        ("rules[input][0][protocol]", "tcp"),
        ("rules[input][0][action]", "accept"),
        ("rules[output][0][name]", "allow all"),
        ("rules[output][0][action]", "accept"),
    )


def _maps(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, inner, min_size=1, max_size=3)


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
values = st.recursive(
    texts | st.booleans() | st.integers(), lambda inner: st.lists(inner, min_size=1, max_size=3) | _maps(inner)
)


def _as_php(value: JsonValue) -> "str | Nested":
    if isinstance(value, list):
        return {str(index): _as_php(part) for index, part in enumerate(value)}
    if isinstance(value, dict):
        return {name: _as_php(part) for name, part in value.items()}
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


@given(_maps(values))
def test_what_is_flattened_is_read_back_by_php_as_it_was(body: dict[str, Any]) -> None:
    """Names, nesting, order and every character of the values arrive, through the very encoding of the wire."""
    assert parse_form(urlencode(form_fields(body))) == {name: _as_php(value) for name, value in body.items()}


ports = st.one_of(
    st.integers(1, 65535).map(str),
    st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(lambda p: f"{min(p)}-{max(p)}"),
)
rule_names = st.from_regex(r"[A-Za-z0-9 .+_@-]{1,20}", fullmatch=True).filter(str.isascii)
actions = st.sampled_from(["accept", "discard"])
ipv4 = st.fixed_dictionaries(
    {"ip_version": st.just("ipv4"), "action": actions, "protocol": st.sampled_from(["tcp", "udp"])},
    optional={"name": rule_names, "src_ip": st.ip_addresses(v=4).map(str), "dst_port": ports, "src_port": ports},
)
anything = st.fixed_dictionaries({"action": actions}, optional={"name": rule_names, "dst_port": ports})
rules = st.builds(NewRule.model_validate, ipv4 | anything)


@given(st.lists(rules, max_size=9), st.lists(rules, max_size=9))
def test_every_set_that_we_can_write_is_what_robot_reads(inward: list[NewRule], outward: list[NewRule]) -> None:
    """Our rules arrive at the emulator's switch in their order, field by field, and compare as held."""
    wanted = new(input=[*inward, SSH], output=[*outward, ALL])
    form = parse_form(urlencode(form_of(wanted)))
    arrived = {way: [rule.model_dump() for rule in rules_of(form, way)] for way in ("input", "output")}
    assert holds(seen(wanted, rules=arrived), wanted)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"src_ip": "192.0.2.1"}, "addresses need ip_version ipv4"),
        ({"ip_version": "ipv6", "dst_ip": "192.0.2.1"}, "addresses need ip_version ipv4"),
        ({"ip_version": "ipv4", "src_ip": "2001:db8::1"}, "2001:db8::1"),
        ({"ip_version": "ipv4", "src_ip": "192.0.2.1/24"}, "host bits"),
        ({"protocol": "tcp"}, "needs an ip_version"),
        ({"ip_version": "ipv6", "protocol": "icmp"}, "ICMPv6"),
        ({"ip_version": "ipv4", "protocol": "gre", "dst_port": "1"}, "only tcp and udp"),
        ({"ip_version": "ipv4", "tcp_flags": "ack"}, "flags need protocol tcp"),
        ({"ip_version": "ipv4", "protocol": "tcp", "tcp_flags": "ack,syn"}, "joined by"),
        ({"ip_version": "ipv4", "protocol": "tcp", "tcp_flags": "ack|syn&fin"}, "joined by"),
        ({"dst_port": "0"}, "such as 22"),
        ({"dst_port": "65536"}, "such as 22"),
        ({"dst_port": "443-80"}, "such as 22"),
        ({"dst_port": "022"}, "such as 22"),
        ({"dst_port": "22 "}, "such as 22"),
        ({"action": "reject"}, "accept"),
        ({"port": "22"}, "port"),
        *(({"name": name}, "letters, digits") for name in HOSTILE),
    ],
)
def test_what_robot_cannot_match_is_refused_before_it_is_sent(rule: dict[str, str], why: str) -> None:
    """A rule that Robot would refuse, or take as something else, is never made."""
    with pytest.raises(ValidationError, match=why):
        NewRule.model_validate({"action": "accept", **rule})


@pytest.mark.parametrize("way", ["input", "output"])
def test_a_set_that_accepts_nothing_in_a_direction_cannot_be_made(way: str) -> None:
    """No list, an empty one, and one that only discards: none of them is a set; nor are eleven rules."""
    body = new().model_dump()
    for rules_ in ([], [{"action": "discard"}], [{"action": "accept"}] * 11):
        with pytest.raises(ValidationError):
            NewFirewall.model_validate({**body, way: rules_})
    del body[way]
    with pytest.raises(ValidationError):
        NewFirewall.model_validate(body)


def test_the_form_itself_is_looked_at_again() -> None:
    """Whatever made the pairs: an active form without an accepting rule each way is not let through."""
    good = form_of(new())
    refuse_lockout(good)
    for missing in ("output", "input"):
        with pytest.raises(ValueError, match=missing):
            refuse_lockout([pair for pair in good if missing not in pair[0]])
    with pytest.raises(ValueError, match="output"):
        refuse_lockout([("status", "active"), ("rules", "{'output': [{'action': 'accept'}]}")])
    with pytest.raises(ValueError, match="output"):
        refuse_lockout([("status", "active"), ("rules[output][0][name]", "accept")])
    refuse_lockout([("status", "disabled")])


def test_a_name_that_would_nest_is_no_field() -> None:
    """Brackets, equals signs and capitals are refused in names."""
    for name in ("a[b]", "a=b", "", "A", "a b"):
        with pytest.raises(ValueError, match="no name of a form field"):
            form_fields({"rules": {name: "x"}})


def test_a_set_that_was_there_is_put_back_word_by_word() -> None:
    """Also rules that we would not write; only one that had cut the server off is not put back."""
    odd = SeenRule(name="old <rule>", ip_version=None, protocol="tcp", dst_port="22,80", action="accept")
    firewall = RobotFirewall.model_validate(
        {
            "server_number": 1,
            "status": "active",
            "rules": {"input": [odd.model_dump()], "output": [{"action": "accept", "new_field": "kept"}]},
        }
    )
    wanted = restored(firewall)
    assert [pair for pair in form_of(wanted) if "input" in pair[0]] == [
        ("rules[input][0][name]", "old <rule>"),
        ("rules[input][0][dst_port]", "22,80"),
        ("rules[input][0][protocol]", "tcp"),
        ("rules[input][0][action]", "accept"),
    ]
    assert RestoredFirewall.model_validate(wanted.model_dump(mode="json")) == wanted
    changes: tuple[dict[str, object], ...] = (
        {"rules": {"input": [odd.model_dump()]}},
        {"rules": {}},
        {"status": "in process"},
    )
    for gone in changes:
        with pytest.raises(ValueError, match=r"leave|reach|active"):
            restored(firewall.model_validate({**firewall.as_json(), **gone}))


def test_what_robot_holds_is_compared_as_a_packet_would() -> None:
    """Masks, nulls and empty texts are the same; order, flags and status are not. A disabled one filters nothing."""
    wanted = new(input=[SSH, ALL])
    assert holds(seen(wanted), wanted)
    plain = SSH.model_dump() | {"src_ip": "198.51.100.7", "tcp_flags": ""}
    assert holds(seen(wanted, rules={"input": [plain, ALL.model_dump()], "output": [ALL.model_dump()]}), wanted)
    assert not holds(seen(new(input=[ALL, SSH])), wanted)
    assert not holds(seen(new(ipv6=False, input=[SSH, ALL])), wanted)
    assert not holds(seen(wanted, status="in process"), wanted)
    off = RestoredFirewall(status="disabled", filter_ipv6=False, whitelist_hos=True, input=(), output=())
    assert holds(seen(wanted, status="disabled"), off)


@pytest.mark.parametrize("rules_", [{}, [], None, {"input": None}])
def test_rules_that_robot_does_not_tell_are_unknown_and_not_empty(rules_: object) -> None:
    """An empty map, PHP's empty list, null, and a direction that is left out; an empty list is an empty list."""
    firewall = RobotFirewall.model_validate({"server_number": 1, "status": "active", "rules": rules_})
    assert firewall.as_json()["rules"] == {"input": None, "output": None}
    told = firewall.model_validate({**firewall.as_json(), "rules": {"input": []}})
    assert told.as_json()["rules"] == {"input": [], "output": None}
