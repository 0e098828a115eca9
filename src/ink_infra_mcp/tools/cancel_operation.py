"""cancel_operation: stop a running operation before its next step."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.policy import apps_touched, servers_touched
from ink_infra_mcp.core.systems import STATE, Needs
from ink_infra_mcp.state.records import Operation


class Args(BaseModel):
    """What cancel_operation takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Annotated[str, Field(pattern=r"^op-[a-z0-9]{4,40}$", description="op-...")]
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The operation as it stands."""

    operation: Operation


class CancelOperation(Mutation[Args, Look, Facts]):
    """Stop a running operation before its next step; what is done stays done. The original call then plans what is
    left.
    """

    name: ClassVar[str] = "cancel_operation"
    title: ClassVar[str] = "Cancel an operation"
    hint: ClassVar[str] = "abort, halt what is running, what you are doing"
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE,))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = ("operations.request_cancel",)

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the operation.

        Raises:
            UnknownName: there is none with that id.
        """
        return Facts(operation=await look.archive.operation(args.operation))

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the one step, or none when it has ended or will stop already."""
        operation = facts.operation
        over = operation.state != "running"
        reason = f"{operation.id} has ended." if over else f"{operation.id} stops before its next step already."
        step = Step(
            id="cancel",
            kind="operations.request_cancel",
            target=operation.id,
            servers=tuple(sorted(servers_touched(operation.plan))),
            apps=tuple(sorted(apps_touched(operation.plan))),
            summary=f"Stop {operation.id} ({operation.plan.title}) before its next step",
            params={"operation": operation.id},
            undo_words="call the tool again: it plans what is left",
        )
        return Plan(
            tool=self.name,
            title=f"Cancel {operation.id}",
            target=operation.id,
            locks=(f"cancel:{operation.id}",),
            steps=() if over or operation.cancel_requested else (step,),
            production=operation.plan.production,
            blast_radius=f"{operation.plan.target} stays as far as the operation came",
            phrase=operation.id,
            reason=reason,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the operation has ended, or will before its next step."""
        operation = await look.archive.operation(plan.target)
        asked = operation.state != "running" or operation.cancel_requested
        evidence = f"{operation.id} is {operation.state}" + (", asked to stop" if operation.cancel_requested else "")
        return [Check(name="cancel", status="passed" if asked else "failed", evidence=evidence)]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the id of the operation that was cancelled."""
        return {"cancelled": plan.target}
