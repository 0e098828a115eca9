"""A client of Coolify that nobody here wrote gets through a whole deployment with the pretend one."""

import json
import subprocess
from pathlib import Path
from typing import cast

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import build_coolify
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.seed import SERVERS, TOKEN, seed
from ink_infra_mcp.sandbox.world import World
from tests.node import NODE, install
from tests.sandbox.pretend import served

FOLDER = Path(__file__).parent / "independent"
SPEED = 100.0
SEEN: dict[str, JsonValue] = {
    "version": "4.3.10",
    "servers": [["localhost", "host.docker.internal"], ["muscle-1", "192.0.2.11"], ["muscle-2", "192.0.2.12"]],
    "domains": ["shop.s1.example.com", "legacy.s1.example.com"],
    "envs": ["A", "A", "B", "B", "NIXPACKS_NODE_VERSION", "NIXPACKS_NODE_VERSION"],
    "verified": True,
    "deployment": ["finished", 40],
    "history": 1,
    "logs": True,
    "taken": {
        "status": 409,
        "message": "Domain conflicts detected. Use force_domain_override=true to proceed.",
    },
    "unknown": {"status": 422, "message": "Validation failed. - project_uuid: This field is not allowed."},
    "service": "compose",
    "found": "independent",
    "unreachable": 0,
    "deleted": "Application deletion request queued.",
}


@pytest.fixture(scope="module")
def driver() -> Path:
    """Return the script that drives the client, or skip when its package cannot be had."""
    try:
        install(FOLDER)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"@masonator/coolify-mcp is not installed and npm cannot fetch it: {error}")
    return FOLDER / "drive.mjs"


def drive(script: Path, port: int) -> dict[str, JsonValue]:
    """Run the script against a Coolify on that port and return what it saw."""
    words = [NODE, script, f"http://127.0.0.1:{port}", TOKEN, SERVERS["muscle-1"]]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=40, check=False)
    assert ran.returncode == 0, ran.stderr
    return cast(dict[str, JsonValue], json.loads(ran.stdout))


def test_an_independent_client_deploys_and_deletes(tmp_path: Path, driver: Path) -> None:
    """It creates, sets variables, deploys, follows to the end, reads logs, meets refusals, stops and deletes."""
    world = World(tmp_path / "world.sqlite", seed=seed, settle=settle, speed=SPEED)
    with served(build_coolify(world)) as port:
        seen = drive(driver, port)
    assert seen == SEEN
    assert [line for line in world.read().journal if "UNKNOWN" in line] == []
