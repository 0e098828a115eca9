"""What stays of a plan that nobody needs any more: names, tags and digests; no value, and no text that ran."""

from collections.abc import Mapping

from pydantic import JsonValue

from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.receipt import Problem, Receipt, StepReport

_FORGOTTEN = "forgotten"
_PINNED = frozenset({"resumes"})
_NAMES = frozenset({"app", "service", "muscle", "host", "commit", "operation", "deployment"})
"""Parameters of steps that are names: by these our own record tells what an app ran, and who changed it."""
_TAGS = frozenset({"docker_registry_image_tag", "git_commit_sha"})
_PIN = "pin"
"""The step whose `before` is the tag that the app had run."""
_REFERENCE = "secret:"
_LONG = 200
_BRIEF = 120
_MOST = 20
"""Characters of a name, characters of a sentence, and entries of a list, that stay."""


def remembered(plan: Plan) -> Plan:
    """Return what stays of a plan that will never run: what it was called, and what it was about."""
    return Plan(
        tool=plan.tool,
        title=_cut(plan.title),
        target=_cut(plan.target),
        locks=(),
        pinned={_FORGOTTEN: True},
        reason="Its steps are no longer kept.",
    )


def thinned(plan: Plan) -> Plan:
    """Return what stays of a plan that ran: its steps by name, without values, texts and ways back.

    In words the steps stand in the receipt alone.
    """
    pinned = {name: value for name, value in plan.pinned.items() if name in _PINNED}
    return remembered(plan).model_copy(
        update={
            "locks": plan.locks,
            "steps": tuple(_step(step) for step in plan.steps[:_MOST]),
            "production": plan.production,
            "pinned": {**pinned, _FORGOTTEN: True},
        }
    )


def is_thinned(plan: Plan) -> bool:
    """Return whether the plan is what stayed of one: it can be told of, and not be run."""
    return plan.pinned.get(_FORGOTTEN) is True


def thinned_results(results: Results) -> dict[str, JsonObject]:
    """Return which steps returned something, with the uuid that it was about."""
    return {step: _uuid(result) for step, result in results.items()}


def thinned_receipt(receipt: Receipt) -> Receipt:
    """Return how it ended: outcome, proofs and cause, without the plan's text and without anybody's log."""
    return Receipt(
        outcome=receipt.outcome,
        message=_cut(receipt.message),
        operation_id=receipt.operation_id,
        approval_id=receipt.approval_id,
        plan_digest=receipt.plan_digest,
        steps=tuple(_report(step) for step in receipt.steps[:_MOST]),
        checks=tuple(_check(check) for check in receipt.checks[:_MOST]),
        result=_scalars(receipt.result),
        problem=_problem(receipt.problem) if receipt.problem else None,
        sandbox=receipt.sandbox,
    )


def _step(step: Step) -> Step:
    return Step(
        id=step.id,
        kind=step.kind,
        target=_cut(step.target),
        summary="",
        servers=step.servers[:_MOST],
        apps=step.apps[:_MOST],
        reads=step.reads,
        before=_cut(step.before) if step.id == _PIN and step.before is not None else None,
        params=_params(step.params),
    )


def _params(params: JsonObject) -> JsonObject:
    kept = {name: value for name, value in params.items() if name in _NAMES and _is_name(value)}
    for table, fits in (("settings", _is_tag), ("variables", _is_reference)):
        given = params.get(table)
        if isinstance(given, dict):
            kept[table] = {name: value for name, value in list(given.items())[:_MOST] if fits(name, value)}
    return kept


def _is_name(value: JsonValue) -> bool:
    """Return whether a value is short and flat: a name, or the place of one in what an earlier step returned."""
    if isinstance(value, dict):
        return set(value) == {"step", "field"}
    return isinstance(value, bool | int) or (isinstance(value, str) and len(value) <= _LONG)


def _is_tag(name: str, value: JsonValue) -> bool:
    return name in _TAGS and isinstance(value, str) and len(value) <= _LONG


def _is_reference(_: str, value: JsonValue) -> bool:
    return isinstance(value, str) and value.startswith(_REFERENCE)


def _uuid(result: JsonObject) -> JsonObject:
    uuid = result.get("uuid")
    return {"uuid": uuid} if isinstance(uuid, str) and len(uuid) <= _LONG else {}


def _report(step: StepReport) -> StepReport:
    return step.model_copy(update={"summary": _cut(step.summary, _BRIEF)})


def _check(check: Check) -> Check:
    return check.model_copy(update={"evidence": _cut(check.evidence, _BRIEF)})


def _problem(problem: Problem) -> Problem:
    return Problem(
        code=problem.code,
        message=_cut(problem.message),
        stage=_cut(problem.stage),
        probable_cause=_cut(problem.probable_cause),
    )


def _scalars(result: Mapping[str, JsonValue]) -> JsonObject:
    return {name: value for name, value in list(result.items())[:_MOST] if _is_name(value)}


def _cut(text: str, limit: int = _LONG) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
