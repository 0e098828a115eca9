"""What a build never takes for granted: that a tag is free, what others keep, and where the fork left Coolify."""

from pathlib import Path

import pytest

from tests.hosts.factory.build_host import (
    BASE,
    HELPER,
    IMAGE,
    NEW_CACHE,
    OLD_CACHE,
    Sources,
    asked,
    begun,
    build_host,
    built,
    commit_files,
    git,
    lines,
    pushed,
    seen,
    sources,
    told,
    unit,
)
from tests.hosts.pretend_root import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Return a build host."""
    return build_host(tmp_path)


@pytest.fixture
def it(root: Root) -> Sources:
    """Return the sources: a release of Coolify, and a fork whose branch is of an older state."""
    return sources(root)


FULL = 'case $* in "$(cat "$ROOT/fills")"*) : >"$ROOT/full"; exit 1 ;; esac'


@pytest.mark.parametrize(("fills", "state"), [("buildx build", "failed"), ("push", "unpushed")])
def test_one_whose_disk_takes_no_last_word_has_ended_and_is_in_nobodys_way(
    root: Root, it: Sources, fills: str, state: str
) -> None:
    """What it made filled the disk: nobody waits four hours for it, and once there is room the next one begins."""
    root.programs({"sync": '[ ! -e "$ROOT/full" ]'})
    root.write("fills", fills)
    root.write("broken", FULL)
    built(root, it)
    if fills == "push":
        pushed(root)
    found = seen(root)
    assert (found.state, "see whether it is full" in found.why) == (state, True)
    (root.folder / "full").unlink()
    (root.folder / "broken").unlink()
    assert built(root, it, "op-2").state == "built"


def test_one_whose_log_cannot_be_written_ends_and_is_not_begun_for_ever(root: Root, it: Sources) -> None:
    """A disk that lets itself be read only: systemd would begin a unit that fails every two seconds."""
    begun(root, it)
    (root.folder / "var/lib/ink-build/builds/op-1/log").mkdir()
    assert (unit(root), lines(root, "systemd")[-1]) == (0, "disable --quiet ink-coolify-build.service")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Error response from daemon: received unexpected HTTP status: 502 Bad Gateway", "is not known"),
        ("Error response from daemon: Get https://x/v2/: dial tcp: lookup x: no such host", "is not known"),
        ("Error response from daemon: no matching manifest for linux/amd64 in the manifest list", "is not known"),
        ("Error response from daemon: toomanyrequests: You have reached your pull rate limit", "is not known"),
        (
            "Error response from daemon: manifest for other:1 not found: manifest unknown: manifest unknown",
            "is not known",
        ),
        (
            "Error response from daemon: pull access denied for $3, repository does not exist",
            "login registry.example.com",
        ),
    ],
)
def test_a_registry_that_does_not_say_whether_it_has_the_tag_gets_no_push(
    root: Root, it: Sources, words: str, why: str
) -> None:
    """Only its own word that there is none lets an image be pushed there; what was built stays for the next call."""
    root.write("broken", f"case $* in 'pull --quiet '*) echo \"{words}\" >&2; exit 1 ;; esac\n")
    built(root, it)
    ended = pushed(root)
    assert (ended.state, why in ended.why, asked(root, "push")) == ("unpushed", True, []), ended.why
    (root.folder / "broken").unlink()
    assert pushed(root).state == "pushed"


def test_a_tag_whose_image_cannot_be_pulled_is_not_overwritten(root: Root, it: Sources) -> None:
    """It is there, and whether it is this image is not known."""
    root.write("registry", f"{IMAGE}:{BASE[1:]}-{it.patch[:12]}\n")
    root.write("broken", "case $* in pull*) exit 1 ;; esac\n")
    built(root, it)
    assert (pushed(root).state, asked(root, "push")) == ("unpushed", [])


@pytest.mark.parametrize("dies", ["", 'kill -9 "$(cat "$ROOT/shell")"; '])
def test_a_builder_that_does_not_tell_what_it_keeps_loses_nothing_of_others(root: Root, it: Sources, dies: str) -> None:
    """What was there before is not known, and so all of it stays."""
    once = f'mkdir "$ROOT/once" 2>/dev/null && {{ {dies}exit 1; }}'
    root.write("broken", f"case $* in 'buildx du'*) {once} ;; esac\n")
    begun(root, it)
    unit(root)
    unit(root)
    assert pushed(root).state == "pushed"
    assert lines(root, "cache") == [OLD_CACHE, *([] if dies else [NEW_CACHE])]


def test_what_was_pushed_is_told_with_both_commits(root: Root, it: Sources) -> None:
    """A tag names the release, which may be another commit later."""
    built(root, it)
    ended = pushed(root)
    image = f"{IMAGE}:{BASE[1:]}-{it.patch[:12]}"
    assert f"pushed {image} {ended.digest} {it.base} {it.patch}\n" in told(root, "ready", "any").facts


def test_where_the_fork_left_coolify_and_each_file_that_changed_is_told(root: Root, it: Sources) -> None:
    """In the log, in a label of the image and by a look, also where a later build takes the image from there."""
    made = built(root, it)
    start = git(root.folder / "fork", "rev-parse", "runtime~1")
    assert (made.origin, made.applied) == (start, (HELPER, "tests/new.php"))
    assert f"ink-build from {start}\nink-build commit {it.patch[:7]}" in made.untrusted_log
    (call,) = asked(root, "buildx build")
    assert f"--label ink-infra.from={start} " in call
    root.write("broken", "case $* in 'push '*) exit 1 ;; esac\n")
    pushed(root)
    assert built(root, it, "op-2").origin == start


def test_coolifys_branches_that_move_between_two_tries_end_the_build(root: Root, it: Sources) -> None:
    """With another start of the branch, a part of the patch would be left out, and nobody would have been told."""
    root.write("broken", 'case $* in \'buildx build \'*) kill -9 "$(cat "$ROOT/shell")"; exit 1 ;; esac\n')
    fork, upstream = root.folder / "fork", root.folder / "upstream"
    patch = commit_files(fork, {"app/more.php": "more\n"})
    begun(root, Sources(it.base, patch))
    unit(root)
    (root.folder / "broken").unlink()
    git(upstream, "fetch", "--quiet", str(fork), f"{it.patch}:refs/heads/next-4")
    unit(root)
    made = seen(root)
    assert (made.state, made.stage) == ("failed", "patch")
    assert made.why.startswith("Coolify's branches moved meanwhile: the branch leaves them at ")
    assert len(asked(root, "buildx build")) == 1
