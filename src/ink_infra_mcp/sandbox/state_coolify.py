"""The Coolify section of the world."""

from ink_infra_mcp.sandbox.part import Part


class CoolifyState(Part):
    """To be filled."""
