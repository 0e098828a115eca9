"""ink-infra-mcp: an MCP server that runs the Ink hosting platform."""

__version__ = "0.1.0"
