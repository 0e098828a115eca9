"""What tools need, held against the tools themselves, and what follows from what is missing."""

import re
from pathlib import Path

import pytest

from ink_infra_mcp.cli import doctor_tools
from ink_infra_mcp.cli.doctor_report import Section, ToolLine
from ink_infra_mcp.cli.doctor_tools import NEEDS, judge, lacking
from ink_infra_mcp.core import systems
from ink_infra_mcp.core.operation import Mutation
from ink_infra_mcp.core.systems import DEPLOY, MUSCLE, READ, SENSITIVE, STATE, WRITE
from ink_infra_mcp.tools import ALL

STARTS = frozenset({"deploy", "first_deploy", "start", "restart", "stop", "rollback"})
"""Acts that Coolify asks the ability deploy for; every other change asks for write."""
READS = frozenset({"note_deployments", "prove_unchanged"})


def test_every_tool_has_a_row() -> None:
    """A new tool cannot be forgotten here, and no row is left of one that is gone."""
    assert set(NEEDS) == {tool.name for tool in ALL}


def test_rows_fit_the_steps_that_tools_plan() -> None:
    """Whoever plans steps needs the store and what those steps ask of Coolify and the Muscles."""
    wrong: dict[str, set[str]] = {}
    for tool in ALL:
        if not issubclass(tool, Mutation):
            continue
        row = NEEDS[tool.name]
        acts = {kind.split(".")[1] for kind in tool.kinds if kind.startswith("coolify.")}
        wanted = {STATE}
        wanted |= {DEPLOY} if acts & STARTS else set()
        wanted |= {WRITE} if acts - STARTS - READS else set()
        wanted |= {MUSCLE} if "hosts.prove_isolation" in tool.kinds else set()
        if missing := wanted - {*row.must, *row.better}:
            wrong[tool.name] = missing
    assert wrong == {}


def test_rows_name_abilities_that_a_check_can_miss() -> None:
    """Every ability that a row names is a constant that some check speaks of: another one would never be missed."""
    checks = [file for file in Path(doctor_tools.__file__).parent.glob("doctor*.py") if file.name != "doctor_tools.py"]
    words = set(re.findall(r"[A-Z]+", "".join(file.read_text(encoding="utf-8") for file in checks)))
    constants = {name: value for name, value in vars(systems).items() if isinstance(value, str)}
    spoken_of = {value for name, value in constants.items() if name in words}
    named = {ability for row in NEEDS.values() for ability in (*row.must, *row.better)} | {
        systems.CONFIGURATION,
        systems.TOKEN,
    }
    assert named - spoken_of == set()


def test_an_ability_is_lacking_when_nobody_gives_it() -> None:
    """One Muscle is enough; when none has it, every reason is told, and none twice."""
    good = Section(name="muscle-1", findings=(), gives=(MUSCLE,))
    bad = [Section(name=name, findings=(), lacks={MUSCLE: f"{name} is down"}) for name in ("muscle-2", "muscle-3")]
    assert lacking([good, *bad]) == {}
    assert lacking([*bad, bad[0]]) == {MUSCLE: "muscle-2 is down / muscle-3 is down"}


@pytest.mark.parametrize(
    ("lacks", "line"),
    [
        ({}, ToolLine(tool="get_app_logs", works="yes")),
        ({SENSITIVE: "no"}, ToolLine(tool="get_app_logs", works="partly", why=(f"without {SENSITIVE}: no",))),
        ({READ: "down", SENSITIVE: "no"}, ToolLine(tool="get_app_logs", works="no", why=(f"needs {READ}: down",))),
        ({STATE: "full"}, ToolLine(tool="get_app_logs", works="yes")),
    ],
)
def test_a_tool_is_judged_by_its_row(lacks: dict[str, str], line: ToolLine) -> None:
    """What it must have stops it, what it had better have is told, and what it does not need is no matter."""
    assert judge(["get_app_logs"], lacks) == (line,)
