"""get_audit: who changed what, when, approved by whom; with the chain verified."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import STATE, Needs
from ink_infra_mcp.state.records import AuditLine
from ink_infra_mcp.tools.times import iso

COLUMNS = ("seq", "at", "event", "tool", "target", "principal", "outcome", "operation", "approval")


class Args(BaseModel):
    """What get_audit takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: Annotated[str | None, Field(pattern=r"^op-[a-z0-9]{4,40}$", description="Only this operation")] = None
    before: Annotated[int | None, Field(ge=1, description="Lines before this number")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="At most")] = 50


class Report(Frozen):
    """Lines in order; `chain` says whether every line is as it was written. `before` leads to earlier lines."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    chain: str
    before: int | None = None


class GetAudit(Query[Args, Look, Report]):
    """Show the audit: every plan, approval, refusal, step and outcome, with who and when. Each call verifies its chain
    of hashes. It changes nothing.
    """

    name: ClassVar[str] = "get_audit"
    title: ClassVar[str] = "Show the audit"
    hint: ClassVar[str] = "who changed, did or approved what and when, yesterday; trail, log tampered"
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE,))
    args = Args
    report = Report
    open_world: ClassVar[bool] = False

    async def observe(self, args: Args, look: Look) -> Report:
        """Return the newest lines before the cursor."""
        if args.operation:
            lines = await look.archive.lines_of(args.operation, limit=args.limit)
        else:
            lines = await look.archive.lines(before=args.before, limit=args.limit)
        first = lines[0].seq if lines else 1
        before = first if first > 1 and not args.operation else None
        chain = await look.archive.chain()
        return Report(columns=COLUMNS, rows=tuple(_row(line) for line in lines), chain=chain, before=before)

    def render(self, report: Report) -> str:
        """Return the lines with tabs."""
        lines = ["\t".join(report.columns), *("\t".join(row) for row in report.rows), f"chain: {report.chain}"]
        lines += [f"earlier: before={report.before}"] if report.before else []
        return "\n".join(lines)


def _row(line: AuditLine) -> tuple[str, ...]:
    return (
        str(line.seq),
        iso(line.at),
        line.event,
        line.tool,
        line.target,
        line.principal,
        line.outcome,
        line.operation_id,
        line.approval_id,
    )
