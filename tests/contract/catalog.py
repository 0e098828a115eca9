"""The tools, their contracts and the risks of step kinds, as the tests of the public promise read them."""

from functools import cache

from ink_infra_mcp.core.operation import Mutation
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.server.backend import AnyMutation
from ink_infra_mcp.server.contracts import Contract, Tool, load
from ink_infra_mcp.settings.policy_files import load_policy
from ink_infra_mcp.tools import ALL

TOOLS: tuple[Tool, ...] = tuple(tool() for tool in ALL)
MUTATIONS: tuple[AnyMutation, ...] = tuple(tool for tool in TOOLS if isinstance(tool, Mutation))
NAMES: tuple[str, ...] = tuple(sorted(tool.name for tool in TOOLS))


@cache
def contracts() -> dict[str, Contract]:
    """Return the contract files by the name of their tool."""
    return {contract["name"]: contract for contract in load()}


@cache
def kinds() -> dict[str, Risk]:
    """Return the risk of each step kind in the packaged policy."""
    return dict(load_policy(None).kinds)
