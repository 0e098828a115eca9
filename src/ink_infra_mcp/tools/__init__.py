"""The tools: one module each; a tool observes, plans, and verifies, and can reach nothing that changes anything."""

from typing import Any

from ink_infra_mcp.core.operation import Mutation, Query
from ink_infra_mcp.tools.deploy_app import DeployApp

ALL: tuple[type[Query[Any, Any, Any]] | type[Mutation[Any, Any, Any]], ...] = (DeployApp,)
"""Every tool. A tool that is not listed here does not exist."""
