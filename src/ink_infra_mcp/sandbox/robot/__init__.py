"""Hetzner Robot's webservice, emulated as far as firewalls need it."""

from ink_infra_mcp.sandbox.robot.app import build_robot

__all__ = ["build_robot"]
