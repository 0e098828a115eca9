"""The entry for the MCP registry (`server.json`), which says where a published bundle is and what its bytes are.

Who publishes decides the name: the registry takes it only from whoever owns its namespace, a GitHub account or a
domain. Facts: modelcontextprotocol/registry, docs/reference/server-json and internal/validators/registries/mcpb.go.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from ink_infra_mcp.core.plan import JsonObject
from tests.bundle.manifest import manifest

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_NAME = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")
_FORGES = {"github.com": "github", "gitlab.com": "gitlab"}


def entry(name: str, url: str, bundle: Path) -> JsonObject:
    """Return the entry of a server called `name` whose bundle can be had at `url`.

    Raises:
        ValueError: the registry would not take that name, or that address.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for the registry: a namespace that you own, a slash, a name")
    place = urlsplit(url)
    if place.scheme != "https" or not place.hostname or "mcp" not in url.casefold():
        raise ValueError(f"{url!r} is no address for the registry: it has to be https, with `mcp` in it")
    about = manifest([])
    return {
        "$schema": SCHEMA,
        "name": name,
        "title": about["display_name"],
        "description": about["description"],
        "version": about["version"],
        **_repository(place.hostname, place.path),
        "packages": [
            {
                "registryType": "mcpb",
                "identifier": url,
                "fileSha256": hashlib.sha256(bundle.read_bytes()).hexdigest(),
                "transport": {"type": "stdio"},
            }
        ],
    }


def _repository(host: str, path: str) -> JsonObject:
    """A release of a forge stands below its repository; of another address nobody knows where the source is."""
    owner, _, rest = path.removeprefix("/").partition("/")
    repository = rest.partition("/")[0]
    if host not in _FORGES or not owner or not repository:
        return {}
    home = f"https://{host}/{owner}/{repository}"
    return {"websiteUrl": home, "repository": {"url": home, "source": _FORGES[host]}}
