"""Contracts: what each tool says of itself over the wire, made from the tool and kept as a reviewed file."""

import inspect
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.server.cards import card_of
from ink_infra_mcp.server.schema import input_schema, output_schema

Tool = Query[Any, Any, Any] | Mutation[Any, Any, Any]
Contract = dict[str, Any]
LONGEST = 100_000
"""Characters of the longest answer that leaves this server; a host that was told of none writes 50,000 into a file."""


def contract_of(tool: Tool, kinds: Mapping[str, Risk]) -> Contract:
    """Return the contract of a tool; its annotations come from the worst step that it can plan.

    Raises:
        KeyError: the tool names a step kind without a declared risk.
    """
    if isinstance(tool, Query):
        risk, result, open_world = Risk.READ, tool.report, tool.open_world
    else:
        risk, result, open_world = _worst(kinds[kind] for kind in tool.kinds), Receipt, True
    return {
        "name": tool.name,
        "title": tool.title,
        "description": " ".join((inspect.getdoc(tool) or "").split()),
        "inputSchema": input_schema(tool.args),
        "outputSchema": output_schema(result),
        "annotations": {
            "readOnlyHint": risk is Risk.READ,
            "destructiveHint": risk.rank >= Risk.DISRUPTIVE.rank,
            "idempotentHint": True,
            "openWorldHint": open_world,
        },
        "_meta": {"ink-infra/toolset": tool.toolset, "ink-infra/risk": risk.value, **_for_hosts(tool), **_card(tool)},
    }


def _for_hosts(tool: Tool) -> dict[str, Any]:
    """Return what Claude Code reads in `_meta` (its documentation of MCP, and of 2.1.332 the program itself)."""
    return {
        "anthropic/searchHint": tool.hint,
        **({"anthropic/alwaysLoad": True} if tool.entry else {}),
        **({"anthropic/maxResultSizeChars": LONGEST} if tool.long else {}),
    }


def _card(tool: Tool) -> dict[str, Any]:
    """Return where hosts of MCP Apps find the page that shows the answer; all others pass it over."""
    uri = card_of(tool.name, changes=isinstance(tool, Mutation))
    return {"ui": {"resourceUri": uri}} if uri else {}


def _worst(risks: Iterable[Risk]) -> Risk:
    # a mutation is never called read-only, whatever its steps: --read-only would show it
    return max((Risk.SAFE, *risks), key=lambda risk: risk.rank)


def text_of(contract: Contract) -> str:
    """Return the file text of a contract: sorted keys, two spaces, one final new line."""
    return json.dumps(contract, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def folder() -> Traversable:
    """Return where the contracts lie: in the installed package, else in the repository beside the source."""
    packaged = resources.files("ink_infra_mcp") / "_contracts"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "tools"


def load() -> tuple[Contract, ...]:
    """Return all contracts, sorted by name."""
    files = (entry / "contract.json" for entry in folder().iterdir() if entry.is_dir())
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    return tuple(sorted(found, key=lambda contract: contract["name"]))


def differences(tools: Iterable[Tool], kinds: Mapping[str, Risk]) -> dict[str, str]:
    """Return what is wrong with the files by tool name: `missing`, `changed` or `orphaned`; empty when all is right."""
    wanted = {tool.name: contract_of(tool, kinds) for tool in tools}
    found = {contract["name"]: contract for contract in load()}
    changed = [name for name in wanted.keys() & found.keys() if wanted[name] != found[name]]
    return (
        dict.fromkeys(wanted.keys() - found.keys(), "missing")
        | dict.fromkeys(changed, "changed")
        | dict.fromkeys(found.keys() - wanted.keys(), "orphaned")
    )


def write(tools: Iterable[Tool], kinds: Mapping[str, Risk], to: Path) -> tuple[str, ...]:
    """Write every contract that differs below `to`; return the names of those written."""
    written: list[str] = []
    for tool in tools:
        file = to / tool.name / "contract.json"
        text = text_of(contract_of(tool, kinds))
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            written.append(tool.name)
    return tuple(written)
