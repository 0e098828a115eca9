"""The proofs of this product's promises."""
