"""Measures the installed command in the pretend world: `make bench`, or `python -m tests.bench COMMAND ...`."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import inside, muscles
from tests.node import NODE, install
from tests.wire import Wire, connect

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
RESULT = ROOT / ".bench" / "result.json"
COMMAND = (str(Path(sys.executable).with_name("ink-infra-mcp")), "serve", "--sandbox")
EMPTY = (sys.executable, str(FOLDER / "empty.py"))
STARTS = 9
CALLS = 200


def timed(action: Callable[[], object]) -> float:
    """Return how many milliseconds an action took."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def at_share(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def first_list_ms(command: Sequence[str]) -> float:
    """Return how long a new server takes from its start to its first list of tools."""
    began = time.perf_counter()
    with connect(command) as wire:
        wire.initialize()
        wire.request("tools/list")
        return (time.perf_counter() - began) * 1000


def costs(tools: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the bytes and the o200k tokens of what a model reads of each tool: name, description, input schema."""
    seen = [json.dumps([tool["name"], tool.get("description"), tool["inputSchema"]]) for tool in tools]
    install(FOLDER)
    counted = subprocess.run(
        [NODE, FOLDER / "tokens.mjs"], input="\n".join(seen), capture_output=True, text=True, check=True, cwd=FOLDER
    )
    tokens = [int(line) for line in counted.stdout.split()]
    return {
        "tools": len(tools),
        "tool list, bytes": sum(len(text) for text in seen),
        "tool list, tokens": sum(tokens),
        "largest tool, tokens": max(tokens, default=0),
    }


def call_times(wire: Wire, method: str) -> dict[str, float]:
    """Return the median and the 99th percentile of one request, repeated over one connection."""
    took = [timed(lambda: wire.request(method)) for _ in range(CALLS)]
    return {f"{method}, median ms": statistics.median(took), f"{method}, p99 ms": at_share(took, 0.99)}


def starts(command: Sequence[str]) -> dict[str, float]:
    """Return the start of ours against an empty server's on the same SDK, in turns, so that noise hits both alike."""
    ours: list[float] = []
    empty: list[float] = []
    for _ in range(STARTS):
        empty.append(first_list_ms(EMPTY))
        ours.append(first_list_ms(command))
    return {
        "start to tools/list, median ms": statistics.median(ours),
        "the same of an empty server, median ms": statistics.median(empty),
        "ratio of the two": statistics.median(ours) / statistics.median(empty),
    }


def measure(command: Sequence[str]) -> dict[str, float]:
    """Return every measured number by its name."""
    version = [command[0], "--version"]
    found: dict[str, float] = {
        "--version, median ms": statistics.median(
            timed(lambda: subprocess.run(version, check=True, capture_output=True)) for _ in range(STARTS)
        ),
    }
    found |= starts(command)
    with connect(command) as wire:
        wire.initialize()
        tools = wire.request("tools/list")["tools"]
        found |= call_times(wire, "tools/list") | call_times(wire, "prompts/list")
        found["memory at rest, MiB"] = wire.resident_mib()
    return found | costs(tools) | asyncio.run(inside.measure()) | asyncio.run(muscles.measure())


def main(command: Sequence[str]) -> int:
    """Measure, print a table and keep the numbers as JSON."""
    found = {name: round(value, 2) for name, value in measure(command).items()}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, value in found.items():
        sys.stdout.write(f"{name:40} {value:10,.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or COMMAND))
