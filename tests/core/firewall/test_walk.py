"""The symbolic walk against a naive one, packet by packet, over random rule sets read from iptables-save text."""

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress, read_interfaces
from ink_infra_mcp.core.firewall.netfilter import passage, way
from tests.core.firewall.asking import at_host, words
from tests.core.firewall.naive import CONTAINER, HOST, Packet, Plain, PlainTable, outcomes
from tests.core.firewall.recorded import situation

SOURCES = range(6)
PORTS = (80, 8000)
INSIDE = ("ACCEPT", "DROP", "RETURN", "jump two", "goto two")
AT_HOOK = ("ACCEPT", "DROP", "jump one", "goto one", "jump two", "goto two")


def plain(thens: tuple[str, ...], ports: tuple[int, ...] = PORTS) -> st.SearchStrategy[Plain]:
    """Return rules that end in one of the given ways."""
    protocols = st.sampled_from(("tcp", "udp"))
    return st.builds(
        Plain,
        then=st.sampled_from(thens),
        protocol=protocols,
        port=st.sampled_from((None, *ports)),
        sources=st.none() | st.tuples(st.sampled_from(SOURCES), st.sampled_from(SOURCES)).map(between),
        not_sources=st.booleans(),
        came_by=st.sampled_from((None, None, "eth0", "eth1")),
        not_came_by=st.booleans(),
        state=st.sampled_from((None, None, "new", "established")),
        asked_port=st.sampled_from((None, None, None, *ports)),
        opaque=st.sampled_from((False, False, False, True)),
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
    chains = {"INPUT": chain(AT_HOOK), "FORWARD": chain(AT_HOOK), "one": chain(INSIDE), "two": chain(INSIDE[:3])}
    return st.builds(
        PlainTable,
        chains=st.fixed_dictionaries(chains),
        policies=st.fixed_dictionaries({"INPUT": policy, "FORWARD": policy}),
    )


def translations() -> st.SearchStrategy[PlainTable]:
    """Return a nat table that sends some packets on to a container."""
    thens = (f"DNAT {CONTAINER}:80", f"DNAT {CONTAINER}:8000", "ACCEPT", "RETURN")
    return st.lists(plain(thens), max_size=4).map(
        lambda rules: PlainTable({"PREROUTING": rules}, {"PREROUTING": "ACCEPT"})
    )


def interfaces() -> Interfaces:
    """Return a host with one public address and Docker's bridge."""
    number = V4.parse(HOST).spans[0][0]
    bridge = V4.parse("172.17.0.1").spans[0][0]
    known = read_interfaces(situation("open").answer("addresses"))
    assert isinstance(known, Interfaces)
    family = V4.FAMILY
    return Interfaces(
        (
            OwnAddress("eth0", family, HOST, number, V4.parse("203.0.113.0/24"), 24),
            OwnAddress("docker0", family, "172.17.0.1", bridge, V4.parse("172.17.0.0/16"), 16),
        )
    )


@given(translations(), table(), st.none() | table(), st.sampled_from(PORTS), st.sampled_from(("tcp", "udp")))
def test_the_symbolic_walk_agrees_with_a_walk_of_every_packet(
    nat: PlainTable, first: PlainTable, second: PlainTable | None, port: int, protocol: str
) -> None:
    """Each source is admitted, denied or unknown as all walks of its packet end: in accept, in drop, in both."""
    filters = [first, second] if second else [first]
    tables = read_filters(
        V4,
        iptables=Answer(nat.text("nat") + first.text("filter")),
        legacy=Answer(second.text("filter")) if second else None,
        nft=None,
    )
    assert not isinstance(tables, Unreadable)
    everybody = V4.parse(f"10.0.0.{SOURCES[0]}-10.0.0.{SOURCES[-1]}")
    admitted, denied, unknown = at_host(tables, everybody, port, protocol, interfaces())
    for source in SOURCES:
        number = V4.parse(f"10.0.0.{source}").spans[0][0]
        ends = {"ACCEPT"} if number in admitted else {"DROP"} if number in denied else set[str]()
        said = {"ACCEPT", "DROP"} if number in unknown else ends
        assert said == outcomes(nat, filters, Packet(source, port, protocol)), f"source {source}"


def verdicts(*rules: str, policy: str = "DROP") -> tuple[str, str, str]:
    """Return who is admitted, denied and unknown to tcp 22 of 10.0.0.0/30 where INPUT has these rules."""
    lines = "\n".join(f"-A INPUT {rule}" for rule in rules)
    text = f"*filter\n:INPUT {policy} [0:0]\n{lines}\nCOMMIT\n"
    tables = read_filters(V4, iptables=Answer(text), legacy=None, nft=None)
    return words(at_host(tables, V4.parse("10.0.0.0/30"), 22))


ALL, NOBODY = "10.0.0.0/30", "nobody"


def test_an_opaque_match_is_unknown_unless_both_ways_agree() -> None:
    """Accept if marked and else accept is open, drop if marked and else drop is closed, anything else is unknown."""
    assert verdicts("-m mark --mark 0x1 -j ACCEPT", "-j ACCEPT") == (ALL, NOBODY, NOBODY)
    assert verdicts("-m mark --mark 0x1 -j DROP") == (NOBODY, ALL, NOBODY)
    assert verdicts("-m mark --mark 0x1 -j ACCEPT") == (NOBODY, NOBODY, ALL)
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


def test_untracked_packets_may_or_may_not_be_sent_on() -> None:
    """A translation needs conntrack: where packets may bypass it, both the container and the host itself are meant."""
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n"
    nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination {CONTAINER}:80\nCOMMIT\n"
    text = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    for before, answer in (("", (ALL, NOBODY, NOBODY)), (raw, (NOBODY, NOBODY, ALL))):
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
