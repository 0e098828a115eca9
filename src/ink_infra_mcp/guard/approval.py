"""Asks for approvals and takes decisions on them; every decision leaves an audit line."""

from dataclasses import dataclass
from typing import assert_never

from ink_infra_mcp.core.effects import Clock, NewId
from ink_infra_mcp.core.errors import ApprovalInvalid, TooManyWaiting
from ink_infra_mcp.core.plan import Plan, Risk
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.guard.caller import Answer, Caller
from ink_infra_mcp.guard.receipts import when
from ink_infra_mcp.state import approvals, audit
from ink_infra_mcp.state.records import TICKET, Approval, ApprovalState, AuditEvent
from ink_infra_mcp.state.store import Connection, Store

MAX_TYPED = 40
"""Characters that a person can be asked to type."""
_ASKED = ("tool", "args_digest", "plan_digest", "risk", "need", "phrase")
MAX_WAITING = 20
"""Plans of one principal that may wait for a person at once: nobody can judge more, and a loop must come to an end."""


@dataclass(frozen=True, slots=True)
class Approvals:
    """The approvals of one state store. `ttl_s` is how long a question stays open."""

    store: Store
    clock: Clock
    new_id: NewId
    ttl_s: float
    sandbox: bool = False

    async def open_for(self, caller: Caller, *, tool: str, args_digest: str) -> Approval | None:
        """Return the pending or approved approval of this very call, or None."""
        now = await self.expire()
        return await self.store.run(
            lambda c: approvals.open_for(c, principal=caller.principal, tool=tool, args_digest=args_digest, now=now)
        )

    async def propose(self, caller: Caller, plan: Plan, *, args_digest: str, risk: Risk, need: Need) -> Approval:
        """Return the pending approval for the plan, a new one where this very call does not wait for one already.

        Calls that come at once ask one question so: each has looked before any of them had asked.

        Raises:
            TooManyWaiting: so many other plans of the caller wait already; the oldest is named.
        """
        now = self.clock.now().timestamp()
        approval = Approval(
            id=self.new_id("ap"),
            principal=caller.principal,
            tool=plan.tool,
            args_digest=args_digest,
            plan_digest=plan.digest,
            plan=plan,
            risk=risk,
            need=need,
            phrase="" if need is Need.PERSON else _phrase(plan),
            created_at=now,
            expires_at=now + self.ttl_s,
        )

        def work(connection: Connection) -> Approval:
            waiting = approvals.pending(connection, now=now, principal=caller.principal)
            twin = next((old for old in waiting if _asks_the_same(old, approval)), None)
            if twin is not None:
                return twin
            _check_room(waiting, approval, self.sandbox)
            approvals.add(connection, approval)
            audit.append(connection, _event(approval, "proposed", now, caller.principal))
            return approval

        return await self.store.run(work)

    async def pending(self) -> tuple[Approval, ...]:
        """Return what waits for a person, oldest first."""
        now = self.clock.now().timestamp()
        return await self.store.run(lambda c: approvals.pending(c, now=now))

    async def unused(self) -> tuple[Approval, ...]:
        """Return each yes that nothing has used yet, oldest first."""
        now = self.clock.now().timestamp()
        return await self.store.run(lambda c: approvals.unused(c, now=now))

    async def decide(
        self,
        approval_id: str,
        answer: Answer,
        *,
        by: str,
        channel: str,
        principal: str | None = None,
        came_by: str = "",
    ) -> Approval:
        """Return the approval after a person's answer; a wrong phrase, or no answer at all, counts as a refusal.

        With a `principal`, only an approval of its own calls can be decided. A yes that `came_by` a client's connection
        can be used by that one only.

        Raises:
            ApprovalInvalid: unknown, expired, already decided, or this channel may not decide it.
        """
        now = await self.expire()

        def work(connection: Connection) -> Approval:
            found = approvals.get(connection, approval_id)
            _check_principal(found, principal)
            if found is not None:
                _check_channel(found, channel)
            state = _state(found, answer)
            decided = approvals.decide(
                connection, approval_id, state=state, channel=channel, decided_by=by, now=now, came_by=came_by
            )
            word = "approved" if state is ApprovalState.APPROVED else "denied"
            audit.append(connection, _event(decided, word, now, by, outcome=answer.action, channel=channel))
            return decided

        return await self.store.run(work)

    async def withdraw(self, approval_id: str, *, by: str, channel: str, principal: str | None = None) -> Approval:
        """Return the approval after a person took back a yes that nothing has used yet.

        With a `principal`, only an approval of its own calls.

        Raises:
            ApprovalInvalid: there is no such yes any more.
        """
        now = await self.expire()

        def work(connection: Connection) -> Approval:
            _check_principal(approvals.get(connection, approval_id), principal)
            taken = approvals.withdraw(connection, approval_id, channel=channel, decided_by=by, now=now)
            audit.append(connection, _event(taken, "withdrawn", now, by, channel=channel))
            return taken

        return await self.store.run(work)

    async def let_go(self, approval_id: str, *, was: ApprovalState, by: str, why: str) -> bool:
        """Return whether a question, or a client's yes, is void now that the call which it belongs to is over.

        `was` says which of the two it must still be. What was decided at a terminal stands.
        """
        now = self.clock.now().timestamp()

        def work(connection: Connection) -> bool:
            gone = approvals.let_go(connection, approval_id, was=was)
            if gone is not None:
                audit.append(connection, _event(gone, "withdrawn", now, by, outcome=why))
            return gone is not None

        return await self.store.run(work)

    async def expire(self) -> float:
        """Write down which approvals have run out of time by now, in a transaction of its own; return the time."""
        now = self.clock.now().timestamp()

        def work(connection: Connection) -> None:
            for approval in approvals.expire(connection, now=now):
                audit.append(connection, _event(approval, "expired", now, approval.principal))

        await self.store.run(work)
        return now


def _asks_the_same(old: Approval, new: Approval) -> bool:
    """Return whether a person would be asked the same about the same call."""
    return all(getattr(old, name) == getattr(new, name) for name in _ASKED)


def _check_room(waiting: tuple[Approval, ...], new: Approval, sandbox: bool) -> None:
    others = [old for old in waiting if (old.tool, old.args_digest) != (new.tool, new.args_digest)]
    if len(others) < MAX_WAITING:
        return
    oldest, flag = others[0], " --sandbox" if sandbox else ""
    raise TooManyWaiting(
        f"{len(others)} plans of {new.principal} wait for a person already. The oldest is {oldest.id}: {oldest.tool} "
        f"of {clean_name(oldest.plan.target)}, which waits since {when(oldest.created_at)}.",
        next=f"Have a person decide it first: `ink-infra-mcp deny {oldest.id}{flag}` turns it down, and "
        f"`ink-infra-mcp approvals{flag}` lists them all.",
    )


def _phrase(plan: Plan) -> str:
    """A name that nobody types, since it is long or has what a keyboard has not, leaves the start of the digest."""
    name = plan.phrase.strip() or plan.target.strip()
    can_be_typed = name.isascii() and name.isprintable()
    return name if can_be_typed and 0 < len(name) <= MAX_TYPED else plan.digest[:12]


def _check_principal(approval: Approval | None, principal: str | None) -> None:
    if approval is not None and principal not in (None, approval.principal):
        raise ApprovalInvalid(f"The approval {approval.id} is unknown.", next="Call the tool again.")


def _check_channel(approval: Approval, channel: str) -> None:
    if approval.need == Need.TICKET and channel != TICKET:
        raise ApprovalInvalid(
            f"The approval {approval.id} needs an operator at a terminal.",
            next=f"Run `ink-infra-mcp approve {approval.id}`.",
        )


def _state(approval: Approval | None, answer: Answer) -> ApprovalState:
    match answer.action:
        case "accept":
            right = approval is None or answer.typed.strip() == approval.phrase
            return ApprovalState.APPROVED if right else ApprovalState.DENIED
        case "decline" | "cancel" | "unreadable":
            return ApprovalState.DENIED
        case _:
            assert_never(answer.action)


def _event(
    approval: Approval, event: str, now: float, principal: str, *, outcome: str = "", channel: str = ""
) -> AuditEvent:
    return AuditEvent(
        at=now,
        event=event,
        principal=principal,
        tool=approval.tool,
        target=approval.plan.target[:300],
        approval_id=approval.id,
        plan_digest=approval.plan_digest,
        outcome=outcome,
        detail={"risk": approval.risk, "need": approval.need} | ({"channel": channel} if channel else {}),
    )
