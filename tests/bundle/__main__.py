"""`make bundle`: writes dist/ink-infra-mcp.mcpb."""

import sys
import tempfile
from pathlib import Path

from tests.bundle.building import ROOT, packed, staged

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        target = packed(staged(Path(folder) / "bundle"), ROOT / "dist" / "ink-infra-mcp.mcpb")
    sys.stdout.write(f"{target}\n")
