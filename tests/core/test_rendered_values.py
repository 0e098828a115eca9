"""Each value that a step is given is read in its place in the plan, or where the plan points, or is not shown by name
with a reason that holds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.plan import Change, JsonObject, Plan, Risk, Step
from ink_infra_mcp.core.rendering import NOT_SHOWN, render
from tests.core.plan_reader import StepRead, steps_read, told
from tests.core.plans import plan, step
from tests.core.test_rendering import inside

PLANS = Path(__file__).resolve().parents[2] / "tools"
TABLES = ("settings", "variables", "runs", "fields")
NAMES = ("compose", "dockerfile", "user", "port", "start", "step", "field", "image", "newcomer", "before")
TEXTS = (
    "node a.js",
    "node b.js",
    "",
    "FROM a\nRUN b",
    "FROM c\nRUN d",
    "x" * 90,
    "a, b",
    "true",
    "null",
    "8080",
    " x ",
)
KEYS: st.SearchStrategy[str] = st.sampled_from(NAMES)
LEAVES: st.SearchStrategy[JsonValue] = st.sampled_from(TEXTS) | st.booleans() | st.integers(0, 3) | st.none()


def _within(inner: st.SearchStrategy[JsonValue]) -> st.SearchStrategy[JsonValue]:
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3))


VALUES: st.SearchStrategy[JsonValue] = st.recursive(LEAVES, _within, max_leaves=4)
ENTRIES: st.SearchStrategy[JsonObject] = st.dictionaries(KEYS, VALUES, max_size=3)


@st.composite
def params_of(draw: st.DrawFn) -> JsonObject:
    """Return parameters and tables of them."""
    tables: JsonObject = {name: draw(ENTRIES) for name in draw(st.lists(st.sampled_from(TABLES), max_size=2))}
    return {**draw(ENTRIES), **tables}


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Return steps that change or only read, with whatever they are given, and changes that are called the same."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 4))):
        params = draw(params_of())
        kind = "hosts.note" if (reads := draw(st.booleans())) else "coolify.update"
        changes = draw(st.lists(st.builds(_change, st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=2))
        changes += [_change(name, value) for name, value in draw(_copied(params)) if isinstance(value, str)]
        update = {"params": params, "reads": reads, "changes": tuple(changes), "summary": "Do it"}
        made.append(step(f"s{number}", kind).model_copy(update=update))
    return made


def _change(name: str, after: str) -> Change:
    return Change(name=name, before="earlier", after=after)


def _copied(params: JsonObject) -> st.SearchStrategy[list[tuple[str, JsonValue]]]:
    """As plans have them: a change of a setting has the very value that the step is given."""
    entries = [entry for name, _, entry in entries_of(params) if name == "settings"]
    return st.lists(st.sampled_from(entries), max_size=2) if entries else st.just([])


def entries_of(params: JsonObject) -> Iterator[tuple[str, JsonValue, tuple[str, JsonValue]]]:
    """Yield all that is not named as not shown: the parameter, its value, and what a person reads, by name."""
    for name, value in params.items():
        if name in NOT_SHOWN or value in ("", None, [], {}):
            continue
        if name in TABLES and isinstance(value, dict):
            yield from ((name, value, entry) for entry in value.items())
        elif not is_reference(value):
            yield name, value, (name, value)


def is_reference(value: JsonValue) -> bool:
    """Return whether a value stands for what an earlier step returned: there is nothing to read yet."""
    is_place = isinstance(value, dict) and value.keys() == {"step", "field"}
    return is_place and all(isinstance(part, str) for part in cast(JsonObject, value).values())


def is_read(value: JsonValue, text: str) -> bool:
    """Return whether a person who reads the text knows the value: as it is, or as JSON, or as a list of plain words."""
    if isinstance(value, str) and text == value.removesuffix("\n"):
        return True
    words = ", ".join(map(str, value)) if isinstance(value, list) else None
    return text == words or text == json.dumps(value, ensure_ascii=False)


def unread(asked: Plan) -> list[tuple[str, str, JsonValue]]:
    """Return the values of a plan that nobody reads at their step, under their name, or where that points."""
    read = steps_read(inside(render(asked, risk=Risk.DISRUPTIVE)))
    found: list[tuple[str, str, JsonValue]] = []
    for number, one in enumerate(asked.steps, 1):
        there = list(told(read, number))
        for name, _, (key, value) in entries_of(one.params):
            # a change of a setting says its value; a variable may be called as a setting is, and is none
            names = {key} if name == "variables" else {key, f"after {key}"}
            if not any(shown in names and is_read(value, text) for shown, text in there):
                found.append((one.id, key, value))
    return found


@given(steps())
def test_each_value_that_a_step_is_given_is_read_there_or_where_the_plan_points(made: list[Step]) -> None:
    """Of steps that change and such as only read, beside whatever texts and changes that are called the same: only what
    is on the list of what is not shown may be missing.
    """
    assert unread(plan(*made)) == []


def test_a_step_that_only_reads_shows_its_values_beside_a_text_that_was_shown() -> None:
    """One text that stands in the plan already takes the others with it nowhere."""
    text = "services:\n  web: {}"
    change = step("change", "coolify.update_service").model_copy(update={"params": {"compose": text}})
    given_: JsonObject = {"compose": text, "runs": {"web": "node a.js"}, "user": "root"}
    judge = step("judge", "hosts.judge_compose").model_copy(update={"reads": True, "params": given_})
    rows = inside(render(plan(change, judge), risk=Risk.DISRUPTIVE))
    begin = rows.index(" 2. Only reads: Stop shop")
    assert rows[begin + 1 : -1] == [
        "      compose: the text that is shown with step 1",
        "      web = node a.js",
        "      user = root",
    ]


def test_a_variable_that_is_called_as_a_change_is_shown() -> None:
    """A change of a setting says nothing of a variable, and of a setting only the value that it names."""
    changes = (Change(name="start_command", before="a", after="b"), Change(name="port", after="80"))
    given_: JsonObject = {
        "settings": {"start_command": "b", "port": "8080"},
        "variables": {"start_command": "b"},
    }
    asked = plan(step().model_copy(update={"params": given_, "changes": changes}))
    assert inside(render(asked, risk=Risk.DISRUPTIVE))[5:-2] == [
        "      before start_command = a",
        "      after start_command = b",
        "      before port is not set",
        "      after port = 80",
        "      port = 8080",
        "      start_command = b",
    ]


def worked() -> Iterator[tuple[str, Plan]]:
    """Yield the worked plans of all tools that have steps."""
    for path in sorted(PLANS.glob("*/plans/*.json")):
        made = json.loads(path.read_text(encoding="utf-8")).get("plan")
        if made and made.get("steps"):
            yield f"{path.parent.parent.name}/{path.stem}", Plan.model_validate(made)


WORKED = dict(worked())


def lane_by_lane(asked: Plan) -> Iterator[Plan]:
    """Yield each lane of a plan as a plan of its own: how one is told by another is shown by other tests."""
    for lane in dict.fromkeys(one.lane for one in asked.steps):
        own = tuple(one for one in asked.steps if one.lane == lane)
        own = tuple(one.model_copy(update={"uses": (), "undoes": ()}) for one in own)
        yield asked.model_copy(update={"steps": own})


@pytest.mark.parametrize("case", WORKED)
def test_each_value_of_a_worked_plan_is_read(case: str) -> None:
    """The same of the plans that tools really make."""
    assert [missing for lane in lane_by_lane(WORKED[case]) for missing in unread(lane)] == []


def leaves(value: JsonValue) -> Iterator[str]:
    """Yield the words and numbers in a value, but for what stands for a result."""
    if isinstance(value, dict):
        yield from (leaf for part in value.values() for leaf in leaves(part) if not is_reference(value))
    elif isinstance(value, list):
        yield from (leaf for part in value for leaf in leaves(part))
    elif value is not None:
        yield str(value)


NEWCOMERS = {name: made for name, made in WORKED.items() if any("newcomer" in one.params for one in made.steps)}


@pytest.mark.parametrize("case", NEWCOMERS)
def test_how_a_newcomer_is_reached_is_said_by_the_step_that_waits_for_it(case: str) -> None:
    """Address, port, user, key and password's name of each step: that is why they are on the list of what is not shown.

    Steps that go on with the key, after the password was used, have less of it and nothing else.
    """
    for lane in lane_by_lane(NEWCOMERS[case]):
        said = {leaf for one in lane.steps for leaf in leaves(one.params.get("newcomer"))}
        waits = (one.summary for one in lane.steps if one.kind == "hosts.await_ready")
        words = f" {next(waits, '')} ".replace(",", " ")
        assert [leaf for leaf in sorted(said) if f" {leaf} " not in words] == []


def test_the_reader_finds_what_is_missing() -> None:
    """A reader who always agrees would prove nothing."""
    asked = plan(step().model_copy(update={"params": {"user": "root"}}))
    other = asked.model_copy(update={"steps": (step().model_copy(update={"params": {"user": "toor"}}),)})
    read = steps_read(inside(render(other, risk=Risk.SAFE)))
    assert (list(told(read, 1)), unread(asked)) == ([("user", "toor")], [])
    assert not is_read("root", "toor")
    assert list(told({1: StepRead(), 2: StepRead()}, 1)) == []
