"""Builds of Coolify's fork on a pretend server, as they lie on its disk."""

from typing import Literal

from ink_infra_mcp.sandbox.part import Part

BuildFault = Literal["", "conflict", "build", "option"]
"""What goes wrong with a build."""


class BuildHost(Part):
    """What a server has for builds: its platform, programs and room, and how its builds go."""

    platform: str = "linux/amd64"
    buildx: str = "0.13.1"
    git: str = "2.47.3"
    free_kb: int = 40_000_000
    memory_kb: int = 6_000_000
    fault: BuildFault = ""


class Build(Part):
    """One build by its orders; `pushed` is the digest that it has in the registry."""

    state: str = "prepared"
    stage: str = ""
    why: str = ""
    orders: dict[str, str]
    looks: int = 0
    conflicts: list[str] = []
    log: list[str] = []
    id: str = ""
    pushed: str = ""
