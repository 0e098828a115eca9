"""list_operations: what ran and what runs, newest first."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import STATE, Needs
from ink_infra_mcp.state.records import Operation
from ink_infra_mcp.tools.times import iso

COLUMNS = ("id", "tool", "target", "state", "began")


class Args(BaseModel):
    """What list_operations takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    running: Annotated[bool, Field(description="Only those that have not ended")] = False
    limit: Annotated[int, Field(ge=1, le=100, description="At most")] = 20
    cursor: Annotated[str | None, Field(pattern=r"^\d+(\.\d+)?$", max_length=30, description="Page")] = None


class Report(Frozen):
    """The table, newest first; `next_cursor` leads to older ones."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    next_cursor: str | None = None


class ListOperations(Query[Args, Look, Report]):
    """List operations, newest first: what changed, is running or failed. It changes nothing."""

    name: ClassVar[str] = "list_operations"
    title: ClassVar[str] = "List operations"
    hint: ClassVar[str] = "history, what happened or changed recently, last, today; jobs"
    toolset: ClassVar[Toolset] = "operations"
    needs: ClassVar[Needs] = Needs((STATE,))
    args = Args
    report = Report
    open_world: ClassVar[bool] = False

    async def observe(self, args: Args, look: Look) -> Report:
        """Return one page."""
        before = float(args.cursor) if args.cursor else None
        found = await look.archive.operations(before=before, limit=args.limit + 1, running=args.running)
        shown = found[: args.limit]
        more = repr(shown[-1].created_at) if len(found) > args.limit else None
        return Report(columns=COLUMNS, rows=tuple(_row(operation) for operation in shown), next_cursor=more)

    def render(self, report: Report) -> str:
        """Return the table with tabs."""
        lines = ["\t".join(report.columns), *("\t".join(row) for row in report.rows)]
        lines += [f"older: cursor {report.next_cursor}"] if report.next_cursor else []
        return "\n".join(lines)


def _row(operation: Operation) -> tuple[str, ...]:
    state = operation.receipt.outcome if operation.receipt else "running"
    return (operation.id, operation.tool, operation.plan.target, state, iso(operation.created_at))
