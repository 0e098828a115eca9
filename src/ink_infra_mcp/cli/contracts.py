"""`contracts`: holds the contract files against the tools, and writes what differs."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ink_infra_mcp.cli.terminal import print_json
from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.server import ahead, contracts
from ink_infra_mcp.server.asked_first import made
from ink_infra_mcp.server.client_pages import pages
from ink_infra_mcp.server.contracts import Tool
from ink_infra_mcp.server.documents import with_table
from ink_infra_mcp.settings.policy_files import load_policy
from ink_infra_mcp.tools import ALL


def run(arguments: argparse.Namespace) -> int:
    """Say what differs, and mend it with --update; the exit status is 0 when nothing does or all was mended.

    Raises:
        ConfigError: --update in an installed package, whose files are not ours to change.
    """
    tools, kinds = [tool() for tool in ALL], load_policy(None).kinds
    wrong = contracts.differences(tools, kinds) | _documents(tools, kinds, write=arguments.update)
    if arguments.json:
        return _as_json(tools, kinds, wrong, update=arguments.update)
    if not wrong:
        print(f"All {len(tools)} contracts are right.")
        return 0
    if not arguments.update:
        return _tell(wrong)
    _mend(tools, kinds, wrong)
    print("\n".join(f"{name}: mended, was {wrong[name]}" for name in sorted(wrong)))
    return 0


def update(tools: Sequence[Tool], kinds: Mapping[str, Risk], *, orphans: Sequence[str], folder: Path) -> None:
    """Write every contract that differs below `folder`, and delete the contract of each tool that is no more.

    Worked cases beside a deleted contract stay: a person wrote them.
    """
    contracts.write(tools, kinds, folder)
    for file in folder.glob("*/contract.json"):
        if json.loads(file.read_text(encoding="utf-8"))["name"] in orphans:
            file.unlink()


def _mend(tools: Sequence[Tool], kinds: Mapping[str, Risk], wrong: Mapping[str, str]) -> None:
    update(tools, kinds, orphans=[name for name, what in wrong.items() if what == "orphaned"], folder=_source())


def _as_json(tools: Sequence[Tool], kinds: Mapping[str, Risk], wrong: Mapping[str, str], *, update: bool) -> int:
    mends = update and bool(wrong)
    if mends:
        _mend(tools, kinds, wrong)
    print_json({"contracts": len(tools), "differ": wrong, "mended": mends})
    return 1 if wrong and not mends else 0


def _tell(wrong: Mapping[str, str]) -> int:
    print("\n".join(f"{name}: {wrong[name]}" for name in sorted(wrong)))
    print("Run `ink-infra-mcp contracts --update`, and look at what changed.")
    return 1


def _documents(tools: Sequence[Tool], kinds: Mapping[str, Risk], *, write: bool) -> dict[str, str]:
    """Return which generated documents differ, and write them if asked; an installed package has none."""
    place = contracts.folder()
    if not isinstance(place, Path):
        return {}
    wrong = {file: text for file, text in _made(tools, kinds, place.parent).items() if _text(file) != text}
    said = {str(file.relative_to(place.parent)): "changed" if file.is_file() else "missing" for file in wrong}
    for file, text in wrong.items() if write else ():
        file.write_text(text, encoding="utf-8")
    return said


def _made(tools: Sequence[Tool], kinds: Mapping[str, Risk], root: Path) -> dict[Path, str]:
    """Return what the documents that are generated, or have such a part, should be."""
    readme, table = root / "README.md", root / "docs" / "clients" / "clients.toml"
    found = [contracts.contract_of(tool, kinds) for tool in sorted(tools, key=lambda tool: tool.name)]
    wanted = {table.with_name(name): text for name, text in pages(_text(table)).items()} if table.is_file() else {}
    if readme.is_file():
        wanted[readme] = with_table(_text(readme), found)
    return wanted | _ahead(found, root)


def _ahead(found: Sequence[contracts.Contract], root: Path) -> dict[Path, str]:
    """Return the answers to what clients ask first, made of contracts as they are read from their files."""
    if not (root / "prompts").is_dir() or not ahead.FILE.is_relative_to(root):
        return {}
    return {ahead.FILE: made([json.loads(contracts.text_of(contract)) for contract in found])}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _source() -> Path:
    """Return the folder of contracts in the repository that this package runs from."""
    place = contracts.folder()
    if not isinstance(place, Path) or not (place.parent / "pyproject.toml").is_file():
        raise ConfigError(
            "The contracts of an installed package cannot be updated.",
            next="Run it in a clone of the repository, with the package installed from there (`pip install -e .`).",
        )
    return place
