"""The permit: proof, held in memory only, that the guard has let one plan begin; and which step of it runs here."""

from contextvars import ContextVar
from dataclasses import dataclass, field

from ink_infra_mcp.core.errors import WriteRefused


@dataclass(frozen=True, slots=True)
class RunningStep:
    """The step that the guard has handed to its handler, in the task that runs it and in those which that starts."""

    operation_id: str
    kind: str


RUNNING: ContextVar[RunningStep | None] = ContextVar("ink_running_step", default=None)
"""Only `guard.permit` sets it."""


@dataclass(slots=True, eq=False)
class Permit:
    """Opens the write gate for the steps of one plan while it lives. Only `guard.permit` makes one.

    `kinds` are the step kinds of the plan that write, those of its undos included. The gate opens while a step of this
    very operation and of one of these kinds runs in the task that writes. That keeps a permit from being used by
    another operation's step, by code that no step runs, and after its step. It does not look at the request: what a
    handler writes while its own step runs is held by review and tests.
    """

    operation_id: str
    digest: str
    kinds: frozenset[str]
    _live: bool = field(default=True, init=False)
    _used: bool = field(default=False, init=False)

    @property
    def live(self) -> bool:
        """Return whether the permit has not been ended."""
        return self._live

    @property
    def used(self) -> bool:
        """Return whether a write has passed: whatever became of it, the world may be another one now."""
        return self._used

    def revoke(self) -> None:
        """End the permit; every later write is refused."""
        self._live = False

    def require(self, what: str) -> None:
        """Let a write pass.

        Raises:
            WriteRefused: the permit has ended, or is not for the step that runs here; `what` names the refused write.
        """
        if why := self._why_not(RUNNING.get()):
            raise WriteRefused(f"Refused to {what}: {why}.", next="Call the tool again: it plans what is left.")
        self._used = True

    def _why_not(self, step: RunningStep | None) -> str:
        if not self._live:
            return f"the permit of operation {self.operation_id} has ended"
        if step is None or step.operation_id != self.operation_id:
            return f"no step of operation {self.operation_id} runs here"
        if step.kind not in self.kinds:
            return f"the permit of operation {self.operation_id} is not for {step.kind}"
        return ""


def refuse_without_permit(permit: Permit | None, what: str) -> None:
    """Let a write pass only with a live permit that is for the step that runs here.

    Raises:
        WriteRefused: there is no permit, it has ended, or it is for something else.
    """
    if permit is None:
        raise WriteRefused(
            f"Refused to {what}: no approved plan is running.",
            next="Changes go through a tool, which plans them and asks for approval.",
        )
    permit.require(what)
