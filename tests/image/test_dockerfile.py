"""The Dockerfile without a Docker: read by a linter, and its wheel built from what a build is given."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ink_infra_mcp.settings.paths import CONFIG_VARIABLE, STATE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")
LIMIT_S = 60.0
BAD = """\
FROM python:latest
USER root
COPY secrets.env .
RUN pip install ink-infra-mcp
CMD ink-infra-mcp serve
"""
COPIED = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def faults(folder: Path, text: str) -> set[str]:
    """Return the rules that a Dockerfile breaks, by their codes."""
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    words = [HADOLINT, "--no-fail", "--format", "json", "--trusted-registry", "docker.io", "Dockerfile"]
    read = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return {fault["code"] for fault in json.loads(read.stdout)}


def let_through() -> list[str]:
    """Return what .dockerignore lets into a build: it refuses all, and names what is good."""
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert lines[0] == "*"
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def copied() -> Iterator[str]:
    """Yield what the Dockerfile takes out of what it is given."""
    for words in COPIED.findall(DOCKERFILE):
        yield from words.split()


def test_a_linter_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    """No rule of hadolint's, down to matters of style, is broken, nor is one switched off in the file."""
    assert faults(tmp_path, DOCKERFILE) == set()
    assert "hadolint" not in DOCKERFILE


def test_the_linter_notices_what_it_is_there_for(tmp_path: Path) -> None:
    """An image that follows a moving tag, runs as root or starts through a shell would be found."""
    assert {"DL3007", "DL3002", "DL3025", "DL3013", "DL3042"} <= faults(tmp_path, BAD)


def test_a_build_is_given_what_it_copies_and_nothing_else() -> None:
    """The allow list holds no file that could have a secret or a person's work in it: it is what the wheel needs."""
    assert sorted(copied()) == sorted(let_through())
    assert [name for name in let_through() if not (ROOT / name).exists()] == []


def test_the_image_says_where_its_volumes_are_by_the_product_s_own_variables() -> None:
    """Both folders that are written to are volumes, under the names that the product reads."""
    for variable, place in ((CONFIG_VARIABLE, "/config/fleet.toml"), (STATE_VARIABLE, "/state")):
        assert f"    {variable}={place}" in DOCKERFILE
    assert 'VOLUME ["/config", "/state"]' in DOCKERFILE


def test_the_base_is_a_python_that_the_package_is_made_for() -> None:
    """Its tag names a version that the package declares, and a release of Debian: it moves to no next one by itself."""
    found = re.search(r"^ARG BASE=python:(3\.\d+)-slim-[a-z]+$", DOCKERFILE, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found is not None
    assert f"Programming Language :: Python :: {found[1]}" in project["classifiers"]


@pytest.mark.wheel
@pytest.mark.timeout(600)
def test_what_a_build_is_given_makes_the_whole_wheel(tmp_path: Path) -> None:
    """The allow list lacks nothing: the wheel made from it holds every file that the one of the repository holds."""
    venv.create(tmp_path / "builder", with_pip=True)
    python = tmp_path / "builder" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-qq", "hatchling>=1.27,<2"], timeout=300, check=True)
    given = tmp_path / "given"
    given.mkdir()
    for name in let_through():
        source, target = ROOT / name, given / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    held: list[set[str]] = []
    for folder in (ROOT, given):
        made = tmp_path / folder.name
        build = [python, "-m", "hatchling", "build", "-t", "wheel", "-d", made]
        subprocess.run(build, cwd=folder, capture_output=True, timeout=120, check=True)
        with zipfile.ZipFile(next(made.glob("*.whl"))) as wheel:
            held.append({name for name in wheel.namelist() if "__pycache__" not in name})
    assert held[0] == held[1]
