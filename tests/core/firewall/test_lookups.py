"""Verdict maps as one lookup, and what a sender chooses: what nft and iptables ask that is easily read for more."""

import json
from collections.abc import Mapping, Sequence

import pytest

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.iptables import read_iptables
from ink_infra_mcp.core.firewall.nft import read_nft
from ink_infra_mcp.core.firewall.rules import Tables
from tests.core.firewall.asking import at_host

FOUR, SIX = V4.parse("203.0.113.66"), V6.parse("2001:db8::66")
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
FLAGS = {"payload": {"protocol": "tcp", "field": "flags"}}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
Expression = Mapping[str, object]
ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}


def match(left: object, right: object, op: str = "==") -> Expression:
    """Return a match as nft says it."""
    return {"match": {"op": op, "left": left, "right": right}}


def vmap(key: object, *entries: tuple[object, object]) -> Expression:
    """Return a lookup in a verdict map."""
    return {"vmap": {"key": key, "data": {"set": [list(entry) for entry in entries]}}}


def told(kind: type[A], *rules: Sequence[Expression], protocol: str = "tcp", policy: str = "accept") -> str:
    """Return what these rules of an input chain do with a first packet to port 9100; `web` comes back."""
    base = {"family": "inet", "table": "t", "name": "in", "type": "filter", "hook": "input", "prio": 0}
    web = {"family": "inet", "table": "t", "name": "web"}
    items: list[object] = [{"metainfo": {}}, {"table": {"family": "inet", "name": "t"}}]
    items += [{"chain": {**base, "policy": policy}}, {"chain": web}]
    items += [{"rule": {"family": "inet", "table": "t", "chain": "in", "expr": rule}} for rule in rules]
    read = read_nft(Answer(json.dumps({"nftables": items})), kind)
    return _word(read, kind, protocol)


def _word(read: Tables[A] | Unreadable, kind: type[A], protocol: str = "tcp") -> str:
    assert not isinstance(read, Unreadable), read
    somebody = kind.parse("203.0.113.66" if kind is V4 else "2001:db8::66")
    admitted, denied, _ = at_host(read, somebody, 9100, protocol)
    return "open" if admitted else "closed" if denied else "unknown"


def saved(text: str, kind: type[A]) -> Tables[A]:
    """Return the tables that iptables-save shows."""
    read = read_iptables(Answer(text), kind)
    assert not isinstance(read, Unreadable), read
    return read.tables


JUMP: Expression = {"jump": {"target": "web"}}
CONTINUE: Expression = {"continue": None}


@pytest.mark.parametrize(
    ("rules", "state"),
    [
        pytest.param([[vmap(DPORT, (9100, JUMP), ("*", DROP))]], "open", id="an entry that comes back"),
        pytest.param([[vmap(DPORT, (9100, CONTINUE), ("*", DROP))]], "open", id="an entry that goes on"),
        pytest.param([[vmap(DPORT, (9100, JUMP), ("*", ACCEPT))], [DROP]], "closed", id="and meets the next rule"),
        pytest.param([[vmap(DPORT, (80, JUMP), ("*", DROP))]], "closed", id="any other key"),
        pytest.param([[vmap(DPORT, (9100, JUMP), ("*", DROP))], [vmap(DPORT, ("*", DROP))]], "closed", id="two maps"),
        pytest.param([[vmap(DPORT, (9100, {"odd": 1}), ("*", DROP))]], "unknown", id="an entry that is not known"),
    ],
)
def test_a_packet_meets_one_entry_of_a_map(rules: list[list[Expression]], state: str) -> None:
    """Also one that it comes back from: it goes on behind the rule, and not to the entry for all others."""
    assert told(V4, *rules) == state


def test_the_entry_for_all_others_is_for_those_that_have_the_field() -> None:
    """nft leaves out what it asks of protocol and family: another one does not look up at all, and goes on."""
    by_port = [vmap(DPORT, (22, ACCEPT), ("*", DROP))]
    by_source = [vmap(SADDR, ("192.0.2.1", ACCEPT), ("*", DROP))]
    both = [vmap({"concat": [SADDR, DPORT]}, ({"concat": ["192.0.2.1", 22]}, ACCEPT), ("*", DROP))]
    assert [told(V4, by_port, protocol=each) for each in ("tcp", "udp")] == ["closed", "open"]
    assert (told(V4, by_source), told(V6, by_source)) == ("closed", "open")
    assert (told(V4, both), told(V4, both, protocol="udp"), told(V6, both)) == ("closed", "open", "open")


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        (match({"ct": {"key": "status"}}, "dnat", "!="), "unknown"),
        (match(FLAGS, "syn"), "unknown"),
        (match(FLAGS, ["syn", "psh"]), "unknown"),
        (
            match({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, ["fin", "syn", "rst", "ack"]]}, "syn"),
            "closed",
        ),
        (match(FLAGS, "syn", "in"), "closed"),
        (match(SADDR, {"set": [{"elem": {"val": "203.0.113.66", "limit": {"rate": 1}}}]}), "unknown"),
        (match(SADDR, {"set": [{"elem": {"val": "203.0.113.66", "timeout": 9, "comment": "x"}}]}), "closed"),
    ],
)
def test_a_drop_of_what_a_sender_can_do_without_closes_nothing_for_sure(asked: Expression, state: str) -> None:
    """Flags beside SYN, bits of a status, a rate that stands with an element."""
    found = told(V4, [asked, DROP])
    assert found in ({"open", "unknown"} if state == "unknown" else {"closed"})


def test_an_extension_header_may_stand_before_the_transport() -> None:
    """The next header of IPv6 is TCP only where a sender puts none between; nobody is shut out by that."""
    nexthdr = {"payload": {"protocol": "ip6", "field": "nexthdr"}}
    assert told(V6, [match(nexthdr, "tcp"), DROP]) != "open"
    assert told(V6, [match(nexthdr, "tcp"), ACCEPT], policy="drop") == "open"
    assert told(V6, [match(nexthdr, "tcp", "!="), ACCEPT], policy="drop") == "unknown"
    line = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m rt ! --rt-type 0 -j DROP\nCOMMIT\n"
    odd = line.replace(":INPUT ACCEPT", ":INPUT DROP").replace("DROP\nCOMMIT", "ACCEPT\nCOMMIT")
    head = "# Generated by ip6tables-save v1.8.9\n{}# Completed on Sun\n"
    assert _word(saved(head.format(line), V6), V6) == "open"
    assert _word(saved(head.format(odd), V6), V6) == "unknown"


def test_a_helper_may_have_been_told_to_expect_a_connection() -> None:
    """Where one is set anywhere, a first packet may be related to what was there before; else it is new."""
    related = [match({"ct": {"key": "state"}}, ["established", "related"], "in"), ACCEPT]
    helped = [match(DPORT, 21), {"ct helper": "ftp-standard"}, ACCEPT]
    assert told(V4, related, policy="drop") == "closed"
    assert told(V4, related, helped, policy="drop") == "unknown"
    lines = "-A INPUT -m state --state RELATED -j ACCEPT\n"
    table = f"*filter\n:INPUT DROP [0:0]\n{lines}COMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\n{{}}COMMIT\n"
    text = f"# Generated by iptables-save v1.8.9\n{table}# Completed on Sun\n"
    helper = "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\n"
    found = [_word(saved(text.format(each), V4), V4) for each in ("", helper)]
    assert found == ["closed", "unknown"]


def test_ports_that_an_older_nft_has_no_type_for_are_read() -> None:
    """nft 1.0.6 prints our own rule for 80 and 443 so (Debian 12)."""
    original = {"ct": {"key": "proto-dst", "dir": "original"}}
    web = {"set": ["0x50 [invalid type]", "0x1bb [invalid type]"]}
    mine = {"set": ["0x50 [invalid type]", "0x238c [invalid type]"]}
    assert told(V4, [match(original, web), ACCEPT], policy="drop") == "closed"
    assert told(V4, [match(original, mine), ACCEPT], policy="drop") == "open"
