"""Ports and firewalls as algebra: what every layer says, what is reachable of it, and how to change it."""
