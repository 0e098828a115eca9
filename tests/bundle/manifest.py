"""The manifest of the .mcpb bundle: what a host shows of this server before it starts it, and the form that it asks.

The format is that of MCPB's manifest 0.4 (modelcontextprotocol/mcpb, MANIFEST.md). The host puts the form's answers
where `${user_config...}` stands; what has no answer and no default would stay there as it is, so all have one.
"""

from collections.abc import Iterable

from ink_infra_mcp import __version__
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.server.contracts import Contract
from ink_infra_mcp.settings.paths import CONFIG_VARIABLE
from ink_infra_mcp.settings.switches import READ_ONLY, SANDBOX

_TOKEN = "INK_COOLIFY_TOKEN"
_FORM: JsonObject = {
    "sandbox": {
        "type": "boolean",
        "title": "Pretend world",
        "description": "Nothing real is touched. Switch it off once fleet.toml says what your fleet is.",
        "default": True,
    },
    "read_only": {
        "type": "boolean",
        "title": "Look only",
        "description": "Offer only the tools that change nothing.",
        "default": False,
    },
    "fleet": {
        "type": "string",
        "title": "fleet.toml",
        "description": "The file that says what your fleet is; empty: where `ink-infra-mcp init` writes it.",
        "default": "",
    },
    "coolify_token": {
        "type": "string",
        "title": "Coolify's API token",
        "description": "With the abilities read, write, deploy and read:sensitive; empty: the one in the key store.",
        "sensitive": True,
        "default": "",
    },
}
_ENVIRONMENT: JsonObject = {
    SANDBOX: "${user_config.sandbox}",
    READ_ONLY: "${user_config.read_only}",
    CONFIG_VARIABLE: "${user_config.fleet}",
    _TOKEN: "${user_config.coolify_token}",
}


def manifest(contracts: Iterable[Contract]) -> JsonObject:
    """Return the manifest for a bundle of this version with these tools, by name."""
    tools = sorted(contracts, key=lambda contract: contract["name"])
    return {
        "manifest_version": "0.4",
        "name": "ink-infra-mcp",
        "display_name": "Ink infrastructure",
        "version": __version__,
        "description": "Runs the Ink hosting platform: plans that a person approves, durable operations, proofs.",
        "author": {"name": "The ink-infra-mcp developers"},
        "license": "MIT",
        "keywords": ["coolify", "hetzner", "gvisor", "infrastructure"],
        "server": {
            "type": "uv",
            "entry_point": "src/ink_infra_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--no-dev", "--directory", "${__dirname}", "ink-infra-mcp", "serve"],
                "env": _ENVIRONMENT,
            },
        },
        "tools": [{"name": tool["name"], "description": str(tool["title"])} for tool in tools],
        "compatibility": {"platforms": ["darwin", "linux"], "runtimes": {"python": ">=3.11"}},
        "user_config": _FORM,
    }
