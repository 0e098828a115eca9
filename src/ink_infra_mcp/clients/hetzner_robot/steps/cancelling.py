"""Giving a server back to Hetzner on a day, and keeping it after all."""

from ink_infra_mcp.clients.hetzner_robot.machines import RobotCancellation
from ink_infra_mcp.clients.hetzner_robot.steps.context import RobotStep, failed, not_seen
from ink_infra_mcp.core.errors import Conflict
from ink_infra_mcp.core.plan import JsonObject

NOW = "now"


async def cancel_server(step: RobotStep) -> JsonObject:
    """Cancel `server` to the day `date`, or at once with `now`; return the day. Its place is not kept.

    Raises:
        StepFailed: it is cancelled to another day, or that day is too early.
        OutcomeUnknown: the answer was lost, and it is not cancelled.
    """
    date, now, lost = step.call.text("date"), await step.robot.cancellation(step.number), None
    if now is not None and not now.cancelled:
        _refuse_too_early(step, date, now)
        lost = await step.unless_lost(_cancel(step, date))
        now = await step.robot.cancellation(step.number)
    if now is None:
        return _gone(step, date)
    if not now.cancelled:
        raise not_seen(f"server {step.number} is cancelled to {date}", lost)
    if date not in (NOW, now.cancellation_date):
        raise failed(
            f"Server {step.number} is cancelled to {now.cancellation_date} already, not to {date}.",
            next="Withdraw that cancellation first, if another day is wanted.",
        )
    return {"server": str(step.number), "date": now.cancellation_date or NOW}


async def _cancel(step: RobotStep, date: str) -> None:
    """Somebody may cancel it between our look and our request: the look afterwards tells to which day."""
    try:
        await step.robot.cancel(step.number, date)
    except Conflict as error:
        found = await step.robot.cancellation(step.number)
        if found is None or not found.cancelled:
            raise error


def _gone(step: RobotStep, date: str) -> JsonObject:
    """A server that was given back at once is in no list any more."""
    if date != NOW:
        raise failed(f"The account has no server {step.number}.", next="Check its number in Robot.")
    return {"server": str(step.number), "date": NOW}


def _refuse_too_early(step: RobotStep, date: str, now: RobotCancellation) -> None:
    earliest = now.earliest_cancellation_date
    if date != NOW and earliest is not None and date < earliest:
        raise failed(f"Server {step.number} can be cancelled from {earliest} on.", next="Call with that day, or later.")


async def withdraw_cancellation(step: RobotStep) -> JsonObject:
    """Keep `server`, which was cancelled; one that is not cancelled is kept already.

    Raises:
        StepFailed: there is no such server any more. Conflict: it cannot be withdrawn.
        OutcomeUnknown: the answer was lost, and it is still cancelled.
    """
    now = await _cancellation(step)
    if now.cancelled:
        lost = await step.unless_lost(step.robot.withdraw_cancellation(step.number))
        if (await _cancellation(step)).cancelled:
            raise not_seen(f"server {step.number} is kept", lost)
    return {"server": str(step.number), "changed": now.cancelled}


async def _cancellation(step: RobotStep) -> RobotCancellation:
    found = await step.robot.cancellation(step.number)
    if found is None:
        raise failed(f"The account has no server {step.number}.", next="It may have been given back already.")
    return found
