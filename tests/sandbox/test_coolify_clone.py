"""The pretend Coolify copies applications to other servers as the real one does, its odd names of volumes included."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import DOCS, SERVERS
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Volume
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio


def with_volumes(state: WorldState) -> None:
    """Let docs have a volume that Coolify named, and two that somebody else did, with one last word."""
    app = next(app for app in state.coolify.applications if app.uuid == DOCS)
    names = (f"{DOCS}-pages", "a-data", "b-data")
    app.volumes = [Volume(id=n, uuid=f"v{n}" * 12, name=name, mount_path=f"/{n}") for n, name in enumerate(names)]


async def destination(coolify: PretendCoolify) -> str:
    """Return the Docker network of muscle-1."""
    _, listed = await coolify.ask("GET", f"/servers/{SERVERS['muscle-1']}/destinations")
    return str(fields(items(listed)[0])["uuid"])


async def test_a_copy_has_settings_and_values_and_a_domain_of_its_own(tmp_path: Path) -> None:
    """It runs nowhere yet; names of volumes are made anew, and two that end in one word get one name."""
    async with pretend_coolify(tmp_path, with_volumes) as coolify:
        body: dict[str, JsonValue] = {"destination_uuid": await destination(coolify), "name": "docs-copy"}
        status, made = await coolify.ask("POST", f"/applications/{DOCS}/clone", body)
        uuid = str(fields(made)["uuid"])
        old, new = await coolify.row(f"/applications/{DOCS}"), await coolify.row(f"/applications/{uuid}")
        mounted = fields((await coolify.ask("GET", f"/applications/{uuid}/storages"))[1])["persistent_storages"]

    assert (status, fields(made)["message"]) == (201, "Application cloned.")
    assert {name for name in old if old[name] != new.get(name) and name != "custom_labels"} == {
        *("uuid", "name", "fqdn", "status", "created_at", "updated_at", "last_online_at", "destination"),
        *("destination_id", "server_status"),
    } & {name for name in old if old[name] != new.get(name)}
    assert (new["name"], new["status"], new["fqdn"]) == ("docs-copy", "exited", f"https://{uuid}.s1.example.com")
    assert [fields(row)["name"] for row in items(mounted)] == [f"{uuid}-pages", f"{uuid}-data", f"{uuid}-data"]


async def test_what_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    """An unknown place, a field too many, and a version from before."""
    async with pretend_coolify(tmp_path) as coolify:
        path, place = f"/applications/{DOCS}/clone", await destination(coolify)
        nowhere = await coolify.ask("POST", path, {"destination_uuid": "nowhere"})
        more = await coolify.ask("POST", path, {"destination_uuid": place, "fqdn": "https://x.example.com"})
        with coolify.world.change() as state:
            state.coolify.version = "4.2.0"
        older = await coolify.ask("POST", path, {"destination_uuid": place})

    assert nowhere == (404, {"message": "Destination not found."})
    assert (more[0], older[0]) == (422, 404)
