"""Opens the state store alone, for the commands that need no other system."""

import argparse
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio

from ink_infra_mcp.cli.opening import flags
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import ApprovalInvalid, ConfigError
from ink_infra_mcp.guard.approval import Approvals
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.settings.loading import STATE_FILE, load_settings
from ink_infra_mcp.settings.paths import private_folder, state_folder, this_machine
from ink_infra_mcp.settings.state_url import state_url_fault
from ink_infra_mcp.settings.system import SystemClock, new_id
from ink_infra_mcp.state import approvals
from ink_infra_mcp.state.records import TICKET, Approval, ApprovalState
from ink_infra_mcp.state.store import Connection, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operator reads the store and decides on approvals; no system of the fleet is asked for that."""

    store: Store
    clock: Clock

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, in one transaction; raises StateError."""
        return self.store.run_sync(work)

    def open_approvals(self) -> tuple[Approval, ...]:
        """Return what waits for a person and each yes that nothing has used yet, oldest first."""
        found = (*anyio.run(self._approvals().pending), *anyio.run(self._approvals().unused))
        return tuple(sorted(found, key=lambda approval: (approval.created_at, approval.id)))

    def question(self, approval_id: str) -> Approval:
        """Return an approval that can still be decided.

        Raises:
            ApprovalInvalid: it is unknown, has expired, or was decided already.
        """
        found = self.read(lambda connection: approvals.get(connection, approval_id))
        if found is None:
            raise ApprovalInvalid(f"There is no approval {approval_id[:60]!r}.", next="See `ink-infra-mcp approvals`.")
        if why := self._why_closed(found):
            raise ApprovalInvalid(f"The approval {found.id} {why}.", next="Call the tool again to get a new plan.")
        return found

    def decide(self, approval_id: str, answer: Answer, *, by: str) -> Approval:
        """Return the approval after the operator's answer, which the audit then holds; raises ApprovalInvalid."""
        return anyio.run(partial(self._approvals().decide, approval_id, answer, by=by, channel=TICKET))

    def deny(self, approval_id: str, *, by: str) -> Approval:
        """Return the approval after the operator's no, which takes back a yes that nothing has used yet.

        Raises:
            ApprovalInvalid: it is unknown, has expired, was turned down already, or was used.
        """
        found = self.read(lambda connection: approvals.get(connection, approval_id))
        if found is not None and found.state is ApprovalState.APPROVED:
            return anyio.run(partial(self._approvals().withdraw, approval_id, by=by, channel=TICKET))
        return self.decide(self.question(approval_id).id, Answer("decline"), by=by)

    def _approvals(self) -> Approvals:
        # only a new approval needs a time to live, and none is made here
        return Approvals(store=self.store, clock=self.clock, new_id=new_id, ttl_s=0.0)

    def _why_closed(self, approval: Approval) -> str:
        if approval.state is ApprovalState.CONSUMED:
            return f"was used by operation {approval.operation_id}"
        if approval.state is not ApprovalState.PENDING:
            by = f" by {approval.decided_by}" if approval.decided_by else ""
            return f"is {approval.state} already{by}"
        return "has expired" if approval.expires_at <= self.clock.now().timestamp() else ""


@contextmanager
def opened(arguments: argparse.Namespace, *, checked: bool = True, anew: bool = False) -> Generator[Desk]:
    """Give the store that the configuration, --state or --sandbox names; `checked` and `anew` as for the store.

    Raises:
        ConfigError: fleet.toml, --state or the state folder cannot be used.
    """
    store = Store(state_url(arguments), checked=checked, anew=anew)
    try:
        yield Desk(store=store, clock=SystemClock())
    finally:
        store.close()


def state_url(arguments: argparse.Namespace) -> str:
    """Return the address of the state store; the sandbox's own is known without any fleet.toml.

    Raises:
        ConfigError: as for `opened`.
    """
    machine = this_machine()
    if not arguments.sandbox:
        return load_settings(machine, flags(arguments)).state_url
    if arguments.state and (fault := state_url_fault(arguments.state)):
        raise ConfigError(f"The state store named by --state cannot be used: {fault}.", next="Mend --state.")
    folder = private_folder(state_folder(machine) / "sandbox")
    return arguments.state or f"sqlite:///{(folder / STATE_FILE).as_posix()}"
