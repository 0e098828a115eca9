"""The bundle as a host takes it: packed, unpacked, its form read by the host's own code, and the server started."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import wire
from tests.bundle.building import FILES, FOLDERS, HERE, packed, packer, staged
from tests.clients_matrix.nodes import packages_of, run

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the bundle and unpack it again, both by the format's own program."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle = packed(staged(folder / "staged"), folder / "ink-infra-mcp.mcpb")
    packer("unpack", bundle, folder / "unpacked")
    return folder / "unpacked"


def started_by(folder: Path, form: Mapping[str, object]) -> dict[str, Any]:
    """Return the command, arguments and environment that a host makes of the bundle and a filled-in form."""
    packages_of(HERE)
    return json.loads(run([HERE / "host.mjs", folder, json.dumps(form)]).stdout)


def test_the_bundle_holds_what_runs_and_nothing_else(unpacked: Path) -> None:
    """No tests, no caches and nothing of whoever built it."""
    assert sorted(path.name for path in unpacked.iterdir()) == sorted([*FOLDERS, *FILES, "manifest.json"])
    assert [path for path in unpacked.rglob("*") if path.name in ("__pycache__", ".git", "node_modules")] == []
    packer("validate", unpacked / "manifest.json")


def test_an_empty_form_starts_the_pretend_world(unpacked: Path) -> None:
    """Nothing real is touched before somebody says so, and no place in the command is left unfilled."""
    assert started_by(unpacked, {}) == {
        "command": "uv",
        "args": ["run", "--no-dev", "--directory", str(unpacked), "ink-infra-mcp", "serve"],
        "env": {
            "INK_INFRA_SANDBOX": "true",
            "INK_INFRA_READ_ONLY": "false",
            "INK_INFRA_CONFIG": "",
            "INK_COOLIFY_TOKEN": "",
        },
    }


def test_what_a_person_writes_into_the_form_reaches_the_server(unpacked: Path) -> None:
    """Switches, the file and the token come through as they were written."""
    form = {"sandbox": False, "read_only": True, "fleet": "/srv/ink/fleet.toml", "coolify_token": "3|pretend"}
    assert started_by(unpacked, form)["env"] == {
        "INK_INFRA_SANDBOX": "false",
        "INK_INFRA_READ_ONLY": "true",
        "INK_INFRA_CONFIG": "/srv/ink/fleet.toml",
        "INK_COOLIFY_TOKEN": "3|pretend",
    }


def test_the_server_in_the_bundle_answers_as_the_form_says(unpacked: Path, tmp_path: Path) -> None:
    """Started from the unpacked source with the host's environment, it lists only what its form allows."""
    form = started_by(unpacked, {"read_only": True})["env"]
    home = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.defpath}
    source = {"PYTHONPATH": str(unpacked / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "ink_infra_mcp", "serve"]
    with wire.connect(command, environment={**home, **source, **form}, patience_s=120) as connection:
        connection.initialize()
        listed = {tool["name"]: tool for tool in connection.request("tools/list")["tools"]}
        said = connection.request("tools/call", {"name": "get_fleet", "arguments": {}})
    assert all(tool["annotations"]["readOnlyHint"] for tool in listed.values())
    assert "list_apps" in listed
    assert "192.0.2.10" in json.dumps(said)
