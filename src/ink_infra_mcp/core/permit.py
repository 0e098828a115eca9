"""The permit: proof, held in memory only, that the guard has let one plan begin."""

from dataclasses import dataclass, field

from ink_infra_mcp.core.errors import WriteRefused


@dataclass(slots=True, eq=False)
class Permit:
    """Opens the write gate for the steps of one plan while it lives. Only `guard.permit` makes one.

    `kinds` are the step kinds of the plan, for the record: a gate asks only whether the permit lives, so that while a
    step runs, nothing but its handler keeps it from another kind of write.
    """

    operation_id: str
    digest: str
    kinds: frozenset[str]
    _live: bool = field(default=True, init=False)

    @property
    def live(self) -> bool:
        """Return whether writes are still allowed."""
        return self._live

    def revoke(self) -> None:
        """End the permit; every later write is refused."""
        self._live = False

    def require(self, what: str) -> None:
        """Let a write pass.

        Raises:
            WriteRefused: the permit has ended; `what` names the refused write.
        """
        if not self._live:
            raise WriteRefused(
                f"Refused to {what}: the permit of operation {self.operation_id} has ended.",
                next="Call the tool again: it plans what is left.",
            )


def refuse_without_permit(permit: Permit | None, what: str) -> None:
    """Let a write pass only with a live permit.

    Raises:
        WriteRefused: there is no permit, or it has ended.
    """
    if permit is None:
        raise WriteRefused(
            f"Refused to {what}: no approved plan is running.",
            next="Changes go through a tool, which plans them and asks for approval.",
        )
    permit.require(what)
