"""Writes constraints.txt: the exact set of packages that a clean install of everything gives today.

Uses the standard library only, so that `make constraints` works on a machine with nothing but Python.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# The exact set that the tests ran with. Written by `make constraints`; names and versions only.\n"


def pinned(frozen: str) -> list[str]:
    """Return the `name==version` lines of what `pip freeze` printed, sorted without regard to case."""
    lines = [line.strip() for line in frozen.splitlines()]
    return sorted((line for line in lines if "==" in line and not line.startswith(("#", "-"))), key=str.lower)


def clean_install(folder: Path) -> str:
    """Install the project and its development tools into a new environment; return what pip froze."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-qq"]
    subprocess.run([*pip, "install", "pip>=25.1"], cwd=ROOT, check=True)
    subprocess.run([*pip, "install", "--editable", ".", "--group", "dev"], cwd=ROOT, check=True)
    freeze = [*pip, "freeze", "--exclude-editable"]
    return subprocess.run(freeze, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main() -> int:
    """Write the file; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        lines = pinned(clean_install(Path(folder)))
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
