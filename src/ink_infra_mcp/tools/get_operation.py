"""get_operation: where one operation stands, step by step."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.receipt import Receipt, StepReport
from ink_infra_mcp.core.systems import STATE, Needs
from ink_infra_mcp.state.records import AuditLine, steps_so_far
from ink_infra_mcp.tools.times import iso


class Args(BaseModel):
    """What get_operation takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Annotated[str, Field(pattern=r"^op-[a-z0-9]{4,40}$", description="op-...")]


class Report(Frozen):
    """One operation. `receipt` is there once it has ended; times are ISO 8601 in UTC."""

    id: str
    tool: str
    target: str
    state: str
    now: str = ""
    principal: str
    approved_by: str
    began: str
    ended: str = ""
    steps: tuple[StepReport, ...] = ()
    receipt: Receipt | None = None
    log: tuple[str, ...] = ()


class GetOperation(Query[Args, Look, Report]):
    """Show where an operation stands: steps, result or problem, audit. Use it while one is `running`. It changes
    nothing.
    """

    name: ClassVar[str] = "get_operation"
    title: ClassVar[str] = "Show an operation"
    hint: ClassVar[str] = "is it done yet, progress, how far, did it succeed, check on a job or deployment"
    entry: ClassVar[bool] = True
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE,))
    args = Args
    report = Report
    open_world: ClassVar[bool] = False

    async def observe(self, args: Args, look: Look) -> Report:
        """Return the operation.

        Raises:
            UnknownName: there is none with that id.
        """
        found = await look.archive.operation(args.operation)
        lines = await look.archive.lines_of(found.id, limit=100)
        receipt = found.receipt
        return Report(
            id=found.id,
            tool=found.tool,
            target=found.plan.target,
            state=receipt.outcome if receipt else "running",
            now=found.now_at,
            principal=found.principal,
            approved_by=found.channel,
            began=iso(found.created_at),
            ended=iso(found.ended_at),
            steps=receipt.steps if receipt else steps_so_far(found),
            receipt=receipt.model_copy(update={"steps": ()}) if receipt else None,
            log=tuple(_line(line) for line in lines),
        )

    def render(self, report: Report) -> str:
        """Return the operation as lines."""
        lines = [f"{report.id} {report.tool} {report.target}: {report.state}{f' ({report.now})' if report.now else ''}"]
        lines += [f"began {report.began} for {report.principal}, approved through {report.approved_by}"]
        lines += [f"ended {report.ended}"] if report.ended else []
        lines += [f"  [{step.state}] {step.summary}" for step in report.steps]
        if report.receipt:
            lines.append(report.receipt.message)
            lines += [f"  {c.status}: {c.name} ({c.evidence})" for c in report.receipt.checks]
        return "\n".join(lines)


def _line(line: AuditLine) -> str:
    step = line.detail.get("step", "")
    return " ".join(filter(None, (iso(line.at), line.event, str(step), line.outcome)))
