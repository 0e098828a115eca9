"""Plans: the digest that is approved, the risk that is derived, and the text that a person reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from ink_infra_mcp.core.plan import Plan, Risk, Step, Undo, canonical, placed, risk_of
from ink_infra_mcp.core.step import result_of
from tests.core.plans import plan, step

KINDS = {"coolify.stop": Risk.DISRUPTIVE, "dns.add_record": Risk.SAFE, "coolify.delete_application": Risk.DESTRUCTIVE}

OF_ITSELF = Step(
    id="make",
    kind="dns.add_record",
    target="shop",
    summary="Make it",
    undo=Undo(kind="dns.remove_record", target="shop", summary="remove it", params={"id": [result_of("make", "id")]}),
    undoes=("make",),
)
"""A step that fails has no result, so its undo cannot be given it."""


def test_the_digest_is_over_all_that_would_run() -> None:
    """Equal plans have one digest; another target, parameter or order has another one."""
    first, second = step("one"), step("two")
    digests = {
        asked.digest
        for asked in (
            plan(first, second),
            plan(second, first),
            plan(first),
            plan(first, second, target="till"),
            plan(first, second.model_copy(update={"params": {"uuid": "x"}})),
            plan(first, second, production=True),
            plan(first, second, cost="1.00"),
        )
    }
    assert len(digests) == 7
    assert plan(first, second).digest == plan(first, second).digest


def test_the_digest_does_not_depend_on_where_it_is_computed() -> None:
    """A plan that was stored and read back has the same digest, so that an approval holds across processes."""
    asked = plan(step().model_copy(update={"params": {"b": 1, "a": ["ü", None, 1.5]}}))
    assert Plan.model_validate_json(asked.model_dump_json()).digest == asked.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_canonical_json_ignores_the_order_of_keys(value: dict[str, JsonValue]) -> None:
    """Two ways to write one object are one encoding, in ASCII."""
    turned = dict(reversed(list(value.items())))
    assert canonical(turned) == canonical(value)
    assert canonical(value).isascii()


def test_a_number_that_json_does_not_know_has_no_encoding() -> None:
    """Not-a-number would compare unequal to itself, so it never enters a digest."""
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((step("one"), step("one")), "step id 'one' is used twice"),
        ((step("one").model_copy(update={"uses": ("two",)}), step("two")), "refers to ['two'], which do not come"),
        ((step("one").model_copy(update={"uses": ("one",)}),), "refers to ['one'], which do not come before it"),
        ((step("one").model_copy(update={"undoes": ("two",)}), step("two")), "refers to ['two'], which do not come"),
        ((step("one").model_copy(update={"undoes": ("one",)}),), "undoes ['one'], which cannot be undone"),
        ((OF_ITSELF,), "undoes itself with its own result"),
    ],
)
def test_steps_that_do_not_fit_together_make_no_plan(steps: tuple[Step, ...], told: str) -> None:
    """A step may use only what comes before it, undo only that or itself, and ids are unique."""
    with pytest.raises(ValidationError) as caught:
        plan(*steps)
    assert told in str(caught.value)


def test_an_empty_plan_says_why() -> None:
    """No steps means already so, with a reason; without one it is no plan."""
    assert (plan().is_noop, plan(step()).is_noop) == (True, False)
    with pytest.raises(ValidationError, match="says why"):
        Plan(tool="t", title="T", target="x", locks=())


def test_risk_is_that_of_the_worst_step_and_one_higher_in_production() -> None:
    """Nobody writes a plan's risk by hand: it follows from its steps and from what they touch."""
    record, stop = step("record", "dns.add_record"), step()
    delete = step("delete", "coolify.delete_application")
    assert [
        risk_of(plan(), KINDS),
        risk_of(plan(production=True), KINDS),
        risk_of(plan(record), KINDS),
        risk_of(plan(record, production=True), KINDS),
        risk_of(plan(record, stop), KINDS),
        risk_of(plan(stop, delete), KINDS),
        risk_of(plan(stop, delete, production=True), KINDS),
    ] == [
        Risk.READ,
        Risk.READ,
        Risk.SAFE,
        Risk.COSTS_MONEY,
        Risk.DISRUPTIVE,
        Risk.DESTRUCTIVE,
        Risk.CRITICAL,
    ]


def test_a_step_of_an_undeclared_kind_has_no_risk() -> None:
    """A kind that policy does not know is a bug, never a safe step."""
    with pytest.raises(KeyError):
        risk_of(plan(step("x", "coolify.explode")), KINDS)


def test_risks_are_ordered_and_end_at_critical() -> None:
    """The order is the declared one; one class higher stops at the top and leaves reading alone."""
    assert [risk.rank for risk in Risk] == [0, 1, 2, 3, 4, 5]
    assert [risk.one_higher() for risk in Risk] == [
        Risk.READ,
        Risk.COSTS_MONEY,
        Risk.DISRUPTIVE,
        Risk.DESTRUCTIVE,
        Risk.CRITICAL,
        Risk.CRITICAL,
    ]


def test_a_risk_is_one_word_everywhere() -> None:
    """What a question says of a plan and what the README's table says of a tool are the same words."""
    assert [risk.word for risk in Risk] == ["reads", "safe", "costs", "disruptive", "destructive", "critical"]


def test_steps_are_placed_beside_what_they_name_already() -> None:
    """Policy looks at every server and app of a step; one that is named twice stands once, and none is empty."""
    named = step().model_copy(update={"servers": ("muscle-2",)})
    assert placed([named, step("two")], servers=["muscle-1", "", "muscle-2"], apps=["shop"]) == (
        named.model_copy(update={"servers": ("muscle-2", "muscle-1"), "apps": ("shop",)}),
        step("two").model_copy(update={"servers": ("muscle-1", "muscle-2"), "apps": ("shop",)}),
    )


def test_a_plan_cannot_be_changed() -> None:
    """A plan and its steps are frozen, and unknown fields are errors."""
    asked = plan(step())
    with pytest.raises(ValidationError, match="frozen"):
        setattr(asked, "title", "Other")  # noqa: B010
    with pytest.raises(ValidationError, match="Extra inputs"):
        Plan.model_validate({**asked.model_dump(), "confirmed": True})
