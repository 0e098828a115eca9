"""The script for volumes: an answer that Docker does not give never says that a volume is not there, or not in use."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

DATA = "var/lib/docker/volumes/data/_data"
DOCKER = """
case $* in
  'volume ls --quiet --filter name=^data$') cat "$ROOT/names" ;;
  'volume create '*) echo data >"$ROOT/names" ;;
  *'{{.Driver}} {{len .Options}}'*) echo 'local 0' ;;
  *'{{.Mountpoint}}'*) echo "$ROOT/var/lib/docker/volumes/data/_data" ;;
  *ink-operation*) [ -s "$ROOT/names" ] && echo op-1 ;;
  'info '*) echo "$ROOT/var/lib/docker" ;;
  'ps --all '*) echo 'user aa exited app' ;;
  'ps --quiet '*) ;;
  *) echo "docker: no such call: $*" >&2; exit 9 ;;
esac
"""


def docker_at(folder: Path) -> Root:
    """Return a server with a volume that holds one file."""
    root = root_at(folder)
    root.programs({"docker": DOCKER, "df": "echo Avail; echo 4096"})
    root.write("names", "data\n")
    root.write(f"{DATA}/file", "text")
    return root


def asked(root: Root, verb: str, *words: str) -> Said:
    """Run a verb."""
    return root.run("volumes/volumes.sh", "ink-volume", verb, "data", *words)


def broken(root: Root, call: str) -> None:
    """Let Docker fail at the calls of a pattern."""
    root.programs({"docker": f"case $* in {call}) echo 'deadline exceeded' >&2; exit 1 ;; esac\n{DOCKER}"})


def test_a_volume_is_told_of_and_counted(tmp_path: Path) -> None:
    """Who made it, what it takes, who mounts it, and what is in it; one that Docker does not list is absent."""
    root = docker_at(tmp_path)
    lines = asked(root, "look").facts.splitlines()
    assert (lines[0], lines[3:]) == ("plain yes", ["operation op-1", "user aa exited app", "free 4096", "done"])
    assert asked(root, "sum").facts.splitlines()[1:] == ["entries 2", "done"]
    root.write("names", "")
    assert asked(root, "look") == Said(0, "absent\nfree 4096\ndone\n", "")


@pytest.mark.parametrize(
    "call", ["'volume ls'*", "*'{{.Driver}}'*", "*'{{.Mountpoint}}'*", "*ink-operation*", "'ps --all'*", "'info '*"]
)
def test_a_docker_that_does_not_answer_tells_of_no_volume(tmp_path: Path, call: str) -> None:
    """Called absent or not plain, it would be left behind when its app moves; without a maker it is nobody's."""
    root = docker_at(tmp_path)
    broken(root, call)
    said = asked(root, "look")
    assert (said.status, "done" in said.facts) == (3, False)


@pytest.mark.parametrize("program", ["du", "df"])
def test_a_size_that_cannot_be_told_is_none(tmp_path: Path, program: str) -> None:
    """A part of it was read, and is printed all the same."""
    root = docker_at(tmp_path)
    root.programs({program: "echo '12 /x'; exit 1"})
    said = asked(root, "look")
    assert (said.status, "done" in said.facts) == (3, False)


def test_a_volume_is_not_emptied_while_docker_does_not_tell_who_mounts_it(tmp_path: Path) -> None:
    """A container may write to it."""
    root = docker_at(tmp_path)
    broken(root, "'ps --quiet'*")
    said = asked(root, "make", "op-1")
    assert (said.status, "Docker does not tell which containers mount data" in said.words) == (4, True)
    assert root.read(f"{DATA}/file") == "text"
    root.programs({"docker": DOCKER})
    assert asked(root, "make", "op-1") == Said(0, "done\n", "")
    assert root.read(f"{DATA}/file") is None


def test_entries_that_could_not_be_counted_make_no_sum(tmp_path: Path) -> None:
    """Two sums that agree say that all was moved."""
    root = docker_at(tmp_path)
    root.programs({"find": "printf x; exit 1"})
    said = asked(root, "sum")
    assert (said.status, said.facts) == (3, "")
