"""An emulated Robot account over its own time, with our clients and step handlers of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ink_infra_mcp.clients.hetzner_robot import HetznerRobotAct, HetznerRobotLook, RobotDoor, classify, robot_settings
from ink_infra_mcp.clients.hetzner_robot.steps import HetznerRobotSteps
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER, SERVER, RobotServer, RobotSet
from ink_infra_mcp.sandbox.world import World
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.permits import permit_here

PATH = f"/firewall/{SERVER}"


@dataclass(frozen=True)
class Account:
    """An emulated account, its time, and the requests that reached it."""

    world: World
    clock: FakeClock
    asked: list[str] = field(default_factory=list[str])
    forms: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    def door(self, password: str = ROBOT_PASSWORD, transport: httpx2.AsyncBaseTransport | None = None) -> RobotDoor:
        """Return a door of its own, with no login known to be wrong."""
        return door_to(transport or Counting(self), self.clock, password=password)

    @property
    def look(self) -> HetznerRobotLook:
        """Return the read side."""
        return HetznerRobotLook(self.door())

    @property
    def act(self) -> HetznerRobotAct:
        """Return the write side."""
        return HetznerRobotAct(self.door(), permit_here())

    @property
    def journal(self) -> list[str]:
        """Return what the emulator accepted."""
        return self.world.read().journal

    @property
    def server(self) -> RobotServer:
        """Return the server as the world has it."""
        return self.world.read().robot.servers[0]

    @property
    def held(self) -> RobotSet:
        """Return the set of the server."""
        return self.world.read().robot.servers[0].firewall

    @property
    def posts(self) -> int:
        """Return how often a set was sent, whatever came of it."""
        return self.asked.count(f"POST {PATH}")

    def arrange(self, change: Callable[[WorldState], object]) -> None:
        """Change the world."""
        with self.world.change() as state:
            change(state)

    def trouble(self, kind: str, match: str = "POST", **more: Any) -> None:
        """Script a fault."""
        self.arrange(lambda state: state.faults.append(Fault(system="robot", match=match, kind=kind, **more)))

    def steps(self) -> Steps:
        """Return the step handlers."""
        return Steps(HetznerRobotSteps(self.door).handlers(), self.clock)


class Counting(httpx2.AsyncBaseTransport):
    """Keeps what is asked on its way to the emulator."""

    def __init__(self, account: Account, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._account = account
        self._inner = inner or httpx2.ASGITransport(app=build_robot(account.world))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Note it, and let it pass."""
        self._account.asked.append(f"{request.method} {request.url.path}")
        self._account.forms.append((request.method, request.url.path, request.content.decode()))
        return await self._inner.handle_async_request(request)


def door_to(
    transport: httpx2.AsyncBaseTransport | None,
    clock: FakeClock,
    *,
    password: str = ROBOT_PASSWORD,
    base_url: str = "http://robot.example.com",
) -> RobotDoor:
    """Return a door to Robot, through `transport` or to a real address."""
    secrets = (Secret(ROBOT_USER), Secret(password))
    settings = robot_settings(*secrets, base_url=base_url)
    redact = Redactor([*secrets, settings.token or Secret("")])
    return RobotDoor(
        lambda: Http(settings, clock=clock, redact=redact, classify=classify, transport=transport), clock=clock
    )
