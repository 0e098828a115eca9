"""The MCP side: the only importer of the SDK. It lists contracts, binds tools, asks people, and renders answers."""
