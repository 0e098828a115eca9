"""Hetzner Robot's webservice, emulated: servers, firewalls, SSH keys, booting, installing, resetting, cancelling."""

from ink_infra_mcp.sandbox.robot.app import build_robot

__all__ = ["build_robot"]
