"""The worked cases are what the tools really plan. `UPDATE_PLANS=1 pytest tests/contract/test_plans.py` writes them."""

import json
import os
from collections.abc import Iterator
from typing import cast

import pytest

from ink_infra_mcp.core.plan import Plan, Risk
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.server.backend import AnyMutation
from tests.contract.cases import FOLDER, Case, CaseFile, all_cases, facts_of, outcome, said, write
from tests.contract.catalog import MUTATIONS, kinds

CASES = all_cases()
PLANS = [case for case in CASES if case.read().plan is not None]
UPDATE = "UPDATE_PLANS"
FEWEST = 3
ABOUT_SERVERS = (
    *("hosts.", "hetzner_", "cloudflare.", "nameservers.", "fleet.", "factory."),
    *("coolify.create_private_key", "coolify.delete_private_key"),
    *(f"coolify.{verb}_server" for verb in ("create", "validate", "delete", "set")),
    *("coolify.start_proxy", "coolify.create_project", "coolify.create_environment", "registry.signed_image"),
)
"""How kinds begin whose steps need to name no app."""
RESUMES = "resume_operation"
"""The one tool whose steps are those of others; their own cases show them."""


def plan_of(case: Case) -> Plan:
    """Return what the tool plans in a case that has a plan."""
    found = outcome(case.tool, case.read())
    assert isinstance(found, Plan), found
    return found


def texts(value: object) -> Iterator[str]:
    """Yield every text inside a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in cast(dict[str, object], value).items():
            yield from (name, *texts(part))
    elif isinstance(value, list):
        for part in cast(list[object], value):
            yield from texts(part)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worked_case_is_what_the_tool_plans(case: Case) -> None:
    """Given these facts, this is the whole plan that a person is asked about, or the refusal, word for word.

    The digest of a plan is over what is compared here, so the same facts give the same digest in every process.
    """
    if os.environ.get(UPDATE):
        if os.environ.get("CI"):
            pytest.fail(f"{UPDATE} is for a person who reads what changed")
        write(case)
        pytest.fail(f"{case.path.name} was written; read what changed, and run again without {UPDATE}")
    file = case.read()
    found = outcome(case.tool, file)
    if isinstance(found, str):
        assert {"refusal": found} == {"refusal": file.refusal}
    else:
        assert file.plan is not None
        assert found == Plan.model_validate(file.plan)
        assert found.digest == Plan.model_validate(file.plan).digest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_worked_case_is_written_in_one_way(case: Case) -> None:
    """A case file is indented JSON that says why it is there, in a sentence, and holds no default of a plan."""
    file = case.read()
    text = case.path.read_text(encoding="utf-8")
    kept = {"why": file.why, "args": file.args, "facts": file.facts, **said(outcome(case.tool, file))}
    assert text == json.dumps(kept, indent=2, ensure_ascii=False) + "\n"
    assert file.why.endswith(".")


@pytest.mark.parametrize("tool", MUTATIONS, ids=lambda tool: tool.name)
def test_a_change_has_worked_cases(tool: AnyMutation) -> None:
    """Every tool that changes things shows three cases or more: one that acts, and one with nothing to do or a no."""
    found = [outcome(tool, case.read()) for case in CASES if case.tool is tool]
    assert len(found) >= FEWEST
    assert [plan for plan in found if isinstance(plan, Plan) and plan.steps]
    assert [plan for plan in found if isinstance(plan, str) or plan.is_noop]


def test_no_case_stands_beside_a_tool_that_only_reads() -> None:
    """A folder of plans belongs to a tool that makes plans."""
    folders = {path.parent.name for path in FOLDER.glob("*/plans")}
    assert folders == {tool.name for tool in MUTATIONS}


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_planning_twice_gives_one_digest(case: Case) -> None:
    """A plan is a pure function of arguments and facts: made again, it is the same to the last character."""
    assert plan_of(case).digest == plan_of(case).digest


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_a_plan_is_of_its_tool_and_its_declared_steps(case: Case) -> None:
    """A plan names its tool and holds only step kinds that the tool declares, so that annotations tell its risk."""
    plan = plan_of(case)
    assert plan.tool == case.tool.name
    assert {step.kind for step in plan.steps} - set(case.tool.kinds) == set()


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_a_step_says_truly_whether_it_only_reads_and_what_it_touches(case: Case) -> None:
    """What a plan folds into one line gets no permit to write; each step names a server or an app for policy to see."""
    for step in plan_of(case).steps:
        assert (step.id, step.reads) == (step.id, kinds()[step.kind] is Risk.READ)
        assert step.servers, step.id
        assert step.apps or step.kind.startswith(ABOUT_SERVERS), step.id


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_every_step_can_be_undone_or_says_that_it_cannot(case: Case) -> None:
    """A person reads of every step how it is taken back; what is undone by itself after a failure has a way back."""
    plan = plan_of(case)
    by_id = {step.id: step for step in plan.steps}
    for step in plan.steps:
        assert step.summary
        assert step.undo is not None or step.undo_words
        assert [name for name in step.undoes if by_id[name].undo is None] == []
        assert step.undo is None or step.undo.kind in kinds()


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_a_plan_holds_no_secret(case: Case) -> None:
    """Plans are stored and shown: what they hold of secrets are names, so that nothing in them needs masking."""
    shown = [*texts(plan_of(case).model_dump(mode="json"))]
    assert [Redactor()(text) for text in shown] == shown


@pytest.mark.parametrize("case", PLANS, ids=lambda case: case.name)
def test_a_plan_that_acts_locks_its_target_and_says_whom_it_affects(case: Case) -> None:
    """Nothing is changed without a lock, and no person is asked without being told what is at stake."""
    plan = plan_of(case)
    assert plan.is_noop or (plan.locks and plan.blast_radius and plan.phrase)
    assert len(set(plan.locks)) == len(plan.locks)


@pytest.mark.parametrize("tool", [t for t in MUTATIONS if t.name != RESUMES], ids=lambda tool: tool.name)
def test_every_declared_step_kind_is_shown(tool: AnyMutation) -> None:
    """A tool declares no step that none of its cases shows; else its annotations would tell of a risk it never has."""
    shown = [outcome(tool, case.read()) for case in CASES if case.tool is tool]
    assert {step.kind for plan in shown if isinstance(plan, Plan) for step in plan.steps} == set(tool.kinds)


def test_a_fact_that_the_tool_does_not_have_is_refused() -> None:
    """A case cannot hold a fact, misspelt or of old, that the plan does not depend on."""
    tool = next(tool for tool in MUTATIONS if tool.name == "delete_app")
    with pytest.raises(ValueError, match=r"\.productoin"):
        facts_of(tool, {"app": None, "containers": None, "production": False, "productoin": True})


def test_a_case_with_a_plan_of_yesterday_is_found() -> None:
    """A plan that is not what the tool makes now fails the comparison, in whatever part it differs."""
    case = next(case for case in CASES if case.name == "control_app/stop")
    file = case.read()
    old = {**(file.plan or {}), "blast_radius": "nobody"}
    assert outcome(case.tool, file) != Plan.model_validate(
        CaseFile.model_validate({**file.model_dump(), "plan": old}).plan
    )
