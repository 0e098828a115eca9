"""`operations`: which plans began and what came of them; and an end for one that cannot end by itself."""

import argparse
from contextlib import closing
from functools import partial

import anyio

from ink_infra_mcp.cli.store import opened, state_url
from ink_infra_mcp.cli.terminal import (
    Ask,
    Terminal,
    columns,
    decide_in_person,
    in_words,
    operator,
    print_json,
    readable,
    when,
)
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.untrusted import clean_name, without_unseen
from ink_infra_mcp.guard.abandoning import Abandoning, Left
from ink_infra_mcp.settings.system import new_id
from ink_infra_mcp.state import operations
from ink_infra_mcp.state.owners import owners_of
from ink_infra_mcp.state.records import Operation

HEAD = ("id", "outcome", "tool", "target", "began", "ended", "asked by", "approved by")
KEYS = ("id", "outcome", "tool", "target", "began", "ended", "asked_by", "approved_by")
MAX_REASON = 300


def run(arguments: argparse.Namespace) -> int:
    """Print the newest operations, or abandon one.

    Raises:
        InputError: an id or a reason is missing, or too much. ApprovalInvalid: no person sits at this terminal.
        UnknownName, TargetLocked: there is no such operation, or the process that runs it lives.
    """
    if arguments.action == "abandon":
        in_words(arguments)
        reason = _reason(arguments)
        decide_in_person()
        return abandon(arguments, reason, Terminal())
    if arguments.id or arguments.reason:
        raise InputError("A list takes no id and no reason.", next="Write `operations abandon ID --reason TEXT`.")
    return _list(arguments)


def abandon(arguments: argparse.Namespace, reason: str, person: Ask) -> int:
    """End the operation after the person typed its id; the exit status is 0 when it is abandoned, before or now."""
    url, who = state_url(arguments), f"terminal:{operator()}"
    with opened(arguments) as desk, closing(owners_of(url, new_id("ex"))) as owners:
        abandoning = Abandoning(store=desk.store, owners=owners, clock=desk.clock)
        left = anyio.run(abandoning.look, str(arguments.id))
        if not left.abandoned:
            person.tell(_shown(left))
            if person.text(f"To abandon it, type {left.head.id}").strip() != left.head.id:
                person.tell(f"That is not {left.head.id}. Nothing was changed.")
                return 1
            left = anyio.run(partial(abandoning.abandon, left.head.id, by=who, reason=reason))
        _end_workflow(url, left.head.id)
    person.tell(f"{left.head.id} was {left.abandoned}. Its targets are free, and nothing of it runs any more.")
    return 0


def _end_workflow(url: str, operation_id: str) -> None:
    # the engine brings much along that no other command of this module needs
    from ink_infra_mcp.engine.ending import end_workflow

    end_workflow(url, operation_id)


def _reason(arguments: argparse.Namespace) -> str:
    reason = clean_name(without_unseen(arguments.reason or ""), limit=MAX_REASON)
    if not arguments.id or not reason:
        raise InputError(
            "To abandon an operation, its id and a reason must be given.",
            next="Write `operations abandon ID --reason TEXT`; the audit keeps the reason.",
        )
    return reason


def _shown(left: Left) -> str:
    head = left.head
    target, began = left.target or "(not known)", when(head.created_at)
    lines = [
        f"{head.id}: {head.tool} on {target}, begun {began} for {head.principal}.",
        f"Its process {head.executor} is dead. It was at: {head.now_at or 'its beginning'}",
        *(f"  {step}" for step in left.steps),
        f"It holds: {', '.join(left.held) or 'nothing'}.",
        _future(left),
        "Abandoning runs nothing, undoes nothing and proves nothing: what it did stays as it is.",
    ]
    # each in one line: names from outside must not look like lines of ours
    return "\n".join(" ".join(line.splitlines()) for line in lines)


def _future(left: Left) -> str:
    if left.goes_on:
        return "It is not stuck: a server that starts on this state goes on with it by itself."
    return f"No server of this version can go on with it (step format {left.head.step_format}, or a plan not readable)."


def _list(arguments: argparse.Namespace) -> int:
    with opened(arguments) as desk:
        found = desk.read(lambda connection: operations.newest(connection, limit=arguments.limit))
    if arguments.json:
        print_json({"operations": [dict(zip(KEYS, _row(operation), strict=True)) for operation in found]})
        return 0
    if not found:
        print("No operation has begun yet.")
        return 0
    with readable():
        print(columns([HEAD, *(_row(operation) for operation in found)]))
    return 0


def _row(operation: Operation) -> tuple[str, ...]:
    return (
        operation.id,
        operation.receipt.outcome if operation.receipt else f"running: {operation.now_at or 'starting'}",
        operation.tool,
        operation.plan.target,
        when(operation.created_at),
        when(operation.ended_at),
        operation.principal,
        operation.channel,
    )
