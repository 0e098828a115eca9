"""Cloudflare's emulator: zones and their DNS records, as its API reference has them."""

from ink_infra_mcp.sandbox.cloudflare.app import build_cloudflare

__all__ = ["build_cloudflare"]
