"""Has a server's own Docker Compose take a compose file apart: what it understands is what will run there."""

import json
import re
from collections.abc import Collection
from typing import cast

from ink_infra_mcp.core.errors import CommandFailed, HostError, InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

TIMEOUT_S = 30.0
_CONFIG = ("config", "--format", "json", "--no-interpolate")
_UUID = re.compile(r"[a-z0-9]{1,64}")


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
    return await _config(pool, host, HostCommand((*words, *_CONFIG), False, TIMEOUT_S, text.encode()))


async def started_config(pool: HostPool, host: str, *, app: str) -> JsonObject:
    """Return what the server's Docker Compose makes of the file from which Coolify started a compose app there.

    Raises:
        ComposeRefused: it takes the file for invalid, or there is none. HostError: the server cannot be asked.
    """
    folder = folder_of(app)
    words = ("docker", "compose", "--project-directory", folder, "-f", f"{folder}/docker-compose.yml")
    return await _config(pool, host, HostCommand((*words, "--project-name", app, *_CONFIG), False, TIMEOUT_S))


def folder_of(app: str) -> str:
    """Return where Coolify keeps the file of a compose app, with its .env, and starts it (StartService, 4.3.11).

    Raises:
        InputError: that is no uuid of Coolify's.
    """
    if not _UUID.fullmatch(app):
        raise InputError(f"{app!r} is no uuid of Coolify's.", next="Look the app up with list_apps.")
    return f"/data/coolify/services/{app}"


async def _config(pool: HostPool, host: str, command: HostCommand) -> JsonObject:
    said = await pool.run(host, command)
    if said.truncated:
        raise HostError(
            f"What Docker Compose on {host} makes of the file is too long to be read.",
            host=host,
            next="Split the app: a file of fewer services can be judged.",
        )
    if said.exit_status != 0:
        raise ComposeRefused(said.stderr.strip()[-1000:] or said.stdout.strip()[-1000:])
    try:
        return cast(JsonObject, json.loads(said.stdout))
    except ValueError as error:
        raise CommandFailed(
            f"Docker Compose on {host} printed no JSON.", host=host, next="Look at `docker compose version` there."
        ) from error


async def variables_of_the_server(pool: HostPool, host: str, names: Collection[str]) -> tuple[str, ...]:
    """Return which of these variables the server sets for a shell that SSH starts, sorted.

    Coolify runs Docker Compose in such a shell, and what the shell has comes before the app's own `.env` (seen, Compose
    2.26.1). No value leaves the server.

    Raises:
        CommandFailed: the server lacks printenv. HostError: it cannot be asked, or its answer is not to be read.
    """
    if not names:
        return ()
    words = ("sh", "-s", "--", *sorted(names))
    script = packaged("docker/variables.sh").encode()
    said = await pool.run(host, HostCommand(words, changes=False, stdin=script, timeout_s=TIMEOUT_S), check=True)
    lines = said.stdout.splitlines()
    if said.truncated or lines[-1:] != ["done"] or not set(lines[:-1]) <= set(names):
        raise HostError(f"What {host} says of its variables is not to be read.", host=host, next="Call again.")
    return tuple(sorted(lines[:-1]))
