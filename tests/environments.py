"""Python packages that others wrote, in an environment of their own beside the tests that run them: installed once."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE_S = 720


def environment(folder: Path, *, beside: str = "", fetch: Callable[[Path], None] | None = None) -> Path:
    """Return the environment that a folder of tests pins in its requirements.txt; skip the test where pip fails.

    `fetch` adds what pip does not install, pinned by `beside`. In the pipeline nothing is skipped: the test fails.
    """
    try:
        return _environment(folder, beside, fetch)
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"pip could not install what tests/{folder.name} needs: {error}")


def _environment(folder: Path, beside: str, fetch: Callable[[Path], None] | None) -> Path:
    """One process at a time; a change of what is wanted installs it anew."""
    wanted, place = folder / "requirements.txt", folder / ".installed"
    pins, done = wanted.read_text(encoding="utf-8") + beside, place / "pins"
    with wanted.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if done.is_file() and done.read_text(encoding="utf-8") == pins:
            return place
        _run(sys.executable, "-m", "venv", "--without-pip", "--clear", place)
        pip(place, "install", "--no-deps", "--requirement", wanted)
        if fetch is not None:
            fetch(place)
        done.write_text(pins, encoding="utf-8")
    return place


def pip(place: Path, *words: str | Path) -> None:
    """Run pip for an environment."""
    common = ("--python", place / "bin" / "python", "--quiet", "--disable-pip-version-check", "--retries", "1")
    _run(sys.executable, "-m", "pip", *common, *words)


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True, timeout=PATIENCE_S)
