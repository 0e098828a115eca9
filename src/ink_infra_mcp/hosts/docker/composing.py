"""Has a server's own Docker Compose take a compose file apart: what it understands is what will run there."""

import json
from typing import cast

from ink_infra_mcp.core.errors import CommandFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

TIMEOUT_S = 30.0


class ComposeRefused(Exception):
    """Docker Compose does not take the file. `words` are its own."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


async def compose_config(pool: HostPool, host: str, text: str, *, project: str) -> JsonObject:
    """Return what the server's Docker Compose makes of a file: its canonical form, with `${...}` as it stands.

    Raises:
        ComposeRefused: it takes the file for invalid. HostError: the server cannot be asked.
    """
    words = ("docker", "compose", "--project-name", project, "--file", "-")
    command = HostCommand(
        (*words, "config", "--format", "json", "--no-interpolate"),
        changes=False,
        timeout_s=TIMEOUT_S,
        stdin=text.encode(),
    )
    said = await pool.run(host, command)
    if said.exit_status != 0:
        raise ComposeRefused(said.stderr.strip()[-1000:] or said.stdout.strip()[-1000:])
    try:
        return cast(JsonObject, json.loads(said.stdout))
    except ValueError as error:
        raise CommandFailed(
            f"Docker Compose on {host} printed no JSON.", host=host, next="Look at `docker compose version` there."
        ) from error
