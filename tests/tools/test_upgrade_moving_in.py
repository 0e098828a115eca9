"""upgrade_coolify to a release that has realtime inside of Coolify: it is withdrawn and proved, or runs as before."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import BASE, PROD, ImageKind
from ink_infra_mcp.sandbox.state_github import Release, commit_sha, moved_in_files
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved
from tests.tools.calls import call
from tests.tools.exchanges import LIMIT_S, NEW, REALTIME, Change, disk, exchanged, migrates, refused
from tests.tools.test_restore_official_coolify import OFFICIAL
from tests.tools.test_upgrade_coolify import UPGRADE, unbroken

pytestmark = pytest.mark.anyio
VERSION = "4.4.0"
FILES = moved_in_files(VERSION)


def moves(state: WorldState) -> None:
    """Let there be the release, and a fork that was built on it."""
    repo, tag = state.github.repos["coollabsio/coolify"], f"v{VERSION}"
    repo.tags[tag] = commit_sha(f"coollabsio/coolify {tag}")
    repo.tagged[tag] = moved_in_files(VERSION)
    repo.releases = [Release(tag=tag), *repo.releases]
    state.coolify.factory.images[NEW] = ImageKind(version=VERSION, built_on=repo.tags[tag])


def sick(state: WorldState) -> None:
    """Let the new Coolify never become healthy."""
    state.coolify.factory.images[NEW].starts = "unhealthy"


def realtime(state: WorldState) -> Container:
    """Return the container that realtime has."""
    return next(c for c in state.hosts["factory"].containers if c.name == "coolify-realtime")


async def test_realtime_moves_into_coolify_is_proved_there_and_nothing_is_left_to_do(tmp_path: Path) -> None:
    """Both of Coolify's own files are the release's; no later look takes the one that sleeps for drift."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=all_of(moves, migrates), clock=FakeClock()) as it,
            it.client() as client,
        ):
            before = realtime(it.state).model_copy()
            asked = await call(client, UPGRADE, version=VERSION, image=NEW)
            said = await approved(it, client, UPGRADE, version=VERSION, image=NEW, wait_s=3600)
            after, files = realtime(it.state).model_copy(), dict(it.state.coolify.factory.files)
            again = await call(client, UPGRADE, version=VERSION, image=NEW)
            looked = await call(client, "get_coolify_image")
            fleet = await call(client, "check_fleet")
    for told in (before.image_id, "is stopped just before", "The next exchange of Coolify's image that is confirmed"):
        assert unbroken(told) in unbroken(asked.text), told
    assert (said.outcome, said.checks) == ("applied", {**OFFICIAL, "realtime": "passed"}), said.text
    assert after == before.model_copy(update={"state": "exited"})
    assert ({name: files[name] for name in (BASE, PROD)}, again.outcome) == (
        {name: FILES[name] for name in (BASE, PROD)}, "already_so"
    )  # fmt: skip
    assert "realtime" not in f"{looked.text}{fleet.text}".lower(), (looked.text, fleet.text)


@pytest.mark.parametrize(
    ("change", "stage", "words"),
    [
        (sick, "swap", "the new container did not become healthy"),
        (disk(lambda it: it.failing.append("reaches")), "proof", "realtime does not answer inside of Coolify's own"),
    ],
)
async def test_where_it_is_not_proved_realtimes_own_container_runs_again(
    tmp_path: Path, change: Change, stage: str, words: str
) -> None:
    """A Coolify that does not get well, and one in which realtime does not answer."""
    ended = await exchanged(tmp_path, UPGRADE, all_of(moves, migrates, change), version=VERSION, image=NEW)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("undone", stage), ended.said.text
    assert words in " ".join(ended.said.text.split())
    assert (ended.after, ended.after.realtime) == (ended.before, REALTIME)


def stopped(state: WorldState) -> None:
    """Let realtime have ended."""
    realtime(state).state = "exited"


def overridden(state: WorldState) -> None:
    """Let the override say something of realtime."""
    files = state.coolify.factory.files
    files["docker-compose.custom.yml"] += "  soketi:\n    restart: unless-stopped\n"


def set_elsewhere(state: WorldState) -> None:
    """Let .env have Coolify look for realtime somewhere."""
    state.coolify.factory.env_names.append("PUSHER_BACKEND_HOST")


def more_ports(state: WorldState) -> None:
    """Let the release take a port more than those that are known."""
    tagged = state.github.repos["coollabsio/coolify"].tagged[f"v{VERSION}"]
    tagged[PROD] = tagged[PROD].replace('      - "6002:6002"\n', '      - "6002:6002"\n      - "6003:6003"\n')


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (stopped, "realtime is exited, and must run"),
        (overridden, "docker-compose.custom.yml speaks of soketi, which 4.4.0 does not start"),
        (set_elsewhere, ".env sets PUSHER_BACKEND_HOST: what becomes of that"),
        (more_ports, "more differs: coolify.ports lacks"),
        (disk(lambda it: it.held.append("6001=web")), "port 6001 is held by web"),
    ],
)
async def test_what_makes_the_move_another_one_than_is_known_is_refused(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """Before anybody is asked, and by name."""
    assert reason in await refused(tmp_path, UPGRADE, all_of(moves, change), version=VERSION, image=NEW)
