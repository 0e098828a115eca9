"""upgrade_coolify: to a release with its own files, the fork kept a fork, proved, or all back as it was."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import FORK_IMAGE
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import BASE, BASE_TEXT, CUSTOM, PROD, PROD_TEXT, ImageKind
from ink_infra_mcp.sandbox.state_github import commit_sha, coolify_files
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved
from tests.tools.calls import Before, call
from tests.tools.exchanges import (
    LIMIT_S,
    NEW,
    Change,
    Ended,
    apps,
    by_hand,
    disk,
    exchanged,
    in_service,
    migrates,
    refused,
    up_to_date,
)
from tests.tools.test_build_fork_image import NAME, PATCH, fails
from tests.tools.test_image_rules import policies
from tests.tools.test_restore_official_coolify import ENV, OFFICIAL, PINNED, TAG, VERSION, official

pytestmark = pytest.mark.anyio
UPGRADE = "upgrade_coolify"
COMMIT = commit_sha(f"coollabsio/coolify v{VERSION}")
FORK_TAG = f"{NAME}:{VERSION}-{PATCH[:12]}"
CHECKED = '      - "${APP_PORT:-8000}:8080"\n'
NEW_PROD = PROD_TEXT.replace(CHECKED, f"{CHECKED}    healthcheck:\n      retries: 24\n      start_period: 1m\n")
"""Coolify's own file with what changed in it from 4.3.2 to 4.3.3."""


def released(prod: str = NEW_PROD, **more: str) -> Change:
    """Return a change after which the tag has that file, and others."""

    def changed(state: WorldState) -> None:
        repo = state.github.repos["coollabsio/coolify"]
        repo.tagged[f"v{VERSION}"] = {**coolify_files(VERSION, prod), **more}

    return changed


def built(**kind: object) -> Change:
    """Return a change that says what the fork's new image is."""

    def changed(state: WorldState) -> None:
        made = {"version": VERSION, "built_on": COMMIT, **kind}
        state.coolify.factory.images[NEW] = ImageKind.model_validate(made)

    return changed


def with_option(state: WorldState) -> None:
    """Let an official image run, and the next one have the option: apps here rely on it."""
    official(state)
    state.coolify.factory.images[PINNED] = ImageKind(option=True, version=VERSION)


def only_tagged(state: WorldState) -> None:
    """Let the tag be there, and no release of that name."""
    up_to_date(state)


def without_realtime(state: WorldState) -> None:
    """Take the container away that speaks to browsers."""
    host = state.hosts["factory"]
    host.containers = [each for each in host.containers if each.name != "coolify-realtime"]


def drops_it(state: WorldState) -> None:
    """Let the image that runs lack the option."""
    state.coolify.supports_runtime_option = False


def unbroken(text: str) -> str:
    """Return a text without blanks and ends of lines, which a plan puts also into long words."""
    return "".join(text.replace("... ", "").split())


async def upgraded(folder: Path, change: Change, *, wrap: Before | None = None, image: str = NEW) -> Ended:
    """Return what came of an upgrade that a person said yes to."""
    fork = {"image": image} if image else {}
    return await exchanged(folder, UPGRADE, change, wrap=wrap, version=VERSION, **fork)


async def stays(folder: Path, change: Change | None = None, **arguments: object) -> str:
    """Return why Coolify stays as it is, in a world in which nothing is changed by that."""
    return await refused(folder, UPGRADE, change, **{"version": VERSION, **arguments})


async def test_a_fork_is_upgraded_to_its_build_on_the_release_with_that_releases_file_and_env(tmp_path: Path) -> None:
    """The plan shows commit and difference; then the same call plans nothing, and apps are as they were."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=all_of(released(), built(), migrates), clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            before, apps_before = in_service(it.state), apps(it.state)
            asked = await call(client, UPGRADE, version=VERSION, image=NEW)
            said = await approved(it, client, UPGRADE, version=f"v{VERSION}", image=NEW, wait_s=3600)
            after, told = in_service(it.state), it.state.coolify.version
            again = await call(client, UPGRADE, version=VERSION, image=NEW)
            apps_after = apps(it.state)
    words = " ".join(asked.text.replace("...", " ").split())
    assert f"commit {COMMIT}" in words
    assert "coolify.healthcheck in docker-compose.prod.yml" in words
    assert (said.outcome, said.checks, again.outcome) == ("applied", OFFICIAL, "already_so"), said.text + again.text
    line = f'image: "{NEW}"  # set by ink-infra-mcp'
    files = {**before.files, PROD: NEW_PROD, CUSTOM: before.files[CUSTOM].replace(f'image: "{FORK_IMAGE}"', line)}
    assert after == replace(before, image=NEW, files=files, env=ENV, applied=after.applied)
    assert (apps_after, told) == (apps_before, VERSION)


async def test_an_official_coolify_goes_to_the_official_image_of_the_release(tmp_path: Path) -> None:
    """Named by its tag, proved by its digest, without an override."""
    ended = await upgraded(tmp_path, all_of(released(PROD_TEXT), with_option), image="")
    assert (ended.said.outcome, ended.said.checks) == ("applied", OFFICIAL), ended.said.text
    assert ended.after == replace(ended.before, image=TAG, env=ENV)
    assert ended.apps_after == ended.apps_before


async def test_a_release_that_does_not_become_healthy_is_taken_back_with_its_files(tmp_path: Path) -> None:
    """Image, override, Coolify's own file, .env, switch and database are those from before."""
    ended = await upgraded(tmp_path, all_of(released(), built(starts="unhealthy"), migrates))
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("undone", "swap"), ended.said.text
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ({"version": "4.3.10"}, "its source says that it is Coolify 4.3.10, and not 4.3.11"),
        ({"built_on": "1" * 40}, f"it was built on {'1' * 40}, and 4.3.11 is {COMMIT}"),
        ({"option": False}, "its source has no --runtime"),
        ({"helper": "1.0.14"}, "its source builds with helper 1.0.14, and not 1.0.15"),
    ],
)
async def test_a_fork_that_is_not_built_on_that_release_or_drops_the_option_ends_it_untouched(
    tmp_path: Path, kind: dict[str, object], reason: str
) -> None:
    """A tag says what it likes: the pulled image's own source and label are looked at before anything stops."""
    ended = await upgraded(tmp_path, all_of(released(), built(**kind)))
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", "image"), ended.said.text
    assert reason in " ".join(ended.said.text.split())
    assert (ended.after, ended.apps_after, ended.journal) == (ended.before, ended.apps_before, [])


async def test_a_file_that_somebody_changes_after_the_yes_ends_it_before_the_swap(tmp_path: Path) -> None:
    """Also docker-compose.yml, which the upgrade compares and does not write."""

    def edited(state: WorldState) -> None:
        state.coolify.factory.files[BASE] = f"{BASE_TEXT}# mine\n"

    wrap = Before(tmp_path, "factory.swap_image", edited)
    ended = await upgraded(tmp_path, all_of(released(), built()), wrap=wrap)
    assert f"{BASE} on factory is not as it was when this was planned" in " ".join(ended.said.text.split())
    assert ended.after == replace(ended.before, files={**ended.before.files, BASE: f"{BASE_TEXT}# mine\n"})


async def test_coolifys_other_file_that_changes_while_it_is_prepared_ends_it_before_anything_stops(
    tmp_path: Path,
) -> None:
    """What was planned and what `up` reads are held against each other by the unit itself."""
    wrap = Before(tmp_path, "factory.swap_image", disk(lambda it: it.files.update({BASE: f"{BASE_TEXT}# theirs\n"})))
    ended = await upgraded(tmp_path, all_of(released(), built()), wrap=wrap)
    assert (ended.said.outcome, ended.after.image) == ("failed", ended.before.image), ended.said.text


async def test_a_fork_is_built_on_the_release_and_put_into_service_in_one_plan(tmp_path: Path) -> None:
    """A yes is to the two commits that it is built of; what the push returned is what runs, by its digest."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=released(), clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            asked = await call(client, UPGRADE, version=VERSION)
            said = await approved(it, client, UPGRADE, version=VERSION, wait_s=3600)
            after, pushed = in_service(it.state), it.state.registry.moved[FORK_TAG]
            again = await call(client, UPGRADE, version=VERSION)
    words = unbroken(asked.text)
    for told in (
        f"Base: v{VERSION}, commit {COMMIT}",
        f"branch runtime, commit {PATCH}",
        "by the digest of that push",
    ):
        assert unbroken(told) in words, told
    image = f"{FORK_TAG.rpartition(':')[0]}@{pushed}"
    assert (said.outcome, said.checks) == ("applied", {**OFFICIAL, "registry": "passed"}), said.text
    assert (after.image, said.data["result"]["built"], f'image: "{image}"' in after.files[CUSTOM]) == (
        image,
        image,
        True,
    )
    assert (again.outcome, said.data["result"]["downtime_ms"] > 0) == ("already_so", True), again.text


@pytest.mark.parametrize("fault", ["conflict", "build", "option"])
async def test_a_build_that_fails_leaves_coolify_as_it_is(tmp_path: Path, fault: str) -> None:
    """Nothing is pulled, backed up or swapped before there is an image."""
    ended = await upgraded(tmp_path, all_of(released(), fails(fault)), image="")
    assert (ended.said.outcome, ended.after) == ("undone", ended.before), ended.said.text
    assert {line.split()[0] for line in ended.journal} == {"ink-build"}


async def test_a_build_that_was_pushed_before_is_not_made_again(tmp_path: Path) -> None:
    """The plan names its digest, and has no build in it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            made = await approved(it, client, "build_fork_image", base=f"v{VERSION}", options=["wait_s=3600"])
            asked = await call(client, UPGRADE, version=VERSION)
    words = unbroken(asked.text)
    assert (unbroken(made.data["result"]["image"]) in words, "putthepatch" in words) == (True, False), asked.text


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (f'digests = {{ value = ["sha256:{"1" * 64}"], why = "released" }}', "lists the digests that may run"),
        ('least_age_h = { value = 48, why = "stolen ones are found out" }', "no image run that is younger than 48 h"),
    ],
)
async def test_what_policy_asks_of_an_image_that_is_not_there_yet_is_a_refusal(
    tmp_path: Path, rule: str, reason: str
) -> None:
    """A build is new, and on no list: it is built first, and put into service when policy lets it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path / "it", policies=policies(tmp_path, f"{rule}\n")) as it, it.client() as client:
            said = await call(client, UPGRADE, version=VERSION)
            assert (said.is_error, it.journal) == (True, [])
    assert reason in " ".join(said.text.split())


async def test_what_build_fork_image_answers_is_taken_without_a_word_of_a_person(tmp_path: Path) -> None:
    """Its labels and its source say on what it was built."""

    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            made = await approved(it, client, "build_fork_image", base=f"v{VERSION}", options=["wait_s=3600"])
            image = made.data["result"]["image"]
            said = await approved(it, client, UPGRADE, version=VERSION, image=image, wait_s=3600)
            after = in_service(it.state)
    assert (said.outcome, said.checks, after.image) == ("applied", OFFICIAL, image), made.text + said.text


@pytest.mark.parametrize(
    ("change", "arguments", "reason"),
    [
        (None, {"version": "4.4-rc.1"}, "4.4-rc.1 is no release of Coolify that an upgrade goes to"),
        (None, {"version": "4.3.12", "image": NEW}, "v4.3.12 is not among the newest releases of coollabsio/coolify"),
        (None, {"version": "4.3.9"}, "4.3.9 is not newer than 4.3.10, which runs"),
        (disk(lambda it: it.broken.append("digests")), {}, "whether a fork or an official image runs is not known"),
        (disk(lambda it: setattr(it, "upgrading", True)), {"image": NEW}, "an upgrade of Coolify's own runs"),
        (disk(lambda it: it.broken.append("env")), {"image": NEW}, "what .env sets is not known: "),
        (disk(lambda it: it.env.update(COOLIFY_VERSION="4.3.12")), {"image": NEW}, ".env has 4.3.12, which is newer"),
        (only_tagged, {"image": NEW}, "v4.3.11 is not among the newest releases of coollabsio/coolify"),
        (without_realtime, {"image": NEW}, "realtime runs as what is not known, and 4.3.11 wants 1.0.17"),
        (all_of(official, drops_it), {}, "the official image that runs does not accept --runtime"),
    ],
)
async def test_what_nobody_should_go_to_or_go_to_now_is_refused_with_the_reason(
    tmp_path: Path, change: Change | None, arguments: dict[str, object], reason: str
) -> None:
    """Before anybody is asked, and before anything is pulled."""
    assert reason in await stays(tmp_path, change, **arguments)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (released(**{BASE: BASE_TEXT.replace("postgres:15", "postgres:18")}), "4.3.11 names Postgres as postgres:18-"),
        (released(**{".env.production": "APP_KEY=\nNEW_KEY=\n"}), ".env lacks what .env.production of that release"),
    ],
)
async def test_a_release_that_needs_more_than_coolify_and_realtime_is_refused_with_what_differs(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """The unit takes back what it swapped: it brings no database and no new key."""
    assert reason in await stays(tmp_path, change, image=NEW)


async def test_a_fork_in_coolifys_own_file_moves_to_the_override(tmp_path: Path) -> None:
    """As its first operator had set it up; Coolify's own file is the release's afterwards."""
    ended = await upgraded(tmp_path, all_of(built(), by_hand))
    assert (ended.said.outcome, ended.said.checks) == ("applied", OFFICIAL), ended.said.text
    assert (ended.after.files[PROD], ended.after.env, ended.after.auto_update) == (PROD_TEXT, ENV, False)


async def test_an_image_that_policy_does_not_list_is_refused_at_once(tmp_path: Path) -> None:
    """What policies/images.toml asks of an image is asked here as well."""
    rules = policies(tmp_path, f'digests = {{ value = ["sha256:{"1" * 64}"], why = "released" }}\n')
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path / "it", policies=rules) as it, it.client() as client:
            said = await call(client, UPGRADE, version=VERSION, image=NEW)
            assert (said.is_error, it.journal) == (True, [])
    assert f"{NEW} is not among the digests that policies/images.toml lets run" in said.text
