"""The Hetzner section of the world."""

from ink_infra_mcp.sandbox.part import Part


class HetznerState(Part):
    """To be filled."""
