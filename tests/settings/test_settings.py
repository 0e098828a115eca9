"""Settings as a whole: what flags, variables and files add up to."""

import os
import stat
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.loading import ALL_TOOLSETS, Flags, Settings, chosen_toolsets, load_settings
from ink_infra_mcp.settings.paths import Machine
from ink_infra_mcp.settings.state_url import state_url_fault
from tests.settings.fleets import SMALLEST, written


def machine(folder: Path) -> Machine:
    """Return a Linux machine with its home in a folder."""
    return Machine("linux", {}, folder / "home")


def test_a_plain_start_has_every_default(tmp_path: Path) -> None:
    """With nothing but a file, all tools are there, state is SQLite in a private folder, and policies lie beside."""
    path = written(tmp_path, SMALLEST)
    found = load_settings(machine(tmp_path), Flags(config=path))
    folder = tmp_path / "home" / ".local" / "state" / "ink-infra-mcp"
    assert found == Settings(
        fleet=load_fleet(path),
        config_path=path,
        state_url=f"sqlite:///{folder}/state.sqlite3",
        state_dir=folder,
    )
    assert found.policy_dir == tmp_path / "policies"
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    """--state beats state.url, and the other flags arrive as they are."""
    path = written(tmp_path, SMALLEST + '[state]\nurl = "postgresql://ink@db/one"\n')
    assert load_settings(machine(tmp_path), Flags(config=path)).state_url == "postgresql://ink@db/one"
    found = load_settings(
        machine(tmp_path),
        Flags(
            config=path,
            state="postgresql://ink@db/two",
            read_only=True,
            toolsets="apps, fleet",
            log_level="debug",
        ),
    )
    assert (found.state_url, found.read_only, found.toolsets, found.log_level) == (
        "postgresql://ink@db/two",
        True,
        {"apps", "fleet"},
        "debug",
    )


def test_the_sandbox_has_its_own_fleet_and_state_and_the_operators_policies(tmp_path: Path) -> None:
    """The pretend world has its own fleet and folder, whatever lies on the machine; policies hold there, too."""
    fleet = load_fleet(written(tmp_path, SMALLEST))
    found = load_settings(machine(tmp_path), Flags(sandbox=True, config=tmp_path / "missing.toml"), sandbox_fleet=fleet)
    folder = tmp_path / "home" / ".local" / "state" / "ink-infra-mcp" / "sandbox"
    assert (found.fleet, found.state_dir, found.state_url, found.sandbox, found.policy_dir) == (
        fleet,
        folder,
        f"sqlite:///{folder}/state.sqlite3",
        True,
        tmp_path / "policies",
    )


def test_a_wrong_flag_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """A misspelt toolset and a state store that cannot be are configuration errors, and no folder is left behind."""
    path = written(tmp_path, SMALLEST)
    with pytest.raises(ConfigError, match="no toolset `app`; did you mean `apps`"):
        load_settings(machine(tmp_path), Flags(config=path, toolsets="app"))
    with pytest.raises(ConfigError, match="named by --state cannot be used: write sqlite"):
        load_settings(machine(tmp_path), Flags(config=path, state="mysql://db/x"))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("text", ["", " ", ",", "operations factory servers network fleet apps"])
def test_no_toolset_means_all_of_them(text: str) -> None:
    """An empty list is no list."""
    assert chosen_toolsets(text) == ALL_TOOLSETS


@pytest.mark.parametrize(
    "url",
    [
        *("", "sqlite:////srv/ink/state.db", "postgresql://db/ink", "postgresql://ink@db:5432/ink?sslmode=require"),
        *("postgresql+psycopg://ink@db/ink", "postgresql:///ink?host=/run/postgresql"),
    ],
)
def test_a_state_store_is_sqlite_or_postgres(url: str) -> None:
    """Absolute SQLite files and Postgres by host or socket are taken."""
    assert state_url_fault(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///state.db",
        "mysql://db/x",
        "postgresql://db",
        "postgresql:///",
        "x",
        "postgresql://[::1/x",
    ],
)
def test_any_other_state_store_is_refused(url: str) -> None:
    """Relative files would depend on where the server was started; other databases are not supported."""
    assert state_url_fault(url) == "write sqlite:////absolute/path, or postgresql://user@host/database"


@pytest.mark.parametrize("url", ["postgresql://ink:hunter22@db/ink", "postgresql://ink@db/ink?password=hunter22"])
def test_a_state_store_takes_no_password(url: str) -> None:
    """A password in an address shows in process lists and logs; Postgres has better places for it."""
    assert state_url_fault(url).startswith("takes no password")
