"""A server's own firewall: the text for nft, what firewalld is told, and what is refused; all of it pure."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ink_infra_mcp.core.firewall.addresses import V4, V6, split
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.host_firewall.firewalld import rich_rules
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, WayIn, admitted, shut_out, way_of_connection
from ink_infra_mcp.core.host_firewall.nftables import digest_of, render
from ink_infra_mcp.core.host_firewall.steps import HostChange, Knock, steps_of

EVERYBODY = ("0.0.0.0/0", "::/0")
SSH = HostRule(
    protocol="tcp", ports="22", sources=("203.0.113.0/24", "198.51.100.7", "2001:db8::/32"), why="SSH, admin"
)
WEB = HostRule(protocol="tcp", ports="443,80", sources=EVERYBODY, why="web")
QUIC = HostRule(protocol="udp", ports="443", sources=("0.0.0.0/0",), why="web, QUIC")
MUSCLE = HostFirewall(rules=(SSH, WEB, QUIC), outside=("eth1", "eth0", "br-wan"), inside=("wg0",), bridged=("br-wan",))

TEXT = """\
add table inet ink
delete table inet ink
table inet ink {
  chain admitted {
    ip saddr { 198.51.100.7/32, 203.0.113.0/24 } meta l4proto tcp ct original proto-dst 22 accept comment "SSH, admin"
    ip6 saddr 2001:db8::/32 meta l4proto tcp ct original proto-dst 22 accept comment "SSH, admin"
    ip saddr { 198.51.100.7/32, 203.0.113.0/24 } ct state untracked tcp dport 22 accept comment "SSH, admin"
    ip6 saddr 2001:db8::/32 ct state untracked tcp dport 22 accept comment "SSH, admin"
    meta l4proto tcp ct original proto-dst { 80, 443 } accept comment "web"
    ct state untracked tcp dport { 80, 443 } accept comment "web"
    meta nfproto ipv4 meta l4proto udp ct original proto-dst 443 accept comment "web, QUIC"
    meta nfproto ipv4 ct state untracked udp dport 443 accept comment "web, QUIC"
  }
  chain input {
    type filter hook input priority -5; policy accept;
    ct state established,related accept
    ct state untracked tcp flags & (fin | syn | rst | ack) != syn accept
    iifname "lo" accept
    iifname != { "br-wan", "eth0", "eth1" } meta iifkind "bridge" accept
    iifname != { "br-wan", "eth0", "eth1" } meta iifkind "veth" accept
    iifname != { "br-wan", "eth0", "eth1" } iifname "wg0" accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp sport 67 udp dport 68 accept
    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
    jump admitted
    counter drop comment "ink-infra DIGEST"
  }
  chain forward {
    type filter hook forward priority -5; policy accept;
    ct state established,related accept
    ct state untracked tcp flags & (fin | syn | rst | ack) != syn accept
    iifname "lo" accept
    iifname != { "br-wan", "eth0", "eth1" } meta iifkind "bridge" accept
    iifname != { "br-wan", "eth0", "eth1" } meta iifkind "veth" accept
    iifname != { "br-wan", "eth0", "eth1" } iifname "wg0" accept
    iifname "br-wan" oifname "br-wan" accept
    meta l4proto { icmp, ipv6-icmp } accept
    ct status dnat jump admitted
    counter drop comment "ink-infra DIGEST"
  }
}
"""


def test_the_text_for_nft_is_this() -> None:
    """One transaction that replaces our table: connections under way, the host's own, then the rules, then the drop."""
    assert render(MUSCLE) == TEXT.replace("DIGEST", digest_of(MUSCLE))
    assert re.fullmatch(r"[0-9a-f]{32}", digest_of(MUSCLE))


def test_beside_ufw_only_what_is_forwarded_is_ours() -> None:
    """ufw keeps the input, where people look; published ports never pass it."""
    text = render(MUSCLE.model_copy(update={"manager": "ufw"}))
    assert "hook forward" in text
    assert "hook input" not in text


def test_the_digest_is_that_of_the_rules() -> None:
    """Whatever changes what gets in changes it; the order in which interfaces and sources are given does not."""
    turned = HostRule.model_validate(SSH.model_dump() | {"sources": SSH.sources[::-1]})
    same = MUSCLE.model_copy(update={"rules": (turned, WEB, QUIC)})
    same = HostFirewall.model_validate(same.model_dump() | {"outside": ("eth0", "br-wan", "eth1", "eth0")})
    others = (
        MUSCLE.model_copy(update={"rules": (SSH, WEB)}),
        MUSCLE.model_copy(update={"inside": ()}),
        MUSCLE.model_copy(update={"outside": ("eth0",)}),
        MUSCLE.model_copy(update={"bridged": ()}),
        MUSCLE.model_copy(update={"manager": "ufw"}),
    )
    assert digest_of(same) == digest_of(MUSCLE)
    assert len({digest_of(MUSCLE), *map(digest_of, others)}) == 6


HOSTILE = ('x" drop; flush ruleset; #', "a\nb", "a\tb", "", "'", "$(id)", "a`b", "\\", "é", "x" * 61, "comment\x00")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_word_can_leave_its_place(text: str) -> None:
    """Reasons, interfaces, ports and sources that would mean something to nft, ufw or a shell are no values at all."""
    good = SSH.model_dump()
    for name, value in (("why", text), ("ports", text), ("sources", (text,)), ("protocol", text)):
        with pytest.raises(ValidationError):
            HostRule.model_validate(good | {name: value})
    for name in ("outside", "inside", "bridged", "behind"):
        with pytest.raises(ValidationError):
            HostFirewall.model_validate({"rules": (SSH,), name: (text,)})


@pytest.mark.parametrize(
    ("name", "value"),
    [("ports", "0"), ("ports", "70000"), ("sources", ()), ("sources", ("203.0.113.1/24",)), ("ports", "-1")],
)
def test_a_rule_without_a_port_or_a_source_is_none(name: str, value: object) -> None:
    """Port 0, ports that are none, nobody at all, and networks with bits behind their prefix."""
    with pytest.raises(ValidationError):
        HostRule.model_validate(SSH.model_dump() | {name: value})


networks = st.sampled_from(
    ("0.0.0.0/0", "::/0", "203.0.113.0/24", "203.0.113.64/26", "203.0.113.7/32", "2001:db8::/32", "2001:db8:1::/48")
)
ports = st.lists(st.sampled_from(("22", "80", "8000-8100", "8050-8200", "443", "any", "1-21")), min_size=1, max_size=3)
rules = st.builds(
    HostRule,
    protocol=st.sampled_from(("tcp", "udp")),
    ports=ports.map(lambda parts: "any" if "any" in parts else ",".join(parts)),
    sources=st.lists(networks, min_size=1, max_size=4).map(tuple),
    why=st.just("x"),
)
firewalls = st.builds(HostFirewall, rules=st.lists(rules, min_size=1, max_size=5).map(tuple))
_LINE = re.compile(
    r"(?:(?P<family>meta nfproto ipv[46]|ip6? saddr) ?(?P<sources>\{[^}]*\}|[0-9a-f:./]+)? )?"
    r"meta l4proto (?P<protocol>tcp|udp)(?: ct original proto-dst (?P<ports>\{[^}]*\}|[\d-]+))? accept comment \"x\""
)
_UNTRACKED = re.compile(r"ct state untracked (tcp|udp) dport (\{[^}]*\}|[\d-]+)")


def admitted_by_text(text: str, protocol: str, port: int, *, tracked: bool = True) -> tuple[V4, V6]:
    """Return who the lines of the chain `admitted` let in, read as nft would; packets that are not tracked meet none
    that asks for the original port.
    """
    v4, v6 = V4(), V6()
    for line in text.partition("chain admitted {\n")[2].partition("\n  }")[0].splitlines():
        said, untracked = _UNTRACKED.subn(r"meta l4proto \1 ct original proto-dst \2", line.strip())
        if "ct original" in said and bool(untracked) is tracked:
            continue
        found = _LINE.fullmatch(said)
        assert found, line
        asked = Ports.parse(found["ports"].strip("{ }").replace(", ", ",")) if found["ports"] else Ports.parse("any")
        if found["protocol"] == protocol and port in asked:
            more_v4, more_v6 = _sources(found["family"], found["sources"])
            v4, v6 = v4 | more_v4, v6 | more_v6
    return v4, v6


def _sources(family: str | None, sources: str | None) -> tuple[V4, V6]:
    if sources:
        return split(sources.strip("{ }").split(", "))
    everybody = {None: EVERYBODY, "meta nfproto ipv4": EVERYBODY[:1], "meta nfproto ipv6": EVERYBODY[1:]}
    return split(everybody[family])


@given(firewall=firewalls, protocol=st.sampled_from(("tcp", "udp")), port=st.sampled_from((1, 22, 80, 443, 8000, 8200)))
def test_the_text_lets_in_what_the_rules_do(firewall: HostFirewall, protocol: str, port: int) -> None:
    """Whatever overlaps or comes twice: source for source and port for port, of both families."""
    for tracked in (True, False):
        assert admitted_by_text(render(firewall), protocol, port, tracked=tracked) == admitted(firewall, protocol, port)


@given(firewall=firewalls, network=networks, port=st.sampled_from((22, 80, 8050)))
def test_who_is_shut_out_is_who_is_not_admitted(firewall: HostFirewall, network: str, port: int) -> None:
    """A way that is open in part only counts as closed."""
    v4, v6 = split((network,))
    open_v4, open_v6 = admitted(firewall, "tcp", port)
    lost = shut_out(firewall, (WayIn(name="the admin", networks=(network,), port=port),))
    assert bool(lost) == (not (v4 <= open_v4 and v6 <= open_v6))


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("203.0.113.9 50000 192.0.2.1 22", ("203.0.113.9/32", 22)),
        ("2001:db8::5 50000 2001:db8::1 2222", ("2001:db8::5/128", 2222)),
        ("::ffff:203.0.113.9 1 ::ffff:192.0.2.1 22", ("203.0.113.9/32", 22)),
        ("fe80::1%eth0 1 fe80::2%eth0 22", ("fe80::1/128", 22)),
    ],
)
def test_the_way_that_a_session_came_by_is_one_address(text: str, way: tuple[str, int]) -> None:
    """As sshd says it, of both families."""
    found = way_of_connection(text)
    assert (found.networks, found.port) == ((way[0],), way[1])


@pytest.mark.parametrize("text", ["", "203.0.113.9", "a b c 22", "203.0.113.9 1 2 x"])
def test_what_names_no_connection_is_an_error(text: str) -> None:
    """A session whose source is not known is not taken for one that the rules let in."""
    with pytest.raises(ValueError, match=r".+"):
        way_of_connection(text)


def test_firewalld_gets_a_rich_rule_for_each_source_and_range() -> None:
    """One for each family, whole worlds without an address."""
    some = HostFirewall(rules=(SSH, QUIC, SSH.model_copy(update={"ports": "any", "sources": ("::/0",)})))
    assert rich_rules(some) == (
        'rule family="ipv4" source address="198.51.100.7/32" port port="22" protocol="tcp" accept',
        'rule family="ipv4" source address="203.0.113.0/24" port port="22" protocol="tcp" accept',
        'rule family="ipv6" source address="2001:db8::/32" port port="22" protocol="tcp" accept',
        'rule family="ipv4" port port="443" protocol="udp" accept',
        'rule family="ipv6" port port="1-65535" protocol="tcp" accept',
    )


def test_a_change_is_three_steps_of_which_each_failure_takes_back_the_first() -> None:
    """What a failure of set or keep undoes is the save, whose undo puts everything back."""
    change = HostChange(
        host="muscle-1", firewall=MUSCLE, ways=(WayIn(name="the admin", networks=("198.51.100.7/32",)),),
        knocks=(Knock(of="factory", address="192.0.2.11", port=22),),
    )  # fmt: skip
    steps = steps_of(change, before="open", after="closed")
    assert [(step.id, step.kind, step.undoes) for step in steps] == [
        ("muscle_1_save", "hosts.save_firewall", ()),
        ("muscle_1_set", "hosts.set_firewall", ("muscle_1_save",)),
        ("muscle_1_keep", "hosts.keep_firewall", ("muscle_1_save",)),
    ]
    assert [step.undo.kind if step.undo else None for step in steps] == ["hosts.revert_firewall", None, None]
    assert HostFirewall.model_validate(steps[1].params["firewall"]) == MUSCLE
