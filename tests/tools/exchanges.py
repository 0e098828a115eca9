"""Exchanges of Coolify's image in the pretend world: what serves, what came of one, and worlds that they meet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import CUSTOM, MIGRATIONS, PROD, PROD_TEXT, FactoryDisk
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.clock import FakeClock
from tests.ink import Ink, ink
from tests.tools.arrivals import approved
from tests.tools.calls import Before, Said, call, unknown

LIMIT_S = 180
NEW = "registry.example.com/ink/coolify@sha256:" + "d" * 64
TAGGED = "registry.example.com/ink/coolify:runtime-fix"
REALTIME = "coollabsio/coolify-realtime:1.0.17"
ADDED = "2026_11_01_000000_add_ink_table"
COOLIFYS = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
PROVED = {
    "image": "passed",
    "configured": "passed",
    "runtime_option": "passed",
    "auto_update": "passed",
    "apps_isolated": "passed",
}
Change = Callable[[WorldState], None]


@dataclass(frozen=True)
class InService:
    """Which Coolify serves, and how it is set up to."""

    image: str
    files: dict[str, str]
    env: dict[str, str]
    auto_update: bool
    applied: list[str]
    isolates: bool
    realtime: str = REALTIME


def coolify(state: WorldState) -> Container:
    """Return Coolify's container."""
    return next(c for c in state.hosts["factory"].containers if c.name == "coolify")


def in_service(state: WorldState) -> InService:
    """Return what serves."""
    disk = state.coolify.factory
    option = state.coolify.supports_runtime_option
    beside = next((c.image for c in state.hosts["factory"].containers if c.name == "coolify-realtime"), "")
    return InService(coolify(state).image, disk.files, disk.env, disk.auto_update, disk.applied, option, beside)


def apps(state: WorldState) -> list[str]:
    """Return the names of all apps, and of all containers of apps on Muscles."""
    names = [app.text("name") for app in state.coolify.applications]
    return names + [c.name for name in ("muscle-1", "muscle-2") for c in state.hosts[name].containers]


def disk(change: Callable[[FactoryDisk], object]) -> Change:
    """Return a change of the Factory's disk."""

    def changed(state: WorldState) -> None:
        change(state.coolify.factory)

    return changed


def migrates(state: WorldState) -> None:
    """Let the new image have one migration more."""
    state.coolify.factory.migrations[NEW] = [*MIGRATIONS, ADDED]


def up_to_date(state: WorldState) -> None:
    """Let no release be newer than the one that the fork was built on."""
    repo = state.github.repos["coollabsio/coolify"]
    repo.releases = [each for each in repo.releases if each.tag != "v4.3.11"]


def by_hand(state: WorldState) -> None:
    """Set the fork up as its first operator did: by a tag, in Coolify's own file, with updates on."""
    disk_ = state.coolify.factory
    del disk_.files[CUSTOM]
    disk_.files[PROD] = PROD_TEXT.replace(COOLIFYS, TAGGED)
    disk_.env["AUTOUPDATE"], disk_.auto_update = "true", True
    coolify(state).image, coolify(state).image_digests = TAGGED, [f"registry.example.com/ink/coolify@sha256:{'e' * 64}"]


@dataclass(frozen=True)
class Ended:
    """An exchange that came to its end: what was said, what serves, and what there was before."""

    said: Said
    before: InService
    after: InService
    apps_before: list[str]
    apps_after: list[str]
    journal: list[str]


async def exchanged(
    folder: Path, tool: str, change: Change | None = None, *, wrap: Before | None = None, **arguments: object
) -> Ended:
    """Return what came of an exchange that a person said yes to."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(folder, change_world=change, clock=FakeClock(datetime.now(UTC)), wrap_handler=wrap) as it,
            it.client() as client,
        ):
            before, apps_before = in_service(it.state), apps(it.state)
            said = await approved(it, client, tool, **arguments, wait_s=3600)
            assert unknown(it) == []
            return Ended(said, before, in_service(it.state), apps_before, apps(it.state), acts_of(it))


async def refused(folder: Path, tool: str, change: Change | None = None, **arguments: object) -> str:
    """Return why an exchange is refused in a world in which nothing is changed by that; on one line."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            before = in_service(it.state)
            said = await call(client, tool, **arguments)
            assert (in_service(it.state), it.journal, unknown(it)) == (before, [], [])
    assert said.is_error, said.text
    return " ".join(said.text.split())


def acts_of(it: Ink) -> list[str]:
    """Return what the scripts on the Factory were asked to change."""
    return [" ".join(line.split()[2:4]) for line in it.journal if line.startswith("ssh factory ink-")]
