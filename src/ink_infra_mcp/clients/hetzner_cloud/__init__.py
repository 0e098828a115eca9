"""Hetzner Cloud: `HetznerCloudLook` reads a project, `HetznerCloudAct` changes it under a permit."""

from ink_infra_mcp.clients.hetzner_cloud.act import HetznerCloudAct
from ink_infra_mcp.clients.hetzner_cloud.errors import classify
from ink_infra_mcp.clients.hetzner_cloud.firewalls import Firewall, FirewallRule, NewRule, RuleSet, same_rules
from ink_infra_mcp.clients.hetzner_cloud.look import BASE_URL, READS, HetznerCloudLook
from ink_infra_mcp.clients.hetzner_cloud.markers import HOST_KEY, OPERATION
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Pricing, Record, RRset, Server, ServerType, Zone

__all__ = [
    "BASE_URL",
    "HOST_KEY",
    "OPERATION",
    "READS",
    "Action",
    "Firewall",
    "FirewallRule",
    "HetznerCloudAct",
    "HetznerCloudLook",
    "NewRule",
    "Pricing",
    "RRset",
    "Record",
    "RuleSet",
    "Server",
    "ServerType",
    "Zone",
    "classify",
    "same_rules",
]
