"""build_fork_image: built on a release, checked and pushed by a server of the fleet; nothing in service is touched."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.core.fleet import Fork
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_builds import Build
from ink_infra_mcp.sandbox.state_github import GITHUB_TOKEN, Release, commit_sha
from tests.ink import ink, says, says_yes
from tests.tools.arrivals import all_of
from tests.tools.calls import Before, Said, call, unknown
from tests.tools.exchanges import in_service, up_to_date

pytestmark = pytest.mark.anyio

LIMIT_S = 150
TOOL = "build_fork_image"
NAME = "registry.example.com/ink/coolify"
PATCH = commit_sha("example/coolify runtime")
SEEN = {"registry": "passed", "pulled_back": "passed"}
UNSEEN = {"registry": "skipped", "pulled_back": "passed"}
TAG = f"4.3.10-{PATCH[:12]}"
Change = Callable[[WorldState], None]


@dataclass(frozen=True)
class Ended:
    """A build that came to its end: what was said, what a person was asked, and the world after it."""

    said: Said
    asked: list[str]
    state: WorldState
    untouched: bool

    @property
    def builds(self) -> list[Build]:
        """Return the builds on the Factory."""
        return [*self.state.hosts["factory"].builds.values()]


async def built(folder: Path, change: Change | None = None, *, wrap: Any = None, **arguments: object) -> Ended:
    """Build in a world without a newer release than the one that runs, with a person who says yes."""
    person = says_yes()
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(folder, change_world=all_of(up_to_date, *([change] if change else [])), wrap_handler=wrap) as it,
            it.client(person) as client,
        ):
            before = in_service(it.state)
            said = await call(client, TOOL, **{"wait_s": 120, **arguments})
            assert unknown(it) == []
            return Ended(said, person.asked, it.state, in_service(it.state) == before)


def host(state: WorldState, **changes: Any) -> None:
    """Change what the Factory has for builds."""
    factory = state.hosts["factory"]
    factory.build_host = factory.build_host.model_copy(update=changes)


async def test_the_fork_is_built_on_the_newest_release_and_pushed_by_its_digest(tmp_path: Path) -> None:
    """The digest is what the registry has, and is for rotate_fork_image and who signs it; what serves is as it was."""
    it = await built(tmp_path)
    assert (it.said.outcome, it.said.checks) == ("applied", SEEN), it.said.text
    digest = it.state.registry.moved[f"{NAME}:{TAG}"]
    applied = ["bootstrap/helpers/docker.php", "tests/Feature/DockerCustomCommandsTest.php"]
    to_sign = f"cosign sign --key cosign.key {NAME}@{digest}"
    of = {"from": "f" * 40, "applied": applied, "to_sign": to_sign}
    assert it.said.data["result"] == {"image": f"{NAME}@{digest}", "tag": f"{NAME}:{TAG}", **of}
    assert (it.untouched, it.state.journal[-1]) == (True, f"registry push {NAME}:{TAG}")


async def test_a_person_is_asked_with_both_commits_the_files_and_the_tag(tmp_path: Path) -> None:
    """A push publishes: who says yes has read what of, and to where, and that nothing in service changes."""
    it = await built(tmp_path, base="v4.3.9")
    question = re.sub(r"\s+(?:\.\.\. )?", " ", it.asked[0])
    base = commit_sha("coollabsio/coolify v4.3.9")
    for words in (
        f"Base: v4.3.9, commit {base}.",
        f"Patch: https://github.com/example/coolify, branch runtime, commit {PATCH}.",
        "bootstrap/helpers/docker.php +23 -1, tests/Feature/DockerCustomCommandsTest.php +28 -0",
        f"{NAME}:4.3.9-{PATCH[:12]}",
        "nothing in service",
        "It publishes",
    ):
        assert words in question


async def test_a_no_builds_nothing(tmp_path: Path) -> None:
    """Neither on the host nor in the registry."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it, it.client(says("decline")) as client:
            said = await call(client, TOOL)
            assert (said.outcome, it.state.hosts["factory"].builds, it.journal) == ("not_approved", {}, [])


async def test_the_same_call_again_finds_it_pushed(tmp_path: Path) -> None:
    """That host built and pushed just these commits, and the registry has it: there is nothing to do."""
    first = await built(tmp_path)
    again = await built(tmp_path)
    digest = first.state.registry.moved[f"{NAME}:{TAG}"]
    assert (again.said.outcome, again.asked, len(again.builds)) == ("already_so", [], 1)
    assert digest in again.said.text


async def test_a_release_whose_tag_moved_is_not_called_built_before(tmp_path: Path) -> None:
    """The tag of the image names the release, and not its commit: the other one gets a tag of its own."""

    def moves(state: WorldState) -> None:
        state.github.repos["coollabsio/coolify"].tags["v4.3.10"] = commit_sha("v4.3.10 anew")

    await built(tmp_path)
    again = await built(tmp_path, moves)
    of = f"{commit_sha('coollabsio/coolify v4.3.10')} and {PATCH}"
    words = f"factory pushed that tag before, of {of}: another `build` gets a tag of its own"
    assert (again.said.is_error, words in again.said.text, again.asked) == (True, True, []), again.said.text


async def test_what_decides_how_the_image_is_built_is_read_first(tmp_path: Path) -> None:
    """Its Dockerfile and what is fetched into it; and where GitHub cut its list, that is said before it."""

    def many(state: WorldState) -> None:
        files = [*(f"app/{n:03}.php" for n in range(298)), "composer.lock", "docker/production/Dockerfile"]
        state.github.repos["example/coolify"].changed = dict.fromkeys(files, (1, 1))

    it = await built(tmp_path, many)
    question = re.sub(r"\s+(?:\.\.\. )?", " ", it.asked[0])
    first = "GitHub tells 300 files at most: others may differ, too, composer.lock +1 -1, docker/production/Dockerfile"
    assert first in question, question


async def test_the_same_commits_once_more_get_a_tag_of_their_own(tmp_path: Path) -> None:
    """What they are built upon moves on, so that a second build is another image; the first one stays."""
    await built(tmp_path)
    again = await built(tmp_path, build=2)
    assert again.said.outcome == "applied", again.said.text
    assert sorted(again.state.registry.moved) == [f"{NAME}:{TAG}", f"{NAME}:{TAG}-2"]


async def test_a_registry_that_shows_nobody_its_images_is_told_as_unseen(tmp_path: Path) -> None:
    """The host has pulled it back by its digest; that it was seen from here is not claimed."""

    def private(state: WorldState) -> None:
        state.registry.private = [NAME]

    it = await built(tmp_path, private)
    assert (it.said.outcome, it.said.checks) == ("applied", UNSEEN), it.said.text
    assert "Whether the registry has that tag already is not known" in it.asked[0]
    assert (await built(tmp_path)).said.outcome == "already_so"


def fails(fault: str) -> Change:
    """Return a change that lets builds go wrong."""
    return lambda state: host(state, fault=fault)


@pytest.mark.parametrize(
    ("fault", "stage", "told"),
    [
        ("conflict", "conflict", "tests/Feature/DockerCustomCommandsTest.php"),
        ("build", "build", "did not complete successfully: exit code: 1"),
        ("option", "check", "the source in the image has no --runtime"),
    ],
)
async def test_what_fails_is_told_and_nothing_is_pushed(tmp_path: Path, fault: str, stage: str, told: str) -> None:
    """The files that conflict, the end of the log, or what the image lacks; what it made on the host is gone."""
    it = await built(tmp_path, fails(fault))
    assert it.said.problem["stage"] == stage, it.said.text
    assert (told in it.said.text, "nothing was pushed" in it.said.text) == (True, True)
    assert (it.state.registry.moved, it.untouched, [b.state for b in it.builds]) == ({}, True, ["dropped"])


async def test_a_secret_that_a_build_prints_is_told_to_nobody(tmp_path: Path) -> None:
    """Neither in the end of the log nor in what was said on the way."""
    it = await built(tmp_path, fails("build"))
    assert ("npm warn config token" in it.said.text, GITHUB_TOKEN in it.said.text) == (True, False)
    async with ink(tmp_path) as again, again.client() as client:
        told = await call(client, "get_operation", operation=it.said.data["operation_id"])
    assert ("composer install" in str(told.data), GITHUB_TOKEN in str(told.data)) == (True, False), told.text


async def test_a_push_that_is_refused_says_who_has_to_log_in_where(tmp_path: Path) -> None:
    """What is built stays on the host; the login is the host's own, and none passes through here."""

    def refusing(state: WorldState) -> None:
        state.registry.refusing = [NAME]

    it = await built(tmp_path, refusing)
    assert (it.said.problem["stage"], [b.state for b in it.builds]) == ("push", ["unpushed"]), it.said.text
    assert "Log root's Docker on factory in there (`docker login`)" in it.said.text
    assert "denied: requested access" in it.said.text


async def test_a_branch_that_moved_after_the_yes_is_not_built(tmp_path: Path) -> None:
    """What was approved is a commit: the host compares it with what it has fetched."""

    def moves(state: WorldState) -> None:
        state.github.repos["example/coolify"].branches["runtime"] = commit_sha("newer")

    it = await built(tmp_path, wrap=Before(tmp_path, "factory.build_image", moves))
    assert it.said.problem["stage"] == "fetch", it.said.text
    assert ("moved since it was planned" in it.said.text, it.state.registry.moved) == (True, {})


def taken(state: WorldState) -> None:
    """Somebody else has pushed under that very tag."""
    state.registry.moved[f"{NAME}:{TAG}"] = f"sha256:{'7' * 64}"


REFUSALS: list[tuple[Change, str]] = [
    (lambda state: host(state, platform="linux/arm64"), "its Docker is linux/arm64"),
    (lambda state: host(state, buildx=""), "it has no docker buildx"),
    (lambda state: host(state, git=""), "it has no git"),
    (lambda state: host(state, free_kb=10_485_759), "10239 MiB of room on its disks are left, and 10240 are wanted"),
    (lambda state: host(state, memory_kb=1_000_000), "976 MiB of memory are left, and 3072 are wanted"),
    (taken, "no build of factory pushed it: nothing is overwritten"),
]


@pytest.mark.parametrize(("change", "why"), REFUSALS, ids=[why for _, why in REFUSALS])
async def test_a_host_that_cannot_build_and_a_tag_that_is_taken_are_refused(
    tmp_path: Path, change: Change, why: str
) -> None:
    """Before anybody is asked, with every reason."""
    it = await built(tmp_path, change)
    assert (it.said.is_error, why in it.said.text, it.asked, it.builds) == (True, True, [], []), it.said.text


async def test_only_a_published_release_is_a_base(tmp_path: Path) -> None:
    """A candidate and a tag that nobody released are none; the answer names those that are."""
    for base in ("v4.4.0", "v4.3.8"):
        it = await built(tmp_path, base=base)
        assert it.said.is_error
        assert f"{base} is not among the newest releases" in it.said.text
        assert "v4.3.10, v4.3.9" in it.said.text
    assert (await built(tmp_path, base="next")).said.is_error


async def test_a_release_is_the_newest_by_its_version_and_not_by_its_place(tmp_path: Path) -> None:
    """A fix of an older line may be published last."""

    def older(state: WorldState) -> None:
        repo = state.github.repos["coollabsio/coolify"]
        repo.releases = [Release(tag="v4.2.9"), *repo.releases]
        repo.tags["v4.2.9"] = commit_sha("old")

    assert (await built(tmp_path, older)).said.data["result"]["tag"] == f"{NAME}:{TAG}"


@pytest.mark.parametrize(
    ("fork", "why"),
    [
        (Fork(), "does not say what the fork is built from"),
        (
            Fork(image="coollabsio/coolify:1", repository="https://github.com/example/coolify", branch="runtime"),
            "is called as Coolify's own image",
        ),
        (
            Fork(image=f"{NAME}:1", repository="https://github.com/example/coolify", branch="gone"),
            "GitHub shows us no branch gone of example/coolify",
        ),
    ],
)
async def test_a_fork_that_is_not_set_up_is_told_as_that(tmp_path: Path, fork: Fork, why: str) -> None:
    """What stands in fleet.toml, or is missing there, is named."""

    def with_fork(fleet: Any) -> Any:
        return fleet.model_copy(update={"fork": fork})

    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, change_fleet=with_fork) as it, it.client(says_yes()) as client:
            said = await call(client, TOOL)
    assert (said.is_error, why in said.text) == (True, True), said.text


async def test_another_server_of_the_fleet_builds_as_well(tmp_path: Path) -> None:
    """By its name; one that is none is answered with those that there are."""
    it = await built(tmp_path, host="muscle-2")
    assert (it.said.outcome, [b.state for b in it.state.hosts["muscle-2"].builds.values()]) == ("applied", ["pushed"])
    assert "Use one of: factory, muscle-1, muscle-2" in (await built(tmp_path, host="nobody")).said.text


@pytest.mark.parametrize("verb", ["prepare", "start", "push"])
@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_a_connection_that_breaks_is_told_and_the_host_is_asked_again(
    tmp_path: Path, verb: str, kind: str
) -> None:
    """Whatever was lost of the answer, there is one build, and one push at most."""

    def lost(state: WorldState) -> None:
        state.faults.append(Fault(system="ssh", match=f"ink-build {verb}", kind=kind))

    it = await built(tmp_path, lost)
    assert len(it.builds) <= 1
    assert len([line for line in it.state.journal if line.startswith("registry push")]) <= 1
    assert it.said.outcome in ("applied", "failed", "undone"), it.said.text
