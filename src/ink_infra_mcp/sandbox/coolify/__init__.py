"""Coolify's REST API and what its workers do, over the pretend world."""
