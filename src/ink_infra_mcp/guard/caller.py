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
    """The principal behind a call, and whether a person can be asked through its client right now."""

    principal: str
    channel: str
    can_ask: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for a person: show `text` (the rendered plan) and bring back an Answer for `approval`."""

    approval: "Approval"
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `typed` is what the person typed, where the plan wants the target's name."""

    action: Literal["accept", "decline", "cancel"]
    typed: str = ""


def digest_of_args(args: BaseModel) -> str:
    """Return the SHA-256 of the arguments that decide what happens (how long to wait does not)."""
    return hashlib.sha256(canonical(args.model_dump(mode="json", exclude=set(NOT_PART_OF_A_CALL)))).hexdigest()
