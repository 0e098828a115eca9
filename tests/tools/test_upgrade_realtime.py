"""upgrade_coolify takes realtime along where the release wants another one: both are proved, or both are as before."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.hosts.coolify_images import id_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import PROD, PROD_TEXT, ImageKind
from ink_infra_mcp.sandbox.state_github import coolify_files
from ink_infra_mcp.sandbox.state_hosts import Container
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved
from tests.tools.calls import call
from tests.tools.exchanges import (
    LIMIT_S,
    NEW,
    REALTIME,
    Change,
    coolify,
    disk,
    exchanged,
    in_service,
    migrates,
    refused,
)
from tests.tools.test_image_rules import policies
from tests.tools.test_restore_official_coolify import OFFICIAL, PINNED, VERSION, official
from tests.tools.test_restore_official_coolify import TAG as TAG_OF_COOLIFY
from tests.tools.test_upgrade_coolify import UPGRADE, built, unbroken

pytestmark = pytest.mark.anyio
TAG = "docker.io/coollabsio/coolify-realtime:1.0.18"
WANTED = PROD_TEXT.replace("realtime:1.0.17", "realtime:1.0.18")


def digest(state: WorldState) -> str:
    """Return the digest that the registry has for the new realtime."""
    return state.registry.digest("registry-1.docker.io/coollabsio/coolify-realtime", "1.0.18")


def newer(state: WorldState) -> None:
    """Let the release want the next realtime, in its file and in its source."""
    files = coolify_files(VERSION, WANTED)
    constants = files["config/constants.php"].replace("1.0.17", "1.0.18")
    state.github.repos["coollabsio/coolify"].tagged[f"v{VERSION}"] = {**files, "config/constants.php": constants}


def sick(state: WorldState) -> None:
    """Let the new realtime never become healthy."""
    image = f"docker.io/coollabsio/coolify-realtime@{digest(state)}"
    state.coolify.factory.images[image] = ImageKind(starts="unhealthy")


def realtime(state: WorldState) -> Container:
    """Return realtime's container."""
    return next(c for c in state.hosts["factory"].containers if c.name == "coolify-realtime")


async def test_realtime_goes_to_the_releases_version_with_coolify_and_is_proved(tmp_path: Path) -> None:
    """The plan names both digests; then the same call plans nothing."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=all_of(newer, built(), migrates), clock=FakeClock()) as it,
            it.client() as client,
        ):
            before = realtime(it.state).model_copy()
            asked = await call(client, UPGRADE, version=VERSION, image=NEW)
            said = await approved(it, client, UPGRADE, version=VERSION, image=NEW, wait_s=3600)
            after, image = realtime(it.state), f"docker.io/coollabsio/coolify-realtime@{digest(it.state)}"
            again = await call(client, UPGRADE, version=VERSION, image=NEW)
            databases = {
                c.name: c.image for c in it.state.hosts["factory"].containers if c.name.endswith(("db", "redis"))
            }
    words = unbroken(asked.text)
    for told in (before.image_id, image.partition("@")[2], "Pull docker.io/coollabsio/coolify-realtime@", "realtime's"):
        assert unbroken(told) in words, told
    assert (said.outcome, said.checks) == ("applied", {**OFFICIAL, "realtime": "passed"}), said.text
    assert (after.image, after.image_id, again.outcome) == (TAG, id_of(image), "already_so"), again.text
    assert databases == {"coolify-db": "postgres:15-alpine", "coolify-redis": "redis:7-alpine"}


@pytest.mark.parametrize(
    ("change", "stage", "words"),
    [
        (sick, "swap", "the new realtime service did not become healthy"),
        (built(starts="unhealthy"), "swap", "the new container did not become healthy"),
        (disk(lambda it: it.failing.append("reaches")), "proof", "Coolify gets no answer from realtime on its ports"),
    ],
)
async def test_where_one_of_both_fails_both_are_as_before(
    tmp_path: Path, change: Change, stage: str, words: str
) -> None:
    """Realtime that does not get well, Coolify that does not, and a Coolify that does not reach it."""
    world = all_of(newer, built(), migrates, change)
    ended = await exchanged(tmp_path, UPGRADE, world, version=VERSION, image=NEW)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("undone", stage), ended.said.text
    assert words in " ".join(ended.said.text.split())
    assert (ended.after, ended.after.realtime) == (ended.before, REALTIME)


def behind(state: WorldState) -> None:
    """Let the release run, by the image that its tag names, with the realtime of the one before beside it."""
    newer(state)
    official(state)
    disk_, container = state.coolify.factory, coolify(state)
    container.image, container.image_digests, container.image_id = TAG_OF_COOLIFY, [PINNED], id_of(PINNED)
    disk_.base = state.coolify.version = VERSION
    disk_.env.update(LATEST_IMAGE=VERSION, COOLIFY_VERSION=VERSION)
    disk_.files[PROD], disk_.images[PINNED] = WANTED, ImageKind(version=VERSION)


async def test_realtime_alone_goes_to_what_the_release_that_runs_already_names(tmp_path: Path) -> None:
    """Coolify's own image, files and database are those from before; then the same call plans nothing."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_world=behind, clock=FakeClock()) as it, it.client() as client:
            before = in_service(it.state)
            asked = await call(client, UPGRADE, version=VERSION)
            said = await approved(it, client, UPGRADE, version=VERSION, wait_s=3600)
            after = in_service(it.state)
            again = await call(client, UPGRADE, version=VERSION)
    assert unbroken("Exchange Coolify's realtime service on factory for the one that 4.3.11") in unbroken(asked.text)
    assert (said.outcome, said.checks) == ("applied", {**OFFICIAL, "realtime": "passed"}), said.text
    assert after == replace(before, realtime=TAG, env={**before.env, "AUTOUPDATE": "false"})
    assert again.outcome == "already_so", again.text


async def test_of_a_release_that_runs_as_another_image_realtime_is_not_exchanged_and_what_differs_is_told(
    tmp_path: Path,
) -> None:
    """The tag names another image by now: to swap that in would be more than anybody asked for."""

    def rebuilt(state: WorldState) -> None:
        coolify(state).image_digests = [f"docker.io/coollabsio/coolify@sha256:{'7' * 64}"]

    told = await refused(tmp_path, UPGRADE, all_of(behind, rebuilt), version=VERSION)
    assert f"realtime runs as {REALTIME}, and 4.3.11 names {TAG}: that alone is exchanged only where {PINNED}" in told


def stopped(state: WorldState) -> None:
    """Let realtime have ended."""
    realtime(state).state = "exited"


def mirrored(state: WorldState) -> None:
    """Let realtime come from somebody's mirror."""
    state.coolify.factory.env["REGISTRY_URL"] = "mirror.example.com"


def hidden(state: WorldState) -> None:
    """Let the registry not tell anybody which image it is."""
    state.registry.private.append("registry-1.docker.io/coollabsio/coolify-realtime")


def another_postgres(state: WorldState) -> None:
    """Let Postgres run as another major than the files name, as after an override that somebody took away."""
    next(c for c in state.hosts["factory"].containers if c.name == "coolify-db").image = "postgres:18-alpine"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (stopped, "realtime is exited, and must run"),
        (mirrored, "where nobody vouches for it"),
        (hidden, f"which image {TAG} is cannot be told"),
        (another_postgres, "Postgres runs as postgres:18-alpine, and its files name postgres:15-alpine"),
    ],
)
async def test_what_would_leave_a_service_beside_coolify_in_doubt_is_refused(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """Before anybody is asked."""
    assert reason in await refused(tmp_path, UPGRADE, all_of(newer, change), version=VERSION, image=NEW)


async def test_a_list_of_digests_in_policy_holds_for_realtime_too(tmp_path: Path) -> None:
    """The fork is listed, and the realtime that would run beside it is not."""
    rules = policies(tmp_path, f'digests = {{ value = ["{NEW.partition("@")[2]}"], why = "released" }}\n')
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path / "it", policies=rules, change_world=newer) as it, it.client() as client:
            said = await call(client, UPGRADE, version=VERSION, image=NEW)
            assert (said.is_error, it.journal) == (True, [])
    assert "coolify-realtime@" in said.text
    assert "is not among the digests" in " ".join(said.text.split())
