"""Marks that rules set and test on the way, against a walk of one packet that tries every opaque match both ways."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.marks import Marked, Marks, SetMark
from tests.core.firewall.asking import at_host

SMALL = 3
ALL = 0xFFFFFFFF
PORTS = (22, 80)
numbers = st.integers(0, SMALL)


@dataclass(frozen=True)
class Step:
    """One rule of a chain: whom it is about, and what it does, in iptables' words and in a plain one's."""

    port: int | None
    asks: tuple[str, bool, int, int] | None
    opaque: bool
    then: tuple[str, int, int]

    def line(self, chain: str) -> str:
        """Return it as iptables-save writes it."""
        words = [f"-A {chain} -p tcp"]
        words += [f"-m tcp --dport {self.port}"] if self.port else []
        if self.asks:
            module, negated, value, mask = self.asks
            words.append(f"-m {module} {'! ' if negated else ''}--mark {value:#x}/{mask:#x}")
        words += ["-m geoip --source-country XX"] if self.opaque else []
        verb, value, mask = self.then
        targets = {
            "packet": f"MARK --set-xmark {value:#x}/{mask:#x}",
            "connection": f"CONNMARK --set-xmark {value:#x}/{mask:#x}",
            "save": f"CONNMARK --save-mark --nfmask {value:#x} --ctmask {mask:#x}",
            "restore": f"CONNMARK --restore-mark --nfmask {value:#x} --ctmask {mask:#x}",
        }
        return f"{' '.join(words)} -j {targets.get(verb, verb)}"

    def meets(self, marks: tuple[int, int], port: int) -> bool:
        """Return whether what is not opaque in it holds."""
        if self.port not in {None, port}:
            return False
        if self.asks is None:
            return True
        module, negated, value, mask = self.asks
        return (marks[module == "connmark"] & mask == value) is not negated

    def after(self, marks: tuple[int, int]) -> tuple[int, int]:
        """Return the marks of a packet and its connection behind it (xt_mark.c, xt_connmark.c)."""
        verb, value, mask = self.then
        packet, connection = marks
        match verb:
            case "packet":
                return (packet & ~mask) ^ value, connection
            case "connection":
                return packet, (connection & ~mask) ^ value
            case "save":
                return packet, (connection & ~mask) ^ (packet & value)
            case "restore":
                return (packet & ~value) ^ (connection & mask), connection
            case _:
                return marks


def steps(verbs: tuple[str, ...], *, opaque: bool) -> st.SearchStrategy[list[Step]]:
    """Return some rules that do one of these."""
    asked = st.tuples(st.sampled_from(("mark", "connmark")), st.booleans(), numbers, numbers)
    return st.lists(
        st.builds(
            Step,
            port=st.sampled_from((None, *PORTS)),
            asks=st.none() | asked,
            opaque=st.booleans() if opaque else st.just(False),
            then=st.tuples(st.sampled_from(verbs), numbers, numbers),
        ),
        max_size=5,
    )


SETS = ("packet", "connection", "save", "restore", "ACCEPT")
ENDS = ("ACCEPT", "DROP", "packet")


def ends(chain: list[Step], marks: tuple[int, int], port: int) -> set[tuple[str, tuple[int, int]]]:
    """Return every way in which a packet may leave a chain, with its marks; `back` is to no verdict."""
    if not chain:
        return {("back", marks)}
    step, rest = chain[0], chain[1:]
    if not step.meets(marks, port):
        return ends(rest, marks, port)
    taken = {(step.then[0], marks)} if step.then[0] in {"ACCEPT", "DROP"} else ends(rest, step.after(marks), port)
    return taken | ends(rest, marks, port) if step.opaque else taken


def outcomes(mangle: list[Step], last: list[Step], policy: str, port: int) -> set[str]:
    """Return every verdict that a packet may come to."""
    found: set[str] = set()
    for _, marks in ends(mangle, (0, 0), port):
        found |= {policy if end == "back" else end for end, _ in ends(last, marks, port)}
    return found


def said(mangle: list[Step], last: list[Step], policy: str, port: int) -> set[str]:
    """Return what is computed of the same packet: one verdict, or both where it is not told."""
    rules = "\n".join(step.line("PREROUTING") for step in mangle)
    before = f"*mangle\n:PREROUTING ACCEPT [0:0]\n{rules}\nCOMMIT\n".replace("\n\n", "\n")
    rules = "\n".join(step.line("INPUT") for step in last)
    text = f"*filter\n:INPUT {policy} [0:0]\n{rules}\nCOMMIT\n".replace("\n\n", "\n")
    tables = read_filters(V4, iptables=Answer(before + text), legacy=None, nft=None)
    admitted, denied, _ = at_host(tables, V4.parse("10.0.0.1"), port)
    return {"ACCEPT"} if admitted else {"DROP"} if denied else {"ACCEPT", "DROP"}


@given(
    steps(SETS, opaque=False), steps(ENDS, opaque=False), st.sampled_from(("ACCEPT", "DROP")), st.sampled_from(PORTS)
)
def test_marks_are_what_the_rules_on_the_way_made_of_them(
    mangle: list[Step], last: list[Step], policy: str, port: int
) -> None:
    """Set, flipped in part, saved to the connection, restored from it and tested: nothing is left unknown."""
    assert said(mangle, last, policy, port) == outcomes(mangle, last, policy, port)


@given(steps(SETS, opaque=True), steps(ENDS, opaque=True), st.sampled_from(("ACCEPT", "DROP")), st.sampled_from(PORTS))
def test_a_mark_that_may_have_been_set_settles_nothing(
    mangle: list[Step], last: list[Step], policy: str, port: int
) -> None:
    """Where a rule that sets one is met or not, all verdicts that both ways come to are among what is said."""
    assert said(mangle, last, policy, port) >= outcomes(mangle, last, policy, port)


def test_a_mark_of_which_nobody_tells_stays_so_until_it_is_set_anew() -> None:
    """What is kept or taken of a mark that is not told is not told; a value alone is."""
    lost = Marks().after(SetMark("packet", told=False))
    assert lost == Marks(None, 0)
    assert lost.after(SetMark("packet", keep=ALL)) == lost
    assert lost.after(SetMark("connection", take=ALL)) == Marks(None, None)
    assert lost.after(SetMark("packet", flip=7)) == Marks(7, 0)
    asked = Marked("a mark", of="packet", mask=3, values=((1, 2),))
    assert (lost.meets(asked), Marks(5, 0).meets(asked), Marks(4, 0).meets(asked)) == (None, True, False)
