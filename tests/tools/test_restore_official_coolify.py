"""restore_official_coolify: back from the fork, with isolation kept or given up by name, or back as it was."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import FORK_IMAGE
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import CUSTOM, PROD, PROD_TEXT, ImageKind
from ink_infra_mcp.sandbox.state_registry import RegistryState
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved
from tests.tools.calls import Before, call
from tests.tools.exchanges import (
    COOLIFYS,
    LIMIT_S,
    PROVED,
    Change,
    Ended,
    acts_of,
    apps,
    by_hand,
    coolify,
    disk,
    exchanged,
    in_service,
    migrates,
    refused,
)
from tests.tools.test_image_rules import policies

pytestmark = pytest.mark.anyio
RESTORE = "restore_official_coolify"
VERSION = "4.3.11"
TAG = f"docker.io/coollabsio/coolify:{VERSION}"
PINNED = f"docker.io/coollabsio/coolify@{RegistryState().digest('registry-1.docker.io/coollabsio/coolify', VERSION)}"
RELYING = ["docs", "shop"]
OFFICIAL = {**PROVED, "version": "passed"}
ENV = {"REGISTRY_URL": "docker.io", "LATEST_IMAGE": VERSION, "COOLIFY_VERSION": VERSION, "AUTOUPDATE": "false"}


def has_option(state: WorldState) -> None:
    """Let the official image have the option, as it will when upstream has taken it."""
    state.coolify.factory.images[PINNED] = ImageKind(option=True)


def ill(state: WorldState) -> None:
    """Let the official image have the option and not become healthy."""
    state.coolify.factory.images[PINNED] = ImageKind(option=True, starts="unhealthy")


def official(state: WorldState) -> None:
    """Let an official image run already."""
    other = "docker.io/coollabsio/coolify"
    coolify(state).image, coolify(state).image_digests = f"{other}:4.3.10", [f"{other}@sha256:{'9' * 64}"]
    del state.coolify.factory.files[CUSTOM]


async def gone_back(
    folder: Path, change: Change | None = None, *, wrap: Before | None = None, accept: list[str] | None = None
) -> Ended:
    """Return what came of the way to the official image that a person said yes to."""
    accepted = {"accept_unisolated": accept} if accept else {}
    return await exchanged(folder, RESTORE, change, wrap=wrap, version=VERSION, **accepted)


async def kept(folder: Path, change: Change | None = None, **arguments: object) -> str:
    """Return why the fork stays, in a world in which nothing is changed by that."""
    return await refused(folder, RESTORE, change, **{"version": VERSION, **arguments})


async def test_an_official_image_with_the_option_serves_and_the_same_call_then_plans_nothing(tmp_path: Path) -> None:
    """No file of ours is left, .env names the version, apps stay isolated, and a canary has proved the option."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=has_option, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            before, apps_before = in_service(it.state), apps(it.state)
            said = await approved(it, client, RESTORE, version=f"v{VERSION}", wait_s=3600)
            after = in_service(it.state)
            again = await call(client, RESTORE, version=VERSION)
            apps_after = apps(it.state)
    assert (said.outcome, said.checks, again.outcome) == ("applied", OFFICIAL, "already_so"), said.text + again.text
    files = {name: text for name, text in before.files.items() if name != CUSTOM}
    assert after == replace(before, image=TAG, files=files, env=ENV)
    assert (apps_after, said.data["result"]["accepted_unisolated"]) == (apps_before, [])


async def test_an_official_image_without_the_option_is_known_after_its_pull_and_nothing_is_touched(
    tmp_path: Path,
) -> None:
    """Nobody can know before: the plan says so, and the look into the image ends it."""
    ended = await gone_back(tmp_path)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", "image"), ended.said.text
    assert "its source has no --runtime" in ended.said.text
    assert (ended.after, ended.apps_after, ended.journal) == (ended.before, ended.apps_before, [])


async def test_who_is_named_exactly_may_lose_isolation_and_the_plan_shows_each_and_needs_an_operator(
    tmp_path: Path,
) -> None:
    """The class above destructive; the canary proves that it deploys, and nobody is told that it is isolated."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            asked = await call(client, RESTORE, version=VERSION, accept_unisolated=RELYING)
            said = await approved(it, client, RESTORE, version=VERSION, accept_unisolated=RELYING, wait_s=3600)
            after, acts = in_service(it.state), acts_of(it)
    words = " ".join(asked.text.replace("...", " ").split())
    assert "Risk: critical" in words
    for name in RELYING:
        assert f"isolation of {name}" in words
    assert "that it is isolated is not proved" in words
    assert (said.outcome, said.checks) == ("applied", OFFICIAL), said.text
    assert (after.image, after.isolates, "ink-swap confirm" in acts) == (TAG, False, True)
    assert said.data["result"]["accepted_unisolated"] == RELYING
    evidence = next(check["evidence"] for check in said.data["checks"] if check["name"] == "runtime_option")
    assert evidence == "accepts --runtime: False; accepted without: docs, shop"


@pytest.mark.parametrize(
    ("accepted", "reason"),
    [
        (["docs"], "these rely on --runtime and are not named in accept_unisolated: shop"),
        ([*RELYING, "worker"], "these are named in accept_unisolated and do not rely on --runtime: worker"),
        (["docs", "nobody"], "do not rely on --runtime: nobody"),
    ],
)
async def test_a_list_with_an_app_less_or_an_app_too_many_is_refused(
    tmp_path: Path, accepted: list[str], reason: str
) -> None:
    """A list that would fit whatever comes is no knowledge of what is lost."""
    assert reason in await kept(tmp_path, accept_unisolated=accepted)


@pytest.mark.parametrize(
    ("change", "arguments", "reason"),
    [
        (None, {"version": "4.3.9"}, "4.3.9 is older than 4.3.10, on which the fork is based"),
        (None, {"version": "latest"}, "latest is no release of Coolify"),
        (None, {"version": "5.0.0"}, "Coolify 5.0.0 is not supported"),
        (official, {}, "an official image runs already"),
        (disk(lambda it: it.broken.append("constants")), {}, "which Coolify the fork is based on is not known"),
        (disk(lambda it: it.broken.append("env")), {}, "is not known to be the official one"),
        (disk(lambda it: it.env.update(REGISTRY_URL="mirror.example.com")), {}, "where nobody vouches for it"),
        (disk(lambda it: setattr(it, "upgrading", True)), {}, "an upgrade of Coolify's own runs"),
        (
            disk(lambda it: it.files.update({PROD: PROD_TEXT.replace(f'    image: "{COOLIFYS}"\n', "")})),
            {},
            "is not known to be the official one",
        ),
    ],
)
async def test_what_nobody_should_go_to_or_go_to_now_is_refused_with_the_reason(
    tmp_path: Path, change: Change | None, arguments: dict[str, object], reason: str
) -> None:
    """Before anybody is asked, and before anything is pulled."""
    assert reason in await kept(tmp_path, change, **arguments)


async def test_apps_that_share_a_name_are_not_accepted_by_it(tmp_path: Path) -> None:
    """Whoever says the name once has not named both."""

    def namesakes(state: WorldState) -> None:
        docs = next(app for app in state.coolify.applications if app.columns["name"] == "docs")
        docs.columns["name"] = "shop"

    told = await kept(tmp_path, namesakes, accept_unisolated=["shop"])
    assert "several apps that rely on --runtime share a name, which tells none of them apart: shop" in told


async def test_a_release_that_policy_does_not_list_is_refused_at_once(tmp_path: Path) -> None:
    """What policies/images.toml asks of an image is asked of the official one as well."""
    rules = policies(tmp_path, f'digests = {{ value = ["sha256:{"1" * 64}"], why = "released" }}\n')
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path / "it", policies=rules) as it, it.client() as client:
            said = await call(client, RESTORE, version=VERSION)
            assert (said.is_error, it.journal) == (True, [])
    assert f"{PINNED} is not among the digests that policies/images.toml lets run" in said.text


async def test_others_keys_and_comments_in_the_override_stay(tmp_path: Path) -> None:
    """Only the image goes; the file stays with what others wrote into it."""
    theirs = "# ours: do not touch\nservices:\n  coolify:\n    mem_limit: 2g # why not\n"
    with_fork = theirs.replace("    mem", f'    image: "{FORK_IMAGE}"  # set by ink-infra-mcp\n    mem')
    ended = await gone_back(tmp_path, all_of(has_option, disk(lambda it: it.files.update({CUSTOM: with_fork}))))
    assert (ended.said.outcome, ended.after.files[CUSTOM]) == ("applied", theirs), ended.said.text
    assert ended.before.image == FORK_IMAGE


async def test_a_fork_in_coolifys_own_file_gives_that_its_own_line_back(tmp_path: Path) -> None:
    """As its first operator had set it up; updates go off, so that the next one is somebody's decision."""
    ended = await gone_back(tmp_path, all_of(has_option, by_hand))
    assert (ended.said.outcome, ended.said.checks) == ("applied", OFFICIAL), ended.said.text
    line = PROD_TEXT.replace(f'"{COOLIFYS}"', f'"{COOLIFYS}"  # set by ink-infra-mcp')
    assert ended.after.files == {**ended.before.files, PROD: line}
    assert (ended.after.env, ended.after.auto_update) == (ENV, False)


async def test_an_official_image_that_does_not_become_healthy_is_taken_back_with_override_and_env(
    tmp_path: Path,
) -> None:
    """All is as it was: image, override, .env, switch, database."""
    ended = await gone_back(tmp_path, all_of(migrates, ill))
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("undone", "swap"), ended.said.text
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)


async def test_an_option_that_does_nothing_is_found_by_the_canary_and_the_fork_comes_back(tmp_path: Path) -> None:
    """The word in its source proves nothing: only a container under the wrong runtime shows it."""

    def forgets(state: WorldState) -> None:
        state.coolify.supports_runtime_option = False

    ended = await gone_back(tmp_path, has_option, wrap=Before(tmp_path, "coolify.first_deploy", forgets))
    assert ended.said.outcome == "undone", ended.said.text
    assert (ended.after, ended.apps_after) == (ended.before, ended.apps_before)


@pytest.mark.parametrize(
    ("accepted", "reason"),
    [
        (RELYING, "these rely on --runtime and are not named in accept_unisolated: orders"),
        ([*RELYING, "orders"], ""),
    ],
)
async def test_a_database_or_another_teams_app_that_the_api_does_not_show_has_to_be_named_too(
    tmp_path: Path, accepted: list[str], reason: str
) -> None:
    """Coolify gives its databases their run options as it does for apps: they lose isolation at their next start."""

    def has_database(state: WorldState) -> None:
        state.coolify.factory.relying.append(("standalone_postgresqls", "pg0pg0", "orders"))

    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=has_database, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            asked = await call(client, RESTORE, version=VERSION, accept_unisolated=accepted)
    assert reason in asked.text
    assert asked.is_error is bool(reason)
    assert ("isolation of orders" in " ".join(asked.text.split())) is not bool(reason)


async def test_an_app_that_came_to_rely_on_it_since_the_yes_ends_it_before_anything_is_touched(tmp_path: Path) -> None:
    """Whoever deploys it meanwhile holds no lock of ours; the Factory looks at the last moment."""

    def deployed(state: WorldState) -> None:
        state.coolify.factory.relying.append(("applications", "new0new0", "newcomer"))

    ended = await gone_back(tmp_path, wrap=Before(tmp_path, "factory.swap_unisolated", deployed), accept=RELYING)
    assert "others rely on --runtime by now than those that were named" in ended.said.text
    assert (ended.after, ended.said.outcome) == (ended.before, "undone")
