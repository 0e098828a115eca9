"""upgrade_coolify by way of releases in between: one plan, each proved before the next, and what fails goes back."""

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.hosts.coolify_images import id_of
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_factory import BASE, MIGRATIONS, PROD, PROD_TEXT, ImageKind
from ink_infra_mcp.sandbox.state_github import Release, commit_sha, coolify_files, moved_in_files
from ink_infra_mcp.sandbox.state_registry import RegistryState
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import all_of, approved
from tests.tools.calls import Before, call
from tests.tools.exchanges import LIMIT_S, NEW, Change, Ended, coolify, disk, exchanged, in_service, refused
from tests.tools.test_restore_official_coolify import ENV, OFFICIAL, PINNED, TAG, VERSION, official
from tests.tools.test_upgrade_coolify import NEW_PROD, UPGRADE, unbroken

pytestmark = pytest.mark.anyio
FIRST, SECOND, NOW = "4.1.3", "4.2.1", "4.0.1"
INSIDE = ("4.4.0", "4.5.0")
OF_SECOND, OF_THIRD = "2026_05_01_000000_add_of_the_second_line", "2026_08_01_000000_add_of_the_third_line"
OLD_PROD = PROD_TEXT.replace("realtime:1.0.17", "realtime:1.0.13")
PRODS = {FIRST: PROD_TEXT.replace("realtime:1.0.17", "realtime:1.0.16"), VERSION: NEW_PROD}
PRODS[SECOND] = PRODS[FIRST]


def pinned(version: str) -> str:
    """Return Coolify's official image of a release by its digest."""
    return f"docker.io/coollabsio/coolify@{RegistryState().digest('registry-1.docker.io/coollabsio/coolify', version)}"


def files_of(version: str, realtime: str) -> dict[str, str]:
    """Return what the tag of a release has."""
    files = coolify_files(version, PRODS[version])
    constants = files["config/constants.php"].replace("1.0.17", realtime)
    return {**files, "config/constants.php": constants}


def behind(state: WorldState) -> None:
    """Let an official image of three lines before run; the later two of the three on its way have a migration each."""
    official(state)
    other, factory = "docker.io/coollabsio/coolify", state.coolify.factory
    coolify(state).image = f"{other}:{NOW}"
    for each in state.hosts["factory"].containers:
        if each.name == "coolify-realtime":
            each.image = "docker.io/coollabsio/coolify-realtime:1.0.13"
    factory.files[PROD], factory.base, state.coolify.version = OLD_PROD, NOW, NOW
    factory.env.update(LATEST_IMAGE=NOW, COOLIFY_VERSION=NOW)
    repo = state.github.repos["coollabsio/coolify"]
    repo.tags |= {f"v{each}": commit_sha(f"coollabsio/coolify v{each}") for each in (FIRST, SECOND)}
    repo.releases = [*repo.releases, Release(tag=f"v{SECOND}"), Release(tag=f"v{FIRST}")]
    repo.tagged |= {f"v{each}": files_of(each, "1.0.16") for each in (FIRST, SECOND)}
    repo.tagged[f"v{VERSION}"] = files_of(VERSION, "1.0.17")
    for each in (FIRST, SECOND, VERSION):
        factory.images[pinned(each)] = ImageKind(option=True, version=each)
    factory.migrations = {
        pinned(SECOND): [*MIGRATIONS, OF_SECOND],
        pinned(VERSION): [*MIGRATIONS, OF_SECOND, OF_THIRD],
        TAG: [*MIGRATIONS, OF_SECOND, OF_THIRD],
        f"{other}:{SECOND}": [*MIGRATIONS, OF_SECOND],
    }


def one_behind(state: WorldState) -> None:
    """Let the first of those releases run, whose way goes by one."""
    behind(state)
    factory = state.coolify.factory
    coolify(state).image = f"docker.io/coollabsio/coolify:{FIRST}"
    factory.files[PROD], factory.base, state.coolify.version = PRODS[FIRST], FIRST, FIRST
    factory.env.update(LATEST_IMAGE=FIRST, COOLIFY_VERSION=FIRST)
    for each in state.hosts["factory"].containers:
        if each.name == "coolify-realtime":
            each.image = "docker.io/coollabsio/coolify-realtime:1.0.16"


def ill(version: str) -> Change:
    """Return a change that lets the image of a release not become healthy."""

    def changed(state: WorldState) -> None:
        state.coolify.factory.images[pinned(version)] = ImageKind(option=True, version=version, starts="unhealthy")

    return changed


async def upgraded(folder: Path, *changes: Change, wrap: Before | None = None) -> Ended:
    """Return what came of an upgrade over two releases that a person said yes to."""
    return await exchanged(folder, UPGRADE, all_of(behind, *changes), wrap=wrap, version=VERSION)


async def test_one_plan_goes_by_every_release_in_between_and_proves_each(tmp_path: Path) -> None:
    """One backup, one rehearsal, three swaps; the plan pins three digests, and the same call then plans nothing."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=behind, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            asked = await call(client, UPGRADE, version=VERSION)
            said = await approved(it, client, UPGRADE, version=VERSION, wait_s=3600)
            after, journal = in_service(it.state), it.journal
            rotations = {name.partition("-")[2]: each for name, each in it.state.coolify.factory.rotations.items()}
            again = await call(client, UPGRADE, version=VERSION)
    words = unbroken(asked.text)
    for told in (*map(pinned, (FIRST, SECOND, VERSION)), f"by way of {FIRST} and {SECOND}"):
        assert unbroken(told) in words, told
    assert (said.outcome, said.checks) == ("applied", {**OFFICIAL, "realtime": "passed"}), said.text
    assert (after.image, after.env, after.files[PROD]) == (TAG, ENV, NEW_PROD)
    assert after.applied == [*MIGRATIONS, OF_SECOND, OF_THIRD]
    assert [(each.state, each.orders["image"]) for each in rotations.values()] == [
        ("confirmed", pinned(each)) for each in (FIRST, SECOND, VERSION)
    ]
    assert [each.orders["migrates"] for each in rotations.values()] == ["no", "yes", "yes"]
    made = {act: sum(act in line for line in journal) for act in ("ink-backup make", "ink-backup rehearse")}
    assert made == {"ink-backup make": 1, "ink-backup rehearse": 1}
    assert said.data["result"]["confirmed"] == VERSION
    assert {name: each["migrations"] for name, each in said.data["result"]["stops"].items()} == {
        FIRST: [],
        SECOND: [OF_SECOND],
    }
    assert again.outcome == "already_so", again.text


async def test_a_second_release_that_fails_leaves_the_first_one_in_service_and_says_so(tmp_path: Path) -> None:
    """Its own way back goes to the release before it, with that one's files and database; the next is not begun."""
    ended = await upgraded(tmp_path, ill(SECOND))
    said = ended.said
    assert (said.outcome, said.problem["stage"]) == ("failed", "swap"), said.text
    assert ended.after.image == f"docker.io/coollabsio/coolify:{FIRST}"
    assert ended.after.files[PROD] == PRODS[FIRST]
    assert ended.after.env == {**ENV, "LATEST_IMAGE": FIRST, "COOLIFY_VERSION": FIRST}
    assert (ended.after.applied, ended.apps_after) == ([*MIGRATIONS], ended.apps_before)
    assert ended.after.realtime.endswith(":1.0.16")
    assert (said.data["result"]["confirmed"], "goes on from 4.1.3" in said.data["result"]["next"]) == (FIRST, True)
    assert not any(line.startswith("ink-swap") and pinned(VERSION) in line for line in ended.journal)


async def test_the_same_call_goes_on_from_the_release_that_was_kept(tmp_path: Path) -> None:
    """Its plan is of what is left."""
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=all_of(behind, ill(VERSION)), clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            first = await approved(it, client, UPGRADE, version=VERSION, wait_s=3600)
            with it.world.change() as state:
                state.coolify.factory.images[PINNED] = ImageKind(version=VERSION)
            then = await approved(it, client, UPGRADE, version=VERSION, wait_s=3600)
            after = in_service(it.state)
    assert (first.outcome, first.data["result"]["confirmed"]) == ("failed", SECOND), first.text
    assert (then.outcome, "stops" in then.data["result"], after.image) == ("applied", False, TAG), then.text


async def test_the_first_release_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    """Nothing was confirmed: that is an upgrade that was undone."""
    ended = await upgraded(tmp_path, ill(FIRST))
    assert (ended.said.outcome, ended.after) == ("undone", ended.before), ended.said.text
    assert ended.said.data["result"]["confirmed"] is None


@pytest.mark.parametrize("failing", [OF_SECOND, OF_THIRD])
async def test_a_migration_of_any_of_them_that_fails_on_the_copy_ends_it_untouched(
    tmp_path: Path, failing: str
) -> None:
    """Also the one of the last: nothing has been swapped by then."""
    ended = await upgraded(tmp_path, disk(lambda it: it.failing.append(failing)))
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", "rehearsal_migrate"), ended.said.text
    assert (ended.after, [line for line in ended.journal if line.startswith("ink-swap")]) == (ended.before, [])


async def test_an_image_on_the_way_that_is_another_version_ends_it_before_the_backup(tmp_path: Path) -> None:
    """All of them are pulled and looked at first."""

    def other(state: WorldState) -> None:
        state.coolify.factory.images[pinned(SECOND)] = ImageKind(option=True, version=FIRST)

    ended = await upgraded(tmp_path, other)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", "image"), ended.said.text
    assert (ended.after, ended.journal) == (ended.before, [])


async def test_whoever_changes_a_file_between_two_releases_ends_it_at_the_one_that_serves(tmp_path: Path) -> None:
    """What each finds was planned with: the files of the release before it."""

    def edited(state: WorldState) -> None:
        if state.coolify.version == FIRST:
            state.coolify.factory.files[PROD] = f"{PRODS[FIRST]}# mine\n"

    wrap = Before(tmp_path, "factory.watch_image", edited)
    ended = await upgraded(tmp_path, wrap=wrap)
    assert f"{PROD} on factory is not as it was when this was planned" in " ".join(ended.said.text.split())
    assert (ended.said.outcome, ended.said.data["result"]["confirmed"]) == ("failed", FIRST), ended.said.text
    assert ended.after.image.endswith(f":{FIRST}")


def without(*tags: str) -> Change:
    """Return a change after which GitHub lists none of these releases."""

    def changed(state: WorldState) -> None:
        repo = state.github.repos["coollabsio/coolify"]
        repo.releases = [each for each in repo.releases if each.tag not in tags]

    return changed


def a_fork(state: WorldState) -> None:
    """Let a fork run that was built on the oldest line."""
    coolify(state).image, coolify(state).image_digests = NEW, [NEW]


def a_beta(state: WorldState) -> None:
    """Let a beta run, whose own release comes first."""
    state.coolify.factory.base = state.coolify.version = "4.0.0-beta.474"
    repo = state.github.repos["coollabsio/coolify"]
    repo.releases = [*repo.releases, Release(tag="v4.0.1")]


def new_key(state: WorldState) -> None:
    """Let a release on the way want a key that .env lacks."""
    state.github.repos["coollabsio/coolify"].tagged[f"v{SECOND}"][".env.production"] = "APP_KEY=\nNEW_KEY=\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without(f"v{FIRST}"), f"go from {NOW} to a release of 4.1, then {SECOND} first, each by a call of its own"),
        (
            a_fork,
            f"go from {NOW} to {FIRST}, then {SECOND} first, each by a call of its own. They are one plan for the",
        ),
        (a_beta, f"of 4.0.1, {FIRST}, {SECOND}, {VERSION}: call with {SECOND} first, then with {VERSION}"),
        (new_key, f"on the way, at {SECOND}: .env lacks what .env.production of that release sets: NEW_KEY"),
        (disk(lambda it: setattr(it, "free_kb", 6 * 2**20)), f"on the way, at {SECOND}: its disks have 4096 MiB left"),
    ],
)
async def test_a_way_that_cannot_be_gone_in_one_plan_is_refused_with_what_to_do(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """A release that GitHub does not list, a fork, too many of them, and what one of them would not find."""
    assert reason in await refused(tmp_path, UPGRADE, all_of(behind, change), version=VERSION)


async def test_realtime_goes_along_where_a_release_names_another_one(tmp_path: Path) -> None:
    """Each stop pulls the one that its own files name, and the one in between, which names the same, pulls none."""
    ended = await upgraded(tmp_path)
    orders = [line.split()[1] for line in ended.journal]
    assert ended.after.realtime == "docker.io/coollabsio/coolify-realtime:1.0.17"
    assert orders.count("prepare") == 3
    assert id_of(pinned(VERSION)) == ended.said.data["result"]["image_id"]


def takes_realtime_in(state: WorldState) -> None:
    """Let a release of 4.2 run, and of the three on its way the later two have realtime inside of Coolify."""
    behind(state)
    factory, repo = state.coolify.factory, state.github.repos["coollabsio/coolify"]
    coolify(state).image = f"docker.io/coollabsio/coolify:{SECOND}"
    factory.files[PROD], factory.base, state.coolify.version = PRODS[SECOND], SECOND, SECOND
    factory.env.update(LATEST_IMAGE=SECOND, COOLIFY_VERSION=SECOND)
    factory.applied = [*MIGRATIONS, OF_SECOND]
    for each in state.hosts["factory"].containers:
        if each.name == "coolify-realtime":
            each.image = "docker.io/coollabsio/coolify-realtime:1.0.16"
    for inside in INSIDE:
        repo.tags[f"v{inside}"] = commit_sha(f"coollabsio/coolify v{inside}")
        repo.releases = [Release(tag=f"v{inside}"), *repo.releases]
        repo.tagged[f"v{inside}"] = moved_in_files(inside)
        factory.images[pinned(inside)] = ImageKind(option=True, version=inside)
        factory.migrations |= {
            each: [*MIGRATIONS, OF_SECOND, OF_THIRD]
            for each in (pinned(inside), f"docker.io/coollabsio/coolify:{inside}")
        }


async def test_realtime_moves_in_at_a_stop_and_the_release_after_it_finds_it_there(tmp_path: Path) -> None:
    """It is exchanged at the first, withdrawn at the second, and nobody's any more at the third."""
    last = INSIDE[-1]
    ended = await exchanged(tmp_path, UPGRADE, takes_realtime_in, version=last)
    said, files = ended.said, moved_in_files(last)
    assert (said.outcome, said.data["result"]["confirmed"]) == ("applied", last), said.text
    assert said.checks == {**OFFICIAL, "realtime": "passed"}
    assert {name: ended.after.files[name] for name in (BASE, PROD)} == {name: files[name] for name in (BASE, PROD)}
    assert list(said.data["result"]["stops"]) == [VERSION, INSIDE[0]]
