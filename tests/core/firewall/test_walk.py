"""The symbolic walk against a naive one, packet by packet, over random rule sets read from iptables-save text."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.firewall.netfilter import passage, way
from ink_infra_mcp.core.firewall.rules import Base, Hook, Rule, Table, Tables, Verdict, Work
from tests.core.firewall.asking import at_host, words
from tests.core.firewall.naive import CONTAINER, FIRST, HOST, LOOPBACK, Packet, Plain, PlainTable, World
from tests.core.firewall.routed import routed

SOURCES = range(6)
EVERYBODY = V4.parse(f"10.0.0.{SOURCES[0]}-10.0.0.{SOURCES[-1]}")
PORTS = (80, 8000)
INSIDE = ("ACCEPT", "DROP", "RETURN", "jump two", "goto two")
AT_HOOK = ("ACCEPT", "DROP", "jump one", "goto one", "jump two", "goto two")


def plain(thens: tuple[str, ...], ports: tuple[int, ...] = PORTS) -> st.SearchStrategy[Plain]:
    """Return rules that end in one of the given ways."""
    return st.builds(
        Plain,
        then=st.sampled_from(thens),
        protocol=st.sampled_from(("tcp", "udp")),
        port=st.sampled_from((None, *ports)),
        sources=st.none() | st.tuples(st.sampled_from(SOURCES), st.sampled_from(SOURCES)).map(between),
        not_sources=st.booleans(),
        to=st.sampled_from((None, None, None, HOST, FIRST, CONTAINER)),
        came_by=st.sampled_from((None, None, "eth0", "eth1")),
        not_came_by=st.booleans(),
        state=st.sampled_from((None, None, "new", "established")),
        asked_port=st.sampled_from((None, None, None, *ports)),
        opaque=st.sampled_from((False, False, False, True)),
    )


def on_the_way_out() -> st.SearchStrategy[Plain]:
    """Return rules for answers: they ask from which port these come, and in which state."""
    return st.builds(
        Plain,
        then=st.sampled_from(("ACCEPT", "DROP", "jump two")),
        protocol=st.just("tcp"),
        from_port=st.sampled_from((None, *PORTS)),
        state=st.sampled_from((None, "new", "established")),
        asked_port=st.sampled_from((None, None, *PORTS)),
        opaque=st.sampled_from((False, False, True)),
    )


def between(ends: tuple[int, int]) -> frozenset[int]:
    """Return the numbers from one end to the other."""
    return frozenset(range(min(ends), max(ends) + 1))


def chain(thens: tuple[str, ...]) -> st.SearchStrategy[list[Plain]]:
    """Return a chain of such rules."""
    return st.lists(plain(thens), max_size=6)


def table() -> st.SearchStrategy[PlainTable]:
    """Return a filter table with chains that jump to each other."""
    policy = st.sampled_from(("ACCEPT", "DROP"))
    chains = {
        **{"INPUT": chain(AT_HOOK), "FORWARD": chain(AT_HOOK), "one": chain(INSIDE), "two": chain(INSIDE[:3])},
        "OUTPUT": st.just([]) | st.lists(on_the_way_out(), max_size=3),
    }
    policies = {"INPUT": policy, "FORWARD": policy, "OUTPUT": st.sampled_from(("ACCEPT", "ACCEPT", "DROP"))}
    return st.builds(PlainTable, chains=st.fixed_dictionaries(chains), policies=st.fixed_dictionaries(policies))


def translations() -> st.SearchStrategy[PlainTable]:
    """Return a nat table that sends some packets on to a container, to the host's first address or its loopback."""
    sent = (f"DNAT {CONTAINER}:80", f"DNAT {CONTAINER}:8000", f"DNAT {LOOPBACK}:80", f"DNAT {HOST}:8000")
    return st.lists(plain((*sent, "REDIRECT 8000", "ACCEPT", "RETURN")), max_size=4).map(
        lambda rules: PlainTable({"PREROUTING": rules}, {"PREROUTING": "ACCEPT"})
    )


def taken_out() -> st.SearchStrategy[PlainTable]:
    """Return a raw table that takes some packets out of connection tracking."""
    rules = st.builds(
        Plain,
        then=st.sampled_from(("NOTRACK", "ACCEPT", "DROP")),
        protocol=st.just("tcp"),
        port=st.sampled_from((None, *PORTS)),
        sources=st.none() | st.tuples(st.sampled_from(SOURCES), st.sampled_from(SOURCES)).map(between),
    )
    return st.lists(rules, max_size=2).map(lambda found: PlainTable({"PREROUTING": found}, {"PREROUTING": "ACCEPT"}))


def worlds() -> st.SearchStrategy[World]:
    """Return hosts with one or two tools that translate and filter at the same places."""
    return st.builds(
        World,
        nats=st.tuples(translations()) | st.tuples(translations(), translations()),
        filters=st.tuples(table()) | st.tuples(table(), table()),
        raw=st.none() | taken_out(),
        localnet=st.booleans(),
    )


def interfaces(*, localnet: bool = False) -> Interfaces:
    """Return a host with two public addresses, of which the second is called, and Docker's bridge."""
    family = V4.FAMILY
    networks = (("eth0", FIRST, "203.0.113.0/24"), ("eth0", HOST, "203.0.113.0/24"), ("docker0", "172.17.0.1", BRIDGED))
    own = (
        OwnAddress(name, family, text, V4.parse(text).spans[0][0], V4.parse(network), int(network[-2:]))
        for name, text, network in networks
    )
    return routed(Interfaces(tuple(own)), localnet=frozenset({"eth0"} if localnet else ()))


BRIDGED = "172.17.0.0/16"


def read(world: World) -> Tables[V4]:
    """Return the tables of a world; the second of each kind is one of the old tool."""
    new = [world.nats[0].text("nat"), world.filters[0].text("filter"), *([world.raw.text("raw")] if world.raw else [])]
    old = [each.text("nat") for each in world.nats[1:]] + [each.text("filter") for each in world.filters[1:]]
    found = read_filters(V4, iptables=Answer("".join(new)), legacy=Answer("".join(old)) if old else None, nft=None)
    assert not isinstance(found, Unreadable)
    return found


def judged(world: World, port: int, protocol: str) -> dict[int, set[str]]:
    """Return how the connect of each source may end, as the product computes it."""
    admitted, denied, unknown = at_host(read(world), EVERYBODY, port, protocol, interfaces(localnet=world.localnet))
    ends = {"ACCEPT": admitted, "DROP": denied}
    numbers = {source: V4.parse(f"10.0.0.{source}").spans[0][0] for source in SOURCES}
    return {
        source: {"ACCEPT", "DROP"} if number in unknown else {end for end, those in ends.items() if number in those}
        for source, number in numbers.items()
    }


@given(worlds(), st.sampled_from(PORTS), st.sampled_from(("tcp", "udp")))
def test_the_symbolic_walk_agrees_with_a_walk_of_every_packet(world: World, port: int, protocol: str) -> None:
    """Each source is admitted, denied or unknown as its packet and its answer end: in accept, in drop, in both."""
    said = judged(world, port, protocol)
    assert said == {source: world.outcomes(Packet(source, port, protocol)) for source in SOURCES}


LOST = Plain("LOSE")


def seeded(world: World) -> Iterator[World]:
    """Yield the world with something that nobody can place in it, at every place of its rules in turn."""
    for kind in ("nats", "filters"):
        tables = getattr(world, kind)
        for which, each in enumerate(tables):
            for name, rules in each.chains.items():
                for at in range(len(rules) + 1):
                    changed = each.with_rule(name, at, LOST)
                    yield replace(world, **{kind: (*tables[:which], changed, *tables[which + 1 :])})
    if world.raw:
        for at in range(len(world.raw.chains["PREROUTING"]) + 1):
            yield replace(world, raw=world.raw.with_rule("PREROUTING", at, LOST))


@settings(max_examples=40)
@given(worlds(), st.sampled_from(PORTS))
def test_what_cannot_be_placed_closes_nothing_behind_it(world: World, port: int) -> None:
    """With an unknown target at any place of a rule set, whoever may come to it is unknown: never denied."""
    before = {source: world.outcomes(Packet(source, port)) for source in SOURCES}
    for changed in seeded(world):
        said = judged(changed, port, "tcp")
        assert said == {source: changed.outcomes(Packet(source, port)) for source in SOURCES}
        wrong = {source for source in SOURCES if said[source] == {"DROP"} and "ACCEPT" in before[source]}
        assert wrong == set()


PLACES: tuple[tuple[Hook, int, Work], ...] = (
    ("ingress", 0, "filter"),
    ("prerouting", -300, "filter"),
    ("prerouting", -200, "filter"),
    ("prerouting", -150, "filter"),
    ("prerouting", -100, "filter"),
    ("prerouting", -100, "nat"),
    ("prerouting", 0, "filter"),
    ("input", 0, "filter"),
    ("output", 0, "filter"),
)
"""The places of the way in and of the answer, in their order; at -100 either of two may be the first."""


def hung(place: tuple[Hook, int, Work], name: str, verdict: Verdict) -> Table[V4]:
    """Return a table with one chain at a place, which does the same with every packet."""
    hook, priority, work = place
    return Table(name, {"c": (Rule(verdict, origin="one"),)}, (Base("c", hook, priority, work=work),))


def test_no_drop_behind_something_unknown_is_believed() -> None:
    """At each place of the way: a drop before it closes; one behind it, or beside it, tells nothing any more."""
    for lost, place in enumerate(PLACES):
        for drop, other in enumerate(PLACES):
            tables = (hung(place, "lost", Verdict.UNKNOWN), hung(other, "drop", Verdict.DROP))
            admitted, denied, unknown = words(at_host(tables, V4.parse(ALL), 22, interfaces=interfaces()))
            beside = place[:2] == other[:2]
            closed = drop < lost and not beside and other[0] != "ingress"
            assert (admitted, denied, unknown) == ((NOBODY, ALL, NOBODY) if closed else (NOBODY, NOBODY, ALL)), (
                place,
                other,
            )


def verdicts(*rules: str, policy: str = "DROP") -> tuple[str, str, str]:
    """Return who is admitted, denied and unknown to tcp 22 of 10.0.0.0/30 where INPUT has these rules."""
    lines = "\n".join(f"-A INPUT {rule}" for rule in rules)
    text = f"*filter\n:INPUT {policy} [0:0]\n{lines}\nCOMMIT\n"
    tables = read_filters(V4, iptables=Answer(text), legacy=None, nft=None)
    return words(at_host(tables, V4.parse("10.0.0.0/30"), 22))


ALL, NOBODY = "10.0.0.0/30", "nobody"


def test_an_opaque_match_is_unknown_unless_both_ways_agree() -> None:
    """Accept if met and else accept is open, drop if met and else drop is closed, anything else is unknown."""
    assert verdicts("-m geoip --source-country XX -j ACCEPT", "-j ACCEPT") == (ALL, NOBODY, NOBODY)
    assert verdicts("-m geoip --source-country XX -j DROP") == (NOBODY, ALL, NOBODY)
    assert verdicts("-m geoip --source-country XX -j ACCEPT") == (NOBODY, NOBODY, ALL)
    half = verdicts("-s 10.0.0.0/31 -m set --match-set friends src -j ACCEPT")
    assert half == (NOBODY, "10.0.0.2/31", "10.0.0.0/31")
    assert verdicts("-m geoip --source-country XX -j DROP", policy="ACCEPT") == (NOBODY, NOBODY, ALL)
    assert verdicts("-j TARPIT") == (NOBODY, NOBODY, ALL)


def test_a_rate_opens_but_never_closes() -> None:
    """A first packet keeps every rate, so it is let in; that a rate would drop it proves nothing."""
    assert verdicts("-m limit --limit 3/min -j ACCEPT") == (ALL, NOBODY, NOBODY)
    limited = ("-m recent --set --name x", "-m recent --update --seconds 30 --hitcount 6 --name x -j DROP", "-j ACCEPT")
    assert verdicts(*limited) == (ALL, NOBODY, NOBODY)
    assert verdicts("-m limit --limit 3/min -j DROP", policy="ACCEPT") == (NOBODY, NOBODY, ALL)
    assert verdicts("-p tcp -m tcp --sport 53 -j ACCEPT") == (NOBODY, NOBODY, ALL)
    assert verdicts("-p tcp -m tcp --sport 1024:65535 -j DROP", policy="ACCEPT") == (NOBODY, NOBODY, ALL)
    assert verdicts("-p tcp -m tcp --sport 1024:65535 -j ACCEPT") == (ALL, NOBODY, NOBODY)


def test_untracked_packets_are_in_no_state_of_a_connection() -> None:
    """Where a rule takes packets out of conntrack, a rule for new connections does not meet them."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n"
    text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n"
    tables = read_filters(V4, iptables=Answer(raw + text), legacy=None, nft=None)
    assert words(at_host(tables, V4.parse("10.0.0.0/30"), 22)) == (NOBODY, ALL, NOBODY)
    assert words(at_host(tables, V4.parse("10.0.0.0/30"), 22, "udp")) == (
        ALL,
        NOBODY,
        NOBODY,
    )


def test_untracked_packets_are_not_sent_on() -> None:
    """A translation needs conntrack: what is taken out of it stays at the host, what may be goes both ways."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp {}-j CT --notrack\nCOMMIT\n"
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination {CONTAINER}:80\nCOMMIT\n"
    text = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    either = (raw.format("-m geoip --source-country XX "), (NOBODY, NOBODY, ALL))
    for before, answer in (("", (ALL, NOBODY, NOBODY)), (raw.format(""), (NOBODY, ALL, NOBODY)), either):
        tables = read_filters(V4, iptables=Answer(before + nat + text), legacy=None, nft=None)
        assert words(at_host(tables, V4.parse(ALL), 22, interfaces=interfaces())) == answer


def test_the_first_drop_in_the_packets_way_is_the_evidence() -> None:
    """Tables are walked by hook and priority, in whichever order they were read."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DROP\nCOMMIT\n"
    mangle = "*mangle\n:PREROUTING DROP [0:0]\n:INPUT DROP [0:0]\nCOMMIT\n"
    text = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
    tables = read_filters(V4, iptables=Answer(text + mangle + raw), legacy=None, nft=None)
    assert not isinstance(tables, Unreadable)
    question = Question("tcp", 1, "eth0", port=22)
    for kept, first in ((tables, "raw: -A PREROUTING -p tcp -j DROP"), (tables[:2], "mangle: PREROUTING: policy drop")):
        stops = passage(way(kept), question, V4.parse(ALL), interfaces()).judgement.stops
        assert [piece.says for piece in stops] == [f"iptables {first}"]
    inside = passage(way(tables[:1]), question, V4.parse(ALL), interfaces()).judgement.stops
    assert [piece.says for piece in inside] == ["iptables filter: INPUT: policy drop"]
