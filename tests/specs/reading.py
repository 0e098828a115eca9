"""Reads the extracts of API descriptions as the descriptions that they are of."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def endpoints(name: str) -> list[dict[str, Any]]:
    """Return a list of endpoints with their limits and codes."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def description(name: str) -> dict[str, Any]:
    """Return an OpenAPI description: its paths, and what they refer to."""
    blocks: dict[str, Any] = json.loads((HERE / name).read_text(encoding="utf-8"))
    kinds = {block.partition("/")[2]: parts for block, parts in blocks.items() if block != "paths"}
    return {"paths": blocks["paths"], "components": kinds}
