"""Coolify's REST API and what its workers do, over the pretend world."""

from ink_infra_mcp.sandbox.coolify.app import build_coolify, is_up

__all__ = ["build_coolify", "is_up"]
