"""The pretend servers over SSH: real sshd manners, a real shell, and only the commands that the world can answer."""

from ink_infra_mcp.sandbox.hosts.serve import Door, SshHosts, serve_hosts

__all__ = ["Door", "SshHosts", "serve_hosts"]
