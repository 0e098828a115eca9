"""What the doctor says: findings by system, what each tool can do with them, and both as text."""

import textwrap
from typing import Literal

from ink_infra_mcp import __version__
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.quoting import WIDTH

Level = Literal["ok", "note", "warning", "failed"]
Works = Literal["yes", "partly", "no"]
_LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "failed")
_MARKS: dict[Level, str] = {"ok": "ok", "note": "note", "warning": "WARNING", "failed": "FAILED"}
_WORKS: dict[Works, str] = {"yes": "works", "partly": "partly", "no": "NOT"}


class Finding(Frozen):
    """One thing that was seen, and what to do about it."""

    level: Level
    text: str
    next: str = ""


class Section(Frozen):
    """What was found about one system: the abilities that it gives to tools, and those that it lacks, with the why."""

    name: str
    findings: tuple[Finding, ...]
    gives: tuple[str, ...] = ()
    lacks: dict[str, str] = {}

    @property
    def level(self) -> Level:
        """Return the worst level of the findings."""
        worst: Level = "ok"
        for finding in self.findings:
            if _LEVELS.index(finding.level) > _LEVELS.index(worst):
                worst = finding.level
        return worst


class ToolLine(Frozen):
    """Whether a tool works, and what is missing."""

    tool: str
    works: Works
    why: tuple[str, ...] = ()


class Report(Frozen):
    """Everything, in the order in which it is shown."""

    version: str = __version__
    sandbox: bool
    sections: tuple[Section, ...]
    tools: tuple[ToolLine, ...]

    @property
    def healthy(self) -> bool:
        """Return whether nothing failed; warnings are no failure."""
        return all(section.level != "failed" for section in self.sections)


def as_text(report: Report) -> str:
    """Return the report as lines for a person."""
    lines = [f"ink-infra-mcp {report.version}{' (sandbox: a pretend world)' if report.sandbox else ''}", ""]
    for section in report.sections:
        lines += [line for finding in section.findings for line in _lines(section.name, finding)]
    lines += ["", "Tools:", *_tools(report.tools), ""]
    return "\n".join([*lines, _verdict(report)])


def as_json(report: Report) -> dict[str, object]:
    """Return the same as an object for programs."""
    return {
        "version": report.version,
        "sandbox": report.sandbox,
        "ok": report.healthy,
        "systems": [
            {"name": section.name, "level": section.level, "findings": [f.model_dump() for f in section.findings]}
            for section in report.sections
        ],
        "tools": [line.model_dump(mode="json") for line in report.tools],
    }


def _lines(name: str, finding: Finding) -> list[str]:
    head = f"{_MARKS[finding.level]:<8} {name}: {finding.text}"
    return [head, f"{'':<8}   -> {finding.next}"] if finding.next else [head]


def _tools(tools: tuple[ToolLine, ...]) -> list[str]:
    """Tools of which the same is true stand together, so that each reason is told once."""
    alike: dict[tuple[Works, tuple[str, ...]], list[str]] = {}
    for line in tools:
        alike.setdefault((line.works, line.why), []).append(line.tool)
    return [line for (works, why), names in alike.items() for line in _alike(works, why, names, len(tools))]


def _alike(works: Works, why: tuple[str, ...], names: list[str], of: int) -> list[str]:
    who = f"all {of} tools" if len(names) == of > 1 else ", ".join(names)
    head = textwrap.wrap(who, WIDTH, initial_indent=f"{_WORKS[works]:<8} ", subsequent_indent=f"{'':<9}")
    return [*head, *(f"{'':<8}   -> {reason}" for reason in why)]


def _verdict(report: Report) -> str:
    if failed := _named(report, "failed"):
        return f"Failed: {failed}."
    warned = _named(report, "warning")
    return f"Nothing failed; look at: {warned}." if warned else "All well."


def _named(report: Report, level: Level) -> str:
    return ", ".join(section.name for section in report.sections if section.level == level)
