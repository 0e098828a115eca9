"""The unit that swaps Coolify's image, in a real shell: names that others give, clocks that are set, lost sessions."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.hosts.factory.test_swap_script import (
    BEFORE,
    DOCKER,
    NEW_ID,
    OFFICIAL_ID,
    OLD,
    OLD_ID,
    ROTATION,
    SOURCE,
    TAG,
    Left,
    begun,
    confirmed,
    factory,
    left,
    named,
    official,
    orders,
    told,
)

UNIT = "etc/systemd/system/ink-coolify-swap.service"
LATER = f"""
case "$*" in
  'tag {OFFICIAL_ID} {TAG}') echo "{TAG} {OFFICIAL_ID}" >>"$ROOT/tags"; echo "{TAG} {NEW_ID}" >>"$ROOT/tags"; exit ;;
esac
"""
"""Somebody pulls right after the name was given: it names what is in the registry by then."""
HANGS_UP = """
case "$*" in version) [ ! -e "$ROOT/hangs_up" ] || kill -HUP "$(ps -o ppid= -p "$PPID" | tr -d ' ')" ;; esac
"""
"""The session ends while Docker is asked: its shell is told so, two processes above."""
PROBES = """
echo x >>"$ROOT/probes"
[ "$(wc -l <"$ROOT/probes")" != 2 ]
"""
CLOCK = """
case $* in *%s%N) echo x >>"$ROOT/clocks"; echo "$((1764562000000000000 - $(wc -l <"$ROOT/clocks") * 3600000000000))" ;;
  *) real "$@" ;; esac
"""
"""A clock that is set back by an hour whenever it is looked at."""


def test_a_name_that_names_another_image_by_now_starts_nothing(tmp_path: Path) -> None:
    """Docker Compose is given the name: a foreign image would run until it is healthy, or its time is over."""
    root = factory(tmp_path)
    root.programs({"docker": LATER + DOCKER})
    begun(root, data=official(root))
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "its name names another image by now", OLD_ID, named(OLD), BEFORE)
    assert NEW_ID not in (root.read("started") or "")
    assert TAG not in (root.read("started") or "")


def test_files_out_of_which_compose_reads_another_image_are_refused_before_anything_is_touched(tmp_path: Path) -> None:
    """It reads them last: what the name is that they have is its word, and not ours."""
    root = factory(tmp_path)
    elsewhere = f"case $* in *' config --images') echo docker.io/coollabsio/coolify:latest; exit ;; esac\n{DOCKER}"
    root.programs({"docker": elsewhere})
    said = told(root, "prepare", data=official(root))
    assert (said.status, "reads another image of Coolify out of its files" in said.words) == (3, True)
    assert left(root) == Left("", "", OLD_ID, named(OLD), BEFORE)


def test_a_unit_that_is_of_another_rotation_by_now_is_not_started(tmp_path: Path) -> None:
    """Whoever prepared first and lost its connection begins nobody else's."""
    root = factory(tmp_path)
    assert told(root, "prepare", data=orders(root)).status == 0
    root.write(UNIT, (root.read(UNIT) or "").replace(" run op-1\n", " run op-2\n"))
    root.write("systemd", "")
    said = told(root, "start")
    assert (said.status, said.words) == (3, "ink-swap: its unit is that of another rotation by now\n")
    assert (root.read("systemd"), left(root).state) == ("", "prepared")


def test_a_clock_that_is_set_meanwhile_makes_no_downtime_that_nobody_understands(tmp_path: Path) -> None:
    """How long the dashboard did not answer is measured by what no clock changes."""
    root = factory(tmp_path)
    root.programs({"curl": PROBES, "date": CLOCK})
    begun(root)
    assert told(root, "confirm").status == 0
    assert told(root, "run").status == 0
    assert left(root).state == "confirmed"
    assert 0 <= int(root.read(f"{ROTATION}/downtime_ms") or "-1") < 60_000


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_way_back_by_hand_whose_session_breaks_is_gone_on_with_by_the_unit(tmp_path: Path, shell: str) -> None:
    """Nobody waits in front of half a Coolify for the next boot."""
    root = replace(factory(tmp_path), shell=shell)
    root.programs({"docker": HANGS_UP + DOCKER})
    confirmed(root)
    root.write("hangs_up", "")
    root.write("systemd", "")
    assert told(root, "back", "--with-database").status == 3
    assert (left(root).state, left(root).serves) == ("reverting", NEW_ID)
    assert (root.read("systemd") or "").splitlines()[-1] == "start --no-block ink-coolify-swap.service"
    (root.folder / "hangs_up").unlink()
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", "it was told to go back by hand", OLD_ID, named(OLD), BEFORE)


def test_a_way_back_by_hand_for_which_the_disk_has_no_room_leaves_the_unit_at_work(tmp_path: Path) -> None:
    """It was stopped for that, and nobody else would go back in time."""
    root = factory(tmp_path)
    begun(root)
    root.write(f"{ROTATION}/state", "swapped\n")
    root.programs({"systemctl": 'echo "$*" >>"$ROOT/systemd"; [ "$1" != daemon-reload ]'})
    said = told(root, "back")
    assert (said.status, said.words) == (3, "ink-swap: the disk takes nothing\n")
    assert [line.split()[0] for line in (root.read("systemd") or "").splitlines()[-3:]] == [
        "stop",
        "daemon-reload",
        "start",
    ]
    assert root.read(f"{SOURCE}/.env") is not None
