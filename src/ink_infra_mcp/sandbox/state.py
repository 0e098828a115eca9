"""What the pretend world is made of: plain mutable models, one section for each system."""

from pydantic import Field

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state_cloudflare import CloudflareState, seed_cloudflare
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_github import GithubState
from ink_infra_mcp.sandbox.state_hetzner import HetznerState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_place import PlaceState
from ink_infra_mcp.sandbox.state_registry import RegistryState
from ink_infra_mcp.sandbox.state_robot import RobotState, seed_robot


class Fault(Part):
    """Scripted trouble: after `skip` matching requests, the next `times` ones fail.

    `system` is coolify, hetzner, robot, cloudflare, github, registry, edge, ssh, dns, authority (one name server), or
    place (the box of copies). `match` is a substring of `METHOD /path` (or of the SSH command, or of the question).
    `kind` is status (answer `status` with `body` and `headers`), hang (no answer for `seconds`), drop (close the
    connection), drop_after (act, then close without an answer), html (answer a login page), refuse (SSH: no login).
    """

    system: str
    match: str
    kind: str
    status: int = 500
    body: str = ""
    headers: dict[str, str] = {}
    seconds: float = 0.0
    skip: int = 0
    times: int = 1

    def hits(self, system: str, what: str) -> bool:
        """Return whether it is for this request, and not used up."""
        return self.times > 0 and self.system == system and self.match in what


class WorldState(Part):
    """The whole world. `journal` holds every write that an emulator accepted, as `system METHOD path`, in order."""

    began: float
    speed: float = 1.0
    coolify: CoolifyState
    hetzner: HetznerState
    github: GithubState
    hosts: dict[str, HostState]
    registry: RegistryState = RegistryState()
    robot: RobotState = Field(default_factory=seed_robot)
    cloudflare: CloudflareState = Field(default_factory=seed_cloudflare)
    place: PlaceState = PlaceState()
    faults: list[Fault] = []
    journal: list[str] = []


def take_fault(state: WorldState, system: str, what: str) -> Fault | None:
    """Return the fault that hits this request, counting it down, or None."""
    for fault in state.faults:
        if not fault.hits(system, what):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        fault.times -= 1
        return fault
    return None
