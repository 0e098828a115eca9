"""Hetzner Robot: `HetznerRobotLook` reads an account, `HetznerRobotAct` changes it under a permit."""

from ink_infra_mcp.clients.hetzner_robot.act import HetznerRobotAct
from ink_infra_mcp.clients.hetzner_robot.door import BASE_URL, RobotDoor, robot_settings
from ink_infra_mcp.clients.hetzner_robot.errors import classify
from ink_infra_mcp.clients.hetzner_robot.look import HetznerRobotLook
from ink_infra_mcp.clients.hetzner_robot.models import MarketProduct, RobotFirewall, RobotServer, SeenRule, Template
from ink_infra_mcp.clients.hetzner_robot.rules import NewFirewall, NewRule, RestoredFirewall, holds, restored

__all__ = [
    "BASE_URL",
    "HetznerRobotAct",
    "HetznerRobotLook",
    "MarketProduct",
    "NewFirewall",
    "NewRule",
    "RestoredFirewall",
    "RobotDoor",
    "RobotFirewall",
    "RobotServer",
    "SeenRule",
    "Template",
    "classify",
    "holds",
    "restored",
    "robot_settings",
]
