"""Sets of ipset and nft: who is in one is told from its members; what a set does not tell stays unknown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.firewall.answer import Answer
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.ipsets import Members, read_ipsets
from ink_infra_mcp.core.firewall.nft import read_nft
from tests.core.firewall.asking import at_host, words

EVERYBODY = V4.parse("10.0.0.0/29")
HOSTS = st.sets(st.integers(0, 7)).map(lambda numbers: [f"10.0.0.{number}" for number in sorted(numbers)])
THENS = st.sampled_from(("ACCEPT", "DROP", "REJECT --reject-with icmp-port-unreachable"))
OF_FAIL2BAN = """\
create f2b-sshd hash:ip family inet hashsize 1024 maxelem 65536 timeout 600 bucketsize 12 initval 0x4d9cd4d8
add f2b-sshd 10.0.0.1 timeout 431
create crowdsec-blacklists hash:net family inet hashsize 4096 maxelem 131072 timeout 300 comment counters
add crowdsec-blacklists 10.0.0.2/31 timeout 12 packets 3 bytes 180 comment "ssh: slow bf"
create crowdsec6-blacklists hash:net family inet6 hashsize 1024 maxelem 65536 timeout 300
add crowdsec6-blacklists 2001:db8::/32 timeout 12
create both list:set size 8
add both f2b-sshd
add both crowdsec-blacklists
add both crowdsec6-blacklists
"""
Told = tuple[str, str, str]


def told(sets: str, *rules: str, policy: str = "ACCEPT", v6: bool = False) -> Told:
    """Return who is admitted, denied and unknown to tcp 22 where INPUT has these rules, and ipset these sets."""
    lines = "\n".join(f"-A INPUT {rule}" for rule in rules)
    text = Answer(f"*filter\n:INPUT {policy} [0:0]\n:INNER - [0:0]\n-A INNER -j RETURN\n{lines}\nCOMMIT\n")
    if v6:
        six = read_filters(V6, iptables=text, legacy=None, nft=None, ipsets=Answer(sets))
        return words(at_host(six, V6.parse("2001:db8::/31"), 22))
    return words(at_host(read_filters(V4, iptables=text, legacy=None, nft=None, ipsets=Answer(sets)), EVERYBODY, 22))


def made(name: str, members: list[str], *, kind: str = "hash:ip") -> str:
    """Return what ipset saves of a set."""
    return f"create {name} {kind} family inet\n" + "".join(f"add {name} {member}\n" for member in members)


@given(st.lists(st.tuples(HOSTS.filter(bool), st.booleans(), THENS), max_size=5), st.sampled_from(("ACCEPT", "DROP")))
def test_a_set_asks_what_the_list_of_its_members_asks(rules: list[tuple[list[str], bool, str]], policy: str) -> None:
    """Whatever the rules do with who is in it or is not, they do the same where its members stand in the rule."""
    sets, by_set, by_list = "", list[str](), list[str]()
    for at, (members, negated, then) in enumerate(rules):
        turned = "! " if negated else ""
        sets += made(f"s{at}", members)
        by_set.append(f"-m set {turned}--match-set s{at} src -j {then}")
        by_list.append(f"{turned}-s {','.join(members)} -j {then}")
    assert told(sets, *by_set, policy=policy) == told("", *by_list, policy=policy)


@given(HOSTS, HOSTS, st.booleans(), THENS, st.sampled_from(("ACCEPT", "DROP")), st.booleans())
def test_of_a_set_that_rules_fill_nothing_is_claimed_that_a_further_member_would_change(
    now: list[str], later: list[str], negated: bool, then: str, policy: str, inner: bool
) -> None:
    """Whoever is admitted or denied today is so whoever else the rules have put into it by the time of the packet."""
    match = f"-m set {'! ' if negated else ''}--match-set seen src"
    rules = [f"{match} -j INNER", f"{match} -j {then}"] if inner else [f"{match} -j {then}"]
    fills = "-p udp -m udp --dport 9 -j SET --add-set seen src"
    claimed = told(made("seen", now), fills, *rules, policy=policy)
    fact = told(made("seen", sorted({*now, *later})), *rules, policy=policy)
    for claim, true in zip(claimed[:2], fact[:2], strict=True):
        assert _set(claim) <= _set(true)


def _set(text: str) -> V4:
    return V4.of([] if text == "nobody" else text.split(", "))


def test_who_is_banned_is_closed_out_and_everybody_else_is_let_in() -> None:
    """Sets of fail2ban and CrowdSec as they are saved, with times and comments; each family has its own members."""
    drop = "-j DROP"
    others = "10.0.0.0/32, 10.0.0.2/31, 10.0.0.4/30"
    assert told(OF_FAIL2BAN, f"-m set --match-set f2b-sshd src {drop}") == (others, "10.0.0.1/32", "nobody")
    assert told(OF_FAIL2BAN, f"-m set --match-set both src {drop}")[1] == "10.0.0.1/32, 10.0.0.2/31"
    assert told(OF_FAIL2BAN, f"-m set --match-set both src {drop}", v6=True)[1] == "2001:db8::/32"
    assert told(OF_FAIL2BAN, f"-m set --match-set crowdsec6-blacklists src {drop}")[1] == "nobody"
    assert told(OF_FAIL2BAN, "-m set --match-set f2b-sshd src -j ACCEPT", policy="DROP")[0] == "10.0.0.1/32"


@pytest.mark.parametrize(
    "match",
    [
        "--match-set f2b-sshd dst",
        "--match-set f2b-sshd src,src",
        "--match-set nowhere src",
        "--match-set f2b-sshd src --return-nomatch",
        "--match-set f2b-sshd src --packets-gt 3",
    ],
)
def test_what_is_not_asked_of_the_source_alone_is_unknown(match: str) -> None:
    """The destination, several parts at once, counters, a set that nobody told of: neither closed nor open."""
    assert told(OF_FAIL2BAN, f"-m set {match} -j DROP") == ("nobody", "nobody", str(EVERYBODY))


@pytest.mark.parametrize(
    "saved",
    [
        "create s hash:ip family inet netmask 24\nadd s 10.0.0.0\n",
        "create s hash:net family inet\nadd s 10.0.0.0/8\nadd s 10.0.0.1 nomatch\n",
        "create s hash:ip,port family inet\nadd s 10.0.0.1,tcp:80\n",
        "create s hash:mac\nadd s 00:11:22:33:44:55\n",
        "create s bitmap:ip range 10.0.0.0/24\nadd s 10.0.0.1\n",
        "create s hash:ip family inet\nadd s 10.0.0\n",
        "create s hash:ip family inet\nadd s 10.0.0.1\nadd t 10.0.0.2\n",
        "create t hash:ip,port family inet\ncreate s list:set size 8\nadd s t\n",
        "create s list:set size 8\nadd s gone\n",
        "create s list:set size 8\nadd s s\n",
        "ipset v7.17: Kernel error received: Operation not permitted\n",
    ],
)
def test_a_set_of_another_kind_or_a_damaged_answer_tells_nothing(saved: str) -> None:
    """Netmasks, exceptions, ports, hardware addresses, lists of what is not known, cut lines: never a smaller set."""
    assert told(saved, "-m set --match-set s src -j DROP") == ("nobody", "nobody", str(EVERYBODY))
    assert "s" not in read_ipsets(Answer(saved))


def test_a_rule_that_fills_a_list_fills_the_sets_in_it() -> None:
    """And a list with a set that rules fill is filled, too: nobody outside them is told."""
    rules = ["-A INPUT -j SET --add-set both src"]
    found = read_ipsets(Answer(OF_FAIL2BAN), rules=rules)
    assert {name for name, each in found.items() if each.filled} == found.keys()
    found = read_ipsets(Answer(OF_FAIL2BAN), rules=["-A INPUT -p tcp -j SET --add-set f2b-sshd src --exist"])
    assert {name for name, each in found.items() if each.filled} == {"f2b-sshd", "both"}


def test_an_answer_that_failed_tells_nothing() -> None:
    """Nor does a tool that is not there: Docker makes its sets without it."""
    assert read_ipsets(Answer(OF_FAIL2BAN, 1)) == read_ipsets(None) == {}
    assert read_ipsets(Answer(OF_FAIL2BAN))["f2b-sshd"] == Members(V4.parse("10.0.0.1"))


def nft_told(flags: list[str], *before: object) -> Told:
    """Return who is admitted, denied and unknown where nft drops who is in a set, behind rules of these expressions."""
    here = {"family": "inet", "table": "t"}
    chain = {**here, "name": "in", "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
    member = {"elem": {"val": "10.0.0.1", "timeout": 600, "expires": 431}}
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    drop = [{"match": {"op": "==", "left": left, "right": "@banned"}}, {"drop": None}]
    items: list[object] = [
        {"metainfo": {}},
        {"table": {"family": "inet", "name": "t"}},
        {"chain": chain},
        {"set": {**here, "name": "banned", "type": "ipv4_addr", "flags": flags, "elem": [member]}},
        *({"rule": {**here, "chain": "in", "expr": [one]}} for one in before),
        {"rule": {**here, "chain": "in", "expr": drop}},
    ]
    return words(at_host(read_nft(Answer(json.dumps({"nftables": items})), V4), EVERYBODY, 22))


def test_members_of_nft_that_time_out_are_members_now_and_rules_may_add_to_them() -> None:
    """CrowdSec's sets are told; of one that is dynamic, or that a rule updates (old versions without a flag), who is in
    it now is, and nobody else. One that a rule takes members out of tells nothing.
    """
    others, member = "10.0.0.0/32, 10.0.0.2/31, 10.0.0.4/30", "10.0.0.1/32"
    assert nft_told(["timeout"]) == (others, member, "nobody")
    assert nft_told(["timeout", "dynamic"]) == ("nobody", member, others)
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    assert nft_told(["timeout"], {"set": {"op": "update", "elem": source, "set": "@banned"}}) == (
        "nobody",
        member,
        others,
    )
    deletes = {"set": {"op": "delete", "elem": source, "set": "@banned"}}
    assert nft_told(["timeout"], deletes) == ("nobody", "nobody", str(EVERYBODY))


def test_whoever_keeps_a_rate_is_not_in_the_set_that_it_fills() -> None:
    """A rule bans who oversteps a rate: who is banned now is shut out, and an ordinary first packet gets in."""
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    over = {"limit": {"rate": 3, "burst": 5, "per": "minute", "inv": True}}
    bans = {"set": {"op": "add", "elem": source, "set": "@banned", "stmt": [over]}}
    assert nft_told(["dynamic", "timeout"], bans) == ("10.0.0.0/32, 10.0.0.2/31, 10.0.0.4/30", "10.0.0.1/32", "nobody")
