"""Name servers asked directly: whom a parent zone names, and what the zone's own servers answer at this moment."""

from ink_infra_mcp.clients.nameservers.look import Nameservers

__all__ = ["Nameservers"]
