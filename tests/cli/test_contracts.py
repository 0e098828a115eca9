"""`contracts` in a copy of the repository, so that what it writes is not ours."""

import json
import shutil
from pathlib import Path

import pytest

from ink_infra_mcp.tools import ALL
from tests.cli.terminals import Ended, command, inside

ROOT = Path(__file__).parents[2]


class Copy:
    """A repository, or an installed package, with the source and the contracts of this one."""

    def __init__(self, folder: Path, *, installed: bool) -> None:
        self.source = folder / "site-packages" if installed else folder / "src"
        package = self.source / "ink_infra_mcp"
        self.contracts = package / "_contracts" if installed else folder / "tools"
        shutil.copytree(ROOT / "src" / "ink_infra_mcp", package, ignore=shutil.ignore_patterns("__pycache__"))
        self.contracts.mkdir()
        if not installed:
            shutil.copy(ROOT / "pyproject.toml", folder)

    def run(self, *words: str) -> Ended:
        """Run the copy's `contracts`."""
        return command("contracts", *words, environ={"PYTHONPATH": str(self.source), "PYTHONSAFEPATH": "1"})

    def file(self, tool: str) -> Path:
        """Return where a tool's contract lies."""
        return self.contracts / tool / "contract.json"


def test_contracts_are_written_checked_and_mended(tmp_path: Path) -> None:
    """What is missing, changed or orphaned is named with exit status 1; --update mends exactly that.

    An orphan loses its contract and nothing else: a person wrote the worked cases beside it.
    """
    copy = Copy(tmp_path, installed=False)
    assert copy.run("--update").status == 0
    right = {tool: copy.file(tool).read_text(encoding="utf-8") for tool in ("get_app", "list_apps")}
    case = copy.contracts / "list_apps" / "plans" / "first.json"
    case.parent.mkdir()
    case.write_text("{}", encoding="utf-8")
    copy.file("list_apps").write_text(right["list_apps"].replace('"list_apps"', '"old_tool"'), encoding="utf-8")
    copy.file("get_app").write_text(json.dumps(json.loads(right["get_app"]) | {"title": "Other"}), encoding="utf-8")
    copy.file("gone").parent.mkdir()
    copy.file("gone").write_text(right["get_app"].replace('"get_app"', '"gone"'), encoding="utf-8")

    wrong = ["get_app: changed", "gone: orphaned", "list_apps: missing", "old_tool: orphaned"]
    hint = "Run `ink-infra-mcp contracts --update`, and look at what changed."
    ended = copy.run()
    assert (ended.status, ended.out.splitlines()) == (1, [*wrong, hint])

    mended = copy.run("--update")
    assert (mended.status, mended.out.splitlines()) == (0, [line.replace(": ", ": mended, was ") for line in wrong])
    assert {tool: copy.file(tool).read_text(encoding="utf-8") for tool in right} == right
    assert (copy.file("gone").exists(), case.exists()) == (False, True)


def test_an_installed_package_is_not_written(tmp_path: Path) -> None:
    """In an installed package --update refuses to change files that are not ours."""
    copy = Copy(tmp_path, installed=True)
    ended = copy.run("--update")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("[invalid_config] The contracts of an installed package cannot be updated.")
    assert list(copy.contracts.iterdir()) == []


def test_the_contracts_of_this_repository_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes over the wire is what the tools say, word for word."""
    ended = inside(capsys, "contracts")
    assert (ended.status, ended.out) == (0, f"All {len(ALL)} contracts are right.\n")
