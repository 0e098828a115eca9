"""The registry's entry says where the bundle is and which bytes it has, in the form that the registry takes."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, validate

from ink_infra_mcp import __version__
from tests.bundle.registry import entry

SCHEMA = json.loads(Path(__file__).with_name("registry_schema.json").read_text(encoding="utf-8"))
NAME = "io.github.example/ink-infra-mcp"
RELEASE = f"https://github.com/example/ink-infra-mcp/releases/download/v{__version__}/ink-infra-mcp.mcpb"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return a file that stands for the bundle: only its bytes count here."""
    file = tmp_path / "ink-infra-mcp.mcpb"
    file.write_bytes(b"PK\x03\x04")
    return file


@pytest.mark.parametrize(
    ("url", "home"),
    [
        (RELEASE, {"url": "https://github.com/example/ink-infra-mcp", "source": "github"}),
        (RELEASE.replace("github", "gitlab"), {"url": "https://gitlab.com/example/ink-infra-mcp", "source": "gitlab"}),
        ("https://downloads.example.com/ink-infra-mcp.mcpb", None),
    ],
)
def test_the_entry_names_the_bundle_by_its_bytes(bundle: Path, url: str, home: dict[str, str] | None) -> None:
    """The sum is what a client holds the download against; the repository is told only where the address shows it."""
    made = entry(NAME, url, bundle)
    validate(made, SCHEMA, cls=Draft202012Validator)
    sum_of = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert made["packages"] == [
        {"registryType": "mcpb", "identifier": url, "fileSha256": sum_of, "transport": {"type": "stdio"}}
    ]
    assert (made["name"], made["version"]) == (NAME, __version__)
    assert made.get("repository") == home
    assert made.get("websiteUrl") == (home and home["url"])


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ink-infra-mcp", RELEASE),
        ("io.github.example/ink/infra", RELEASE),
        ("", RELEASE),
        (NAME, RELEASE.replace("https", "http")),
        (NAME, "https://downloads.example.com/ink.zip"),
        (NAME, "ink-infra-mcp.mcpb"),
    ],
)
def test_what_the_registry_would_turn_away_is_not_written(bundle: Path, name: str, url: str) -> None:
    """A name without a namespace, an address that is not https or does not say that it is an MCP server's."""
    with pytest.raises(ValueError, match=re.escape(repr(name if url == RELEASE else url))):
        entry(name, url, bundle)
