"""The proofs of `ink_infra_mcp.core.login`."""
