"""`make bundle`: writes dist/ink-infra-mcp.mcpb and, where a name and an address say who publishes it, server.json."""

import json
import sys
import tempfile
from pathlib import Path

from tests.bundle.building import ROOT, packed, staged
from tests.bundle.registry import entry

DIST = ROOT / "dist"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        target = packed(staged(Path(folder) / "bundle"), DIST / "ink-infra-mcp.mcpb")
    sys.stdout.write(f"{target}\n")
    if sys.argv[1:]:
        name, url = sys.argv[1:]
        server = DIST / "server.json"
        server.write_text(json.dumps(entry(name, url, target), indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(f"{server}\n")
