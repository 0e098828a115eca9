"""What stays of a plan that nobody needs: names, tags and digests; no value, no text that ran, and little."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.operation import Check, Outcome
from ink_infra_mcp.core.plan import Change, JsonObject, Plan, Step, Undo
from ink_infra_mcp.core.receipt import Problem, Receipt, StepReport
from ink_infra_mcp.core.thinning import is_thinned, remembered, thinned, thinned_receipt, thinned_results
from tests.contract.cases import Case, all_cases, outcome

VALUE = "v4lue-that-was-plain"
PLAN = Plan(
    tool="deploy_app",
    title="Update shop on muscle-1",
    target="shop",
    locks=("app:u1", "name:shop"),
    production=True,
    steps=(
        Step(
            id="update",
            kind="coolify.update_application",
            target="shop",
            summary="Change start_command, docker_registry_image_tag of shop",
            servers=("muscle-1",),
            apps=("shop",),
            before=VALUE,
            after=VALUE,
            changes=(Change(name="start_command", before=VALUE, after=VALUE),),
            params={"app": "u1", "settings": {"start_command": VALUE, "docker_registry_image_tag": "v1"}},
            undo=Undo(kind="coolify.update_application", target="shop", summary="as before", params={"x": VALUE}),
            undoes=("update",),
        ),
        Step(
            id="pin",
            kind="coolify.update_application",
            target="shop",
            summary="Set docker_registry_image_tag of shop",
            before="v0",
            after="v1",
            params={"app": {"step": "update", "field": "uuid"}, "dockerfile": VALUE, "commit": "c0ffee"},
        ),
        Step(
            id="set_env",
            kind="coolify.set_env",
            target="shop",
            summary="Variables of shop: add A, B, C",
            params={"app": "u1", "service": False, "variables": {"A": VALUE, "B": "secret:B", "C": "generate:"}},
        ),
    ),
    keeps=("volumes",),
    warnings=(VALUE,),
    pinned={"placement": {"muscle": "muscle-1"}, "resumes": "op-0", "results": {"x": {"y": VALUE}}},
    phrase="shop",
)


def test_of_a_plan_that_ran_names_tags_and_references_stay() -> None:
    """What our own record is asked later is there still, and nothing else: it is compared whole."""
    assert thinned(PLAN) == Plan(
        tool="deploy_app",
        title="Update shop on muscle-1",
        target="shop",
        locks=("app:u1", "name:shop"),
        production=True,
        steps=(
            Step(
                id="update",
                kind="coolify.update_application",
                target="shop",
                summary="",
                servers=("muscle-1",),
                apps=("shop",),
                params={"app": "u1", "settings": {"docker_registry_image_tag": "v1"}},
            ),
            Step(
                id="pin",
                kind="coolify.update_application",
                target="shop",
                summary="",
                before="v0",
                params={"app": {"step": "update", "field": "uuid"}, "commit": "c0ffee"},
            ),
            Step(
                id="set_env",
                kind="coolify.set_env",
                target="shop",
                summary="",
                params={"app": "u1", "service": False, "variables": {"B": "secret:B"}},
            ),
        ),
        pinned={"resumes": "op-0", "forgotten": True},
        reason="Its steps are no longer kept.",
    )


def test_of_a_plan_that_never_ran_only_the_title_stays() -> None:
    """No step, no lock and no value is left, and it says of itself that it is not whole."""
    assert remembered(PLAN) == Plan(
        tool="deploy_app",
        title="Update shop on muscle-1",
        target="shop",
        locks=(),
        pinned={"forgotten": True},
        reason="Its steps are no longer kept.",
    )
    assert (is_thinned(remembered(PLAN)), is_thinned(thinned(PLAN)), is_thinned(PLAN)) == (True, True, False)


def test_of_a_receipt_the_outcome_its_proofs_and_its_cause_stay() -> None:
    """Logs of others, the plan's text and long results are gone."""
    receipt = Receipt(
        outcome=Outcome.UNDONE,
        message="It failed.",
        operation_id="op-1",
        plan=VALUE,
        plan_digest="d",
        steps=(StepReport(id="a", summary="Do it", state="failed"),),
        checks=(Check(name="tls", status="passed", evidence="x" * 500),),
        result={"url": "https://shop.example.com", "log": [VALUE]},
        problem=Problem(code="step_failed", message="It broke.", stage="deployment", untrusted_log=(VALUE,)),
    )
    assert thinned_receipt(receipt) == Receipt(
        outcome=Outcome.UNDONE,
        message="It failed.",
        operation_id="op-1",
        plan_digest="d",
        steps=(StepReport(id="a", summary="Do it", state="failed"),),
        checks=(Check(name="tls", status="passed", evidence=f"{'x' * 119}…"),),
        result={"url": "https://shop.example.com"},
        problem=Problem(code="step_failed", message="It broke.", stage="deployment"),
    )


def test_of_results_only_which_steps_ran_and_on_what_stays() -> None:
    """The uuid of an app that the operation made is how its record is found."""
    results: dict[str, JsonObject] = {"create_app": {"uuid": "u1", "domains": [VALUE]}, "deploy": {"status": VALUE}}
    assert thinned_results(results) == {"create_app": {"uuid": "u1"}, "deploy": {}}


PLANNED = [case for case in all_cases() if (case.read().plan or {}).get("steps")]


@pytest.mark.parametrize("case", PLANNED, ids=lambda case: case.name)
def test_every_worked_plan_is_small_once_it_is_thinned(case: Case) -> None:
    """Plan, receipt and approval are at most two thirds of the ten kilobytes that an operation may leave behind, of a
    plan for many apps, servers or releases 230 bytes a step; none of its texts that ran is among them.
    """
    plan = outcome(case.tool, case.read())
    assert isinstance(plan, Plan)
    left = thinned(plan).model_dump_json(exclude_defaults=True)
    steps = tuple(StepReport(id=step.id, summary=step.summary, state="done") for step in plan.steps)
    receipt = thinned_receipt(Receipt(outcome=Outcome.APPLIED, message="Done.", steps=steps))
    sizes = len(left), len(receipt.model_dump_json(exclude_defaults=True)), len(remembered(plan).model_dump_json())
    assert sum(sizes) < max(6_600, 230 * len(plan.steps))
    gone = [step.params.get(name) for step in plan.steps for name in ("compose", "dockerfile")]
    assert not [text for text in gone if text and str(text) in left]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(VALUE) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "app", "settings"]), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["settings", "variables", "compose", "dockerfile", "names", "runs", "pins", "rules", "options"])


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_no_value_of_any_parameter_stays(params: dict[str, Any]) -> None:
    """Whatever a step was given under whatever name that is no name of a thing: it is gone."""
    step = Step(id="a", kind="x.y", target="shop", summary="Do it", params=params)
    plan = Plan(tool="t", title="T", target="shop", locks=(), steps=(step,))
    assert VALUE not in thinned(plan).model_dump_json()
