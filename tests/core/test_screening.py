"""Stored secrets and plans: masked in words, refused in what runs, never put back by an undo."""

import pytest

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Change, Plan, Undo
from ink_infra_mcp.core.screening import screened
from tests.core.plans import plan, step

VALUE = "correct-horse"


def without_secrets(asked: Plan) -> Plan:
    """Return a plan as the guard keeps it, where one secret is stored and `tok-...` is the shape of one."""
    return screened(
        asked,
        by_value=lambda text: text.replace(VALUE, "(hidden)"),
        of_outside=lambda text: text.replace(VALUE, "(hidden)").replace("tok-123", "(shape)"),
        names_in=lambda text: ("app:PASSWORD",) if VALUE in text else (),
    )


@pytest.mark.parametrize(
    "params",
    [
        {"dockerfile": f"FROM a\nENV P={VALUE}\n"},
        {"compose": f"services: {{web: {{command: {VALUE}}}}}"},
        {"settings": {"start_command": f"run {VALUE}"}},
        {"variables": {"P": VALUE}},
        {"urls": [f"https://{VALUE}.example.com"]},
        {"something_new": {"deep": [VALUE]}},
    ],
)
def test_what_runs_with_the_value_of_a_stored_secret_is_no_plan(params: dict[str, object]) -> None:
    """It can be neither shown nor masked; the refusal names the secret, how to hand it over, and no value."""
    with pytest.raises(InputError) as caught:
        without_secrets(plan(step().model_copy(update={"params": params})))
    assert "holds the value of the stored secret app:PASSWORD" in caught.value.failed
    assert "secret:PASSWORD" in str(caught.value)
    assert VALUE not in str(caught.value)


def test_a_setting_that_is_changed_to_the_value_of_a_secret_is_refused_too() -> None:
    """What is there after a change runs, and so counts as what runs."""
    with pytest.raises(InputError, match="start_command"):
        without_secrets(plan(step().model_copy(update={"changes": (Change(name="start_command", after=VALUE),)})))


def test_words_are_masked_and_what_is_replaced_is_masked_by_shape_too() -> None:
    """Words lose stored values only, as what looks like a secret may run; what is replaced runs no more."""
    loud = step().model_copy(
        update={
            "summary": f"Stop {VALUE} tok-123",
            "before": f"{VALUE} tok-123",
            "after": f"{VALUE} tok-123",
            "changes": (Change(name="image", before=f"{VALUE} tok-123", after="tok-123"),),
        }
    )
    asked = plan(loud).model_copy(update={"warnings": (f"{VALUE} tok-123",), "title": VALUE})
    quiet = loud.model_copy(
        update={
            "summary": "Stop (hidden) tok-123",
            "before": "(hidden) (shape)",
            "after": "(hidden) tok-123",
            "changes": (Change(name="image", before="(hidden) (shape)", after="tok-123"),),
        }
    )
    wanted = plan(quiet).model_copy(update={"warnings": ("(hidden) tok-123",), "title": "(hidden)"})
    assert without_secrets(asked) == wanted


def test_an_undo_that_would_put_a_secret_back_is_left_out_and_said_so() -> None:
    """A plan is stored: it holds no stored secret to put back, and no step counts on that undo."""
    back = Undo(kind="coolify.update_service", target="shop", summary="put it back", params={"compose": VALUE})
    first = step("change", "coolify.update_service").model_copy(update={"undo": back, "undoes": ("change",)})
    second = step("deploy").model_copy(update={"undoes": ("change",)})
    told = "cannot be put back: what there is holds the value of a stored secret"
    assert without_secrets(plan(first, second)) == plan(
        first.model_copy(update={"undo": None, "undo_words": told, "undoes": ()}),
        second.model_copy(update={"undoes": ()}),
    )


def test_a_plan_without_secrets_stays_what_it_is() -> None:
    """Its digest too, so that the same call gives the same plan."""
    asked = plan(step().model_copy(update={"params": {"settings": {"a": "1"}}}))
    assert without_secrets(asked).digest == asked.digest
