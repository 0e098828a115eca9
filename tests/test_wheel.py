"""The built package works where nothing of this repository is: what `make wheel` and CI run on their own."""

import os
import subprocess
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import wire

ROOT = Path(__file__).resolve().parent.parent
SERVE = ("serve", "--sandbox")

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Built:
    """The two files that would be published, and the command installed from the first."""

    wheel: Path
    sdist: Path
    command: Path
    builder: Path


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Run a command to its end; return what it printed."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, *requirements: str | Path) -> Path:
    """Make a virtual environment with what is required, within our constraints; return its folder of commands."""
    venv.create(folder, with_pip=True)
    commands = folder / "bin"
    run(commands / "python", "-m", "pip", "install", "-qq", *requirements, "-c", ROOT / "constraints.txt")
    return commands


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build wheel and source archive with the declared back end, and install the wheel by itself."""
    folder = tmp_path_factory.mktemp("wheel")
    builder = environment(folder / "builder", "hatchling>=1.27,<2")
    run(builder / "python", "-m", "hatchling", "build", "-d", folder / "dist")
    wheel, sdist = next(folder.glob("dist/*.whl")), next(folder.glob("dist/*.tar.gz"))
    commands = environment(folder / "user", wheel)
    return Built(wheel=wheel, sdist=sdist, command=commands / "ink-infra-mcp", builder=builder)


def names(wheel: Path) -> set[str]:
    """Return the paths of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def contracts() -> list[str]:
    """Return the names of the tools that the repository has contracts of."""
    return sorted(path.parent.name for path in ROOT.glob("tools/*/contract.json"))


def test_the_installed_command_tells_its_version(built: Built, tmp_path: Path) -> None:
    """The command works away from the repository and tells the version of the package."""
    version = built.wheel.name.split("-")[1]
    assert version in run(built.command, "--version", cwd=tmp_path)


def test_prompts_contracts_and_policies_are_inside_the_wheel(built: Built) -> None:
    """What the server reads when it runs is in the wheel, byte for byte, and the tests are not."""
    package = "ink_infra_mcp"
    wanted = {f"{package}/_prompts/{path.name}": path for path in ROOT.glob("prompts/*.md")}
    wanted |= {
        f"{package}/_contracts/{name}/contract.json": ROOT / "tools" / name / "contract.json" for name in contracts()
    }
    wanted |= {f"{package}/policies/{path.name}": path for path in ROOT.glob("src/*/policies/*.toml")}
    wanted |= {f"{package}/py.typed": ROOT / "src" / package / "py.typed"}
    with zipfile.ZipFile(built.wheel) as archive:
        held = {name: archive.read(name) for name in names(built.wheel) & set(wanted)}
    assert held == {name: path.read_bytes() for name, path in wanted.items()}
    assert [name for name in names(built.wheel) if name.startswith("tests")] == []


def test_the_source_archive_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """Whoever builds from the published source gets the published files."""
    options = ["--no-deps", "--no-build-isolation", "-qq", "-w"]
    run(built.builder / "python", "-m", "pip", "wheel", *options, tmp_path, built.sdist, cwd=tmp_path)
    assert names(next(tmp_path.glob("*.whl"))) == names(built.wheel)


def test_the_source_archive_holds_the_tests(built: Built) -> None:
    """Whoever packages the product from its source can also test it."""
    with tarfile.open(built.sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/conftest.py", "Makefile", "constraints.txt", "LICENSE", "pyproject.toml", ".importlinter"} <= held
    assert [name for name in held if "node_modules" in name or name.startswith(".venv")] == []


def test_the_installed_server_shakes_hands_and_lists_its_tools(built: Built, tmp_path: Path) -> None:
    """A client that shares no code with the server gets a handshake and exactly the tools of the contracts."""
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.defpath}
    with wire.connect([str(built.command), *SERVE], environment=home, patience_s=60) as connection:
        hello = connection.initialize()
        listed = connection.request("tools/list")["tools"]
        prompts = connection.request("prompts/list")["prompts"]
    assert hello["protocolVersion"] == wire.PROTOCOL
    assert hello["serverInfo"]["version"] == built.wheel.name.split("-")[1]
    assert sorted(tool["name"] for tool in listed) == contracts() != []
    assert prompts


def test_the_wheel_is_for_every_platform(built: Built) -> None:
    """The wheel holds no compiled code, and says which versions of Python it is for."""
    with zipfile.ZipFile(built.wheel) as archive:
        metadata = next(archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    assert built.wheel.name.endswith("-py3-none-any.whl")
    assert "Requires-Python: >=3.11" in metadata.splitlines()
