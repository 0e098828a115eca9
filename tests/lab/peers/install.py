"""Installs the peers into an environment of their own, from wherever pip gets its packages here."""

import subprocess
import venv
from pathlib import Path

from tests.lab.ground.commands import LabError, said
from tests.lab.peers.ours import ROOT

WANTED = Path(__file__).with_name("requirements.txt")
HOME = ROOT / ".bench" / "peers"
LIMIT_S = 900.0


def install() -> Path:
    """Install what requirements.txt names, unless it is there; return the folder of the environment.

    Raises:
        LabError: pip could not.
    """
    stamp = HOME / "installed.txt"
    if stamp.exists() and stamp.read_bytes() == WANTED.read_bytes():
        return HOME
    venv.create(HOME, clear=True, with_pip=True)
    words = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", WANTED)
    try:
        said(HOME / "bin" / "python", *words, limit_s=LIMIT_S)
    except LabError as error:
        raise LabError(f"the peers could not be installed: {error}") from error
    stamp.write_bytes(WANTED.read_bytes())
    return HOME


def versions() -> dict[str, str]:
    """Return the versions of all that is compared."""
    names = [line.split(">")[0] for line in WANTED.read_text(encoding="ascii").splitlines()]
    asked = f"from importlib.metadata import version as v; print(*map(v, {names!r}))"
    found = dict(zip(names, said(HOME / "bin" / "python", "-c", asked).split(), strict=True))
    ssh = subprocess.run(("ssh", "-V"), capture_output=True, text=True, check=True).stderr
    return {"ssh": ssh.split(",")[0].strip(), **found}
