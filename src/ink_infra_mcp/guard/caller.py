"""Who calls a mutation, what may be asked of them, and what they can answer."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from ink_infra_mcp.core.plan import canonical

if TYPE_CHECKING:
    # the database comes with it, and a server that was not yet called has no use for one
    from ink_infra_mcp.state.records import Approval

Progress = Callable[[float, float, str | None], Awaitable[None]]
"""Receives (done, total, message); `done` never goes back. Without news there is no message, only a sign of life."""

NOT_PART_OF_A_CALL = frozenset({"wait_s"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind a call, and whether a person can be asked through its client right now.

    `connection` names the connection that the call came by, as no other one is ever named: one of another process, too.
    """

    principal: str
    channel: str
    can_ask: bool
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for a person: show `text` (the rendered plan) and bring back an Answer for `approval`.

    `note` says why it is asked once more, where a yes was given before; empty otherwise.
    """

    approval: "Approval"
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `typed` is what the person typed, where the plan wants the target's name.

    `unreadable` is an answer that is none: it counts as a no.
    """

    action: Literal["accept", "decline", "cancel", "unreadable"]
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and the approval that it is about."""

    approval_id: str
    answer: Answer


RefusalKind = Literal["forged_state", "unknown_tool", "bad_arguments"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was refused before the guard saw it. `arguments` are names that the tool declares, never values."""

    kind: RefusalKind
    principal: str
    tool: str
    arguments: tuple[str, ...] = ()


Note = Callable[[Refusal], Awaitable[None]]
"""Has a refusal written into the audit; it raises nothing that the caller would have to know."""


def digest_of_args(args: BaseModel) -> str:
    """Return the SHA-256 of the arguments that decide what happens (how long to wait does not)."""
    return hashlib.sha256(canonical(args.model_dump(mode="json", exclude=set(NOT_PART_OF_A_CALL)))).hexdigest()
