"""Hetzner's DNS, a part of its Cloud API: `HetznerDnsLook` reads zones, `HetznerDnsAct` changes record sets."""

from ink_infra_mcp.clients.hetzner_dns.errors import classify
from ink_infra_mcp.clients.hetzner_dns.look import READS, HetznerDnsLook

__all__ = ["READS", "HetznerDnsLook", "classify"]
