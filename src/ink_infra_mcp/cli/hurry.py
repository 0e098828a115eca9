"""The clients for commands that a person waits for: they do not wait long before they try again."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from ink_infra_mcp.app import Places
from ink_infra_mcp.clients import github, hetzner_cloud, hetzner_robot
from ink_infra_mcp.clients.coolify.errors import classify_coolify
from ink_infra_mcp.clients.coolify.reads import READS
from ink_infra_mcp.clients.hetzner_robot import RobotDoor, robot_settings
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.settings.system import SystemClock

PAUSE_S = 0.2
READ_S = 8.0


class Hurried(SystemClock):
    """The time of this machine, in which nobody waits longer than 0.2 s for the next attempt."""

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds, or less."""
        await super().sleep(min(seconds, PAUSE_S))


def coolify_http(url: str, token: Secret | None, redact: Redactor, *, below: str = "/api/v1/") -> Http:
    """Return Coolify's door; `url` is without /api/v1."""
    settings = HttpSettings(service="Coolify", base_url=f"{url}{below}", reads=READS, token=token, read_s=READ_S)
    return Http(settings, clock=Hurried(), redact=redact, classify=classify_coolify)


def hetzner_http(places: Places, token: Secret, redact: Redactor) -> Http:
    """Return Hetzner Cloud's door."""
    settings = HttpSettings(
        service="Hetzner Cloud",
        base_url=f"{places.hetzner_cloud}/",
        reads=hetzner_cloud.READS,
        token=token,
        read_s=READ_S,
    )
    return Http(settings, clock=Hurried(), redact=redact, classify=hetzner_cloud.classify)


def github_http(places: Places, token: Secret | None, redact: Redactor) -> Http:
    """Return GitHub's door."""
    settings = HttpSettings(
        service="GitHub",
        base_url=f"{places.github}/",
        reads=github.READS,
        token=token,
        read_s=READ_S,
        headers=github.HEADERS,
    )
    return Http(settings, clock=Hurried(), redact=redact, classify=github.classify)


@asynccontextmanager
async def robot_door(places: Places, login: tuple[Secret, Secret], redact: Redactor) -> AsyncGenerator[RobotDoor]:
    """Give Hetzner Robot's door for a webservice user and its password."""
    user, password = login
    settings = robot_settings(user, password, base_url=places.hetzner_robot, read_s=READ_S)
    if settings.token is not None:
        redact.add(settings.token)
    clock = Hurried()
    async with Http(settings, clock=clock, redact=redact, classify=hetzner_robot.classify) as http:
        yield RobotDoor(lambda: http, clock=clock)
