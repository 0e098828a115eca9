"""The unit that builds the fork's image, in a real shell with real git: what it builds, and what it never does."""

import re
from pathlib import Path

import pytest

from tests.hosts.factory.build_host import (
    BASE,
    DIGEST,
    DOCKERFILE,
    HELPER,
    ID,
    IMAGE,
    NAME,
    NEW_CACHE,
    OLD_CACHE,
    OPTIONS,
    RUNTIME,
    Sources,
    asked,
    begun,
    build_host,
    built,
    commit_files,
    git,
    lines,
    orders,
    pushed,
    seen,
    sources,
    told,
    unit,
)
from tests.hosts.pretend_root import Root

FOLDER = f"var/lib/ink-build/builds/{NAME}"
DENIED = "denied: requested access to the resource is denied"


BOTH = pytest.mark.parametrize("root", ["dash", "busybox"], indirect=True)


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a build host."""
    return build_host(tmp_path, str(getattr(request, "param", "dash")))


@pytest.fixture
def it(root: Root) -> Sources:
    """Return the sources: a release of Coolify, and a fork whose branch is of an older state."""
    return sources(root)


def tag_of(it: Sources) -> str:
    """Return the image as it is pushed."""
    return f"{IMAGE}:{BASE[1:]}-{it.patch[:12]}"


def in_image(root: Root, file: str) -> str | None:
    """Return a file of the image."""
    return root.read(f"image/{file}")


def nothing_left(root: Root) -> None:
    """See that neither sources, nor images, nor what was added to the builder's cache are there."""
    assert (root.folder / FOLDER / "work").exists() is False
    assert (lines(root, "images"), lines(root, "cache")) == ([], [OLD_CACHE])


@BOTH
def test_the_release_with_the_patch_is_built_checked_and_pushed(root: Root, it: Sources) -> None:
    """The image is the release of the tag and the patch upon it; its labels say of which commits, and by whom."""
    made = built(root, it)
    assert (made.state, made.why, made.id) == ("built", "", ID)
    assert in_image(root, HELPER) == OPTIONS.replace("line 0", "another") + RUNTIME
    assert (in_image(root, "app/a.php"), in_image(root, "tests/new.php")) == ("2\n", "it works\n")
    assert (lines(root, "unreadable"), (root.folder / "image/.git").exists()) == ([], False)
    (call,) = asked(root, "buildx build")
    for label in (f"base={it.base}", f"patch={it.patch}", f"operation={NAME}"):
        assert f"--label ink-infra.{label} " in call
    assert "--label org.opencontainers.image.version=4.3.10 " in call
    assert "--platform linux/amd64 " in call
    assert "--cgroup-parent /inkbuild.slice " in call
    assert lines(root, "registry") == []

    done = pushed(root)
    assert (done.state, done.digest, lines(root, "registry")) == ("pushed", DIGEST, [tag_of(it)])
    nothing_left(root)
    assert f"pushed {tag_of(it)} {DIGEST}" in told(root, "ready", "any").facts


def test_what_coolify_has_not_released_is_no_part_of_the_patch(root: Root, it: Sources) -> None:
    """A branch upon next has next's migrations in its history: they are Coolify's own, and stay out of the image."""
    fork = root.folder / "fork"
    git(fork, "fetch", "--quiet", "origin", "next")
    git(fork, "checkout", "--quiet", "-B", "runtime", "FETCH_HEAD")
    patch = commit_files(fork, {HELPER: OPTIONS.replace("line 0", "another") + RUNTIME})
    assert built(root, Sources(it.base, patch)).state == "built"
    assert RUNTIME in (in_image(root, HELPER) or "")
    assert in_image(root, "database/migrations/unreleased.php") is None


def test_a_branch_that_merged_coolify_again_and_again_is_still_only_its_own_change(root: Root, it: Sources) -> None:
    """Merges of Coolify's branches into the fork's are no patch either."""
    fork = root.folder / "fork"
    git(fork, "fetch", "--quiet", "origin", "main", "next")
    git(fork, "merge", "--quiet", "--no-edit", "origin/main", "origin/next")
    patch = git(fork, "rev-parse", "HEAD")
    assert built(root, Sources(it.base, patch)).state == "built"
    assert (RUNTIME in (in_image(root, HELPER) or ""), in_image(root, "tests/new.php")) == (True, "it works\n")
    assert in_image(root, "database/migrations/unreleased.php") is None


@BOTH
def test_conflicts_are_told_file_by_file_and_nothing_is_built(root: Root, it: Sources) -> None:
    """Each file on which patch and release do not agree, also one that the release has taken away."""
    fork = root.folder / "fork"
    patch = commit_files(fork, {"app/a.php": "mine\n", "tests/t.php": "mine\n"})
    base = commit_files(root.folder / "upstream", {"tests/t.php": None})
    git(root.folder / "upstream", "tag", "-f", "-a", BASE, "-m", BASE)
    made = built(root, Sources(base, patch))
    assert (made.state, made.stage, made.conflicts) == ("failed", "patch", ("app/a.php", "tests/t.php"))
    assert made.why == f"the patch does not fit {BASE}: 2 files conflict"
    assert (asked(root, "buildx build"), asked(root, "push")) == ([], [])
    nothing_left(root)


def test_a_tag_or_a_branch_that_moved_since_the_plan_is_not_built(root: Root, it: Sources) -> None:
    """What was approved is two commits, and not two names."""
    commit_files(root.folder / "fork", {"app/b.php": "more\n"})
    made = built(root, it)
    assert (made.state, made.stage) == ("failed", "fetch")
    assert made.why.startswith("the branch runtime moved since it was planned: it is ")
    git(root.folder / "fork", "reset", "--quiet", "--hard", it.patch)
    git(root.folder / "upstream", "tag", "-f", BASE, "next")
    made = built(root, it, "op-2")
    assert (made.state, made.why.startswith(f"{BASE} moved since it was planned: it is ")) == ("failed", True)
    assert asked(root, "buildx build") == []


def test_a_branch_with_nothing_of_its_own_is_not_built(root: Root, it: Sources) -> None:
    """Neither one that is Coolify's own, nor one whose change is in the release already."""
    fork, upstream = root.folder / "fork", root.folder / "upstream"
    git(fork, "checkout", "--quiet", "-B", "plain", "origin/main")
    plain = git(fork, "rev-parse", "HEAD")
    made = built(root, Sources(it.base, plain), "op-2", branch="plain")
    assert (made.state, made.why) == ("failed", "the branch has nothing that Coolify has not")
    base = commit_files(
        upstream, {HELPER: OPTIONS.replace("line 0", "another") + RUNTIME, "tests/new.php": "it works\n"}
    )
    git(upstream, "tag", "-f", BASE)
    made = built(root, Sources(base, it.patch))
    assert (made.state, made.why) == ("failed", f"{BASE} has all that the patch changes: there is nothing to build")


def test_a_repository_that_is_not_coolifys_is_not_built(root: Root, it: Sources) -> None:
    """Without a commit in common nobody knows what its patch is."""
    fork = root.folder / "fork"
    git(fork, "checkout", "--quiet", "--orphan", "other")
    made = built(root, Sources(it.base, commit_files(fork, {HELPER: RUNTIME})), branch="other")
    assert (made.state, made.why) == ("failed", "the branch has no commit in common with Coolify")


def test_submodules_and_a_dockerfile_that_leads_elsewhere_are_refused(root: Root, it: Sources) -> None:
    """Nothing is fetched that was not planned with, and no file of the host is read as a Dockerfile."""
    fork = root.folder / "fork"
    git(fork, "update-index", "--add", "--cacheinfo", f"160000,{it.patch},other")
    git(fork, "commit", "--quiet", "-m", "a submodule")
    made = built(root, Sources(it.base, git(fork, "rev-parse", "HEAD")))
    assert (made.state, made.why) == ("failed", "the branch has submodules, which are never fetched")
    git(fork, "reset", "--quiet", "--hard", it.patch)
    (fork / DOCKERFILE).unlink()
    (fork / DOCKERFILE).symlink_to("/etc/shadow")
    git(fork, "add", "--all")
    git(fork, "commit", "--quiet", "-m", "a link")
    made = built(root, Sources(it.base, git(fork, "rev-parse", "HEAD")), "op-2")
    assert (made.state, made.why) == ("failed", "there is no docker/production/Dockerfile")
    assert asked(root, "buildx build") == []


def test_no_hook_filter_or_setting_of_the_host_runs_and_nobody_is_asked_for_a_password(root: Root, it: Sources) -> None:
    """What root has set up for git there, and what a repository asks for, has no say."""
    marker = root.folder / "ran"
    run = f"sh -c 'touch {marker}; cat'"
    root.write("root/.gitconfig", f'[filter "x"]\n smudge = "{run}"\n clean = "{run}"\n[core]\n hooksPath = /hooks\n')
    patch = commit_files(root.folder / "fork", {".gitattributes": "* filter=x\n"})
    assert built(root, Sources(it.base, patch)).state == "built"
    assert marker.exists() is False
    for call in lines(root, "git_asked"):
        assert "core.hooksPath=/dev/null" in call
        assert "credential.helper= " in call


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"'--runtime' => 'runtime'": "'--other' => 'other'"}, "the source in the image has no --runtime"),
        ({"=> 'runtime'": "=> 'none'"}, "Coolify in the image drops --runtime, or does not say: ink-option dropped"),
    ],
)
def test_an_image_that_drops_the_option_is_not_pushed(
    root: Root, it: Sources, changes: dict[str, str], why: str
) -> None:
    """Its source must name the option, and its own function must keep it: it is asked, not only read."""
    ((old, new),) = changes.items()
    patch = commit_files(root.folder / "fork", {HELPER: OPTIONS + RUNTIME.replace(old, new)})
    made = built(root, Sources(it.base, patch))
    assert (made.state, made.stage, made.why) == ("failed", "check", why)
    assert told(root, "push").status == 0
    unit(root)
    assert (seen(root).state, lines(root, "registry")) == ("failed", [])
    for call in asked(root, "run "):
        assert "--network none --read-only --cap-drop ALL" in call


@pytest.mark.parametrize("words", [DENIED, "unauthorized: authentication required", "no basic auth credentials"])
def test_a_push_without_a_login_is_told_as_that_and_costs_no_second_build(root: Root, it: Sources, words: str) -> None:
    """What was built stays, for the same operation and for another one of the same commits."""
    root.write("broken", f"case $* in 'push '*) echo '{words}'; exit 1 ;; esac\n")
    built(root, it)
    refused = pushed(root)
    assert (refused.state, refused.digest) == ("unpushed", "")
    assert refused.why == "login registry.example.com refuses the push to the login that root has here"
    assert words in refused.untrusted_log
    (root.folder / "broken").unlink()
    assert built(root, it, "op-2").state == "built"
    assert len(asked(root, "buildx build")) == 1
    assert (pushed(root).state, lines(root, "registry")) == ("pushed", [tag_of(it)])


def test_a_registry_that_does_not_give_it_back_has_not_got_it(root: Root, it: Sources) -> None:
    """A push that ends well is believed when the image can be pulled by its digest."""
    root.write("broken", "case $* in 'pull '*@*) exit 1 ;; esac\n")
    built(root, it)
    assert (pushed(root).state, seen(root).why) == ("unpushed", "the registry does not give back what was pushed")


def test_a_tag_that_names_another_image_is_not_overwritten(root: Root, it: Sources) -> None:
    """Whoever pushed it: the host's own login is shown what may be hidden from everybody else."""
    root.write("registry", f"{tag_of(it)}\n")
    root.write("foreign", f"sha256:{'f' * 64}\n")
    built(root, it)
    assert (pushed(root).state, asked(root, "push")) == ("unpushed", [])
    assert seen(root).why == "the registry has another image under that tag: nothing is overwritten"


def test_a_build_that_fails_tells_the_end_of_its_log_and_leaves_nothing(root: Root, it: Sources) -> None:
    """Sources and cache go, and what others have in the cache stays."""
    fails = f"echo {NEW_CACHE} >>\"$ROOT/cache\"; echo 'npm ERR! code E404' >&2; exit 1"
    root.write("broken", f"case $* in 'buildx build '*) {fails} ;; esac\n")
    made = built(root, it)
    assert (made.state, made.stage, made.why) == ("failed", "build", "docker buildx build failed")
    assert "npm ERR! code E404" in made.untrusted_log
    nothing_left(root)


def test_a_second_word_to_build_or_push_does_nothing_more(root: Root, it: Sources) -> None:
    """Whoever lost an answer asks again."""
    built(root, it)
    first = lines(root, "asked")
    assert built(root, it).state == "built"
    assert lines(root, "asked") == first
    pushed(root)
    assert (pushed(root).digest, len(asked(root, "push")), len(asked(root, "buildx build"))) == (DIGEST, 1, 1)


def test_a_unit_that_is_about_to_end_is_waited_for(root: Root, it: Sources) -> None:
    """It would take no second start, and switch itself off; one that does not end is a refusal, with nothing begun."""
    built(root, it)
    root.write("active", "")
    root.write("stuck", "")
    said = told(root, "push")
    assert (said.status, said.words) == (3, "ink-build: the build before it has not ended yet\n")
    assert seen(root).state == "built"
    (root.folder / "stuck").unlink()
    assert (pushed(root).state, (root.folder / "active").exists()) == ("pushed", False)


def test_another_build_waits_its_turn(root: Root, it: Sources) -> None:
    """One at a time: room and memory were looked at for one."""
    begun(root, it)
    assert told(root, "prepare", "op-2", data=orders(it)).status == 0
    said = told(root, "start", "op-2")
    assert (said.status, said.words) == (3, f"ink-build: another build is under way: {NAME}\n")


def test_without_room_or_memory_nothing_is_begun(root: Root, it: Sources) -> None:
    """On the disk of Docker too; what is not known is not enough."""
    for left, why in (("echo head; echo / 9 9 10485759 9 /", "10239 MiB left"), ("exit 1", "0 MiB left")):
        root.programs({"df": left})
        said = told(root, "prepare", data=orders(it))
        assert (said.status, why in said.words, (root.folder / FOLDER).exists()) == (3, True, False)
    root.programs({"df": "echo head; echo / 9 9 99999999 9 /"})
    root.write("proc/meminfo", "MemAvailable: 3000000 kB\n")
    said = told(root, "prepare", data=orders(it))
    assert (said.status, "2929 MiB of memory are left" in said.words, seen(root).state) == (3, True, "")


@pytest.mark.parametrize("room", [0, 1, 4])
def test_a_full_disk_begins_nothing_and_pushes_nothing(root: Root, it: Sources, room: int) -> None:
    """However little can be written: no build is called built, and the next call begins anew."""
    said = told(root, "prepare", data=orders(it), room=room)
    assert (said.status, seen(root).state) == (3, "")
    begun(root, it)
    told(root, "run", room=room)
    assert seen(root).state in ("building", "failed")
    assert asked(root, "push") == []


BAD = (
    {"base": "next"},
    {"base": "v4.x"},
    {"base": "v4.3.10-rc.1"},
    {"base": "--upload-pack=x"},
    {"repository": "http://github.com/example/coolify"},
    {"repository": "https://github.com/example/coolify/../x"},
    {"repository": "ssh://git@github.com/example/coolify"},
    {"repository": "file:///data/coolify"},
    {"branch": "-x"},
    {"branch": "a b"},
    {"branch": "$(reboot)"},
    {"patch_commit": "HEAD"},
    {"image": "registry.example.com/ink/coolify:latest"},
    {"image": "coolify:4.3.10-0123456789ab"},
)


@pytest.mark.parametrize("changes", BAD, ids=lambda changes: next(iter(changes.values())))
def test_a_word_that_is_not_on_the_list_of_good_ones_is_refused(
    root: Root, it: Sources, changes: dict[str, str]
) -> None:
    """The script judges its orders itself, whoever made them; nothing of it stays."""
    said = told(root, "prepare", data=orders(it, **changes))
    assert (said.status, "is not a word that is good here" in said.words) == (3, True)
    assert ((root.folder / FOLDER).exists(), lines(root, "git_asked")) == (False, [])


def test_orders_that_were_cut_off_are_no_orders(root: Root, it: Sources) -> None:
    """Half of them came, and the script in them is not the one that was sent."""
    said = told(root, "prepare", data=orders(it)[:-9] + "\n")
    assert (said.status, said.words) == (3, "ink-build: its orders are not whole\n")


@BOTH
def test_what_was_dropped_leaves_nothing_and_what_was_pushed_stays_said(root: Root, it: Sources) -> None:
    """Dropping ends the unit first; after a push there is nothing to take away."""
    begun(root, it)
    assert told(root, "drop").status == 0
    assert seen(root).state == "dropped"
    built(root, it, "op-2")
    assert told(root, "drop", "op-2").status == 0
    nothing_left(root)
    assert ("stop ink-coolify-build.service" in lines(root, "systemd"), lines(root, "registry")) == (True, [])
    built(root, it, "op-3")
    pushed(root, "op-3")
    assert (told(root, "drop", "op-3").status, seen(root, "op-3").state) == (0, "pushed")


def test_the_unit_gives_way_to_what_serves(root: Root, it: Sources) -> None:
    """Less CPU and disk where others want them, bounded memory, and again after a boot or a kill."""
    begun(root, it)
    unit_, slice_ = (
        root.read(f"etc/systemd/system/{n}") or "" for n in ("ink-coolify-build.service", "inkbuild.slice")
    )
    assert re.search(r"CPUWeight=20\nIOWeight=20\nMemoryMax=4194304K\n", slice_)
    for line in ("Slice=inkbuild.slice", "Nice=10", "Restart=on-failure", "WantedBy=multi-user.target"):
        assert f"\n{line}\n" in unit_
    assert lines(root, "systemd")[-2:] == [
        "enable --quiet ink-coolify-build.service",
        "start --no-block ink-coolify-build.service",
    ]


KILLS = """\
if [ "$(wc -l <"$ROOT/git_asked")" -eq {n} ] && mkdir "$ROOT/died" 2>/dev/null; then
  kill -9 "$(cat "$ROOT/shell")"
  exit 1
fi
"""
MOST = 14


@pytest.mark.parametrize("n", range(1, MOST, 2))
def test_killed_at_any_command_of_git_it_builds_the_same_in_the_end(tmp_path: Path, n: int) -> None:
    """The next run begins the sources anew, and there is one image."""
    root = build_host(tmp_path)
    it = sources(root)
    root.write("git_broken", KILLS.format(n=n))
    begun(root, it)
    assert unit(root) != 0
    assert seen(root).state == "building"
    unit(root)
    assert (seen(root).state, len(asked(root, "buildx build"))) == ("built", 1)
    assert in_image(root, HELPER) == OPTIONS.replace("line 0", "another") + RUNTIME


@pytest.mark.parametrize("what", ["buildx du", "buildx build", "run --rm", "image tag", "push", "pull", "image rm"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_command_of_docker_it_pushes_one_image_in_the_end(tmp_path: Path, what: str, when: str) -> None:
    """What was built is not built again; what was pushed is pushed under the same digest, and nothing is left."""
    root = build_host(tmp_path)
    it = sources(root)
    dies = 'mkdir "$ROOT/died" 2>/dev/null && kill -9 "$(cat "$ROOT/shell")"'
    acts = "" if when == "before" else 'mkdir "$ROOT/inner" 2>/dev/null && "$0" "$@"; '
    root.write("broken", f"case $* in '{what}'*) [ -d \"$ROOT/died\" ] || {{ {acts}{dies} && exit 1; }} ;; esac\n")
    begun(root, it)
    unit(root)
    unit(root)
    assert seen(root).state == "built"
    told(root, "push")
    unit(root)
    unit(root)
    assert (seen(root).state, seen(root).digest, set(lines(root, "registry"))) == ("pushed", DIGEST, {tag_of(it)})
    if what == "buildx build" and when == "after":
        assert len([call for call in asked(root, "buildx build")]) <= 2
    nothing_left(root)


def test_a_build_that_is_interrupted_again_and_again_ends(root: Root, it: Sources) -> None:
    """After three times somebody has to look."""
    root.write("broken", 'case $* in \'buildx build \'*) kill -9 "$(cat "$ROOT/shell")"; exit 1 ;; esac\n')
    begun(root, it)
    for _ in range(4):
        unit(root)
    assert (seen(root).state, seen(root).why) == ("failed", "it was interrupted 3 times")
    nothing_left(root)
