"""The MCP side, seen by a client."""
