"""What a begun operation does, step by step: permits, handlers, undo, verification, and the last audit line."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.engine import Ending, LaneEnd, StepEnd
from ink_infra_mcp.core.errors import (
    InkError,
    NotOurs,
    OutcomeUnknown,
    StateCorrupt,
    StateError,
    StepFailed,
    VendorError,
    unsettled,
)
from ink_infra_mcp.core.operation import Check, Mutation, Outcome, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.receipt import Problem, Receipt, StepReport
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.ended import outcome_of
from ink_infra_mcp.guard.lines import lines
from ink_infra_mcp.guard.permit import permit_for
from ink_infra_mcp.state import audit, locks, operations
from ink_infra_mcp.state.records import AuditEvent, Operation
from ink_infra_mcp.state.store import Connection, Store

AnyMutation = Mutation[Any, Any, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GuardedProgram:
    """Runs the steps of operations that the guard has begun; `handlers` is step kind -> handler.

    A StateError goes through to the engine, which tries again: trouble of our own store never decides how an operation
    ends.
    """

    store: Store
    handlers: Mapping[str, Handler]
    mutations: Mapping[str, AnyMutation]
    look: object
    clock: Clock
    redact: Redactor
    changes: Changes
    sandbox: bool
    executor: str | None = None
    """The process that runs it; steps of an operation that belongs to another one are not run."""
    _begun: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]], init=False, compare=False)

    async def plan(self, operation_id: str) -> Plan:
        """Return the plan: this store alone keeps it, so that it can be let go of."""
        return (await self.operation(operation_id)).plan

    async def load(self, operation_id: str) -> Results:
        """Return the results that a resumed operation starts from."""
        return _seeded(await self.plan(operation_id))

    async def operation(self, operation_id: str) -> Operation:
        """Return the stored operation.

        Raises:
            StateCorrupt: it is gone.
        """
        found = await self.store.run(lambda c: operations.get(c, operation_id))
        if found is None:
            raise StateCorrupt(f"Operation {operation_id} is not in the state store.", done="", next="See get_audit.")
        return found

    async def _mine(self, operation_id: str) -> Operation:
        """Return the operation, if it has not ended and no other process has taken it over meanwhile."""
        operation = await self.operation(operation_id)
        if operation.state != "running" or self.executor not in (None, operation.executor):
            raise NotOurs(
                f"{operation_id} is {operation.state} in {operation.executor}, and no longer ours to run.",
                next=f"See get_operation {operation_id}.",
            )
        return operation

    async def step(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run a step under a fresh permit, unless somebody asked to cancel.

        A step that would take back what has run is run all the same: cancelling leaves nothing behind unproved. One
        whose result is kept is never run again, however far back the engine goes: a note of what there was before an
        act, taken again after it, would be another one.
        """
        operation = await self._mine(operation_id)
        if step_id in operation.results:
            return StepEnd(state="done", result=operation.results[step_id])
        step = next(s for s in operation.plan.steps if s.id == step_id)
        if operation.cancel_requested and not set(step.undoes) & results.keys():
            return StepEnd(state="cancelled")
        call = (step.kind, step.target, _said(step), step.params)
        again = (operation.id, step_id) in self._begun
        self._begun.add((operation.id, step_id))
        end = await self._run(operation, step_id, call, results)
        if end.state == "failed" and (again or await self._was_taken_over(operation)):
            end = end.model_copy(update={"acted": True})
        await self._after(operation, step_id, end, event="step")
        return end

    async def undo(self, operation_id: str, step_id: str, results: Results) -> StepEnd:
        """Run the declared undo of a step that finished, or that failed when it may have acted."""
        operation = await self._mine(operation_id)
        if (kept := operation.results.get(f"undo_{step_id}")) is not None:
            return StepEnd(state="done", result=kept)
        undo = next(s.undo for s in operation.plan.steps if s.id == step_id and s.undo is not None)
        call = (undo.kind, undo.target, undo.summary, undo.params)
        end = await self._run(operation, f"undo_{step_id}", call, results)
        await self._after(operation, f"undo_{step_id}", end, event="undo")
        return end

    async def lane(self, operation_id: str, lane: str) -> LaneEnd | None:
        """Return how a lane ended before anything of it was undone, if it was kept."""
        kept = (await self._mine(operation_id)).results.get(_lane_key(lane))
        return None if kept is None else LaneEnd.model_validate(kept)

    async def keep_lane(self, operation_id: str, lane: str, end: LaneEnd) -> None:
        """Keep how a lane ended."""
        kept = end.model_dump(mode="json")
        await self.store.run(lambda c: operations.keep_result(c, operation_id, _lane_key(lane), kept))

    async def verify(self, operation_id: str, results: Results) -> tuple[Check, ...]:
        """Return the tool's checks; what could not be looked at is a failed check, never a passed one."""
        operation = await self.operation(operation_id)
        await self._say(operation.id, "verifying")
        try:
            checks = await self.mutations[operation.tool].verify(operation.plan, results, self.look)
        except StateError:
            raise
        except InkError as error:
            return (Check(name="verification", status="failed", evidence=self.redact(str(error))),)
        except Exception as error:
            log.exception("the verification of %s broke", operation.id)
            return (Check(name="verification", status="failed", evidence=_fault(error)),)
        return tuple(c.model_copy(update={"evidence": self.redact(c.evidence)}) for c in checks)

    async def finish(self, operation_id: str, ending: Ending) -> None:
        """Keep the receipt, write the end into the audit and free the locks, in one transaction."""
        operation = await self.operation(operation_id)
        receipt = self._receipt(operation, ending)
        now = self.clock.now().timestamp()

        def work(connection: Connection) -> None:
            if operations.end(connection, operation.id, receipt=receipt, now=now):
                detail: JsonObject = {"checks": {c.name: c.status for c in receipt.checks}}
                audit.append(connection, _event(operation, "end", now, outcome=receipt.outcome, detail=detail))
            locks.free(connection, operation.id)

        await self.store.run(work)
        self._begun.difference_update({key for key in self._begun if key[0] == operation.id})
        self.changes.ring()

    async def _run(
        self, operation: Operation, step_id: str, call: tuple[str, str, str, JsonObject], results: Results
    ) -> StepEnd:
        kind, target, summary, params = call
        await self._say(operation.id, summary)
        with permit_for(operation, kind=kind) as permit:
            async with lines(partial(self._say, operation.id)) as say:
                step_call = StepCall(
                    operation_id=operation.id,
                    step_id=step_id,
                    kind=kind,
                    target=target,
                    params=params,
                    results=results,
                    permit=permit,
                    clock=self.clock,
                    say=say,
                )
                end = await self._handled(step_call)
                return end.model_copy(update={"acted": end.state == "failed" and permit.used})

    async def _was_taken_over(self, operation: Operation) -> bool:
        """Return whether a process that died may have begun the step: what that did, nobody knows."""
        return await self.store.run(lambda c: audit.has(c, operation.id, "resumed"))

    async def _handled(self, call: StepCall) -> StepEnd:
        try:
            return StepEnd(state="done", result=await self.handlers[call.kind](call))
        except StateError:
            # our own trouble says nothing of the step: the engine runs it again
            raise
        except InkError as error:
            open_ = unsettled(error, acted=call.permit.used)
            return StepEnd(state="failed", problem=problem_of(error, self.redact, open_))
        except Exception as error:
            log.exception("step %s of %s broke", call.step_id, call.operation_id)
            return StepEnd(state="failed", problem=_bug(error))

    async def _after(self, operation: Operation, step_id: str, end: StepEnd, *, event: str) -> None:
        now = self.clock.now().timestamp()

        def work(connection: Connection) -> None:
            if end.state == "done":
                operations.keep_result(connection, operation.id, step_id, end.result)
            audit.append(connection, _event(operation, event, now, outcome=_word(end), detail={"step": step_id}))

        await self.store.run(work)
        self.changes.ring()

    async def _say(self, operation_id: str, words: str) -> None:
        await self.store.run(lambda c: operations.note(c, operation_id, now_at=self.redact(words)))
        self.changes.ring()

    def _receipt(self, operation: Operation, ending: Ending) -> Receipt:
        outcome = outcome_of(ending)
        return Receipt(
            outcome=outcome,
            message=_message(operation, ending, outcome),
            operation_id=operation.id,
            approval_id=operation.approval_id or None,
            plan_digest=operation.plan_digest,
            steps=_reports(operation.plan, ending),
            checks=ending.checks,
            result=self._summary(operation, ending),
            problem=ending.problem,
            sandbox=self.sandbox,
        )

    def _summary(self, operation: Operation, ending: Ending) -> JsonObject:
        """The end is written whatever a tool makes of it: an operation that cannot end holds its locks for ever."""
        try:
            tool = self.mutations[operation.tool]
            return tool.summary(operation.plan, ending.results, list(ending.checks))
        except Exception as error:
            log.exception("the summary of %s broke", operation.id)
            return {"fault": _fault(error)}


def problem_of(error: InkError, redact: Redactor, open_: OutcomeUnknown | None = None) -> Problem:
    """Return an error as data that may be stored and shown; `open_` is what is told where the outcome is not known."""
    log = error.untrusted_log if isinstance(error, StepFailed) else ()
    request = f" (request {error.request_id})" if isinstance(error, VendorError) and error.request_id else ""
    return Problem(
        code=(open_ or error).code,
        message=redact(str(open_ or error)) + request,
        stage=error.stage if isinstance(error, StepFailed) else "",
        probable_cause=error.probable_cause if isinstance(error, StepFailed) else "",
        untrusted_log=tuple(redact(line) for line in log),
    )


def _fault(error: Exception) -> str:
    return f"broke with {type(error).__name__}, a fault of ink-infra-mcp; the server's log has the details"


def _bug(error: Exception) -> Problem:
    return Problem(
        code="bug",
        message=(
            f"The step broke with {type(error).__name__}, which is a fault of ink-infra-mcp. It is not known how far "
            "the step came. The server's log has the details; call the tool again to plan what is left."
        ),
    )


def _seeded(plan: Plan) -> Results:
    seeds = plan.pinned.get("results")
    return {k: v for k, v in seeds.items() if isinstance(v, dict)} if isinstance(seeds, dict) else {}


def _lane_key(lane: str) -> str:
    return f"lane:{lane}"


def _said(step: Step) -> str:
    """Side by side, each line tells whose it is."""
    return f"{step.lane}: {step.summary}" if step.lane else step.summary


def _reports(plan: Plan, ending: Ending) -> tuple[StepReport, ...]:
    undone = {*ending.undone, *(id_ for end in ending.lanes.values() for id_ in end.undone)}
    ends = [ending, *ending.lanes.values()]
    failed = {end.step_id: end.problem for end in ends if end.state == "failed"}

    def state(step_id: str) -> str:
        if step_id in undone:
            return "undone"
        if step_id in failed:
            return "unknown" if _unsettled(failed[step_id]) else "failed"
        return "done" if step_id in ending.results else "not begun"

    return tuple(
        StepReport.model_validate({"id": s.id, "summary": s.summary, "state": state(s.id)}) for s in plan.steps
    )


def _message(operation: Operation, ending: Ending, outcome: Outcome) -> str:
    title = operation.plan.title
    match outcome:
        case Outcome.APPLIED:
            return f"{title}: done, and proved.{_skipped(ending)}"
        case Outcome.APPLIED_UNVERIFIED:
            return f"{title}: the steps ran, but {_not_proved(ending)}"
        case Outcome.APPLIED_IN_PART:
            return f"{title}: done in part. {_lanes_told(ending)}"
        case _:
            done = sum(step.id in ending.results for step in operation.plan.steps)
            of = f"{done} of {len(operation.plan.steps)} steps done"
            return (
                f"{title}: {of}. {_lanes_told(ending)}" if len(ending.lanes) > 1 else _broken_off(ending, outcome, of)
            )


def _broken_off(ending: Ending, outcome: Outcome, of: str) -> str:
    if outcome is Outcome.CANCELLED:
        return f"Cancelled before step {ending.step_id}; {of}. The same call plans what is left."
    if outcome is Outcome.UNDONE:
        return f"{_stopped_at(ending)}, and the undo of {', '.join(ending.undone)} ran. {_why(ending)}"
    undone = f" The undo of {', '.join(ending.undone)} ran." if ending.undone else ""
    bad = f" The undo of {', '.join(ending.undo_failed)} failed too." if ending.undo_failed else ""
    return f"{_stopped_at(ending)}; {of}.{undone}{bad} {_why(ending)}"


def _lanes_told(ending: Ending) -> str:
    """One sentence a lane: a person sees at once which of them are there and what became of the others."""
    failed = [check.name for check in ending.checks if check.status == "failed"]
    proofs = [f"Not as promised: {', '.join(failed)}."] if failed else []
    return " ".join([*(_lane_told(name, end) for name, end in ending.lanes.items()), *proofs])


def _lane_told(name: str, end: LaneEnd) -> str:
    if end.state == "done":
        return f"{name}: done."
    if end.state == "cancelled":
        return f"{name}: cancelled before {end.step_id}."
    lost = _unsettled(end.problem)
    what = f"it is not known whether {end.step_id} happened" if lost else f"{end.step_id} failed"
    undone = f", and the undo of {', '.join(end.undone)} ran" if end.undone else ""
    bad = f" The undo of {', '.join(end.undo_failed)} failed too." if end.undo_failed else ""
    return f"{name}: {what}{undone}.{bad} {end.problem.message if end.problem else ''}".rstrip()


def _stopped_at(ending: Ending) -> str:
    if _unsettled(ending.problem):
        return f"It is not known whether step {ending.step_id} happened"
    return f"Step {ending.step_id} failed"


def _unsettled(problem: Problem | None) -> bool:
    return problem is not None and problem.code == OutcomeUnknown.code


def _word(end: StepEnd) -> str:
    return "unknown" if end.state == "failed" and _unsettled(end.problem) else end.state


def _skipped(ending: Ending) -> str:
    names = [check.name for check in ending.checks if check.status == "skipped"]
    return f" Not looked at: {', '.join(names)}." if names else ""


def _not_proved(ending: Ending) -> str:
    failed = [check.name for check in ending.checks if check.status == "failed"]
    return f"this is not as promised: {', '.join(failed)}." if failed else "nothing could be looked at afterwards."


def _why(ending: Ending) -> str:
    return ending.problem.message if ending.problem else ""


def _event(operation: Operation, event: str, now: float, *, outcome: str, detail: JsonObject) -> AuditEvent:
    return AuditEvent(
        at=now,
        event=event,
        principal=operation.principal,
        tool=operation.tool,
        target=operation.plan.target[:300],
        operation_id=operation.id,
        approval_id=operation.approval_id,
        plan_digest=operation.plan_digest,
        outcome=outcome,
        detail=detail,
    )
