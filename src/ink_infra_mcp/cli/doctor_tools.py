"""What each tool needs of the systems, as data, and what follows from it for each tool."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ink_infra_mcp.cli.doctor_report import Section, ToolLine

CONFIGURATION = "configuration"
TOKEN = "Coolify token"
STATE = "state store"
READ = "Coolify: read"
SENSITIVE = "Coolify: read:sensitive"
WRITE = "Coolify: write"
DEPLOY = "Coolify: deploy"
FACTORY = "SSH to the Factory"
MUSCLE = "SSH to a Muscle"
OPTION = "isolation by run option"
RUNTIME = "a Muscle with the isolating runtime"
GITHUB = "GitHub"
HETZNER = "Hetzner Cloud"
DNS = "DNS"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a tool does not work without, and what it only works in part without."""

    must: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


EVERY_TOOL = (CONFIGURATION, TOKEN)
_STARTS = (STATE, READ, DEPLOY, MUSCLE, RUNTIME)

NEEDS: Mapping[str, Needs] = {
    "deploy_app": Needs((*_STARTS, WRITE, FACTORY), (OPTION, GITHUB, SENSITIVE, DNS)),
    "list_apps": Needs((READ,), (MUSCLE,)),
    "get_app": Needs((READ,), (MUSCLE,)),
    "get_app_logs": Needs((READ,), (SENSITIVE,)),
    "set_app_env": Needs((*_STARTS, WRITE), (FACTORY, OPTION, DNS)),
    "control_app": Needs(_STARTS, (FACTORY, OPTION, DNS)),
    "rollback_app": Needs((*_STARTS, WRITE, FACTORY, OPTION), (DNS,)),
    "delete_app": Needs((STATE, READ, WRITE), (MUSCLE,)),
    "get_fleet": Needs((), (READ, FACTORY, MUSCLE, HETZNER)),
    "get_operation": Needs((STATE,)),
    "list_operations": Needs((STATE,)),
    "cancel_operation": Needs((STATE,)),
    "resume_operation": Needs((STATE, READ), (WRITE, DEPLOY, FACTORY, MUSCLE, OPTION, RUNTIME)),
    "get_audit": Needs((STATE,)),
}
"""One row for each tool; a test holds it against the list of tools and the kinds of step that they plan."""


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
    missing = next((ability for ability in (*EVERY_TOOL, *needs.must) if ability in lacks), None)
    if missing is not None:
        return ToolLine(tool=tool, works="no", why=(f"needs {missing}: {lacks[missing]}",))
    without = tuple(f"without {ability}: {lacks[ability]}" for ability in needs.better if ability in lacks)
    return ToolLine(tool=tool, works="partly" if without else "yes", why=without)
