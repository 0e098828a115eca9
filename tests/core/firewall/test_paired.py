"""Two tools that speak of one table: nft decides, iptables-save tells what is behind names where it surely does."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.exposure import HostFacts, State, exposures
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.rules import Tables
from tests.core.firewall.asking import at_host, words
from tests.core.firewall.recorded import CLASSES, facts, situation

OF_IPTABLES = ("by_hand", "ctorigdstport", "docker_user", "ipv6_published", "loopback", "ufw_published", "ufw_rules")
"""Recorded hosts with tables that iptables-nft made."""
Told = dict[tuple[str, int, str], State]


def told(known: HostFacts, name: str, iptables: Answer, nft: Answer) -> Told:
    """Return how reachable each port that was tried is over IPv4, where the tools say this."""
    v4 = read_filters(V4, iptables=iptables, legacy=situation(name).answer("iptables_legacy"), nft=nft)
    assert not isinstance(v4, Unreadable), v4
    tried = sorted({seen.port for seen in situation(name).observed})
    found = exposures(replace(known, v4=v4), CLASSES, [("tcp", port) for port in tried])
    return {(one.protocol, one.port, one.source_class): one.state for one in found if one.family == "ipv4"}


def as_recorded(name: str) -> Told:
    """Return it as it is where the tools say what they have said."""
    return told(facts(name), name, situation(name).answer("iptables"), situation(name).answer("nft"))


@pytest.mark.parametrize("name", OF_IPTABLES)
def test_tools_of_other_versions_tell_the_same(name: str) -> None:
    """nft of before 1.0.6 shows no names of matches and targets, iptables of before 1.8.9 does not name its variant."""
    said = situation(name)
    nameless = re.sub(r'\{"xt": \{"type": "(match|target)", "name": "\w+"\}\}', '{"xt": null}', said.answer("nft").text)
    older = said.answer("iptables").text.replace(" (nf_tables)", "")
    assert '{"xt": null}' in nameless
    assert "(nf_tables)" not in older
    expected = as_recorded(name)
    assert told(facts(name), name, said.answer("iptables"), Answer(nameless)) == expected
    assert told(facts(name), name, Answer(older), said.answer("nft")) == expected


@given(st.data(), st.sampled_from(OF_IPTABLES))
def test_lines_that_do_not_pair_with_rules_make_unknown_and_nothing_else(data: st.DataObject, name: str) -> None:
    """A line too few, as where a rule comes in while the tools are asked, or one of another rule: no wrong word."""
    lines = situation(name).answer("iptables").text.split("\n")
    spots = [at for at, line in enumerate(lines) if line.startswith("-A ")]
    at = data.draw(st.sampled_from(spots))
    chain = lines[at].split()[1]
    other = data.draw(st.sampled_from([[], [f"-A {chain} -p udp -m udp --dport 9 -j ACCEPT"], [f"-A {chain} -j DROP"]]))
    text = "\n".join([*lines[:at], *other, *lines[at + 1 :]])
    found = told(facts(name), name, Answer(text), situation(name).answer("nft"))
    for asked, state in as_recorded(name).items():
        assert found[asked] in {state, State.UNKNOWN, State.PARTLY}, asked


@pytest.mark.parametrize("name", OF_IPTABLES)
def test_without_iptables_save_what_nft_shows_by_name_alone_is_unknown(name: str) -> None:
    """Nothing is closed or open that was not, and the tables are there all the same."""
    found = told(facts(name), name, Answer(""), situation(name).answer("nft"))
    for asked, state in as_recorded(name).items():
        assert found[asked] in {state, State.UNKNOWN, State.PARTLY}, asked


def in_text(comment: str) -> str:
    """Return a comment as iptables-save writes it (xtables_save_string)."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", comment)
    return comment if plain else '"' + re.sub(r"([\"\\'])", r"\\\1", comment) + '"'


def saved(comment: str, then: str) -> Tables[V4]:
    """Return what is read of a rule with a comment, and of one behind it."""
    rule = f"-A INPUT -p tcp -m tcp --dport 22 -m comment --comment {in_text(comment)} -j {then}"
    text = f"*filter\n:INPUT DROP [0:0]\n{rule}\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"
    found = read_filters(V4, iptables=None, legacy=Answer(text), nft=None)
    assert not isinstance(found, Unreadable), found
    return found


PIECES = (
    "\n",
    "-A INPUT -j ACCEPT",
    "-A INPUT -j DROP",
    '"',
    "'",
    "\\",
    " ",
    "x",
    "COMMIT",
    "*nat",
    "# Completed on",
    "\x0b",
    "\u2028",
)


@given(st.lists(st.sampled_from(PIECES), min_size=1).map("".join), st.sampled_from(("ACCEPT", "DROP")))
def test_whoever_writes_a_comment_decides_nothing(comment: str, then: str) -> None:
    """Line breaks, quotes and whole rules in a comment: the rules are the two that there are."""
    tables, without = saved(comment, then), saved("none", then)
    everybody = V4.parse("10.0.0.0/30")
    for port in (22, 80, 81):
        assert words(at_host(tables, everybody, port)) == words(at_host(without, everybody, port))


def test_a_line_break_anywhere_else_is_damage() -> None:
    """Only texts of somebody's own may hold one: in the name of a list it could hide the rules behind it."""
    text = '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m recent --name "x\ny" -j DROP\nCOMMIT\n'
    assert isinstance(read_filters(V4, iptables=None, legacy=Answer(text), nft=None), Unreadable)


def test_an_iptables_save_that_fails_at_a_rule_of_nft_hides_nothing_of_what_nft_tells() -> None:
    """Of one of nf_tables the lines before are used; where nft is not there, and of legacy, it is unreadable."""
    said = situation("nft_in_iptables")
    assert said.answer("iptables").status == 3
    assert as_recorded("nft_in_iptables")["tcp", 88, "stranger"] is State.OPEN
    assert isinstance(read_filters(V4, iptables=said.answer("iptables"), legacy=None, nft=None), Unreadable)
    older = replace(said.answer("iptables"), text=said.answer("iptables").text.replace(" (nf_tables)", ""))
    assert isinstance(read_filters(V4, iptables=older, legacy=None, nft=said.answer("nft")), Unreadable)


def test_tables_of_which_iptables_save_hides_chains_need_nft() -> None:
    """It warns of base chains of one's own in a table and does not print them."""
    said = Answer("# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.\n")
    assert isinstance(read_filters(V4, iptables=said, legacy=None, nft=None), Unreadable)


def test_a_dormant_table_filters_nothing() -> None:
    """Its chains are there, and hang nowhere."""
    document = json.loads(situation("nft_in_iptables").answer("nft").text)
    assert {"dormant"} == {
        item["table"]["flags"] for item in document["nftables"] if "table" in item and item["table"]["name"] == "own"
    }
    tables = facts("nft_in_iptables").v4
    assert not isinstance(tables, Unreadable)
    assert [table.bases for table in tables if table.name == "nft inet own"] == [()]
