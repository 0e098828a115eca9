"""What the MCP side needs of the rest: tools by name, the guard, operations, resources. Opened at the first call."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.guard.caller import Asked, Caller, Progress, Reply
from ink_infra_mcp.state.records import Held, News, Place

AnyMutation = Mutation[Any, Any, Any]
AnyQuery = Query[Any, Any, Any]
Kind = Literal["app", "server", "operation", "image", "coolify image", "backup"]
"""What has names that a person may want completed."""


class Records(Protocol):
    """Operations, read only. Every method raises a StateError where the store cannot be used."""

    async def held(self, handle: str, *, principal: str) -> Held | None:
        """Return the principal's operation with that id, or begun with the approval of that id; None else."""
        ...

    async def held_by(self, principal: str, *, after: Place | None, limit: int) -> tuple[Held, ...]:
        """Return up to `limit` operations of the principal that come after that place, newest first."""
        ...

    async def news(self, *, since: float) -> tuple[News, ...]:
        """Return where each operation stands that runs, or that ended at or after that time (Unix seconds)."""
        ...


class Backend(Protocol):
    """The opened application."""

    @property
    def queries(self) -> Mapping[str, AnyQuery]:
        """Return the reading tools by name."""
        ...

    @property
    def mutations(self) -> Mapping[str, AnyMutation]:
        """Return the changing tools by name."""
        ...

    @property
    def look(self) -> object:
        """Return what tools observe through."""
        ...

    @property
    def sandbox(self) -> bool:
        """Return whether the world is the pretend one."""
        ...

    async def change(self, tool: AnyMutation, args: BaseModel, caller: Caller) -> Receipt | Asked:
        """Run the guard's sequence up to the begin of the operation."""
        ...

    async def reply(self, tool: AnyMutation, args: BaseModel, reply: Reply, caller: Caller) -> Receipt | Asked:
        """Take a person's answer to the question of this call, and begin what it approves."""
        ...

    async def leave(self, approval_id: str, caller: Caller) -> None:
        """Take back a question that nobody waits for any more."""
        ...

    async def follow(self, operation_id: str, wait_s: float, progress: Progress | None) -> Receipt:
        """Wait for an operation."""
        ...

    async def names(self, kind: Kind, *, of: str = "") -> tuple[str, ...]:
        """Return the names of all of a kind, those of images `of` an app; raises an InkError where they are not known.

        No server of the fleet is asked for it.
        """
        ...

    @property
    def records(self) -> Records:
        """Return the operations that the state store has."""
        ...

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        ...


Open = Callable[[], Awaitable[Backend]]
