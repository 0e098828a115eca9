"""Policy: what it wants, how an operator may tighten it, and rule sets that carry it out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.ports.host_target import host_rules
from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.cloud import Attachment, CloudFirewall, cloud_gates
from ink_infra_mcp.core.firewall.exposure import Exposure, SourceClass, State, WayIn, exposures
from ink_infra_mcp.core.firewall.gates import Gates
from ink_infra_mcp.core.firewall.limits import over_cloud_limits, over_robot_limits
from ink_infra_mcp.core.firewall.policy import (
    Agreement,
    Demand,
    Intent,
    Loosening,
    PortPolicy,
    PortRule,
    Tightening,
    agreement,
    overlaid,
)
from ink_infra_mcp.core.firewall.robot import robot_gates
from ink_infra_mcp.core.firewall.sockets import Socket, Sockets
from ink_infra_mcp.core.firewall.targets import cloud_rules, robot_firewall
from tests.core.firewall.naive import HOST
from tests.core.firewall.test_exposure import host

ADMIN = SourceClass("admin", V4.parse("203.0.113.66"), V6.parse("2001:db8::66"), "public")
FACTORY = SourceClass("factory", V4.parse("10.250.0.2"), V6(), "private")
PUBLIC_FACTORY = SourceClass("factory", V4.parse("203.0.113.2"), V6(), "public")
WORLD = SourceClass("internet", V4.parse("198.51.100.0/24"), V6.parse("2001:db8:1::/48"), "public")
CLASSES = (ADMIN, PUBLIC_FACTORY, WORLD)


def rule(name: str, port: str, *allowed: str, demand: str = "required", protocol: str = "tcp") -> PortRule:
    """Return a rule for a Muscle."""
    said = {"name": name, "role": "muscle", "protocol": protocol, "ports": port, "allowed": allowed, "demand": demand}
    return PortRule.model_validate({**said, "why": "a test"})


POLICY = PortPolicy(
    rules=(
        rule("ssh", "22", "admin", "factory"),
        rule("http", "80", "internet", "admin", "factory"),
        rule("https", "443", "internet", "admin", "factory"),
        rule("http3", "443", "internet", "admin", "factory", demand="optional", protocol="udp"),
        rule("traefik", "8080", demand="forbidden"),
    )
)


def wanted(policy: PortPolicy, port: int, source_class: str) -> Intent:
    """Return what a policy wants of a Muscle's TCP port over IPv4."""
    return policy.intent("muscle", ("tcp", port), source_class=source_class, family=Family.V4)


def test_intent_is_read_from_the_rules_and_the_rest_is_closed() -> None:
    """Required for those it is for, closed for others; a port without a rule is closed for everybody."""
    assert [wanted(POLICY, 22, name) for name in ("admin", "internet")] == [Intent.MUST, Intent.MUST_NOT]
    assert [wanted(POLICY, port, "internet") for port in (80, 8080, 5432)] == [Intent.MUST, *[Intent.MUST_NOT] * 2]
    quic = POLICY.intent("muscle", ("udp", 443), source_class="internet", family=Family.V6)
    assert quic is Intent.MAY
    assert POLICY.ports("muscle") == (("tcp", 22), ("tcp", 80), ("tcp", 443), ("tcp", 8080), ("udp", 443))
    assert POLICY.ports("factory") == ()
    twice = PortPolicy(rules=(*POLICY.rules, rule("all", "1-9000", "internet", demand="optional")))
    assert [wanted(twice, port, "internet") for port in (8080, 81)] == [Intent.MUST_NOT, Intent.MAY]


def test_unknown_neither_agrees_nor_is_closed() -> None:
    """A port that must be closed and is unknown is unproven; one that must be open is missing unless it is open."""
    states = (State.OPEN, State.PARTLY, State.CLOSED, State.UNKNOWN)
    exposed, agrees = Agreement.EXPOSED, Agreement.AGREES
    assert [agreement(Intent.MUST_NOT, state) for state in states] == [exposed, exposed, agrees, Agreement.UNPROVEN]
    assert [agreement(Intent.MUST, state) for state in states] == [agrees, *[Agreement.MISSING] * 3]
    assert {agreement(Intent.MAY, state) for state in states} == {agrees}


def test_an_overlay_may_only_tighten() -> None:
    """Fewer classes, fewer families and forbidding an optional port are taken; anything more is refused, each named."""
    tighter = overlaid(POLICY, [Tightening(name="ssh", allowed=("factory",), why="bastion")])
    assert (wanted(tighter, 22, "admin"), wanted(tighter, 22, "factory")) == (Intent.MUST_NOT, Intent.MUST)
    assert tighter.rules[0].why == "bastion"
    no_quic = overlaid(POLICY, [Tightening(name="http3", demand=Demand.FORBIDDEN, why="no QUIC")])
    assert no_quic.rules[3].demand is Demand.FORBIDDEN
    with pytest.raises(Loosening) as refused:
        overlaid(
            POLICY,
            [
                Tightening(name="ssh", allowed=("admin", "internet"), why="handy"),
                Tightening(name="postgres", allowed=("internet",), why="handy"),
                Tightening(name="https", demand=Demand.FORBIDDEN, why="quiet"),
            ],
        )
    assert refused.value.entries == (
        "ssh: internet is not allowed by the baseline",
        "postgres: the baseline has no rule of that name",
        "https: the port is required",
    )


names = st.sampled_from(("admin", "factory", "internet", "fleet"))
policies = st.lists(
    st.builds(
        rule,
        st.uuids().map(str),
        st.sampled_from(("22", "80", "80-90")),
        names,
        names,
        demand=st.sampled_from(("required", "optional", "forbidden")),
    ),
    max_size=4,
).map(lambda rules: PortPolicy(rules=tuple(rules)))


@given(policies, st.data())
def test_no_overlay_allows_what_the_baseline_forbids(policy: PortPolicy, data: st.DataObject) -> None:
    """Whatever an operator writes, it is refused, or every port that must be closed stays one that must be closed."""
    known = st.sampled_from([rule.name for rule in policy.rules] or ["none"])
    words = st.builds(
        Tightening,
        name=known,
        allowed=st.none() | st.lists(names, max_size=3).map(tuple),
        families=st.none() | st.lists(st.sampled_from(Family), max_size=2).map(tuple),
        demand=st.none() | st.just(Demand.FORBIDDEN),
        why=st.just("because"),
    )
    try:
        tighter = overlaid(policy, data.draw(st.lists(words, max_size=3)))
    except Loosening:
        return
    for port in (22, 80, 85, 443):
        for name in ("admin", "factory", "internet", "fleet"):
            if wanted(policy, port, name) is Intent.MUST_NOT:
                assert wanted(tighter, port, name) is Intent.MUST_NOT


LISTENING = Sockets((*(Socket("tcp", port) for port in (22, 80, 443, 8080)), Socket("udp", 443)))
PORTS = (("tcp", 22), ("tcp", 80), ("tcp", 443), ("tcp", 8080), ("tcp", 5432), ("udp", 443))
BOTH_WAYS = (WayIn("public", (HOST, "2001:db8::11"), "eth0"),)


def disagreements(found: tuple[Exposure, ...]) -> list[Exposure]:
    """Return what policy would complain of."""
    return [
        each
        for each in found
        if agreement(
            POLICY.intent("muscle", (each.protocol, each.port), source_class=each.source_class, family=each.family),
            each.state,
        )
        is not Agreement.AGREES
        and not (each.source_class == "admin" and each.family is Family.V6 and each.port == 22)
    ]


def test_the_cloud_rules_of_a_policy_carry_it_out() -> None:
    """Behind them, every port that listens is exactly as policy wants it, over both families; all limits are kept."""
    rules = cloud_rules(POLICY, "muscle", CLASSES)
    assert over_cloud_limits(rules) == ()
    found = cloud_gates([CloudFirewall(id=1, name="fw", rules=rules)], [Attachment(1, applied=True)])
    of = replace(host(found, sockets=LISTENING), ways=BOTH_WAYS)
    assert disagreements(exposures(of, CLASSES, PORTS)) == []


def test_the_robot_rules_of_a_policy_carry_it_out() -> None:
    """Ten rules are enough for one admin; IPv6 SSH cannot be limited by its source, and stays closed."""
    firewall = robot_firewall(POLICY, "muscle", [ADMIN, FACTORY, WORLD], server_number=1, private=["10.250.0.0/16"])
    assert [rule.name for rule in firewall.input if rule.dst_port in {"22", "80", "443"}] == [
        *("ssh", "http", "http", "https")
    ]
    gates = robot_gates(firewall)
    assert isinstance(gates, Gates)
    of = replace(host(gates, sockets=LISTENING), ways=BOTH_WAYS)
    assert disagreements(exposures(of, [ADMIN, WORLD], PORTS)) == []
    six = exposures(of, [ADMIN], [("tcp", 22)])
    assert {each.family: each.state for each in six} == {Family.V4: State.OPEN, Family.V6: State.CLOSED}


@pytest.mark.parametrize("classes", [(ADMIN, PUBLIC_FACTORY, FACTORY, WORLD), (FACTORY, PUBLIC_FACTORY, ADMIN, WORLD)])
def test_a_class_that_comes_by_two_ways_is_let_in_by_both(classes: tuple[SourceClass, ...]) -> None:
    """The Factory's public address is let in beside its private one, in whatever order, and ten rules are enough."""
    firewall = robot_firewall(POLICY, "muscle", classes, server_number=1, private=["10.250.0.0/16"])
    assert over_robot_limits(firewall) == ()
    gates = robot_gates(firewall)
    assert isinstance(gates, Gates)
    of = replace(host(gates, sockets=LISTENING), ways=BOTH_WAYS)
    found = exposures(of, [PUBLIC_FACTORY, FACTORY], [("tcp", 22)])
    assert {(each.family, each.state) for each in found} == {(Family.V4, State.OPEN)}
    ssh = next(rule for rule in host_rules(POLICY, "muscle", classes) if rule.why == "ssh")
    assert {"203.0.113.2/32", "10.250.0.2/32", "203.0.113.66/32"} <= set(ssh.sources)


def test_robot_rules_over_the_limit_are_named() -> None:
    """A policy that needs more than ten rules is not cut to ten: the limit says so."""
    many = SourceClass("admin", V4.of(f"203.0.113.{at}" for at in range(1, 20, 2)), V6(), "public")
    firewall = robot_firewall(POLICY, "muscle", [many, FACTORY, WORLD], server_number=1, private=["10.250.0.0/16"])
    assert over_robot_limits(firewall) == (f"{len(firewall.input)} input rules, 10 are allowed",)
