"""Ports and firewalls: every layer, what is reachable, and how it is changed."""
