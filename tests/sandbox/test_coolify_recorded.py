"""The pretend Coolify makes of a compose file what the real one's own code made of it."""

import base64
import re
from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.core.compose.forms import as_map
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.sandbox.compose.__main__ import answer
from ink_infra_mcp.sandbox.seed import PROJECT, SERVERS
from tests.recorded import APP, MADE, Made
from tests.sandbox.worlds import pretend_coolify

pytestmark = pytest.mark.anyio

_Json = TypeAdapter(dict[str, JsonValue])
_OWN = re.compile(r"coolify\..*|COOLIFY_.*")
"""What says how an installation calls its projects, servers and rows."""


def understood(text: str) -> JsonObject:
    """Return what Docker Compose makes of a file, without what differs between any two installations."""
    words = ["--project-name", APP, "-f", "-", "config", "--format", "json", "--no-interpolate"]
    said = answer(words, stdin=text, files={}, now=0)
    assert said.status == 0, said.err
    found = _Json.validate_json(said.out)
    for service in map(table, table(found["services"]).values()):
        for part in ("labels", "environment"):
            service[part] = {key: text for key, text in as_map(service.get(part)).items() if not _OWN.fullmatch(key)}
    return found


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.name)
async def test_a_file_becomes_what_the_real_one_made_of_it(tmp_path: Path, made: Made) -> None:
    """What it stores is the same text, and what it would start is the same to Docker Compose."""
    async with pretend_coolify(tmp_path) as coolify:
        place = {"project_uuid": PROJECT, "environment_name": "production", "server_uuid": SERVERS["muscle-1"]}
        urls: list[JsonValue] = [{"name": name, "url": ",".join(found)} for name, found in made.urls.items()]
        raw = base64.b64encode(made.approved.encode()).decode()
        body: dict[str, JsonValue] = {**place, "name": "site", "docker_compose_raw": raw, "urls": urls}
        uuid = await coolify.made("/services", body)
        await coolify.ask("PATCH", f"/services/{uuid}", {"name": "site"})
        row = await coolify.row(f"/services/{uuid}")
    assert row["docker_compose_raw"] == made.raw
    assert understood(str(row["docker_compose"]).replace(uuid, APP)) == understood(made.generated)
