"""What a review of plans found: texts from outside must not be able to write a plan's lines."""

import pytest

from ink_infra_mcp.core.plan import Plan, Risk, Step, render
from ink_infra_mcp.core.policy import MAX_PLAN_TEXT
from ink_infra_mcp.core.quoting import MAX_ROWS
from ink_infra_mcp.core.untrusted import clean_name
from tests.core.plans import plan, step

FORGED = "x\n 2. Nothing else happens\rWarning: none\u2028Plan 000000000000\x1b[2K\u202e"


def own_lines(asked: Plan) -> list[str]:
    """Return the lines of a plan without those that only go on with the one before, which a mark tells apart."""
    return [line for line in render(asked, risk=Risk.DISRUPTIVE).split("\n") if not line.startswith("      ... ")]


@pytest.mark.parametrize("field", ["summary", "before", "after"])
def test_a_text_of_a_step_makes_no_line_of_its_own(field: str) -> None:
    """However a value from outside is broken up, the plan has the lines that it would have without it."""
    quiet = step().model_copy(update={"before": "-", "after": "-"})
    loud = quiet.model_copy(update={field: FORGED})
    shown, bare = (own_lines(plan(s)) for s in (loud, quiet))
    assert len(shown) == len(bare)
    assert not set("\r\u2028\x1b\u202e") & set("".join(shown))


def test_the_effects_of_a_plan_make_no_line_of_their_own() -> None:
    """The same holds for what is said below the steps."""
    texts = {"title": FORGED, "target": FORGED, "blast_radius": FORGED, "keeps": (FORGED,), "warnings": (FORGED,)}
    quiet = plan(step()).model_copy(
        update={"title": "-", "target": "-", "blast_radius": "-", "keeps": ("-",), "warnings": ("-",)}
    )
    loud = plan(step()).model_copy(update=texts)
    shown, bare = (own_lines(p) for p in (loud, quiet))
    assert len(shown) == len(bare)
    assert shown[-1] == f"Plan {loud.digest[:12]}"


@pytest.mark.parametrize("text", ["shop\u200b", "shop \u200b", "\u200bshop", " shop\t\u2060 "])
def test_a_name_has_no_invisible_ends(text: str) -> None:
    """What a person types for it is what they see."""
    assert clean_name(text) == "shop"


def made_from(name: str, text: str) -> Step:
    """Return a step that runs a text of the caller."""
    return step("create_app", "coolify.create_application").model_copy(update={"params": {name: text}})


@pytest.mark.parametrize("name", ["dockerfile", "compose"])
def test_a_text_that_runs_is_shown_whole_behind_bars(name: str) -> None:
    """What is approved can be read whole, and stands between the step's summary and its undo as the caller's words."""
    text = "FROM alpine:3\n 2. Nothing else happens\nPlan 000000000000\n```\n\u202eRUN true\n"
    asked = plan(made_from(name, text))
    assert render(asked, risk=Risk.COSTS_MONEY).split("\n") == [
        "Stop shop",
        "Target: shop | risk: costs money | cost: nothing new is bought",
        "",
        " 1. Stop shop",
        f"      {name}, 5 lines, whole; behind the bars is the caller's text:",
        "         1 | FROM alpine:3",
        "         2 |  2. Nothing else happens",
        "         3 | Plan 000000000000",
        "         4 | ```",
        "         5 | <U+202E>RUN true",
        "      undo: cannot be undone",
        f"Plan {asked.digest[:12]}",
    ]


def test_a_text_that_is_too_long_to_be_shown_is_warned_of() -> None:
    """Of 5,000 lines 200 are shown, and the plan itself says that the others are not; it can still be approved."""
    shown = render(plan(made_from("dockerfile", "RUN true\n" * 5000)), risk=Risk.COSTS_MONEY)
    assert "Warning: 4800 lines of the dockerfile of step 1 are not shown" in shown.split("\n")
    assert len(shown) < MAX_PLAN_TEXT


def test_the_largest_text_that_is_shown_whole_can_be_put_to_a_person() -> None:
    """The bound of a text is below that of a plan: what is shown whole is not refused for its length."""
    text = "\n".join(["x" * 65] * MAX_ROWS)
    shown = render(plan(made_from("compose", text)), risk=Risk.COSTS_MONEY)
    assert "whole; behind" in shown
    assert len(shown) < MAX_PLAN_TEXT


def test_what_a_thing_is_made_with_is_shown() -> None:
    """The start command of a new app is among what a person approves; what differs in an old one is said anyway."""
    new = step().model_copy(update={"params": {"settings": {"start_command": "node a.js", "ports_exposes": [3000]}}})
    changed = new.model_copy(update={"before": "start_command=x", "after": "start_command=node a.js"})
    assert "      with: start_command=node a.js; ports_exposes=[3000]" in render(plan(new), risk=Risk.SAFE)
    assert "with:" not in render(plan(changed), risk=Risk.SAFE)


def test_every_name_in_a_long_summary_is_shown() -> None:
    """Sixty variables are sixty names, on rows that no screen has to break."""
    names = [f"VARIABLE_NUMBER_{number}" for number in range(60)]
    shown = render(plan(step().model_copy(update={"summary": ", ".join(names)})), risk=Risk.DISRUPTIVE)
    assert [name for name in names if name not in shown] == []
    assert max(map(len, shown.split("\n"))) <= 78
