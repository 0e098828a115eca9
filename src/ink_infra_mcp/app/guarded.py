"""The half of the application that changes go through: state store, guard, engine. Imported at the first change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ink_infra_mcp.app.wiring import Wiring
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.operation import Mutation
from ink_infra_mcp.core.policy import Policy
from ink_infra_mcp.core.screening import screened
from ink_infra_mcp.core.step import Handler
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.changes import Changes
from ink_infra_mcp.guard.following import Operations
from ink_infra_mcp.guard.forgetting import Forgetting
from ink_infra_mcp.guard.locking import Locks
from ink_infra_mcp.guard.program import GuardedProgram
from ink_infra_mcp.guard.runner import Guard
from ink_infra_mcp.guard.steps import OperationSteps
from ink_infra_mcp.state.owners import owners_of
from ink_infra_mcp.state.store import Store

DRAIN_LOOK_S = 0.1
AnyMutation = Mutation[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Outside:
    """What the guarded half gets from the other one: step handlers, tools, and what tools look through."""

    handlers: Mapping[str, Handler]
    mutations: Mapping[str, AnyMutation]
    look: object
    fleet: Callable[[], Fleet]


class Guarded:
    """Everything that changes are begun, run and followed with, on one state store."""

    def __init__(self, wiring: Wiring, store: Store, outside: Outside) -> None:
        settings = wiring.settings
        self.changes = Changes()
        self.store = store
        self.owners = owners_of(settings.state_url, wiring.new_id("ex"))
        program = self._program(wiring, outside)
        self.engine = LazyEngine(settings.state_url, self.owners.executor, program, wiring.clock)
        locks = Locks(store=store, owners=self.owners, clock=wiring.clock)
        self.operations = Operations(
            store=store,
            engine=self.engine,
            owners=self.owners,
            clock=wiring.clock,
            changes=self.changes,
            beginning=locks.beginning,
        )
        self.approvals = Approvals(
            store=store,
            clock=wiring.clock,
            new_id=wiring.new_id,
            ttl_s=settings.fleet.approvals.ttl_minutes * 60.0,
            sandbox=settings.sandbox,
        )
        self.forgetting = Forgetting(
            store=store,
            engine=self.engine,
            approvals=self.approvals,
            clock=wiring.clock,
            retention_s=wiring.secrecy.retention_s,
        )
        self.guard = Guard(
            store=store,
            engine=self.engine,
            policy=_policy(wiring),
            approvals=self.approvals,
            locks=locks,
            clock=wiring.clock,
            new_id=wiring.new_id,
            look=outside.look,
            screen=partial(
                screened, by_value=wiring.redact.by_value, of_outside=wiring.redact, names_in=wiring.redact.names_in
            ),
            production=lambda: frozenset(muscle.name for muscle in outside.fleet().muscles if muscle.production),
            sandbox=settings.sandbox,
        )

    async def drain(self) -> None:
        """Wait until no operation of this process runs any more: a client that goes away cancels nothing."""
        while self.engine.busy:
            await self.changes.wait(DRAIN_LOOK_S)

    async def aclose(self) -> None:
        """Stop the engine where it is, and give up this executor."""
        await self.engine.close()
        self.owners.close()

    def _program(self, wiring: Wiring, outside: Outside) -> GuardedProgram:
        return GuardedProgram(
            store=self.store,
            handlers={**outside.handlers, **OperationSteps(self.store).handlers()},
            mutations=outside.mutations,
            look=outside.look,
            clock=wiring.clock,
            redact=wiring.redact,
            changes=self.changes,
            sandbox=wiring.settings.sandbox,
            executor=self.owners.executor,
        )


def _policy(wiring: Wiring) -> Policy:
    """Return the policy of plans, which also show what the policy of secrets loosens."""
    loosened = (*wiring.policy.overrides, *wiring.secrecy.overrides)
    policy = wiring.policy.model_copy(update={"overrides": loosened})
    return policy.by_ticket_only() if wiring.settings.fleet.approvals.channel == "ticket" else policy


class LazyEngine:
    """The engine of this process, imported and opened at the first operation: reading servers never pay for it."""

    def __init__(self, url: str, executor: str, program: GuardedProgram, clock: Clock) -> None:
        self._make = lambda: _durable(url, executor, program, clock)
        self._engine: Any = None

    @property
    def busy(self) -> bool:
        """Return whether an operation runs here or is just about to."""
        return self._engine is not None and self._engine.busy

    async def start(self, operation_id: str) -> None:
        """Begin (or go on with) the operation; returns at once."""
        if self._engine is None:
            self._engine = self._make()
        await self._engine.start(operation_id)

    async def forget(self, operation_ids: Sequence[str]) -> None:
        """Drop what is recorded of operations that have ended."""
        if self._engine is None:
            self._engine = self._make()
        await self._engine.forget(operation_ids)

    def has(self, operation_id: str) -> bool:
        """Return whether the operation was started here and has not ended."""
        return self._engine is not None and self._engine.has(operation_id)

    async def close(self) -> None:
        """Stop, if it was ever opened."""
        if self._engine is not None:
            await self._engine.close()


def _durable(url: str, executor: str, program: GuardedProgram, clock: Clock) -> Any:
    from ink_infra_mcp.engine.durable import DurableEngine

    return DurableEngine(url=url, executor=executor, program=program, sleep=clock.sleep)
