"""The one sequence that every mutation goes through, from observing to handing an approved plan to the engine."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import BaseModel

from ink_infra_mcp.core.effects import Clock, NewId
from ink_infra_mcp.core.engine import STEP_FORMAT, Engine
from ink_infra_mcp.core.errors import ApprovalInvalid, StateError, StateUnavailable
from ink_infra_mcp.core.operation import Mutation, Outcome
from ink_infra_mcp.core.plan import JsonObject, Plan, Risk, risk_of
from ink_infra_mcp.core.policy import Need, Policy, servers_touched
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.rendering import render
from ink_infra_mcp.guard import receipts
from ink_infra_mcp.guard.approval import MAX_TYPED, Approvals
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Reply, digest_of_args
from ink_infra_mcp.guard.locking import Locks
from ink_infra_mcp.guard.yes import is_of, is_yes_for, says_yes, why_not
from ink_infra_mcp.state import approvals, audit, operations
from ink_infra_mcp.state.records import Approval, ApprovalState, AuditEvent, Lock, Operation, OperationHead
from ink_infra_mcp.state.store import Connection, Store

log = logging.getLogger(__name__)
AnyMutation = Mutation[Any, Any, Any]
BEGIN_LOOKS = 300
BEGIN_EVERY_S = 0.05
"""How often and how long a call waits for its twin to begin: 15 seconds, as long as looking at the world may take."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a mutation by somebody."""

    tool: AnyMutation
    args: BaseModel
    caller: Caller
    args_digest: str

    def has(self, approval: Approval) -> bool:
        """Return whether the approval is about this call."""
        return is_of(approval, self.caller, tool=self.tool.name, args_digest=self.args_digest)


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets plans begin. It holds no state of its own: everything is in the store that all processes share."""

    store: Store
    engine: Engine
    policy: Policy
    approvals: Approvals
    locks: Locks
    clock: Clock
    new_id: NewId
    look: object
    screen: Callable[[Plan], Plan]
    """Keeps stored secrets out of a plan, see `core.screening`."""
    production: Callable[[], frozenset[str]] = frozenset
    """Gives the servers that are production now, whatever a tool knew of that."""
    sandbox: bool = False

    async def call(self, tool: AnyMutation, args: BaseModel, caller: Caller) -> Receipt | Asked:
        """Return a receipt, or the question that a person must answer first.

        An approved and unused approval of the very same call is used up here; then the plan is made anew, and only
        if it is the approved one does the operation begin. A yes that a client brought counts for its own connection
        only. A call whose twin is running gets that operation.

        Raises:
            TooManyWaiting: a person has too many plans of this caller to decide already.
            InkError: the world could not be observed, or the store not used; nothing was changed.
        """
        call = Call(tool=tool, args=args, caller=caller, args_digest=digest_of_args(args))
        earlier = await self.approvals.open_for(caller, tool=tool.name, args_digest=call.args_digest)
        if earlier is not None and is_yes_for(earlier, caller) and self._suffices(earlier):
            return self._mark(await self._spend(call, earlier.id))
        plan = await self._plan(call, earlier.plan if earlier else None)
        return self._mark(await self._decide(call, plan, earlier))

    async def reply(self, tool: AnyMutation, args: BaseModel, reply: Reply, caller: Caller) -> Receipt | Asked:
        """Take the answer to the question of this call; a yes is used by this very call, or withdrawn with it.

        Whatever ends the call before its operation has begun takes the yes with it: a lock in the way, an error, a
        caller who cancels or goes away. Who says yes to a plan that another connection has begun meanwhile gets that
        operation while it runs.

        Raises:
            ApprovalInvalid: as for `answer`. InkError: as for `call`.
        """
        call = Call(tool=tool, args=args, caller=caller, args_digest=digest_of_args(args))
        try:
            # a yes that is written down is always known to this call, which answers for it
            with anyio.CancelScope(shield=True):
                if (refused := await self.answer(reply.approval_id, reply.answer, caller)) is not None:
                    return refused
        except ApprovalInvalid as late:
            return self._mark(await self._begun_by_another(call, reply, late))
        return self._mark(await self._answered_for(call, reply.approval_id))

    async def leave(self, approval_id: str, caller: Caller) -> None:
        """Take back a question whose call is over; one that was decided meanwhile stays as it is."""
        with anyio.CancelScope(shield=True):
            await self._let_go(approval_id, ApprovalState.PENDING, caller, "cancelled")

    async def answer(self, approval_id: str, answer: Answer, caller: Caller) -> Receipt | None:
        """Take the answer that came through the caller's client; return None when it is a yes, else the refusal.

        Raises:
            ApprovalInvalid: unknown, expired, already used, or not to be decided in this way.
        """
        decided = await self._decided(approval_id, answer, caller)
        if decided.state is ApprovalState.APPROVED:
            return None
        refusal = self._mark(receipts.not_approved(decided, why_not(answer)))
        return refusal if isinstance(refusal, Receipt) else None

    async def _decided(self, approval_id: str, answer: Answer, caller: Caller) -> Approval:
        """A no counts also after a yes that came another way, as long as nothing has begun with that."""
        who = caller.principal
        try:
            return await self.approvals.decide(
                approval_id, answer, by=who, channel=caller.channel, principal=who, came_by=caller.connection
            )
        except ApprovalInvalid:
            if answer.action != "decline":
                raise
            return await self.approvals.withdraw(approval_id, by=who, channel=caller.channel, principal=who)

    def need_for(self, plan: Plan) -> tuple[Risk, Need]:
        """Return the plan's risk, and what that risk asks for; a plan that no client shows whole needs a terminal."""
        risk = risk_of(plan, self.policy.kinds)
        need = self.policy.approval[risk]
        longest = render(plan, risk=risk, phrase="x" * MAX_TYPED, sandbox=self.sandbox)
        whole = need is Need.NONE or receipts.is_shown_whole(longest)
        return risk, need if whole else Need.TICKET

    def _suffices(self, approval: Approval) -> bool:
        """Policy may have become stricter since the approval was asked for."""
        _, need = self.need_for(approval.plan)
        return Need(approval.need).rank >= need.rank

    async def _plan(self, call: Call, pinned: Plan | None) -> Plan:
        plan = call.tool.plan(call.args, await call.tool.observe(call.args, self.look, pinned))
        warnings = [f"policy override in force: {words}" for words in self.policy.overrides]
        known = {
            "warnings": (*plan.warnings, *warnings),
            "production": plan.production or not self.production().isdisjoint(servers_touched(plan)),
        }
        return self.screen(plan.model_copy(update=known))

    async def _decide(self, call: Call, plan: Plan, earlier: Approval | None) -> Receipt | Asked:
        if plan.is_noop and call.tool.only_lists(call.args):
            return receipts.already_so(plan)
        if plan.is_noop:
            return await self._end_without_change(call, plan, receipts.already_so(plan))
        risk, need = self.need_for(plan)
        if why := self.policy.refusal(plan, risk):
            return await self._refused(call, plan, risk, why)
        if (held := await self._held(call, plan)) is not None:
            return held
        if need is Need.NONE:
            return await self._begin(call, plan, None)
        note = await self._void(earlier, call.caller)
        approval = earlier
        if approval is None or note or (approval.plan_digest, approval.need) != (plan.digest, need):
            approval = await self.approvals.propose(
                call.caller, plan, args_digest=call.args_digest, risk=risk, need=need
            )
        if call.caller.can_ask and need is not Need.TICKET:
            return Asked(approval=approval, text=receipts.question(approval, sandbox=self.sandbox), note=note)
        return receipts.approval_required(approval, sandbox=self.sandbox, note=note)

    async def _void(self, earlier: Approval | None, caller: Caller) -> str:
        """Return why somebody is asked anew who had said yes: over a connection that did not use it."""
        if earlier is None or earlier.state is not ApprovalState.APPROVED or is_yes_for(earlier, caller):
            return ""
        await self._let_go(earlier.id, ApprovalState.APPROVED, caller, "unused")
        return receipts.asked_again(earlier)

    async def _held(self, call: Call, plan: Plan) -> Receipt | None:
        lock = await self.locks.in_the_way(plan.locks)
        return None if lock is None else await self._met(call, plan, lock)

    async def _met(self, call: Call, plan: Plan, lock: Lock, approval: Approval | None = None) -> Receipt:
        twin = await self._begun(call, lock)
        if twin is not None and (twin.tool, twin.principal, twin.args_digest) == (
            call.tool.name,
            call.caller.principal,
            call.args_digest,
        ):
            return receipts.running(await self._operation(twin.id))
        return await self._end_without_change(call, plan, receipts.locked(lock, approval))

    async def _begun(self, call: Call, lock: Lock) -> OperationHead | None:
        """Return the operation behind a lock, None when there is none.

        A lock of the same caller may be that of the very same call, which is just about to begin: that is waited for.
        """
        for _ in range(BEGIN_LOOKS):
            held = await self.locks.in_the_way([lock.target])
            head = await self.store.run(lambda c: operations.head(c, lock.operation_id))
            if head is not None or held != lock or lock.principal != call.caller.principal:
                return head
            await self.clock.sleep(BEGIN_EVERY_S)
        return None

    async def _answered_for(self, call: Call, approval_id: str) -> Receipt | Asked:
        """Begin what this call has the yes for, and see to it that a client's yes does not outlive its call."""
        ended = "failed"
        try:
            said = await self._spend(call, approval_id)
            ended = said.outcome if isinstance(said, Receipt) else "asked anew"
            return said
        except anyio.get_cancelled_exc_class():
            ended = "cancelled"
            raise
        finally:
            # nothing is left to be withdrawn once it is used, void, or superseded by a new question
            with anyio.CancelScope(shield=True):
                await self._let_go(approval_id, ApprovalState.APPROVED, call.caller, ended)

    async def _spend(self, call: Call, approval_id: str) -> Receipt | Asked:
        approval = await self._given(call, approval_id)
        if approval.state is not ApprovalState.APPROVED:
            return await self._gone_meanwhile(approval)
        if self._suffices(approval):
            return await self._begin(call, approval.plan, approval)
        return await self._decide(call, await self._plan(call, approval.plan), approval)

    async def _gone_meanwhile(self, approval: Approval) -> Receipt:
        """A call with the same yes may have used it since: while that runs, its operation is this call's, too."""
        if approval.state is ApprovalState.CONSUMED:
            operation = await self._operation(approval.operation_id)
            if operation.state == "running":
                return receipts.running(operation)
        raise ApprovalInvalid(f"The approval {approval.id} is {approval.state} by now.", next="Call the tool again.")

    async def _given(self, call: Call, approval_id: str) -> Approval:
        found = await self.store.run(lambda c: approvals.get(c, approval_id))
        if found is None or not call.has(found):
            raise ApprovalInvalid(f"The approval {approval_id} is for another call.", next="Call the tool again.")
        return found

    async def _let_go(self, approval_id: str, was: ApprovalState, caller: Caller, why: str) -> None:
        try:
            await self.approvals.let_go(approval_id, was=was, by=caller.principal, why=why)
        except StateError as error:
            # it stays bound to its connection and ends with its time
            log.warning("the approval %s could not be withdrawn: %s", approval_id, error)

    async def _begun_by_another(self, call: Call, reply: Reply, late: ApprovalInvalid) -> Receipt | Asked:
        """Of two who say yes to one plan the second gets the operation of the first, as long as that runs."""
        for _ in range(BEGIN_LOOKS):
            found = await self.store.run(lambda c: approvals.get(c, reply.approval_id))
            if found is None or not call.has(found) or not says_yes(reply.answer, found):
                raise late
            if found.state is ApprovalState.CONSUMED:
                operation = await self._operation(found.operation_id)
                if operation.state != "running":
                    raise late
                return receipts.running(operation)
            if found.state is not ApprovalState.APPROVED:
                raise late
            if is_yes_for(found, call.caller):
                return await self._spend(call, found.id)
            await self.clock.sleep(BEGIN_EVERY_S)
        raise late

    async def _begin(self, call: Call, plan: Plan, approval: Approval | None) -> Receipt:
        operation_id = self.new_id("op")
        try:
            lock = await self.locks.take(plan.locks, operation_id, call.caller.principal, plan.title)
            if lock is not None:
                return await self._met(call, plan, lock, approval)
            stopped = await self._stopped_by_new_facts(call, plan, approval)
            if stopped is not None:
                return stopped
            # a caller who leaves in this moment must neither stop the begin half-way nor keep it from its engine
            with anyio.CancelScope(shield=True):
                await self._commit_or_know_why(call, plan, approval, operation_id)
                await self.engine.start(operation_id)
                self.locks.keep(operation_id)
        finally:
            await self.locks.free_unless_kept(operation_id)
        return receipts.running(await self._operation(operation_id))

    async def _stopped_by_new_facts(self, call: Call, plan: Plan, approval: Approval | None) -> Receipt | None:
        fresh = await self._plan(call, plan)
        if fresh.digest == plan.digest:
            risk, _ = self.need_for(plan)
            why = self.policy.refusal(plan, risk)
            return await self._refused(call, plan, risk, why) if why else None
        if approval is not None:
            await self.store.run(lambda c: approvals.mark_drifted(c, approval.id))
        if fresh.is_noop:
            return await self._end_without_change(call, fresh, receipts.already_so(fresh))
        risk, need = self.need_for(fresh)
        drifted = receipts.plan_drifted(fresh, risk, need, sandbox=self.sandbox)
        return await self._end_without_change(call, fresh, drifted)

    async def _commit_or_know_why(self, call: Call, plan: Plan, approval: Approval | None, operation_id: str) -> None:
        """An answer of the store that got lost is no proof that nothing was written: look before saying so."""
        try:
            await self._commit(call, plan, approval, operation_id)
        except StateError:
            if not await self._has_begun(operation_id):
                raise

    async def _has_begun(self, operation_id: str) -> bool:
        try:
            return await self.store.run(lambda c: operations.head(c, operation_id)) is not None
        except StateError as error:
            raise StateUnavailable(
                error.failed,
                done=f"It is not known whether {operation_id} has begun; if so, it runs once the store is back.",
                next=f"See get_operation {operation_id} before calling again.",
            ) from error

    async def _commit(self, call: Call, plan: Plan, approval: Approval | None, operation_id: str) -> None:
        """Use up the approval, store the operation and write "begin", in one transaction: all of it or nothing."""
        now = self.clock.now().timestamp()
        operation = Operation(
            id=operation_id,
            tool=plan.tool,
            principal=call.caller.principal,
            args_digest=call.args_digest,
            plan=plan,
            plan_digest=plan.digest,
            approval_id=approval.id if approval else "",
            channel=approval.channel if approval else "policy",
            executor=self.locks.executor,
            step_format=STEP_FORMAT,
            created_at=now,
        )

        def work(connection: Connection) -> None:
            if approval is not None:
                approvals.consume(
                    connection,
                    approval.id,
                    digest=plan.digest,
                    operation_id=operation_id,
                    now=now,
                    came_by=call.caller.connection,
                )
            operations.add(connection, operation)
            detail: JsonObject = {"steps": [step.summary for step in plan.steps], "channel": operation.channel}
            audit.append(connection, _line(call, plan, "begin", now, operation=operation, detail=detail))

        await self.store.run(work)

    async def _operation(self, operation_id: str) -> Operation:
        found = await self.store.run(lambda c: operations.get(c, operation_id))
        if found is None:
            raise ApprovalInvalid(f"Operation {operation_id} is unknown.", next="See list_operations.")
        return found

    async def _refused(self, call: Call, plan: Plan, risk: Risk, why: str) -> Receipt:
        return await self._end_without_change(call, plan, receipts.refused(plan, risk, why, sandbox=self.sandbox))

    async def _end_without_change(self, call: Call, plan: Plan, receipt: Receipt) -> Receipt:
        now = self.clock.now().timestamp()
        await self.store.run(lambda c: audit.append(c, _line(call, plan, "stopped", now, outcome=receipt.outcome)))
        return receipt

    def _mark(self, said: Receipt | Asked) -> Receipt | Asked:
        return said.model_copy(update={"sandbox": True}) if self.sandbox and isinstance(said, Receipt) else said


def _line(
    call: Call,
    plan: Plan,
    event: str,
    now: float,
    *,
    outcome: Outcome | str = "",
    operation: Operation | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEvent:
    return AuditEvent(
        at=now,
        event=event,
        principal=call.caller.principal,
        tool=call.tool.name,
        target=plan.target[:300],
        operation_id=operation.id if operation else "",
        approval_id=operation.approval_id if operation else "",
        plan_digest=plan.digest,
        outcome=outcome,
        detail=dict(detail or {}),
    )
