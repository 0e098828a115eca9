"""Durable execution of an approved plan, on DBOS; nothing of it is imported before the first operation."""
