"""The Factory: which Coolify runs there, what would replace it, and what is wrong with that."""
