"""What each tool needs of the systems, as data, and what follows from it for each tool."""

from collections.abc import Iterable, Mapping, Sequence

from ink_infra_mcp.cli.doctor_report import Section, ToolLine
from ink_infra_mcp.core.systems import CONFIGURATION, DEPLOY, READ, SENSITIVE, TOKEN, WRITE, Needs
from ink_infra_mcp.tools import ALL

_OF_COOLIFY = frozenset({READ, SENSITIVE, WRITE, DEPLOY})

NEEDS: Mapping[str, Needs] = {tool.name: tool.needs for tool in ALL}
"""Each tool says for itself what it needs; a test holds that against the kinds of step that it plans."""


def lacking(sections: Sequence[Section]) -> dict[str, str]:
    """Return the abilities that some section lacks and none gives, each with the reasons."""
    given = {ability for section in sections for ability in section.gives}
    lost = dict.fromkeys(reason for section in sections for reason in section.lacks.items())
    found: dict[str, str] = {}
    for ability, why in lost:
        if ability not in given:
            found[ability] = f"{found[ability]} / {why}" if ability in found else why
    return found


def judge(tools: Iterable[str], lacks: Mapping[str, str]) -> tuple[ToolLine, ...]:
    """Return for each tool whether it works, with the first thing that stops it or all that it goes without."""
    return tuple(_judge(tool, NEEDS.get(tool, Needs()), lacks) for tool in tools)


def _judge(tool: str, needs: Needs, lacks: Mapping[str, str]) -> ToolLine:
    first = (CONFIGURATION, TOKEN) if _OF_COOLIFY.intersection(needs.must) else (CONFIGURATION,)
    missing = next((ability for ability in (*first, *needs.must) if ability in lacks), None)
    if missing is not None:
        return ToolLine(tool=tool, works="no", why=(f"needs {missing}: {lacks[missing]}",))
    without = tuple(f"without {ability}: {lacks[ability]}" for ability in needs.better if ability in lacks)
    return ToolLine(tool=tool, works="partly" if without else "yes", why=without)
