"""Lanes that are alike are shown once: what differs of the others is in a table, or the lane stands there whole."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ink_infra_mcp.core.plan import Change, Plan, Risk, Step, Undo
from ink_infra_mcp.core.quoting import WIDTH
from ink_infra_mcp.core.rendering import render
from tests.core.lane_reader import STEP, alone, lanes_in, read_back, unbroken
from tests.core.plans import plan, step
from tests.core.test_rendering import inside, rendered

CASE = Path(__file__).resolve().parents[2] / "tools" / "add_muscle" / "plans" / "bought-two.json"
KEYS = tuple(f"AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 19}{'Zm9v' * 6}" for letter in "ABCDE")
PRINTS = tuple(f"SHA256:{letter * 43}" for letter in "ABCDE")
V4 = ("198.51.100.4", "198.51.100.40", "198.51.100.41", "192.0.2.10", "0.0.0.0")  # noqa: S104 - nothing listens
V6 = ("2001:db8::1", "2001:db8::10", "2001:db8:21::1", "::", "2001:db8:0:0::1")
NAMES = ("s3", "s4", "s33", "s3-s4", "web-1", "web-2", "1", "docker", "undo", "muscle-prod-eu-central-1", "a" * 40)
PIECES = (
    *("{name}", "{name} ", "ink-{name}", "*.{name}.example.com", "{id}__save", "x{name}", "{name}x", "é{name}", "{v4}"),
    *(" {v4} ", "root@{v4} ", "{v4}/32", "{v4}0", "1{v4}", "https://{v4}:80/{name}", " {v6} ", "[{v6}]:22", "{v6}/64"),
    *(" ssh-ed25519 {key} ", "{key}", "{key}x", " {print} ", "{print}x", "-{v4}", "={v4}", "v{v4}", "step 3", " 2. "),
    *("198.51.100.4", " 198.51.100.40 ", "s3", " s4 ", "-s3 ", "web_1", "192.0.2.10/32", " :: ", KEYS[0], PRINTS[1]),
    *(
        "  ",
        "\t",
        "\n",
        "\r",
        "\n      s3 -> s9\n",
        "\u202e",
        "\u200b",
        "e\u0301",
        "\u0301",
        "\0",
        "`",
        "|",
        "**",
        "<b>",
    ),
    *("\ns4, beside the others: steps 2-3 are steps 1-1 of s3, word for word:\n", "yes", "no", " -> ", " = ", "x" * 40),
)
HARMLESS = (
    " {name} ",
    "ink-{name} ",
    "root@{v4} ",
    " {v6}/64 ",
    " ssh-ed25519 {key} ",
    " {print} ",
    "*.{name}.example.com ",
)
WORDS = st.lists(st.sampled_from(HARMLESS), max_size=4).map("".join)
ODD_WORDS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@st.composite
def lanes(draw: st.DrawFn) -> Plan:
    """Return lanes made of the same words with their own names and addresses, some with a change that makes another."""
    words = st.one_of(WORDS, WORDS, WORDS, WORDS, WORDS, ODD_WORDS)
    steps = [draw(st.tuples(words, words, words, words, st.booleans())) for _ in range(draw(st.integers(1, 7)))]
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True))
    values = [_own(draw, name) for name in names]
    made = [lane_of(name, values[n], steps) for n, name in enumerate(names)]
    if draw(st.booleans()):
        made[-1] = changed(draw, made[-1])
    first = [step("shared")] if draw(st.booleans()) else []
    return plan(*first, *(one for lane in made for one in lane))


def _own(draw: st.DrawFn, name: str) -> dict[str, str]:
    picked = {"v4": V4, "v6": V6, "key": KEYS, "print": PRINTS}
    own = {kind: draw(st.sampled_from(all_)) for kind, all_ in picked.items()}
    return {**own, "name": name, "id": name.replace("-", "_")}


def filled(text: str, own: dict[str, str]) -> str:
    """Return a text with a lane's own values in it."""
    for name, value in own.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def lane_of(name: str, own: dict[str, str], steps: list[tuple[str, str, str, str, bool]]) -> list[Step]:
    """Return the steps of a lane: each word of them where a plan can have one."""
    prefix = f"{own['id']}__{len(name)}_"
    made: list[Step] = []
    for number, (said, one, two, long, reads) in enumerate(steps):
        words = [filled(text, own) for text in (said, one, two, long)]
        undo = Undo(kind="coolify.stop", target="-", summary=words[1], effect=words[2])
        made.append(
            Step(
                id=f"{prefix}{number}",
                kind="hosts.note" if reads else "coolify.stop",
                target=name,
                summary=words[0],
                lane=name,
                reads=reads,
                before=words[1],
                after=words[2],
                changes=(Change(name="setting", before=words[2], after=words[3]),),
                params={"compose": f"a: {words[3]}\nb: {words[1]}\n", "settings": {"start": words[1]}, "image": "-"},
                undo=undo,
                undoes=(f"{prefix}{number}",) if number % 2 else (),
            )
        )
    return made


def changed(draw: st.DrawFn, steps: list[Step]) -> list[Step]:
    """Return the steps with one character of what is shown put otherwise, somewhere."""
    at = draw(st.integers(0, len(steps) - 1))
    where = draw(st.sampled_from(("summary", "before", "after", "undo", "change", "param")))
    one, to = steps[at], draw(st.sampled_from("x3. \n|0"))
    text = one.summary if where == "summary" else one.before or ""
    cut = draw(st.integers(0, len(text)))
    new = text[:cut] + to + text[cut + draw(st.integers(0, 1)) :]
    update: dict[str, Any] = {where: new}
    if where == "undo":
        update = {"undo": (one.undo or Undo(kind="a.b", target="", summary="")).model_copy(update={"summary": new})}
    elif where == "change":
        update = {"changes": (Change(name="setting", before="", after=new),)}
    elif where == "param":
        update = {"params": {**one.params, "settings": {"start": new}}}
    return [*steps[:at], one.model_copy(update=update), *steps[at + 1 :]]


@settings(max_examples=250)
@given(lanes())
def test_a_reader_with_the_table_reads_what_the_whole_lane_would_say(asked: Plan) -> None:
    """Whatever is in the lanes, and whatever differs: the values put into the lane that is shown give the other one."""
    shown = render(asked, risk=Risk.DISRUPTIVE)
    read = lanes_in(shown)
    of_others = {lane.of for lane in read.values()}
    for name, lane in read.items():
        found, wanted = unbroken(read_back(shown, name), alone(asked, name))
        # a lane that has to do with no table says of a text that an earlier one has it, as it ever did
        whole = bool(lane.of) or name in of_others
        assert (name, found if whole else _numbered(found)) == (name, wanted if whole else _numbered(wanted))
    assert [*read] == list(dict.fromkeys(step.lane for step in asked.steps if step.lane))


def _numbered(lines: list[str]) -> list[str]:
    return [line for line in lines if STEP.match(line)]


@given(lanes())
def test_a_table_makes_no_row_longer_and_no_code_block_open(asked: Plan) -> None:
    """Rows are 78 columns at most, all printed, and each renderer of Markdown shows one block with them."""
    shown = render(asked, risk=Risk.DISRUPTIVE)
    assert [row for row in inside(shown) if len(row) > WIDTH or not row.isprintable()] == []
    for tags, seen in rendered(shown).values():
        assert (tags, seen.rstrip("\n")) == (["pre", "code"], "\n".join(inside(shown)).rstrip("\n"))


def worked() -> Plan:
    """Return the plan that buys two servers."""
    return Plan.model_validate(json.loads(CASE.read_text(encoding="utf-8"))["plan"])


def with_step(asked: Plan, step_id: str, change: Callable[[dict[str, Any]], object]) -> Plan:
    """Return the plan with one step changed."""
    data = asked.model_dump(mode="json")
    change(next(one for one in data["steps"] if one["id"].endswith(step_id)))
    return Plan.model_validate(data)


def test_two_that_are_alike_are_one_lane_and_a_table() -> None:
    """The second server is one row, also where it has ids of its own; the digest is that of the plan."""
    asked = worked()
    shown = render(asked, risk=Risk.DISRUPTIVE)
    rows = inside(shown)
    begin = rows.index("s4, beside the others: steps 48-92 are steps 3-47 of s3, with these")
    assert rows[begin : begin + 4] == [
        "s4, beside the others: steps 48-92 are steps 3-47 of s3, with these",
        "      ... values in place of those of s3:",
        "      s3 -> s4, also inside longer names",
        "Affects: nobody: no app runs there yet",
    ]
    found, wanted = unbroken(read_back(shown, "s4"), alone(asked, "s4"))
    assert found == wanted
    assert f"Plan {asked.digest[:12]}" in rows


def server(name: str, own: dict[str, str]) -> list[Step]:
    """Return a short lane such as one that takes in a server has."""
    texts = [
        "Wait until {name} answers at {v4} with the host key ssh-ed25519 {key}",
        "Let root log in to {name} from 192.0.2.10/32 only",
        "Load the firewall of {name}: 22/tcp from 192.0.2.10/32; 443/tcp from anywhere",
        "Start registry.example.com/proxy:v1.2 on {name}",
        "Set A of {name}.example.com to {v4}",
        "Set AAAA of {name}.example.com to {v6}",
    ]
    return [
        Step(
            id=f"{name.replace('-', '_')}__{number}",
            kind="coolify.stop",
            target=name,
            summary=filled(text, {**own, "name": name}),
            lane=name,
            params={"user": "root"},
            undo_words="leaves nothing",
        )
        for number, text in enumerate(texts)
    ]


ONE = {"v4": V4[1], "v6": V6[0], "key": KEYS[0]}
TWO = {"v4": V4[2], "v6": V6[2], "key": KEYS[1]}


def said_of(name: str, *others: Step) -> list[str]:
    """Return the rows about a lane beside that of `s3`."""
    rows = inside(render(plan(*server("s3", ONE), *others), risk=Risk.DISRUPTIVE))
    begin = next(n for n, row in enumerate(rows) if row.startswith(f"{name}, "))
    return rows[begin : next(n for n, row in enumerate(rows) if n > begin and not row.startswith(" "))]


def test_each_value_is_written_out_whole_and_a_long_one_behind_bars() -> None:
    """Names, addresses and keys stand in the order in which they appear, each beside what it takes the place of."""
    assert said_of("s4", *server("s4", TWO)) == [
        "s4, beside the others: steps 7-12 are steps 1-6 of s3, with these",
        "      ... values in place of those of s3:",
        "      s3 -> s4, also inside longer names",
        "      198.51.100.40 -> 198.51.100.41",
        "      in s3, 1 lines, whole, behind bars:",
        f"         1 | {KEYS[0][:65]}",
        f"           + {KEYS[0][65:]}",
        "      in s4, 1 lines, whole, behind bars:",
        f"         1 | {KEYS[1][:65]}",
        f"           + {KEYS[1][65:]}",
        "      2001:db8::1 -> 2001:db8:21::1",
    ]


def otherwise(number: int, old: str, new: str) -> list[Step]:
    """Return the lane of `s4` with words of one step put otherwise."""
    steps = server("s4", TWO)
    assert old in steps[number].summary + str(steps[number].params)
    params = {"user": str(steps[number].params["user"]).replace(old, new)}
    update = {"summary": steps[number].summary.replace(old, new), "params": params}
    return [*steps[:number], steps[number].model_copy(update=update), *steps[number + 1 :]]


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (1, "root", "admin"),
        (1, "192.0.2.10/32", "192.0.2.10/0"),
        (2, "443", "444"),
        (2, "192.0.2.10/32", "192.0.2.10/31"),
        (3, "v1.2", "v1.3"),
        (3, "registry.example.com", "registry.example.net"),
        (3, "proxy", "pr0xy"),
        (0, "ssh-ed25519", "ssh-rsa"),
        (0, " at ", " At "),
        (4, "example.com", "example.org"),
    ],
)
def test_what_differs_in_anything_else_is_shown_with_its_step_whole(number: int, old: str, new: str) -> None:
    """Another user, network, port, image or domain is no value of a table: the whole step stands there."""
    steps = otherwise(number, old, new)
    rows = said_of("s4", *steps)
    assert f" {7 + number}. {steps[number].summary}"[:60] in "\n".join(rows)
    assert " ".join(rows).startswith(f"s4, beside the others: steps 7-12 are steps 1-6 of s3, but for {7 + number}")
    shown = render(plan(*server("s3", ONE), *steps), risk=Risk.DISRUPTIVE)
    found, wanted = unbroken(read_back(shown, "s4"), alone(plan(*server("s3", ONE), *steps), "s4"))
    assert found == wanted


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (1, "192.0.2.10", "203.0.113.9"),
        (2, "192.0.2.10", "203.0.113.9"),
        (4, V4[2], "203.0.113.9"),
        (0, V4[2], V4[1]),
    ],
)
def test_an_address_that_is_one_thing_here_and_another_there_is_in_no_table(number: int, old: str, new: str) -> None:
    """What stands for one value stands for it everywhere in the lane; else the lane stands there whole."""
    assert said_of("s4", *otherwise(number, old, new))[0] == "s4, beside the others:"


def test_another_host_key_is_seen_in_the_table() -> None:
    """A key that somebody else holds is one of the few things that a person reads of the second server."""
    evil = {**TWO, "key": KEYS[2]}
    rows = said_of("s4", *server("s4", evil))
    begin = rows.index("      in s4, 1 lines, whole, behind bars:")
    assert rows[begin + 1 : begin + 3] == [f"         1 | {KEYS[2][:65]}", f"           + {KEYS[2][65:]}"]


def test_an_address_opened_everywhere_is_seen_in_the_table() -> None:
    """The network that gets in at every step of one server is another at each of the second: a row says it."""
    steps = [
        one.model_copy(update={"summary": one.summary.replace("192.0.2.10/32", "203.0.113.9/32")})
        for one in server("s4", TWO)
    ]
    assert "      192.0.2.10 -> 203.0.113.9" in said_of("s4", *steps)


def test_lanes_that_are_not_alike_are_as_they_were() -> None:
    """One step less, another kind of step, or more that differs than is the same: each lane stands there whole."""
    steps = server("s4", TWO)
    other_kind = [steps[0].model_copy(update={"kind": "coolify.start"}), *steps[1:]]
    many = [one.model_copy(update={"summary": f"{one.summary}!"}) for one in steps[:3]] + steps[3:]
    assert [said_of("s4", *lane)[0] for lane in (steps[:-1], other_kind, many)] == ["s4, beside the others:"] * 3


def test_lanes_of_two_kinds_are_shown_once_each() -> None:
    """A server is as that of its own kind; which one it is as is said."""
    five, six = ({**TWO, "v4": f"203.0.113.{n}", "key": KEYS[n]} for n in (3, 4))
    text = render(
        plan(
            *server("s3", ONE),
            *server("web-1", five)[1:],
            *server("s4", TWO),
            *server("web-2", {**six, "v6": V6[1]})[1:],
        ),
        risk=Risk.DISRUPTIVE,
    )
    assert {name: lane.of for name, lane in lanes_in(text).items()} == {
        "s3": "",
        "web-1": "",
        "s4": "s3",
        "web-2": "web-1",
    }


def test_a_text_that_another_lane_has_too_stands_in_the_lane_that_others_are_read_by() -> None:
    """Who reads a lane with a table needs no third one; a lane that none is read by refers to a text as before."""
    compose = "services:\n  web: {}\n"

    def lane(name: str, number: int) -> list[Step]:
        one = step(f"{name}__a".replace("-", "_")).model_copy(update={"lane": name, "params": {"compose": compose}})
        return [
            one,
            *(
                step(f"{name}__{n}".replace("-", "_"), target=name).model_copy(update={"lane": name})
                for n in range(number)
            ),
        ]

    asked = plan(*lane("a-1", 3), *lane("b-1", 4), *lane("b-2", 4), *lane("c-1", 5))
    rows = inside(render(asked, risk=Risk.DISRUPTIVE))
    assert [row for row in rows if "beside" in row or "compose" in row] == [
        "a-1, beside the others:",
        "      compose, 2 lines, whole, behind bars:",
        "b-1, beside the others:",
        "      compose, 2 lines, whole, behind bars:",
        "b-2, beside the others: steps 10-14 are steps 5-9 of b-1, with",
        "c-1, beside the others:",
        "      compose: the text that is shown with step 1",
    ]


def test_a_worked_plan_with_one_change_anywhere_shows_it() -> None:
    """Of the plan that buys two: a character that is put otherwise in any step of the second server is read back."""
    asked = worked()
    for one in [one.id for one in asked.steps if one.lane == "s4"]:
        other = with_step(asked, one, lambda data: data.update(summary=re.sub(r"(.)$", r"\1x", data["summary"])))
        shown = render(other, risk=Risk.DISRUPTIVE)
        found, wanted = unbroken(read_back(shown, "s4"), alone(other, "s4"))
        assert found == wanted
        assert alone(other, "s4") != alone(asked, "s4")


def test_a_name_that_only_the_end_of_a_row_makes_is_in_no_table() -> None:
    """Where a longer word is broken right before the name, it looks like the name: the lane stands there whole."""
    word = f"{'y' * 64}s3"
    steps = [
        [
            one.model_copy(update={"summary": f"{word} {one.target} and what is on it"}) if n == 1 else one
            for n, one in enumerate(lane)
        ]
        for lane in (server("s3", ONE), server("s4", TWO))
    ]
    rows = inside(render(plan(*steps[0], *steps[1]), risk=Risk.DISRUPTIVE))
    assert [row for row in rows if "s3 s" in row or "beside" in row] == [
        "s3, beside the others:",
        "      ... s3 s3 and what is on it",
        "s4, beside the others:",
        "      ... s3 s4 and what is on it",
    ]


@pytest.mark.parametrize("word", ["198.51.100.40x", "x198.51.100.40", f"{KEYS[0]}x", "198.51.100.401"])
def test_a_value_inside_a_longer_word_is_in_no_table(word: str) -> None:
    """Where a longer word holds the address of the lane, nobody could tell whether the table means it there."""
    steps = [
        [one.model_copy(update={"undo_words": word}) if n == 1 else one for n, one in enumerate(lane)]
        for lane in (server("s3", ONE), server("s4", TWO))
    ]
    rows = inside(render(plan(*steps[0], *steps[1]), risk=Risk.DISRUPTIVE))
    assert [row for row in rows if "beside" in row] == ["s3, beside the others:", "s4, beside the others:"]


@pytest.mark.parametrize(
    ("one", "other", "apart"), [("s3x", "s3x", False), ("xs3", "xs3", False), ("s3x", "s4x", True)]
)
def test_a_longer_word_with_the_name_in_it_is_not_the_name(one: str, other: str, *, apart: bool) -> None:
    """Where a letter or a digit goes on it is another word: the same in both lanes, or its step is shown in full."""
    first, second = server("s3", ONE), server("s4", TWO)
    first[1] = first[1].model_copy(update={"undo_words": one})
    second[1] = second[1].model_copy(update={"undo_words": other})
    text = render(plan(*first, *second), risk=Risk.DISRUPTIVE)
    assert (lanes_in(text)["s4"].of, lanes_in(text)["s4"].but) == ("s3", "8" if apart else "")
    assert read_back(text, "s4")[5] == f" undo: {other}"


def test_a_text_that_would_be_laid_out_otherwise_is_in_no_table() -> None:
    """Behind a longer name a tab is fewer blanks: who puts the name in reads another row, so the lane stands there."""
    first, second = server("s3", ONE), server("s10", TWO)
    lanes = [
        [lane[0].model_copy(update={"params": {"compose": f"{name}\tx\n{name}\ty\n"}}), *lane[1:]]
        for name, lane in (("s3", first), ("s10", second))
    ]
    rows = inside(render(plan(*lanes[0], *lanes[1]), risk=Risk.DISRUPTIVE))
    assert [row for row in rows if "beside" in row or row.startswith("         ")] == [
        "s3, beside the others:",
        "         1 | s3  x",
        "         2 | s3  y",
        "s10, beside the others:",
        "         1 | s10 x",
        "         2 | s10 y",
    ]
