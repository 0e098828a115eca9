"""Something that nobody knows, at every place of real rules: whoever may come to it is never said to be shut out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.exposure import HostFacts, State, exposures
from ink_infra_mcp.core.firewall.grid import grid
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.netfilter import crossing, way
from ink_infra_mcp.core.firewall.nft_rule import read_rules
from ink_infra_mcp.core.firewall.rules import Rule, Table, Tables, Verdict
from ink_infra_mcp.core.plan import JsonObject
from tests.core.firewall.recorded import CLASSES, NAMES, facts, filters, situation

SEED = "something that nobody knows"
FRONT = {Family.V4: "203.0.113.11", Family.V6: "2001:db8::11"}
PUBLIC = [one for one in CLASSES if one.way == "public"]
Door = tuple[str, int]


class Place(NamedTuple):
    """A place in a table, before the rule of that number in a chain."""

    table: int
    chain: str
    at: int


def places(tables: Tables[A]) -> Iterator[Place]:
    """Yield every place at which a rule may stand."""
    for number, table in enumerate(tables):
        for chain, rules in table.chains.items():
            yield from (Place(number, chain, at) for at in range(len(rules) + 1))


def seeded(tables: Tables[A], place: Place, verdict: Verdict) -> Tables[A]:
    """Return the tables with a rule for everybody at a place."""
    table = tables[place.table]
    rules = list(table.chains[place.chain])
    rules.insert(place.at, Rule(verdict, origin=SEED))
    chains = MappingProxyType({**table.chains, place.chain: tuple(rules)})
    changed = Table(table.name, chains, table.bases)
    return (*tables[: place.table], changed, *tables[place.table + 1 :])


def doors(name: str) -> tuple[Door, ...]:
    """Return the ports that were tried on a recorded host."""
    return tuple(("tcp", port) for port in sorted({seen.port for seen in situation(name).observed}))


def reached(tables: Tables[A], place: Place, known: HostFacts, kind: type[A]) -> set[tuple[str, Door]]:
    """Return whose packets to which ports may come to a place: those that a drop there may stop."""
    callers = {one.name: kind((one.v4 if kind.FAMILY is Family.V4 else one.v6).spans) for one in PUBLIC}
    assert isinstance(known.interfaces, Interfaces)
    everybody = kind.of_spans(span for one in callers.values() for span in one.spans)
    dropping = way(seeded(tables, place, Verdict.DROP))
    told_apart = dropping.told_apart | set(callers.values())
    cells = grid(everybody, told_apart, doors(known.name))
    question = Question(None, kind.parse(FRONT[kind.FAMILY]).spans[0][0], "eth0")
    stops = crossing(dropping, question, cells, known.interfaces).judgement.stops
    stopped = 0
    for here, says in stops:
        stopped |= here if says.endswith(SEED) else 0
    return {
        (caller, door)
        for caller, sources in callers.items()
        for door in cells.rows
        if cells.of(sources) & cells.rows[door] & stopped
    }


def shut(tables: Tables[A], known: HostFacts, kind: type[A]) -> set[tuple[str, Door]]:
    """Return who is said to be shut out of which port."""
    changed = replace(known, **{"v4" if kind.FAMILY is Family.V4 else "v6": tables})
    found = exposures(changed, PUBLIC, doors(known.name))
    return {
        (one.source_class, (one.protocol, one.port))
        for one in found
        if one.family is kind.FAMILY and one.state is State.CLOSED
    }


def holds(known: HostFacts, tables: Tables[A], kind: type[A]) -> int:
    """Check every place of some tables; return how many places are come to at all."""
    came = 0
    for place in places(tables):
        there = reached(tables, place, known, kind)
        if there:
            came += 1
            wrong = there & shut(seeded(tables, place, Verdict.UNKNOWN), known, kind)
            assert not wrong, (tables[place.table].name, place, wrong)
    return came


@pytest.mark.parametrize("name", [name for name in NAMES if name != "open"])
def test_nobody_who_may_come_to_something_unknown_is_said_to_be_shut_out(name: str) -> None:
    """At each place of the rules of a real host, in both families, whatever drops the packet behind it."""
    known = facts(name)
    assert not isinstance(known.v4, Unreadable)
    assert not isinstance(known.v6, Unreadable)
    assert holds(known, known.v4, V4) + holds(known, known.v6, V6) > 0


def expressions(name: str) -> list[list[JsonObject]]:
    """Return the expressions of every rule that nft shows of a recorded host."""
    document = json.loads(situation(name).answer("nft").text)
    return [item["rule"]["expr"] for item in document["nftables"] if "rule" in item]


@given(st.data(), st.sampled_from(NAMES), st.text("abcdefg ", min_size=1).map(lambda word: f"z{word}"))
def test_what_stands_before_an_unknown_expression_says_for_whom_it_is_unknown(
    data: st.DataObject, name: str, unknown: str
) -> None:
    """A rule with one is unknown for all who meet what it asks before, and whatever it says behind is not believed."""
    rules = expressions(name)
    if not rules:
        return
    rule = data.draw(st.sampled_from(rules))
    at = data.draw(st.integers(0, len(rule)))
    seed: JsonObject = {unknown: data.draw(st.sampled_from([None, {"value": 9100}, "to:lo"]))}
    read = read_rules([*rule[:at], seed, *rule[at:]], V4, {}, "")
    before = read_rules(rule[:at], V4, {}, "")
    if any(one.verdict not in {Verdict.CONTINUE, Verdict.UNTRACK} for one in before):
        assert read == before
    else:
        last = before[-1]
        assert read[-1] == replace(last, verdict=Verdict.UNKNOWN, marks=())


@given(st.data(), st.sampled_from([name for name in NAMES if name != "open"]))
def test_an_unknown_rule_in_what_the_tools_print_shuts_nobody_out(data: st.DataObject, name: str) -> None:
    """The same through the readers: nft shows a rule of an unknown kind, which iptables-save does not print."""
    said, known = situation(name), facts(name)
    document = json.loads(said.answer("nft").text)
    items = document["nftables"]
    spots = [at for at, item in enumerate(items) if item.get("rule", {}).get("family") in {"ip", "inet"}]
    if not spots:
        return
    at = data.draw(st.sampled_from(spots))
    rule = {**items[at]["rule"], "handle": 9_999, "expr": [{"newfangled": {"to": 9100}}], "comment": SEED}
    items.insert(at, {"rule": rule})
    tables = filters(V4, said, Answer(json.dumps(document)))
    assert not isinstance(tables, Unreadable)
    number, place = _seed(tables)
    without = seeded_out(tables, number, place)
    wrong = reached(without, place, known, V4) & shut(tables, known, V4)
    assert not wrong


def _seed(tables: Tables[V4]) -> tuple[int, Place]:
    for number, table in enumerate(tables):
        for chain, rules in table.chains.items():
            for at, rule in enumerate(rules):
                if rule.origin.endswith(SEED):
                    assert rule.verdict is Verdict.UNKNOWN
                    return number, Place(number, chain, at)
    raise AssertionError("the rule that was put in was not read")


def seeded_out(tables: Tables[A], number: int, place: Place) -> Tables[A]:
    """Return the tables without the rule at a place."""
    table = tables[number]
    rules = (*table.chains[place.chain][: place.at], *table.chains[place.chain][place.at + 1 :])
    changed = Table(table.name, MappingProxyType({**table.chains, place.chain: rules}), table.bases)
    return (*tables[:number], changed, *tables[number + 1 :])


@pytest.mark.parametrize(
    "odd", ["-j NEWFANGLED --to 9100", "-m newfangled --that -j NEWFANGLED", "-j TEE --gateway 10.0.0.1"]
)
def test_an_unknown_target_of_iptables_shuts_nobody_out(odd: str) -> None:
    """At every place of the rules of legacy iptables, which alone are read from iptables-legacy-save."""
    said, known = situation("legacy_and_nft"), facts("legacy_and_nft")
    lines = said.answer("iptables_legacy").text.split("\n")
    spots = [at for at, line in enumerate(lines) if line.startswith("-A ")]
    assert spots
    for at in (*spots, spots[-1] + 1):
        chain = lines[min(at, spots[-1])].split()[1]
        text = "\n".join([*lines[:at], f"-A {chain} {odd}", *lines[at:]])
        tables = read_filters(V4, iptables=said.answer("iptables"), legacy=Answer(text), nft=said.answer("nft"))
        assert not isinstance(tables, Unreadable)
        number = next(n for n, table in enumerate(tables) if table.name == "iptables-legacy filter")
        rules = tables[number].chains[chain]
        place = Place(number, chain, next(n for n, rule in enumerate(rules) if odd in rule.origin))
        without = seeded_out(tables, number, place)
        assert not reached(without, place, known, V4) & shut(tables, known, V4)
