"""The unit that moves the Factory's data, where its own disk is full or read only: it ends, and nobody waits a day."""

from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.disks import Move, read_move
from tests.hosts.factory.disk_factory import begun, content, factory, facts, left, told
from tests.hosts.pretend_root import Root
from tests.hosts.small_disk import small_disk

OWN = "var/lib/ink-infra"
FULL = "the disk takes no word of why: see whether it is full"
ENDED = "it ended, and the disk took no word of how: see whether it is full"
MOVED = ("coolify", "coolify-db", "web")


def move(root: Root) -> Move:
    """Return how far it is told to be."""
    return read_move("factory", facts(told(root, "look").facts))


@pytest.mark.parametrize(("befalls", "why"), [("fills", FULL), ("fixes", ENDED)])
def test_a_disk_that_takes_nothing_ends_a_move_that_has_not_begun(tmp_path: Path, befalls: str, why: str) -> None:
    """It is told as refused with its reason, and its unit is over: nothing has stopped, and nothing was touched."""
    root = factory(tmp_path)
    before = content(root)
    root.write(f"{OWN}/.keep", "")
    with small_disk(root, OWN) as small:
        begun(small.root)
        small.befalls(small.fills if befalls == "fills" else small.fixes)
        assert told(small.root, "run").status == 0
        seen = move(small.root)
        assert (seen.state, seen.why, (root.folder / "enabled").exists()) == ("refused", why, False)
        found = left(root)
        assert (found.docker, found.containers, found.on_disk, content(root)) == (True, MOVED, False, before)


def test_a_disk_that_fills_while_data_are_copied_goes_back_and_says_so(tmp_path: Path) -> None:
    """It was stopped for that: Docker runs in the old place, and no other move is kept waiting for this one."""
    root = factory(tmp_path)
    before = content(root)
    root.write(f"{OWN}/.keep", "")
    with small_disk(root, OWN) as small:
        begun(small.root)
        root.programs({"mkfs.ext4": f"{small.fills}; exit 1"})
        assert told(small.root, "run").status == 0
        assert (move(small.root).state, left(root).docker, content(root)) == ("reverted", True, before)
        assert "\nunder_way \n" in small.root.run("factory/disk.sh", "ink-disk", "look", "any").facts
