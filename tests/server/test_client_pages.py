"""The pages for clients: what they say to write is what the client reads, by the client's own rules of encoding."""

import base64
import json
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ink_infra_mcp.server.client_pages import COMMAND, CONTAINER, pages

TABLE = (Path(__file__).parents[2] / "docs" / "clients" / "clients.toml").read_text(encoding="utf-8")
PAGES = pages(TABLE)
SERVER = {"command": COMMAND, "args": ["serve"]}


def fenced(page: str, language: str) -> str:
    """Return the first block of a page in that language."""
    return PAGES[page].split(f"```{language}\n", 1)[1].split("\n```", 1)[0]


def test_the_files_of_each_client_name_the_server() -> None:
    """Read as JSON or TOML they hold the command, by its whole path, and its one argument."""
    assert json.loads(fenced("cursor.md", "json")) == {"mcpServers": {"ink": SERVER}}
    assert json.loads(fenced("vs-code.md", "json")) == {"servers": {"ink": {"type": "stdio", **SERVER}}}
    assert tomllib.loads(fenced("codex.md", "toml")) == {"mcp_servers": {"ink": SERVER}}


def test_the_links_hold_the_same_server() -> None:
    """Cursor's is Base64 of JSON in a query, VS Code's JSON that is encoded for a URL."""
    cursor = parse_qs(urlsplit(fenced("cursor.md", "text")).query)
    assert (cursor["name"], json.loads(base64.b64decode(cursor["config"][0]))) == (["ink"], SERVER)
    vscode = fenced("vs-code.md", "text").removeprefix("vscode:mcp/install?")
    assert json.loads(unquote(vscode)) == {"name": "ink", **SERVER}


def test_a_container_is_started_with_next_to_nothing() -> None:
    """The file starts Docker itself, read-only and without capabilities, on two volumes and a file for the secret."""
    entry = json.loads(fenced("docker.md", "json"))["mcpServers"]["ink"]
    assert (entry["command"], entry["args"][: len(CONTAINER)]) == ("docker", [*CONTAINER])
    assert {"--read-only", "ALL", "no-new-privileges", "ink-config:/config", "ink-state:/state"} <= {*entry["args"]}
    assert entry["args"][-2:] == ["INK_COOLIFY_TOKEN_FILE=/run/secrets/coolify_token", "ink-infra-mcp"]
    assert "--network none" in PAGES["docker.md"]


def test_every_client_s_page_says_what_was_tried_and_what_not() -> None:
    """Each is on the list, and none promises more than was seen."""
    index = PAGES["README.md"]
    for name, page in PAGES.items():
        if name != "README.md":
            assert f"({name})" in index
            assert "**Tried**: " in page
            assert "**Not tried**: " in page


def test_a_row_with_another_key_is_refused() -> None:
    """A word that nothing reads would be lost without a word."""
    with pytest.raises(ValueError, match="asked"):
        pages(TABLE.replace("asks = true", "asked = true", 1))
