"""A page for each client, made from one table: how it is told of this server, what was tried with it and what not."""

import base64
import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote

from pydantic import TypeAdapter

from ink_infra_mcp.core.plan import Frozen

MADE = "<!-- made by `ink-infra-mcp contracts --update` from clients.toml, checked by a test -->"
COMMAND = "/absolute/path/to/ink-infra-mcp"
"""Hosts that were started from a desktop know no shell's PATH."""
_SERVER = {"command": COMMAND, "args": ["serve"]}
_SECRET_FILE = "/run/secrets/coolify_token"
CONTAINER = (
    *("run", "-i", "--rm", "--read-only", "--tmpfs=/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
)
"""How Docker is told to start the image: it may write to its volumes and to /tmp, and do nothing else."""
_VOLUMES = ("-v", "ink-config:/config", "-v", "ink-state:/state")
_WITH_TOKEN = (
    *("-v", f"/absolute/path/to/coolify_token:{_SECRET_FILE}:ro", "-e", f"INK_COOLIFY_TOKEN_FILE={_SECRET_FILE}"),
)


class Client(Frozen):
    """One row of the table; `asks` is whether it can show a plan to a person and take the answer, None: others say."""

    name: str
    form: Literal["claude", "servers", "vscode", "codex", "bundle", "code", "docker"]
    where: str
    asks: bool | None = None
    link: Literal["", "cursor", "vscode"] = ""
    tried: str
    not_tried: str

    @property
    def file(self) -> str:
        """Return the name of its page."""
        return f"{self.name.lower().replace(' ', '-')}.md"


_ROWS = TypeAdapter(dict[Literal["client"], tuple[Client, ...]])


def pages(table: str) -> Mapping[str, str]:
    """Return the pages of a table by their file names, with `README.md`, which lists them.

    Raises:
        ValueError: it is no TOML, or a row is not as `Client` says.
    """
    clients = _ROWS.validate_python(tomllib.loads(table))["client"]
    return {"README.md": _index(clients)} | {client.file: _page(client) for client in clients}


def _index(clients: tuple[Client, ...]) -> str:
    rows = [f"| [{client.name}]({client.file}) | {_asks(client)} | {client.tried} |" for client in clients]
    head = ("| client | shows plans itself | tried |", "| --- | --- | --- |")
    return "\n".join((MADE, "# Clients", "", *head, *rows, ""))


def _asks(client: Client) -> str:
    return {True: "yes", False: "no", None: "its client"}[client.asks]


def _page(client: Client) -> str:
    link = (f"Or open this link:\n\n```text\n{_LINKS[client.link]()}\n```\n",) if client.link else ()
    return "\n".join(
        (
            MADE,
            f"# {client.name}",
            "",
            f"Where: {client.where}.",
            "",
            _FORMS[client.form](),
            "",
            *link,
            _OPTIONS,
            "",
            _IN_FILES if client.form == "docker" else _SECRETS,
            "",
            _ANSWERS[client.asks],
            "",
            f"**Tried**: {client.tried}.",
            "",
            f"**Not tried**: {client.not_tried}.",
            "",
        )
    )


_OPTIONS = (
    "`--sandbox` after `serve` tries it in a pretend world, `--read-only` only looks, `--toolsets apps,fleet` shows "
    "fewer tools."
)
_SECRETS = (
    "Keep secrets out of its file and of this line: `ink-infra-mcp secret set coolify_token` asks for the token and "
    "puts it into the system's key store, where the server looks."
)
_IN_FILES = (
    "A container has no key store, and no secret is in the image: each is a file that `INK_<NAME>_FILE` names, such as "
    "`INK_SSH_KEY_FILE`. Under `/run/secrets` it may have any mode that user 10001 can read, as with "
    "`sudo install -o 10001 -m 400 token /srv/ink/coolify_token`."
)
_ASKING = "It shows each plan itself, and takes your answer."
_ELSEWHERE = (
    "It cannot ask a person: the answer names a command, `ink-infra-mcp approve ap-...`, which shows the same plan in "
    "a terminal and takes your answer; then the assistant calls the tool again."
)
_ON_ITS_BEHALF = (
    "Whether plans are shown is its client's matter. Where the answer names a command, run it with the same volumes: "
    "`docker run -it --rm -v ink-config:/config -v ink-state:/state ink-infra-mcp approve ap-...`."
)
_ANSWERS: Mapping[bool | None, str] = {True: _ASKING, False: _ELSEWHERE, None: _ON_ITS_BEHALF}


def _claude() -> str:
    return _fenced("sh", f"claude mcp add ink -- {COMMAND} serve")


def _servers() -> str:
    return _fenced("json", json.dumps({"mcpServers": {"ink": _SERVER}}, indent=2))


def _vscode() -> str:
    return _fenced("json", json.dumps({"servers": {"ink": {"type": "stdio", **_SERVER}}}, indent=2))


def _codex() -> str:
    return _fenced("toml", f'[mcp_servers.ink]\ncommand = "{COMMAND}"\nargs = ["serve"]')


def _bundle() -> str:
    made = _fenced("sh", "make bundle    # writes dist/ink-infra-mcp.mcpb")
    return f"{made}\n\nOpen that file there. Its form, as it is, starts the pretend world. It needs `uv`."


def _code() -> str:
    return f"Start `{COMMAND} serve` over stdio, as any server."


def _docker() -> str:
    entry = {
        "mcpServers": {"ink": {"command": "docker", "args": [*CONTAINER, *_VOLUMES, *_WITH_TOKEN, "ink-infra-mcp"]}}
    }
    trial = shlex.join(("docker", *CONTAINER, "--network", "none", "ink-infra-mcp", "call", "--sandbox", "get_fleet"))
    return "\n\n".join(
        (
            _fenced("sh", "docker build -t ink-infra-mcp .    # in a checkout"),
            "It runs as user 10001 without capabilities, on files that it cannot change, but for two volumes: "
            "`/config` has `fleet.toml` and `policies/` (`INK_INFRA_CONFIG`), `/state` approvals, audit and operations "
            "(`INK_INFRA_STATE`). Folders of your own there belong to user 10001 too, or `--user` says whose.",
            _fenced("sh", "docker run -it --rm -v ink-config:/config -v ink-state:/state ink-infra-mcp init"),
            _fenced("json", json.dumps(entry, indent=2)),
            "The pretend world needs no network, and runs its servers' commands from `/tmp`:",
            _fenced("sh", with_programs(trial)),
            "The real one needs the way out to Coolify, to the providers' APIs, to DNS and to port 22 of the servers; "
            "nothing listens, so no port is published.",
        )
    )


def with_programs(words: str) -> str:
    """Return how a container is started whose /tmp may hold programs: those of the pretend servers."""
    return words.replace("--tmpfs=/tmp", "--tmpfs=/tmp:exec")


def _fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


def _cursor_link() -> str:
    config = base64.b64encode(json.dumps(_SERVER, separators=(",", ":")).encode()).decode()
    return f"cursor://anysphere.cursor-deeplink/mcp/install?name=ink&config={quote(config, safe='')}"


def _vscode_link() -> str:
    return f"vscode:mcp/install?{quote(json.dumps({'name': 'ink', **_SERVER}, separators=(',', ':')), safe='')}"


_FORMS: Mapping[str, Callable[[], str]] = {
    "claude": _claude,
    "servers": _servers,
    "vscode": _vscode,
    "codex": _codex,
    "bundle": _bundle,
    "code": _code,
    "docker": _docker,
}
_LINKS: Mapping[str, Callable[[], str]] = {"cursor": _cursor_link, "vscode": _vscode_link}
