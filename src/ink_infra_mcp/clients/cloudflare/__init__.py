"""Cloudflare's DNS: `CloudflareLook` reads zones, `CloudflareAct` changes record sets under a permit."""

from ink_infra_mcp.clients.cloudflare.errors import classify
from ink_infra_mcp.clients.cloudflare.look import READS, CloudflareLook

__all__ = ["READS", "CloudflareLook", "classify"]
