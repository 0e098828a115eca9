"""The proofs of `ink_infra_mcp.hosts.volumes`."""
