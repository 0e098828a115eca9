"""The unit that swaps Coolify's image on a disk that is full or read only: a real one of a megabyte, in real shells."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.swapping import Rotation, read_rotation
from tests.hosts.factory.test_swap_script import (
    AFTER,
    BEFORE,
    DOCKER,
    NEW_ID,
    OLD,
    OLD_ID,
    ROTATION,
    SOURCE,
    Left,
    begun,
    factory,
    left,
    named,
    orders,
    told,
)
from tests.hosts.pretend_root import Root
from tests.hosts.small_disk import SmallDisk, small_disk

ENV, LAST = "APP_KEY=base64:bm90\nAUTOUPDATE=true\n", "op-0\n"
FULL = "the disk takes no word of why: see whether it is full"
ENDED = "it ended, and the disk took no word of how: see whether it is full"
AT = 'if [ -e "$ROOT/at" ]; then case $* in *"$(cat "$ROOT/at")"*) . "$ROOT/befalls" ;; esac; fi\n'
"""What befalls the disk when Docker is asked for something."""
SYSTEMCTL = """
echo "$*" >>"$ROOT/systemd"
case "$*" in
  'enable --quiet '*) : >"$ROOT/enabled" ;;
  'disable --quiet '*) rm -f "$ROOT/enabled" ;;
  'is-enabled '*) [ -e "$ROOT/enabled" ] ;;
  'is-active '*) exit 3 ;;
esac
"""
SHELLS = ["sh", "busybox", "bash"]


@dataclass(frozen=True)
class Disk:
    """A Factory whose /data/coolify is a disk of its own."""

    small: SmallDisk

    @property
    def root(self) -> Root:
        """The Factory as its programs run on it."""
        return self.small.root

    @property
    def seen(self) -> Root:
        """The Factory as its files are seen from here."""
        return self.small.seen

    def befalls_at(self, call: str, what: str) -> None:
        """Have something befall the disk when Docker is asked for something with these words in it."""
        self.root.write("at", call)
        self.root.write("befalls", f"{what}\n")

    def begun(self, *, confirm_s: int = 0) -> None:
        """Prepare and start it, with another rotation before it."""
        (self.seen.folder / "data/coolify/ink").mkdir()
        self.seen.write("data/coolify/ink/last", LAST)
        begun(self.root, data=orders(self.seen, confirm_s=confirm_s))

    def run(self) -> None:
        """Run the unit, which has to come to an end that systemd does not begin again."""
        assert told(self.root, "run").status == 0
        assert (self.root.folder / "enabled").exists() is False

    def left(self) -> Left:
        """Return what is left, where it is known."""
        return replace(left(self.seen), serves=left(self.root).serves, database=left(self.root).database)

    def rotation(self) -> Rotation:
        """Return what is told of it."""
        facts = [line.partition(" ") for line in told(self.root, "look").facts.splitlines()]
        return read_rotation("factory", [(first, rest) for first, _, rest in facts])

    def files(self) -> tuple[str | None, str | None]:
        """Return what .env is, and which rotation `rollback` means."""
        return self.seen.read(f"{SOURCE}/.env"), self.seen.read("data/coolify/ink/last")


@contextmanager
def factory_on(folder: Path, shell: str = "sh") -> Generator[Disk]:
    """Give a Factory with a disk of a megabyte at /data/coolify."""
    root = replace(factory(folder), shell=shell)
    root.programs({"docker": AT + DOCKER, "systemctl": SYSTEMCTL})
    with small_disk(root, "data/coolify") as small:
        yield Disk(small)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("befalls", "why"), [("fills", FULL), ("fixes", ENDED)])
def test_a_disk_that_fills_before_it_begins_ends_it_at_once_with_its_reason(
    tmp_path: Path, shell: str, befalls: str, why: str
) -> None:
    """Or that lets itself be read only: nobody waits for the limit, and nothing has been touched."""
    with factory_on(tmp_path, shell) as disk:
        disk.begun()
        disk.small.befalls(disk.small.fills if befalls == "fills" else disk.small.fixes)
        disk.run()
        rotation = disk.rotation()
        assert (rotation.state, rotation.why) == ("refused", why)
        assert (disk.left().serves, disk.left().custom, disk.files()) == (OLD_ID, named(OLD), (ENV, LAST))
        assert disk.root.read("started") is None


@pytest.mark.parametrize(
    ("call", "state", "why"),
    [
        ("from migrations", "refused", FULL),
        ("select current_database", "refused", FULL),
        ("update instance_settings", "reverted", "the dump before it failed"),
        ("stop -t 60", "reverted", "the dump before it failed"),
        ("pg_restore --list", "reverted", "the disk takes nothing"),
        ("compose", "reverted", "the disk takes nothing"),
    ],
)
def test_a_disk_that_fills_on_the_way_ends_it_at_once_and_all_is_as_it_was(
    tmp_path: Path, call: str, state: str, why: str
) -> None:
    """Its image, its files, its database, and what `rollback` means: also where the new image serves by then."""
    with factory_on(tmp_path) as disk:
        disk.root.write("migrates", AFTER)
        disk.begun()
        disk.befalls_at(call, disk.small.fills)
        disk.run()
        assert disk.left() == Left(state, why, OLD_ID, named(OLD), BEFORE)
        assert ((disk.rotation().state, disk.rotation().why), disk.files()) == ((state, why), (ENV, LAST))


def test_a_dump_that_fills_the_disk_is_away_before_anything_else(tmp_path: Path) -> None:
    """What it took is what the database and the way back may need."""
    with factory_on(tmp_path) as disk:
        disk.root.programs({"docker": f"case $* in *pg_dump*) exec head -c 4M /dev/zero ;; esac\n{DOCKER}"})
        disk.begun()
        disk.run()
        assert disk.left() == Left("reverted", "the dump before it failed", OLD_ID, named(OLD), BEFORE)
        assert not (disk.seen.folder / ROTATION / "coolify.dump.new").exists()


def test_a_disk_that_is_full_afterwards_keeps_nobody_from_going_back_by_hand(tmp_path: Path) -> None:
    """The database from before is in the dump, what somebody wrote meanwhile is kept, and the words lie there."""
    theirs = f"{named(OLD)}# of somebody\n"
    with factory_on(tmp_path) as disk:
        disk.root.write("migrates", AFTER)
        disk.begun(confirm_s=600)
        assert told(disk.root, "confirm").status == 0
        disk.run()
        assert (left(disk.seen).state, left(disk.root).serves) == ("confirmed", NEW_ID)
        disk.seen.write(f"{SOURCE}/docker-compose.custom.yml", theirs)
        disk.small.befalls(disk.small.fills)
        assert told(disk.root, "back", "--with-database", "--with-files").status == 0
        assert disk.left() == Left("reverted", "it was told to go back by hand", OLD_ID, named(OLD), BEFORE)
        assert disk.seen.read(f"{ROTATION}/docker-compose.custom.yml.theirs") == theirs


@pytest.mark.parametrize("shell", SHELLS)
def test_a_log_that_cannot_be_written_does_not_keep_it_from_going_back(tmp_path: Path, shell: str) -> None:
    """Half of it was done when it was interrupted: a shell whose own redirection fails would be gone."""
    with factory_on(tmp_path, shell) as disk:
        disk.begun()
        (disk.seen.folder / ROTATION / "log").mkdir()
        disk.seen.write(f"{ROTATION}/state", "swapping\n")
        disk.root.write("now", f"{NEW_ID} running healthy\n")
        disk.run()
        assert disk.left() == Left("reverted", "it was interrupted", OLD_ID, named(OLD), BEFORE)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", ["abort", "confirm"])
def test_a_word_that_a_read_only_disk_does_not_take_is_refused_with_its_reason(
    tmp_path: Path, shell: str, word: str
) -> None:
    """In dash `:` ends the shell where it cannot write, with a complaint of its own that nobody knows."""
    with factory_on(tmp_path, shell) as disk:
        disk.begun()
        disk.small.befalls(disk.small.fixes)
        said = told(disk.root, word)
        assert (said.status, said.words.splitlines()[-1]) == (3, "ink-swap: the disk takes nothing")
