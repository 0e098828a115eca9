"""The Github section of the world."""

from ink_infra_mcp.sandbox.part import Part


class GithubState(Part):
    """To be filled."""
