"""The fleet while the server runs: it follows the file, and two hands at once lose nothing."""

import os
import stat
import threading
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import CoolifySettings, Fleet, Host, Muscle
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.live_fleet import LiveFleet
from tests.settings.test_fleet_edit import FILE, THIRD

FLEET = Fleet(
    coolify=CoolifySettings(url="https://coolify.example.com"), factory=Host(name="factory", address="192.0.2.10")
)


def file_in(folder: Path) -> Path:
    """Return a fleet.toml with two Muscles."""
    path = folder / "fleet.toml"
    path.write_text(FILE)
    path.chmod(0o640)
    return path


def test_an_added_muscle_is_in_the_file_and_in_force(tmp_path: Path) -> None:
    """Whoever listens hears of it; the file keeps its mode, and nothing is left beside it."""
    path = file_in(tmp_path)
    live, heard = LiveFleet(path, load_fleet(path)), list[Fleet]()
    live.tell(heard.append)
    assert live.add(THIRD)
    assert [m.name for m in live.fleet.muscles] == ["s1", "s2", "s3"]
    assert (heard, load_fleet(path)) == ([live.fleet], live.fleet)
    assert (stat.S_IMODE(path.stat().st_mode), os.listdir(tmp_path)) == (0o640, ["fleet.toml"])


def test_adding_twice_writes_once(tmp_path: Path) -> None:
    """The same Muscle is there already; another one under its name is an error that changes nothing."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    assert live.add(THIRD)
    text = path.read_text()
    assert not live.add(THIRD)
    with pytest.raises(ConfigError, match="another s3 already"):
        live.add(THIRD.model_copy(update={"address": "192.0.2.34"}))
    assert path.read_text() == text


def test_what_another_process_has_written_is_in_force_once_it_is_found_there(tmp_path: Path) -> None:
    """A step that is run again after a crash finds the file as it shall be, and its proofs see that fleet."""
    path = file_in(tmp_path)
    late, killed = LiveFleet(path, load_fleet(path)), LiveFleet(path, load_fleet(path))
    assert (killed.add(THIRD), late.add(THIRD), late.fleet) == (True, False, killed.fleet)
    assert (killed.remove("s1"), late.remove("s1"), late.fleet) == (True, False, killed.fleet)
    assert [m.name for m in late.fleet.muscles] == ["s2", "s3"]


def test_a_removed_muscle_is_gone_at_once(tmp_path: Path) -> None:
    """Removing it a second time finds nothing to do."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    assert live.remove("s1")
    assert not live.remove("s1")
    assert [m.name for m in live.fleet.muscles] == ["s2"]


def test_a_muscle_that_does_not_fit_the_others_is_not_written(tmp_path: Path) -> None:
    """The address of another server would make the file unusable: it stays, and the error names the real file."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    with pytest.raises(ConfigError, match=r"As it would be, .*/fleet\.toml cannot be used: .*address of another"):
        live.add(THIRD.model_copy(update={"address": "192.0.2.21"}))
    assert (path.read_text(), os.listdir(tmp_path)) == (FILE, ["fleet.toml"])


@pytest.mark.parametrize("name", ["factory", "s1"])
def test_a_private_address_is_in_the_file_and_in_force(tmp_path: Path, name: str) -> None:
    """Of the Factory as of a Muscle; the same again writes nothing, none takes it out, nobody else's is touched."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    assert live.set_private_address(name, "10.250.0.2")
    assert (live.fleet, live.fleet.host(name).private_address) == (load_fleet(path), "10.250.0.2")
    assert [host.name for host in live.fleet.hosts if host.private_address] == [name]
    assert not live.set_private_address(name, "10.250.0.2")
    assert live.set_private_address(name, None)
    assert (path.read_text(), live.fleet) == (FILE, load_fleet(path))
    with pytest.raises(ConfigError, match="no Factory or Muscle s9"):
        live.set_private_address("s9", "10.250.0.2")


def test_edits_of_another_hand_are_taken_up(tmp_path: Path) -> None:
    """A changed file is read again; one that is broken leaves the fleet as it was, until it is mended."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    path.write_text(FILE.replace('"s2"', '"big"'))
    live.refresh()
    assert [m.name for m in live.fleet.muscles] == ["s1", "big"]
    path.write_text("[[muscles")
    live.refresh()
    assert [m.name for m in live.fleet.muscles] == ["s1", "big"]
    path.write_text(FILE)
    live.refresh()
    assert [m.name for m in live.fleet.muscles] == ["s1", "s2"]


def test_what_else_the_file_says_waits_for_the_next_start(tmp_path: Path) -> None:
    """Only the Muscles follow: a Factory that moved under a running server would be two at once."""
    path = file_in(tmp_path)
    live = LiveFleet(path, load_fleet(path))
    path.write_text(FILE.replace("192.0.2.10", "192.0.2.11"))
    live.refresh()
    assert live.fleet.factory.address == "192.0.2.10"


def test_many_hands_at_once_lose_nothing(tmp_path: Path) -> None:
    """Each of ten processes adds a Muscle of its own: all ten are in the file."""
    path = file_in(tmp_path)
    muscles = [Muscle(name=f"m{n}", address=f"192.0.2.{100 + n}") for n in range(10)]
    hands = [threading.Thread(target=LiveFleet(path, load_fleet(path)).add, args=(m,)) for m in muscles]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(timeout=10)
    assert {m.name for m in load_fleet(path).muscles} == {"s1", "s2", *(m.name for m in muscles)}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """Where fleet.toml leads to a file elsewhere, that one is edited."""
    (tmp_path / "kept").mkdir()
    real = file_in(tmp_path / "kept")
    link = tmp_path / "fleet.toml"
    link.symlink_to(real)
    LiveFleet(link, load_fleet(link)).add(THIRD)
    assert (link.is_symlink(), len(load_fleet(real).muscles)) == (True, 3)


def test_a_fleet_of_memory_gets_its_file_with_the_first_edit(tmp_path: Path) -> None:
    """The sandbox's fleet comes from nowhere; one that should have a file and has none is not made up."""
    path = tmp_path / "fleet.toml"
    LiveFleet(path, FLEET, of_memory=True).add(THIRD)
    assert load_fleet(path) == FLEET.model_copy(update={"muscles": (THIRD,)})
    with pytest.raises(ConfigError, match="cannot be written"):
        LiveFleet(tmp_path / "gone.toml", FLEET).add(THIRD)
