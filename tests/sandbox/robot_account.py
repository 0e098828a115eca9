"""The Robot emulator as other people's clients see it: bytes of forms, and codes that are described."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER, SERVER, RobotServer
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime
from tests.specs.reading import endpoints

RIGHT = base64.b64encode(f"{ROBOT_USER}:{ROBOT_PASSWORD}".encode()).decode()
Reply = tuple[int, Any]
GENERAL = {"UNAUTHORIZED", "RATE_LIMIT_EXCEEDED", "INVALID_INPUT"}
"""Codes that every endpoint may answer."""
_KEY = re.compile(r"/(?:\{[^}/]+\}|[0-9]+|[0-9a-f]{2}(?::[0-9a-f]{2})+)(?=/|$)")


@cache
def described() -> dict[tuple[str, str], Any]:
    """Return the description of Robot's endpoints."""
    every = endpoints("robot_endpoints.json")
    return {endpoint(one["method"], one["path"]): {**one, "hourly": _hourly(one)} for one in every}


def _hourly(one: dict[str, Any]) -> int:
    """Return the limit of an endpoint, where it has one of its own by the hour."""
    limits: list[list[str]] = one["limit"]
    return int(limits[0][0]) if limits and "hour" in limits[0][1] else 0


def endpoint(method: str, path: str) -> tuple[str, str]:
    """Return the same for a path and for its template."""
    return method, _KEY.sub("/{}", path)


@dataclass(frozen=True)
class Account:
    """An emulated Robot account, its time, and a plain client of it."""

    world: World
    time: SteppingTime
    api: httpx2.AsyncClient

    async def ask(self, method: str, path: str, form: str | None = None, *, login: str = RIGHT) -> Reply:
        """Return status and JSON of an answer; the form goes out byte by byte as it is given."""
        headers = {"Authorization": f"Basic {login}"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = await self.api.request(method, path, content=form, headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    async def code(self, method: str, path: str, form: str | None = None, *, login: str = RIGHT) -> Reply:
        """Return status and code of an error answer, which must be one that is described for that endpoint."""
        status, body = await self.ask(method, path, form, login=login)
        code = str(body["error"]["code"])
        known = described().get(endpoint(method, path))
        assert known is None or code in GENERAL or known["codes"][code] == str(status), (method, path, code)
        return status, code

    async def firewall(self) -> dict[str, Any]:
        """Return the firewall as shown."""
        return (await self.ask("GET", f"/firewall/{SERVER}"))[1]["firewall"]

    def server(self) -> RobotServer:
        """Return the server as the world has it."""
        return self.world.read().robot.servers[0]

    def arrange(self, change: Callable[[WorldState], object]) -> None:
        """Change the world."""
        with self.world.change() as state:
            change(state)
