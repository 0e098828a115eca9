"""The Coolify client: what it answers (models), what it refuses (errors), reading (look) and changing (act)."""
