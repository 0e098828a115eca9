"""Hands on a running product: holding steps, deciding like an operator, and reading what was written down."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Reply
from ink_infra_mcp.state import audit, locks
from ink_infra_mcp.state.records import AuditLine
from tests.ink import PRINCIPAL, Ink

HELLO = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 30}
STOP = {"app": "shop", "action": "stop", "wait_s": 30}
RESTART = {"app": "shop", "action": "restart", "wait_s": 30}
CREATES = "coolify POST /api/v1/applications/public"
OURS = Caller(principal=PRINCIPAL, channel="elicitation", can_ask=True)
THEIRS = Caller(principal="local:other", channel="elicitation", can_ask=True)
YES = Answer(action="accept")


@dataclass(slots=True)
class Held:
    """Keeps steps of one kind from running until `go` is set; `entered` is set when one arrives."""

    kind: str
    entered: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Wrap the handlers of that kind."""

        async def hold(call: StepCall) -> JsonObject:
            self.entered.set()
            await self.go.wait()
            return await handler(call)

        return hold if kind == self.kind else handler


async def lines(it: Ink) -> tuple[AuditLine, ...]:
    """Return every line of the audit, after its chain was verified."""
    await it.app.store.run(audit.verify)
    return await it.app.store.run(lambda c: audit.read(c, limit=1000))


async def told(it: Ink) -> list[str]:
    """Return each audit line in short: the event, with its outcome where it has one."""
    return [f"{line.event} {line.outcome}".strip() for line in await lines(it)]


async def locked(it: Ink, *targets: str) -> list[str]:
    """Return which of the targets are held."""
    return [lock.target for lock in await it.app.store.run(lambda c: locks.holders(c, targets))]


async def call(it: Ink, tool: str, arguments: dict[str, Any], caller: Caller = OURS) -> Receipt | Asked:
    """Call a tool through the guard, past any client."""
    mutation = it.app.mutations[tool]
    return await it.app.change(mutation, mutation.args.model_validate(arguments), caller)


async def begun(it: Ink, tool: str, arguments: dict[str, Any], caller: Caller = OURS) -> Receipt:
    """Call a tool, say yes to what it asks, and return the receipt of the begun operation."""
    said = await call(it, tool, arguments, caller)
    if isinstance(said, Asked):
        mutation = it.app.mutations[tool]
        yes = Reply(said.approval.id, Answer(action="accept", typed=said.approval.phrase))
        said = await it.app.reply(mutation, mutation.args.model_validate(arguments), yes, caller)
    assert isinstance(said, Receipt), said
    return said


@contextmanager
def nothing_is_written(it: Ink) -> Generator[None]:
    """Fail unless the emulators accept no write and meet no unknown request while the block runs."""
    before = it.journal
    yield
    assert it.journal == before
