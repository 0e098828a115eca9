"""The demo's second act: a server is bought, becomes a Muscle, gets an app, is emptied and removed."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
from mcp import Client

from ink_infra_mcp.cli import demo_terminal
from ink_infra_mcp.cli.demo_stage import call, line, picture, show
from ink_infra_mcp.cli.demo_terminal import Window

NAME = "s3"
APP = "board"
SCRIPT = ("accept", NAME)
"""What the person answers in the client: yes to the app, and the Muscle's name, typed, to its removal."""
WAIT_S = 600
_BUY = {
    "names": [NAME],
    "source": {"kind": "hetzner_cloud", "server_type": "cx53", "location": "fsn1"},
    "wait_s": WAIT_S,
}
_DEPLOY = {"name": APP, "image": "registry.example.com/web:1", "muscle": NAME, "wait_s": WAIT_S}
_REMOVE = {"name": NAME, "apps_to": "muscle-2", "machine": "delete", "wait_s": WAIT_S}


async def act(client: Client, environment: Mapping[str, str], *, interactive: bool) -> bool:
    """Play it; return whether everything came out as promised."""
    await call(client, "What a server costs", "list_server_offers", {})
    asked = await call(client, "Buy one, make it a Muscle", "add_muscle", _BUY)
    window = await _at_the_terminal(asked, environment, interactive=interactive)
    bought = await call(client, "The same call, with the yes", "add_muscle", _BUY)
    deployed = await call(client, "An app on it", "deploy_app", _DEPLOY)
    removed = await call(client, "Empty it and let it go", "remove_muscle", _REMOVE)
    apps = await call(client, "The apps now", "list_apps", {})
    fleet = await call(client, "The fleet is as before", "get_fleet", {})
    gone = _place(apps) == "muscle-2" and NAME not in _servers(fleet)
    shown = interactive or ("EUR a month" in window.seen and str(asked.get("plan_digest"))[:12] in window.seen)
    went_well = window.approved and all(map(_applied, (bought, deployed, removed)))
    return shown and went_well and gone


async def _at_the_terminal(asked: dict[str, Any], environment: Mapping[str, str], *, interactive: bool) -> Window:
    """The plan that buys is longer than a client is trusted to show: a person reads it at a terminal, whole."""
    approval = str(asked.get("approval_id", ""))
    line(f"\nThat plan is too long for a client. A person reads it whole: ink-infra-mcp approve {approval} --sandbox")
    if interactive:
        return await anyio.to_thread.run_sync(partial(demo_terminal.in_person, approval, environment))
    window = await anyio.to_thread.run_sync(
        partial(demo_terminal.by_script, approval, environment, typed=NAME), abandon_on_cancel=True
    )
    rows = len(window.seen.splitlines())
    show(f"A terminal, on which all {rows} lines stood; `demo --ask` shows them to you", picture(window.seen))
    return window


def _applied(answer: dict[str, Any]) -> bool:
    failed = [check for check in answer.get("checks", []) if check["status"] == "failed"]
    return answer.get("outcome") == "applied" and not failed


def _place(apps: dict[str, Any]) -> str:
    return next((str(row[1]) for row in apps.get("rows", []) if row[0] == APP), "")


def _servers(fleet: dict[str, Any]) -> list[str]:
    return [str(server["name"]) for server in fleet.get("servers", [])]
