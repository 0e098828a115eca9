"""Folders: where each platform keeps them, and that the state folder is private."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.settings.paths import Machine, config_file, private_folder, state_folder, this_machine

HOME = Path("/home/ops")
posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX promise")
as_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can hand a folder to another user"
)


@pytest.mark.parametrize(
    ("platform", "environ", "config", "state"),
    [
        ("linux", {}, "/home/ops/.config/ink-infra-mcp/fleet.toml", "/home/ops/.local/state/ink-infra-mcp"),
        (
            "linux",
            {"XDG_CONFIG_HOME": "/etc/xdg", "XDG_STATE_HOME": "/var/state"},
            "/etc/xdg/ink-infra-mcp/fleet.toml",
            "/var/state/ink-infra-mcp",
        ),
        (
            "linux",
            {"XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": ""},
            "/home/ops/.config/ink-infra-mcp/fleet.toml",
            "/home/ops/.local/state/ink-infra-mcp",
        ),
        (
            "darwin",
            {"XDG_CONFIG_HOME": "/etc/xdg"},
            "/home/ops/Library/Application Support/ink-infra-mcp/fleet.toml",
            "/home/ops/Library/Application Support/ink-infra-mcp/state",
        ),
        (
            "win32",
            {"APPDATA": "/users/ops/roaming", "LOCALAPPDATA": "/users/ops/local"},
            "/users/ops/roaming/ink-infra-mcp/fleet.toml",
            "/users/ops/local/ink-infra-mcp",
        ),
        (
            "win32",
            {},
            "/home/ops/AppData/Roaming/ink-infra-mcp/fleet.toml",
            "/home/ops/AppData/Local/ink-infra-mcp",
        ),
        (
            "darwin",
            {"INK_INFRA_CONFIG": "/srv/ink/my.toml", "INK_INFRA_STATE": "/srv/ink/state"},
            "/srv/ink/my.toml",
            "/srv/ink/state",
        ),
    ],
)
def test_each_platform_has_its_folders(platform: str, environ: dict[str, str], config: str, state: str) -> None:
    """Linux follows XDG (absolute paths only), macOS and Windows their own ways, and our variables win everywhere."""
    machine = Machine(platform, environ, HOME)
    assert (config_file(machine), state_folder(machine)) == (Path(config), Path(state))


def test_a_named_file_wins_over_everything() -> None:
    """--config beats the variable; a relative path is taken from the working folder, `~` from home."""
    machine = Machine("linux", {"INK_INFRA_CONFIG": "/srv/my.toml"}, HOME)
    assert config_file(machine, Path("/tmp/other.toml")) == Path("/tmp/other.toml")  # noqa: S108 - no file is made
    assert config_file(machine, Path("other.toml")) == Path.cwd() / "other.toml"
    assert config_file(machine, Path("~/x.toml")) == Path.home() / "x.toml"


@pytest.mark.parametrize("path_of", [config_file, state_folder])
def test_a_home_that_nobody_has_is_told(path_of: Callable[[Machine], Path]) -> None:
    """The variable is named with what it has, and nothing ends with a trace."""
    named: dict[str, str] = dict.fromkeys(("INK_INFRA_CONFIG", "INK_INFRA_STATE"), "~nobody-of-that-name/x")
    with pytest.raises(ConfigError, match="is ~nobody-of-that-name/x, and nobody here has"):
        path_of(Machine("linux", named, HOME))


def test_this_machine_is_the_one_that_runs_us(private_environment: Path) -> None:
    """Platform, environment and home are those of the process."""
    machine = this_machine()
    assert (machine.platform, machine.home, machine.environ["HOME"]) == (
        sys.platform,
        private_environment,
        str(private_environment),
    )


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_the_state_folder_is_made_private(tmp_path: Path) -> None:
    """The folder is made with its parents, only its owner can enter it, and a second start finds it in order."""
    folder = tmp_path / "a" / "state"
    assert private_folder(folder) == folder
    (folder / "state.sqlite3").touch()
    assert private_folder(folder) == folder
    assert mode(folder) == 0o700


@posix_only
def test_an_empty_open_folder_is_closed(tmp_path: Path) -> None:
    """A folder that was made for us (a mounted volume) is closed before anything is put there."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)
    private_folder(folder)
    assert mode(folder) == 0o700


@posix_only
def test_an_open_folder_with_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A folder that others could read is not quietly closed: it may be the wrong one, or may have been read."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "note").touch()
    folder.chmod(0o750)
    with pytest.raises(ConfigError) as caught:
        private_folder(folder)
    assert str(caught.value) == (
        f"Others can enter the state folder {folder} (mode 0750), and it holds files. Nothing was changed. "
        f"If it holds only our state, run `chmod 700 {folder}`; else set INK_INFRA_STATE to another folder."
    )
    assert mode(folder) == 0o750


@as_root
def test_an_open_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Another user's folder is never changed, even where we could."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    folder.chmod(0o770)
    with pytest.raises(ConfigError, match="belongs to user id 12345 and others can enter it"):
        private_folder(folder)
    assert mode(folder) == 0o770


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    """What is no folder, or lies below a file, is a configuration error and no traceback."""
    (tmp_path / "state").touch()
    for path in (tmp_path / "state", tmp_path / "state" / "below"):
        with pytest.raises(ConfigError, match=r"cannot be used: .*Set INK_INFRA_STATE to a folder of your own"):
            private_folder(path)
