"""`contracts` in a copy of the repository, so that what it writes is not ours."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.terminals import Ended, command

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
    """What is missing, changed or orphaned is named with exit status 1; --update mends exactly that."""
    copy = Copy(tmp_path, installed=False)
    assert copy.run("--update").status == 0
    whole = copy.run()
    assert (whole.status, whole.out.startswith("All ")) == (0, True)

    right = copy.file("list_apps").read_text(encoding="utf-8")
    copy.file("list_apps").write_text(right.replace('"list_apps"', '"old_tool"'), encoding="utf-8")
    changed = json.loads(copy.file("get_app").read_text(encoding="utf-8")) | {"title": "Something else"}
    copy.file("get_app").write_text(json.dumps(changed), encoding="utf-8")
    (copy.contracts / "list_apps" / "plans").mkdir()
    hint = "Run `ink-infra-mcp contracts --update`, and look at what changed."
    ended = copy.run()
    assert (ended.status, ended.out.splitlines()) == (
        1,
        ["get_app: changed", "list_apps: missing", "old_tool: orphaned", hint],
    )

    mended = copy.run("--update")
    assert (mended.status, mended.out.splitlines()) == (
        0,
        ["get_app: mended, was changed", "list_apps: mended, was missing", "old_tool: mended, was orphaned"],
    )
    assert (copy.file("list_apps").read_text(encoding="utf-8"), copy.run().status) == (right, 0)


def test_an_orphan_loses_its_contract_and_nothing_else(tmp_path: Path) -> None:
    """The contract of a tool that is no more is deleted; worked cases beside it stay for a person to judge."""
    copy = Copy(tmp_path, installed=False)
    copy.run("--update")
    case = copy.contracts / "old_tool" / "plans" / "first.json"
    case.parent.mkdir(parents=True)
    case.write_text("{}", encoding="utf-8")
    contract = json.loads(copy.file("get_app").read_text(encoding="utf-8")) | {"name": "old_tool"}
    copy.file("old_tool").write_text(json.dumps(contract), encoding="utf-8")
    assert copy.run("--update").status == 0
    assert (copy.file("old_tool").exists(), case.exists(), copy.file("get_app").exists()) == (False, True, True)


@pytest.mark.parametrize("words", [(), ("--update",)])
def test_an_installed_package_is_not_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    """In an installed package differences are shown, and --update refuses to change files that are not ours."""
    copy = Copy(tmp_path, installed=True)
    ended = copy.run(*words)
    assert (ended.status, "get_app: missing" in ended.out) == (1, not words)
    assert ("[invalid_config] The contracts of an installed package cannot be updated." in ended.err) == bool(words)
    assert list(copy.contracts.iterdir()) == []
