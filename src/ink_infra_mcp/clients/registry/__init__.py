"""Image registries: which image a tag names at this moment."""
