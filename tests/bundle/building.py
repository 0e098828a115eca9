"""Puts together what the bundle holds, and packs it with the packer of those who defined the format."""

import json
import shutil
from pathlib import Path

from ink_infra_mcp.server.contracts import load
from tests.bundle.manifest import manifest
from tests.clients_matrix.nodes import packages_of, run

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
FOLDERS = ("src", "prompts", "tools")
FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")


def staged(folder: Path) -> Path:
    """Return a folder with all that runs, and nothing else of this repository."""
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest(load()), indent=2) + "\n", encoding="utf-8")
    return folder


def packer(*words: str | Path) -> str:
    """Run the format's own program and return what it said.

    Raises:
        AssertionError: it refuses what it was given.
    """
    program = packages_of(HERE) / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"
    return run([program, *words]).stdout


def packed(folder: Path, target: Path) -> Path:
    """Return the bundle of a staged folder; the packer holds its manifest against the schema first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    packer("pack", folder, target)
    return target
