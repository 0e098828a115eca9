"""The yardstick: a server with no tools on the same SDK, as its documentation shows one."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("empty")

if __name__ == "__main__":
    server.run("stdio")
