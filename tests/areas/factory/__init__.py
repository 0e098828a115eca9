"""The proofs of `ink_infra_mcp.areas.factory`."""
