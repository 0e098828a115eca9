"""The engine: the course of an operation, and its durable execution."""
