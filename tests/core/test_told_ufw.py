"""What ufw is told: every form of rule, few commands, and nothing shut or opened on the way that should not be."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, Family, family_of
from ink_infra_mcp.core.firewall.ufw import ANYWHERE, Default, UfwRule, UfwStatus, ufw_rules, ufw_table
from ink_infra_mcp.core.host_firewall import ufw
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, admitted
from tests.core.firewall.asking import at_host
from tests.core.firewall.test_changes import ufw_rules as one_rule
from tests.core.test_host_firewall import MUSCLE, firewalls

V4_FILE = """\
### tuple ### allow tcp 22 0.0.0.0/0 any 198.51.100.7 in comment=696e6b
### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### allow any 9000 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### limit_log tcp 23 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### deny any any 0.0.0.0/0 any 203.0.113.9 in
### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in
### tuple ### allow udp 1000:2000 192.0.2.1 53 10.0.0.0/8 in_eth0
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_docker0
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in_br-0123456789ab
### tuple ### route:allow tcp 3000 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### reject any 25 0.0.0.0/0 any 0.0.0.0/0 out
-A ufw-user-input -p tcp --dport 22 -j ACCEPT
"""
V6_FILE = """\
### tuple ### allow tcp 80 ::/0 any ::/0 in
### tuple ### allow tcp 8000:8100 ::/0 any 2001:db8::/32 in
"""


def words(commands: Iterable[ufw.Words]) -> list[str]:
    """Return commands as people would read them."""
    return [" ".join(command) for command in commands]


def test_ufw_is_told_what_is_missing_first_and_then_what_has_to_go() -> None:
    """Every form of rule, in words that mean this family alone; what comes from containers and what leaves stays."""
    present = (*ufw_rules(V4_FILE.splitlines(), Family.V4), *ufw_rules(V6_FILE.splitlines(), Family.V6))
    told = ufw.changes(MUSCLE, present, default="ACCEPT")
    assert words(told.opens) == [
        "allow proto tcp from 203.0.113.0/24 to any port 22 comment ink: SSH, admin",
        "allow proto tcp from 2001:db8::/32 to any port 22 comment ink: SSH, admin",
        "allow proto tcp from any to any port 443 comment ink: web",
        "allow proto udp from 0.0.0.0/0 to any port 443 comment ink: web, QUIC",
    ]
    assert words(told.closes) == [
        "default deny incoming",
        "delete allow proto tcp from 2001:db8::/32 to any port 8000:8100",
        "delete allow in on eth0 proto udp from 10.0.0.0/8 port 53 to 192.0.2.1 port 1000:2000",
        "delete allow from 0.0.0.0/0 to any app WWW Full",
        "delete deny from 203.0.113.9 to any",
        "delete limit log proto tcp from 0.0.0.0/0 to any port 23",
        "delete allow from 0.0.0.0/0 to any port 9000",
    ]
    assert [str(rule.bare) for rule in present[2:4]] == [
        "ufw allow from 0.0.0.0/0 to any port 9000",
        "ufw limit log proto tcp from 0.0.0.0/0 to any port 23",
    ]


def test_what_goes_for_everybody_stays_for_the_networks_inside() -> None:
    """What ufw let containers and guests reach, they reach: rule by rule in order, then what the default did; a rule
    that is bound to one of their links stays, whatever that is called, and one for a card goes.
    """
    present = ufw_rules(
        (
            "### tuple ### deny any any 0.0.0.0/0 any 203.0.113.9 in",
            "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
            "### tuple ### allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
            "### tuple ### allow tcp 5432 0.0.0.0/0 any 0.0.0.0/0 in_coolnet",
            "### tuple ### allow tcp 5432 0.0.0.0/0 any 0.0.0.0/0 in_eth1",
            "### tuple ### allow tcp 5432 0.0.0.0/0 any 0.0.0.0/0 in_eth+",
        ),
        Family.V4,
    )
    web = HostRule(protocol="tcp", ports="80", sources=("0.0.0.0/0",), why="web")
    firewall = HostFirewall(
        manager="ufw", rules=(web,), outside=("eth0", "eth1"), behind=("coolnet", "vmbr0"), ufw_ipv6=False
    )
    told = ufw.changes(firewall, present, default="allow")
    assert words(told.opens) == [
        "deny in on coolnet from 203.0.113.9 to any comment ink: as before, for coolnet",
        "allow in on coolnet proto tcp from 0.0.0.0/0 to any port 22 comment ink: as before, for coolnet",
        "allow in on coolnet from 0.0.0.0/0 to any comment ink: as before, for coolnet",
        "deny in on vmbr0 from 203.0.113.9 to any comment ink: as before, for vmbr0",
        "allow in on vmbr0 proto tcp from 0.0.0.0/0 to any port 22 comment ink: as before, for vmbr0",
        "allow in on vmbr0 from 0.0.0.0/0 to any comment ink: as before, for vmbr0",
    ]
    assert words(told.closes) == [
        "default deny incoming",
        "delete allow in on eth+ proto tcp from 0.0.0.0/0 to any port 5432",
        "delete allow in on eth1 proto tcp from 0.0.0.0/0 to any port 5432",
        "delete allow proto tcp from 0.0.0.0/0 to any port 22",
        "delete deny from 203.0.113.9 to any",
    ]


@given(firewall=firewalls)
def test_a_ufw_that_was_told_is_told_nothing_more(firewall: HostFirewall) -> None:
    """The rules that it then has are those that were wanted, whatever they were."""
    told = ufw.changes(firewall, (), default="deny")
    wanted = tuple(_obeyed(told.opens))
    assert not ufw.changes(firewall, wanted, default="deny")
    assert words(ufw.changes(firewall, (), default="allow").closes) == ["default deny incoming"]


def _obeyed(opens: Iterable[ufw.Words]) -> Iterable[UfwRule]:
    """Return the rules that ufw has after `allow proto P from S to any [port N] comment C`."""
    for _, _, protocol, _, source, *rest in opens:
        port = rest[3] if rest[2] == "port" else "any"
        for family, world in ANYWHERE.items():
            if source == "any" or family_of(source) is family:
                where = world if source == "any" else source
                yield from ufw_rules([f"### tuple ### allow {protocol} {port} {world} any {where} in"], family)


some_rules = st.lists(one_rule, max_size=6, unique=True)
few_sources = st.lists(st.sampled_from(("0.0.0.0/0", "10.0.0.0/31", "10.0.0.3/32")), min_size=1, max_size=2).map(tuple)
some_firewalls = st.builds(
    HostRule,
    protocol=st.just("tcp"),
    ports=st.sampled_from(("22", "22,80")),
    sources=few_sources,
    why=st.just("wanted"),
).map(lambda rule: HostFirewall(manager="ufw", rules=(rule,)))


@given(firewall=some_firewalls, rules=some_rules, default=st.sampled_from(("allow", "deny")))
def test_on_the_way_ufw_shuts_nothing_that_stays_open_and_opens_nothing_else(
    firewall: HostFirewall, rules: list[UfwRule], default: Default
) -> None:
    """After every command: all that old and new let in, and none that neither does; at the end just what is wanted."""
    told = ufw.changes(firewall, rules, default=default)
    states = [*_on_the_way(told, rules, default)]
    ways = [[_let_in(*state, port) for state in states] for port in (22, 80)]
    for open_ in ways:
        assert all(open_[0] & open_[-1] <= now <= open_[0] | open_[-1] for now in open_)
    assert [open_[-1] for open_ in ways] == [admitted(firewall, "tcp", port)[0] & FEW for port in (22, 80)]


FEW = V4.parse("10.0.0.0/30")


def _on_the_way(
    told: ufw.UfwChanges, rules: list[UfwRule], default: Default
) -> Iterable[tuple[tuple[UfwRule, ...], Default]]:
    """Yield the rules and the default before the first command, and after each."""
    now = tuple(rules)
    yield now, default
    for command in told.opens:
        now = (*now, *(rule for rule in _obeyed([command]) if rule.family is Family.V4))
        yield now, default
    for command in told.closes:
        if command[0] == "default":
            default = "deny"
        now = tuple(rule for rule in now if ("delete", *rule.words()) != command)
        yield now, default


def _let_in(rules: Iterable[UfwRule], default: Default, port: int) -> V4:
    status = UfwStatus(active=True, incoming=default, outgoing="allow", routed="deny")
    return at_host((ufw_table(V4, rules, status),), FEW, port)[0]


@pytest.mark.parametrize(
    "line", ["allow tcp 22", "smash tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 a b c sideways"]
)
def test_a_rule_of_ufw_that_is_not_understood_is_an_error(line: str) -> None:
    """It is never left out: it may be the one that lets everybody in."""
    with pytest.raises(ValueError, match="not a rule of ufw"):
        ufw_rules([f"### tuple ### {line}"], Family.V4)
