"""Runs the clients that are written for Node; their packages are installed once, whoever comes first."""

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.node import NODE, install

FOLDER = Path(__file__).resolve().parent
PATIENCE_S = 180
QUICKLY = {
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_fetch_timeout": "20000",
}


def packages_of(folder: Path) -> Path:
    """Return the packages that a folder of tests pins, installed; skip the test where npm cannot install them.

    Where NPM_REQUIRED is set, as in the pipeline, nothing is skipped: the test fails.
    """
    found = _installed(folder)
    if isinstance(found, Path):
        return found
    if os.environ.get("NPM_REQUIRED"):
        raise found
    pytest.skip(f"npm could not install what tests/{folder.name} needs: {found}")


@cache
def _installed(folder: Path) -> Path | Exception:
    """Try once a process, and one process at a time; without a network npm would try for more than a minute."""
    os.environ.update(QUICKLY)
    with (folder / ".npmrc").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            return install(folder)
        except (OSError, subprocess.SubprocessError) as error:
            return error
        finally:
            for name in QUICKLY:
                del os.environ[name]


def run(
    words: list[str | Path], *, more: Mapping[str, str] | None = None, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Return what a program of Node said; its exit status must be `status`."""
    environment = {**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory", **(more or {})}
    done = subprocess.run(
        [NODE, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def typescript(wanted: Mapping[str, object]) -> dict[str, Any]:
    """Return what came of a session of the official TypeScript client; see typescript.mjs for `wanted`."""
    packages_of(FOLDER)
    return json.loads(run([FOLDER / "typescript.mjs", json.dumps(dict(wanted))]).stdout)


def task_of(wanted: Mapping[str, object]) -> dict[str, Any]:
    """Return what came of one call by the official client of MCP Tasks; see tasks.mjs for `wanted`."""
    packages_of(FOLDER)
    return json.loads(run([FOLDER / "tasks.mjs", json.dumps(dict(wanted))]).stdout)


def servers_file(folder: Path, command: list[str]) -> Path:
    """Return a file that tells the Inspector of our server by the name `ink`."""
    file = folder / "servers.json"
    server = {"type": "stdio", "command": command[0], "args": command[1:]}
    file.write_text(json.dumps({"mcpServers": {"ink": server}}), encoding="utf-8")
    return file


def inspector(servers: Path, era: str, *words: str, status: int = 0) -> tuple[dict[str, Any], str]:
    """Return the result and the remarks of one call of the Inspector's command line."""
    program = packages_of(FOLDER) / ".bin" / "mcp-inspector"
    options = ["--cli", "--config", str(servers), "--server", "ink", "--protocol-era", era, "--format", "json"]
    done = run([program, *options, *words], status=status)
    return json.loads(done.stdout)["result"], done.stderr


def verified_skills(servers: Path) -> list[dict[str, Any]]:
    """Return what the Inspector reports of each skill, once it has held its files against their digests."""
    program = packages_of(FOLDER) / ".bin" / "mcp-inspector"
    options = ["--cli", "--config", str(servers), "--server", "ink", "--protocol-era", "modern", "--format", "json"]
    done = run([program, *options, "--method", "skills/list", "--verify", "--require-digests"])
    return [json.loads(line) for line in done.stdout.splitlines()]


Mcpdo = Callable[..., dict[str, Any]]


@contextmanager
def mcpdo(servers: Path, era: str) -> Generator[Mcpdo]:
    """Give the Inspector's other command line, which holds a connection in a daemon; the daemon is stopped at the end.

    The daemon's socket lies in a folder with a short path: a socket's address has about a hundred characters.
    """
    program = packages_of(FOLDER) / ".bin" / "mcpdo"
    with tempfile.TemporaryDirectory(prefix="mcpdo-") as folder:
        private = {"MCP_INSPECTOR_DAEMON_DIR": folder, "MCP_INSPECTOR_DAEMON_TOKEN": "pretend-0123456789"}

        def do(*words: str) -> dict[str, Any]:
            options = ["--config", str(servers), "--format", "json"]
            return json.loads(run([program, *options, *words], more=private).stdout)

        do("connect", "ink", "--era", era, "--elicit", "form")
        try:
            yield lambda *words: do("--connection", "ink", *words)
        finally:
            do("daemon", "stop")
