"""The Hetzner Cloud API as one project of the pretend world sees it."""

from ink_infra_mcp.sandbox.hetzner.app import build_hetzner
from ink_infra_mcp.sandbox.hetzner.settling import settle_hetzner

__all__ = ["build_hetzner", "settle_hetzner"]
