"""Who may import whom, and that each of those rules can be broken: one seeded violation, one broken rule."""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("the whole source")

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "ink_infra_mcp"
VERDICT = re.compile(r"^(?P<rule>\S.*?) (?P<verdict>KEPT|BROKEN)\b", re.MULTILINE)


@dataclass(frozen=True)
class Seed:
    """A wrong import: the file that has it, what it says, and the one rule that it must break."""

    rule: str
    path: str
    text: str
    beside: tuple[str, ...] = ()


SEEDS = (
    Seed("layers point down only", "core/seeded.py", "import ink_infra_mcp.sandbox.part"),
    Seed("layers point down only", "tools/seeded.py", "import ink_infra_mcp.guard.seeded", ("guard/seeded.py",)),
    Seed("layers point down only", "ssh/seeded.py", "import ink_infra_mcp.sandbox.part"),
    Seed("layers point down only", "areas/seeded.py", "import ink_infra_mcp.guard.seeded", ("guard/seeded.py",)),
    Seed("layers point down only", "seeded.py", ""),
    Seed("only the server and the command line know the MCP SDK", "app.py", "import mcp_types"),
    Seed("HTTP leaves through one module, and those that ask strangers", "clients/seeded.py", "import httpx2"),
    Seed("SSH is spoken by the way there and the sandbox only", "hosts/seeded.py", "import asyncssh"),
    Seed("durable execution is the engine's only", "guard/seeded.py", "import dbos"),
    Seed("the database is reached by the state and the engine only", "tools/seeded.py", "import sqlalchemy"),
    Seed("the key store is opened by the settings only", "clients/seeded.py", "import keyring"),
    Seed("scripts for shells are written by the command line only", "cli/seeded.py", "import shtab"),
    Seed("DNS is spoken by the clients and the sandbox only", "tools/seeded.py", "import dns.resolver"),
    Seed("only the server and the sandbox listen for HTTP", "clients/seeded.py", "import uvicorn"),
    Seed("the core is pure", "core/seeded.py", "def read() -> None:\n    import socket"),
    Seed("the sandbox knows nothing of ours", "sandbox/seeded.py", "from ink_infra_mcp.core import plan"),
    Seed("tools do not know each other", "tools/seeded.py", "import ink_infra_mcp.tools.other", ("tools/other.py",)),
    Seed("tools and areas look, and never act", "areas/seeded.py", "import ink_infra_mcp.core.permit"),
    Seed("tools and areas look, and never act", "tools/seeded.py", "import ink_infra_mcp.clients.coolify.act"),
    Seed("tools and areas look, and never act", "areas/seeded.py", "import ink_infra_mcp.hosts.docker.steps"),
    Seed("guard and engine know no area", "guard/seeded.py", "import ink_infra_mcp.areas.look"),
    Seed("the way to a server knows no subject", "ssh/seeded.py", "import ink_infra_mcp.core.plan"),
    Seed(
        "vendor clients do not know each other",
        "clients/seeded.py",
        "import ink_infra_mcp.clients.other",
        ("clients/other.py",),
    ),
    Seed(
        "no cycles among siblings",
        "guard/seeded.py",
        "import ink_infra_mcp.guard.other",
        ("guard/other.py=import ink_infra_mcp.guard.seeded",),
    ),
)


def write(package: Path, path: str, text: str) -> None:
    """Write one seeded module at the end of what is there, making its package where the tree has none yet."""
    target = package / path
    target.parent.mkdir(exist_ok=True)
    target.parent.joinpath("__init__.py").touch()
    with target.open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def verdicts(source: Path) -> dict[str, bool]:
    """Return, for each rule of `.importlinter`, whether the package under `source` keeps it."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    options = ["--no-cache", "--no-logo", "--config", str(ROOT / ".importlinter")]
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, *options], env=environment, cwd=source, capture_output=True, text=True, timeout=60, check=False
    )
    found = {match["rule"]: match["verdict"] == "KEPT" for match in VERDICT.finditer(done.stdout)}
    assert found, done.stdout + done.stderr
    return found


@pytest.fixture(scope="module")
def kept() -> dict[str, bool]:
    """Return the verdicts over the product itself."""
    return verdicts(PACKAGE.parent)


def test_every_import_rule_is_kept(kept: dict[str, bool]) -> None:
    """The product breaks none of its import rules."""
    assert [rule for rule, is_kept in kept.items() if not is_kept] == []


def test_every_import_rule_has_a_seeded_violation(kept: dict[str, bool]) -> None:
    """No rule stands in the configuration without a proof that it can fail, and no proof without its rule."""
    assert {seed.rule for seed in SEEDS} == set(kept)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed.path}: {seed.rule}")
def test_a_wrong_import_breaks_exactly_its_rule(seed: Seed, kept: dict[str, bool], tmp_path: Path) -> None:
    """A single wrong import is named by the rule that forbids it, and by no other."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    write(copy, seed.path, seed.text)
    for extra in seed.beside:
        path, _, text = extra.partition("=")
        write(copy, path, text)
    after = verdicts(tmp_path)
    assert {rule for rule, is_kept in after.items() if is_kept != kept[rule]} == {seed.rule}


def permits_made(text: str) -> list[int]:
    """Return the lines of a module's text that make a permit, or give the class another name to make it by."""
    found: list[int] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id="Permit") | ast.Attribute(attr="Permit"), lineno=line):
                found.append(line)
            case ast.ImportFrom(names=names, lineno=line) if any(n.name == "Permit" and n.asname for n in names):
                found.append(line)
            case ast.Assign(value=ast.Name(id="Permit") | ast.Attribute(attr="Permit"), lineno=line):
                found.append(line)
            case _:
                pass
    return found


def test_only_the_guard_makes_permits() -> None:
    """No module outside the guard makes what opens the write gate, so nothing writes before its sequence."""
    others = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "guard"]
    assert {str(path): lines for path in others if (lines := permits_made(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "Permit(operation_id='a', digest='b', kinds=frozenset())",
        "permit.Permit(operation_id='a', digest='b', kinds=frozenset())",
        "from ink_infra_mcp.core.permit import Permit as Pass",
        "Pass = permit.Permit",
    ],
)
def test_a_permit_made_elsewhere_is_found(text: str) -> None:
    """The search for permits sees the class by its name, through its module and behind another name."""
    assert permits_made(text) == [1]
