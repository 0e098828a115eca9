"""The pretend Coolify's answers have the keys and types of the vendor's own description, save what its code hides."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import PROJECT, SERVERS, SHOP
from tests.sandbox.test_coolify_services import BODY
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

NAME = "coolify/openapi.yaml"
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
}
HIDDEN: Mapping[str, set[str]] = {
    "Application": {"id"},
    "ApplicationDeploymentQueue": {"configuration_diff", "configuration_snapshot"},
    "EnvironmentVariable": {"id", "resourceable_id"},
    "Server": {"id", "proxy_type"},
    "Service": {"id"},
    "Team": {"custom_server_limit", "members"},
}
"""Described, but hidden by the controllers, or of a part of Coolify that the sandbox does not have."""


def schemas() -> dict[str, Any]:
    """Return the schemas of the description, or skip the test."""
    root = Path(__file__).resolve().parents[2]
    folders = [Path(os.environ["INK_SPECS_DIR"])] if "INK_SPECS_DIR" in os.environ else []
    for folder in (*folders, root.parent / "shared" / "specs"):
        if (folder / NAME).is_file():
            return yaml.safe_load((folder / NAME).read_text(encoding="utf-8"))["components"]["schemas"]
    pytest.skip(f"{NAME} is in neither INK_SPECS_DIR nor the folder beside the repository")


async def samples(coolify: PretendCoolify) -> dict[str, dict[str, JsonValue]]:
    """Return one row for each schema."""
    coolify_state = coolify.state().coolify
    server = await coolify.row(f"/servers/{SERVERS['muscle-1']}")
    _, envs = await coolify.ask("GET", f"/applications/{SHOP}/envs")
    return {
        "Application": await coolify.row(f"/applications/{SHOP}"),
        "ApplicationDeploymentQueue": await coolify.row(f"/deployments/{coolify_state.deployments[0].deployment_uuid}"),
        "Environment": await coolify.row(f"/projects/{PROJECT}/production"),
        "EnvironmentVariable": items(envs)[0],
        "PrivateKey": await coolify.row(f"/security/keys/{coolify_state.keys[0].uuid}"),
        "Project": await coolify.row(f"/projects/{PROJECT}"),
        "Server": server,
        "ServerSetting": fields(server["settings"]),
        "Service": await coolify.row(f"/services/{await coolify.made('/services', BODY)}"),
        "Team": await coolify.row("/teams/current"),
    }


def is_described(value: JsonValue, described: Mapping[str, Any]) -> bool:
    """Return whether a value has a described type; the description knows no nulls, the real thing sends many."""
    if value is None or "$ref" in described:
        return True
    named = described.get("type", "object")
    names = cast(list[str], named if isinstance(named, list) else [named])
    wanted = [kind for name in names for kind in TYPES.get(name, ())]
    return value in described.get("enum", [value]) and type(value) in wanted


async def test_rows_have_the_described_keys_and_types(tmp_path: Path) -> None:
    """Every described key is there and has its type, or is known to be hidden."""
    described = schemas()
    async with pretend_coolify(tmp_path) as coolify:
        rows = await samples(coolify)
    properties: dict[str, dict[str, Any]] = {name: described[name]["properties"] for name in rows}
    missing = {name: set(properties[name]) - set(row) for name, row in rows.items()}
    wrong = [
        f"{name}.{key}"
        for name, row in rows.items()
        for key, schema in properties[name].items()
        if key in row and not is_described(row[key], schema)
    ]
    assert {name: keys for name, keys in missing.items() if keys} == HIDDEN
    assert wrong == []
