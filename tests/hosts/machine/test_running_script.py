"""What runs in Docker before its restart has to run after it, so Docker has to say what runs before it is restarted."""

import hashlib
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.machine.changes import in_base64
from tests.hosts.pretend_root import Root, Said, root_at

APP, BUILD, GONE = "a" * 64, "b" * 64, "c" * 64
OLD, NEW = '{"log-level": "info"}\n', '{"live-restore": true}\n'
DAEMON = "/etc/docker/daemon.json"
DOCKER = """
here=$ROOT/docker
for id; do :; done
case $* in
  'ps -q --no-trunc') cat "$here/running" ;;
  'ps -a -q --no-trunc --filter id='*) grep "${id#id=}" "$here/all"; exit 0 ;;
  *AutoRemove*) cat "$here/auto-$id" ;;
  *State.Running*) if grep -q "$id" "$here/running"; then echo true; else echo false; fi ;;
  start*) if [ ! -e "$here/broken-$id" ]; then printf '%s\\n' "$id" >>"$here/running"; fi ;;
  info) [ ! -e "$here/down" ] ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""
SYSTEMCTL = """
case $* in
  'restart docker') echo restarted >>"$ROOT/restarts"; : >"$ROOT/docker/running"; rm -f "$ROOT/docker/down" ;;
  'start docker') rm -f "$ROOT/docker/down" ;;
esac
"""


def docker_at(folder: Path) -> Root:
    """Return a server on which an app and a build run; its Docker is restarted without live-restore."""
    root = root_at(folder)
    root.programs({"docker": DOCKER, "systemctl": SYSTEMCTL, "dockerd": "echo --validate", "sleep": "exit 0"})
    root.write("/docker/running", f"{APP}\n{BUILD}\n")
    root.write("/docker/all", f"{APP}\n{BUILD}\n")
    root.write(f"/docker/auto-{APP}", "false\n")
    root.write(f"/docker/auto-{BUILD}", "true\n")
    root.write(DAEMON, OLD)
    return root


def answers_so(root: Root, call: str, body: str) -> None:
    """Let Docker answer the calls of this pattern so; the others as before."""
    root.programs({"docker": f"case $* in {call}) {body} ;; esac\n{DOCKER}"})


def given(root: Root) -> Said:
    """Give Docker its settings."""
    digest = hashlib.sha256(OLD.encode()).hexdigest()
    return root.change("daemon", digest, data=f"{in_base64(NEW)}\n")


def test_what_ran_runs_again_and_a_build_may_end(tmp_path: Path) -> None:
    """What is removed as soon as it ends is not waited for."""
    root = docker_at(tmp_path)
    said = given(root)
    assert (said.status, said.facts.splitlines()[1:]) == (0, ["running 1", "done"])
    assert (root.read(DAEMON), root.read("/docker/running")) == (NEW, f"{APP}\n")


def test_what_does_not_run_again_takes_the_settings_back(tmp_path: Path) -> None:
    """The container is named."""
    root = docker_at(tmp_path)
    root.write(f"/docker/broken-{APP}", "")
    said = given(root)
    assert (said.status, f"container {APP} ran before" in said.words) == (5, True)
    assert root.read(DAEMON) == OLD


@pytest.mark.parametrize(
    ("call", "body", "words"),
    [
        ("'ps -q --no-trunc'", "echo 'Cannot connect' >&2; exit 1", "Docker does not say what runs"),
        ("'ps -q --no-trunc'", "exit 124", "Docker does not say what runs"),
        (f"*AutoRemove*{APP}", "echo 'deadline exceeded' >&2; exit 1", f"what container {APP} is"),
        (f"*AutoRemove*{APP}", "exit 124", f"what container {APP} is"),
        (f"*AutoRemove*{APP}", "echo '<no value>'; exit 0", f"what container {APP} is"),
        (f"*AutoRemove*{APP}", "exit 0", f"what container {APP} is"),
    ],
)
def test_a_docker_that_does_not_say_what_runs_is_not_restarted(
    tmp_path: Path, call: str, body: str, words: str
) -> None:
    """It fails, is slow, or says something that is neither: nothing was changed, and the reason stands there."""
    root = docker_at(tmp_path)
    answers_so(root, call, body)
    said = given(root)
    assert (said.status, said.facts, words in said.words) == (3, "", True)
    assert (root.read(DAEMON), root.read("/restarts"), root.left_over()) == (OLD, None, [])


def test_a_container_that_is_gone_meanwhile_is_no_failure(tmp_path: Path) -> None:
    """Asked again, Docker itself does not list it any more."""
    root = docker_at(tmp_path)
    root.write("/docker/running", f"{GONE}\n{APP}\n")
    said = given(root)
    assert (said.status, said.facts.splitlines()[1:]) == (0, ["running 1", "done"])


def test_a_docker_that_cannot_say_whether_it_is_gone_is_not_restarted(tmp_path: Path) -> None:
    """An inspect that failed, and then a list that failed: nothing is known."""
    root = docker_at(tmp_path)
    root.write("/docker/running", f"{GONE}\n{APP}\n")
    answers_so(root, "'ps -a '*", "echo 'deadline exceeded' >&2; exit 1")
    said = given(root)
    assert said.words == (
        f"ink-change: Docker does not say whether container {GONE} is still there: deadline exceeded\n"
    )
    assert (said.status, root.read("/restarts")) == (3, None)


def test_the_undo_of_long_ago_does_not_restart_what_does_not_say_what_runs(tmp_path: Path) -> None:
    """What was given back lies there; that Docker runs with it and all runs again is not said."""
    root = docker_at(tmp_path)
    given(root)
    answers_so(root, f"'ps -a '*{APP}", "echo 'deadline exceeded' >&2; exit 1")
    restarts = root.read("/restarts")
    said = root.change("restore-all", part="all")
    assert (said.status, "Docker does not say whether container" in said.words) == (5, True)
    assert root.read("/restarts") == restarts
    root.programs({"docker": DOCKER})
    assert root.change("restore-all", part="all") == Said(0, "restored op-1-x\ndone\n", "")
    assert (root.read(DAEMON), root.read("/docker/running")) == (OLD, f"{APP}\n")


def test_the_undo_of_long_ago_starts_a_docker_that_is_down(tmp_path: Path) -> None:
    """It may be down for the very settings that are taken back: only a running one says what has to run again."""
    root = docker_at(tmp_path)
    given(root)
    root.write("/docker/down", "")
    assert root.change("restore-all", part="all") == Said(0, "restored op-1-x\ndone\n", "")
    assert (root.read(DAEMON), root.read("/docker/running")) == (OLD, f"{APP}\n")


def test_a_proof_does_not_take_away_an_image_that_docker_did_not_tell_of(tmp_path: Path) -> None:
    """An inspect that failed does not say that the image was not there before the proof."""
    root = docker_at(tmp_path)
    removed = 'echo "$*" >>"$ROOT/calls"'
    root.programs({"runsc": "echo 'runsc version 1'"})
    answers_so(
        root,
        "'rm -f '*",
        "exit 0 ;; 'image inspect'*) echo 'deadline exceeded' >&2; exit 1 ;; run*) "
        "echo 'Starting gVisor' ; exit 0 ;; 'image rm '*) " + removed + "; exit 0",
    )
    said = root.change("prove", "busybox:1")
    assert (said.status, said.words) == (
        3,
        "ink-change: Docker does not say whether it has busybox:1: deadline exceeded\n",
    )
    assert root.read("/calls") is None
