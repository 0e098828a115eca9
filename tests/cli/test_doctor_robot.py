"""The doctor's line about Robot: one login, and nothing said of servers that nobody has."""

from collections.abc import Generator
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.app import Places
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.cli.doctor_robot import PASSWORD, USER, check_robot
from ink_infra_mcp.core.errors import Unauthorized
from ink_infra_mcp.core.fleet import CoolifySettings, Fleet, Host, Muscle
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.systems import ROBOT
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, pretend_world, served

RIGHT = {USER: ROBOT_USER, PASSWORD: ROBOT_PASSWORD}
DEDICATED = Fleet(
    coolify=CoolifySettings(url="https://coolify.example.com"),
    factory=Host(name="factory", address="192.0.2.10"),
    muscles=(Muscle(name="metal-1", address="192.0.2.21", provider="hetzner_robot"),),
)


@pytest.fixture
def account(tmp_path: Path) -> Generator[tuple[World, Places]]:
    """Serve a Robot account."""
    world = pretend_world(tmp_path, SteppingTime())
    with served(build_robot(world)) as port:
        yield world, Places(hetzner_robot=f"http://127.0.0.1:{port}")


def checked(secrets: dict[str, str], *, places: Places | None = None, fleet: Fleet | None = None) -> Section:
    """Return what the doctor finds with these secrets."""
    ground = Ground(
        state_url="",
        secrets={name: Secret(value, source=f"environment {name}") for name, value in secrets.items()},
        redact=Redactor(),
        section=Section(name="configuration", findings=()),
        fleet=fleet,
        places=places or Places(),
    )
    return anyio.run(check_robot, ground)


def test_an_account_that_can_be_read_is_well(account: tuple[World, Places]) -> None:
    """One request tells how many servers there are."""
    found = checked(RIGHT, places=account[1])
    assert (found.gives, found.level) == ((ROBOT,), "ok")
    assert "reads 1 servers" in found.findings[0].text


def test_a_wrong_password_costs_one_login(account: tuple[World, Places]) -> None:
    """It is not tried again: Robot blocks the address after three."""
    with pytest.raises(Unauthorized):
        checked({**RIGHT, PASSWORD: "wrong"}, places=account[1])
    assert len(account[0].read().robot.failed) == 1


@pytest.mark.parametrize(
    ("secrets", "fleet", "level", "why"),
    [
        ({}, None, "note", f"{USER} and {PASSWORD} are not set"),
        ({}, DEDICATED, "warning", f"{USER} and {PASSWORD} are not set"),
        ({USER: ROBOT_USER}, None, "warning", f"{PASSWORD} is not set"),
    ],
)
def test_a_login_that_is_missing_matters_when_somebody_needs_it(
    secrets: dict[str, str], fleet: Fleet | None, level: str, why: str
) -> None:
    """Without a dedicated server it is a note; with one, or with half a login, a warning that says what to set."""
    found = checked(secrets, fleet=fleet)
    assert (found.level, found.lacks) == (level, {ROBOT: why})
    assert bool(found.findings[0].next) == (level == "warning")
    assert isinstance(found.findings[0], Finding)
