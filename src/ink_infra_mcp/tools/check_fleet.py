"""check_fleet: what of the whole fleet is not as policy wants, in one bounded answer."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.factory.surveyed import factory_drifts
from ink_infra_mcp.areas.fallen import app_drifts
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines import marks
from ink_infra_mcp.areas.machines.drift import (
    Drift,
    Line,
    counted,
    fitting,
    in_order,
    lines_of,
    verdict,
)
from ink_infra_mcp.areas.machines.survey import Survey
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, READ, ROBOT, Needs

UNKNOWN = "?"
_GO_ON = "call again with skip; if its mark is another one, the list has moved meanwhile: read it from the start"


class Args(BaseModel):
    """What check_fleet takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changed_since: Annotated[
        str | None, Field(max_length=2000, description="An earlier answer's `mark`: only what is new")
    ] = None
    skip: Annotated[int, Field(ge=0, le=10_000, description="Findings seen already")] = 0


class Report(Frozen):
    """The fleet; `?` is not known. `counts` are of all that stands; `findings` the worst, `more` how many did not fit.

    `mark` names this answer for `changed_since`; `gone` is how many findings of the earlier one are no more. Each call
    looks anew: pages belong together only where their marks are the same.
    """

    verdict: str
    servers: int
    apps: str
    counts: dict[str, int]
    findings: tuple[Line, ...] = ()
    more: int = 0
    gone: int | None = None
    mark: str
    notes: tuple[str, ...] = ()


class CheckFleet(Query[Args, Look, Report]):
    """Check servers and apps against every policy: ports, isolation, baseline, updates, disks, logins, names,
    certificates, Coolify, unused costs; each finding with evidence and the call that mends it. What could not be read
    is a finding. It changes nothing.
    """

    name: ClassVar[str] = "check_fleet"
    title: ClassVar[str] = "Check the whole fleet"
    hint: ClassVar[str] = (
        "is everything alright, what is wrong; audit machines, problems, security updates missing, drifted, expires, "
        "worry, paying for what nobody uses"
    )
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "fleet"
    needs: ClassVar[Needs] = Needs((READ, FACTORY), (MUSCLE, HETZNER, ROBOT))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what is wrong with the fleet, all of it looked at side by side.

        Raises:
            InputError: `changed_since` is no mark.
        """
        since = marks.since(args.changed_since, ()) if args.changed_since else None
        survey = Survey(look, factory_drifts, app_drifts)
        await survey.run()
        every = in_order(survey.found)
        shown, gone = every, None
        if since is not None:
            told = marks.since(str(args.changed_since), [drift.id for drift in every])
            shown, gone = tuple(drift for drift in every if drift.id in told.new), told.gone
        return _report(args, look, survey, every, shown, gone)

    def render(self, report: Report) -> str:
        """Return the findings, the worst first."""
        counts = ", ".join(f"{count} {severity}" for severity, count in report.counts.items()) or "no findings"
        lines = [f"verdict: {report.verdict}; {report.servers} servers, {report.apps} apps; {counts}"]
        if report.gone is not None:
            lines.append(f"since then: {len(report.findings) + report.more} new, {report.gone} gone")
        lines += map(_words, report.findings)
        lines += [f"{report.more} more: {_GO_ON}"] if report.more else []
        return "\n".join([*lines, *(f"note: {note}" for note in report.notes), f"mark: {report.mark}"])


def _report(
    args: Args, look: Look, survey: Survey, every: tuple[Drift, ...], shown: tuple[Drift, ...], gone: int | None
) -> Report:
    lines = lines_of(shown)
    fit = fitting(lines, skip=args.skip)
    return Report(
        verdict=verdict(every),
        servers=len(look.fleet.hosts),
        apps=UNKNOWN if survey.apps is None else str(len(survey.apps)),
        counts=counted(every),
        findings=fit,
        more=max(0, len(lines) - args.skip - len(fit)),
        gone=gone,
        mark=marks.mark_of([drift.id for drift in every]),
        notes=(*look.ports().overrides, *look.baseline().overrides),
    )


def _words(line: Line) -> str:
    more = f" and {line.more_servers} more" if line.more_servers else ""
    where = ", ".join(line.servers)
    return f"{line.severity}: {where}{more}: {line.what} [{line.code}; {line.evidence}] -> {line.mend}"
