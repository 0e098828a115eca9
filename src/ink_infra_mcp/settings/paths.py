"""Where configuration and state live on each platform, and the promise that the state folder is private."""

import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ink_infra_mcp.core.errors import ConfigError, NotConfigured
from ink_infra_mcp.core.untrusted import clean_name

NAME = "ink-infra-mcp"
CONFIG_VARIABLE = "INK_INFRA_CONFIG"
STATE_VARIABLE = "INK_INFRA_STATE"
_PRIVATE = 0o700
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Machine:
    """What the folders depend on: `platform` as in `sys.platform`, the environment, and the user's home."""

    platform: str
    environ: Mapping[str, str]
    home: Path


def this_machine() -> Machine:
    """Return what the running process is on.

    Raises:
        ConfigError: the user has no home folder.
    """
    try:
        return Machine(sys.platform, os.environ, Path.home())
    except RuntimeError:
        raise ConfigError("The user has no home folder.", next="Set HOME.") from None


def expanded(path: Path, given_by: str) -> Path:
    """Return the whole path; `~` and `~user` are somebody's home.

    Raises:
        ConfigError: nobody has that home; `given_by` is named as where the path came from.
    """
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ConfigError(
            f"{given_by} is {clean_name(str(path), limit=200)}, and nobody here has that home.",
            next="Write the whole path.",
        ) from None


def config_file(machine: Machine, explicit: Path | None = None) -> Path:
    """Return the path of fleet.toml: `explicit` (--config), else INK_INFRA_CONFIG, else the platform's folder."""
    if explicit is not None:
        return expanded(explicit, "--config")
    if named := machine.environ.get(CONFIG_VARIABLE):
        return expanded(Path(named), CONFIG_VARIABLE)
    return _config_folder(machine) / "fleet.toml"


def need_config(config: Path) -> None:
    """Do nothing when there is a fleet.toml at that path, whatever it holds.

    Raises:
        NotConfigured: there is none.
    """
    try:
        config.stat()
    except FileNotFoundError:
        raise NotConfigured(
            f"Nothing is configured yet: there is no file {config}.",
            next="Run `ink-infra-mcp init` in a terminal to write it, or add --sandbox to try it in a pretend world.",
        ) from None
    except OSError:
        # something is there, or in the way: who reads the file says what
        return


def not_configured(config: Path | None, *, sandbox: bool) -> NotConfigured | None:
    """Return why no tool can work yet, or None where there is a fleet.toml, be it right or wrong, or a sandbox."""
    if sandbox:
        return None
    try:
        need_config(config_file(this_machine(), config))
    except NotConfigured as error:
        return error
    except ConfigError:
        # a machine without a home folder: the first call says so
        return None
    return None


def policy_folder(config: Path) -> Path:
    """Return the folder of the operator's policies: `policies` beside fleet.toml. It need not exist."""
    return config.parent / "policies"


def state_folder(machine: Machine) -> Path:
    """Return the folder for state: INK_INFRA_STATE, else the platform's own. It may not exist yet."""
    if named := machine.environ.get(STATE_VARIABLE):
        return expanded(Path(named), STATE_VARIABLE)
    if machine.platform == "darwin":
        return _config_folder(machine) / "state"
    if machine.platform == "win32":
        return _from(machine, "LOCALAPPDATA", machine.home / "AppData" / "Local") / NAME
    return _from(machine, "XDG_STATE_HOME", machine.home / ".local" / "state") / NAME


def private_folder(path: Path) -> Path:
    """Return `path` as a folder that only its owner can enter (0700), made if it is not there.

    An empty folder of ours is closed; one that holds files is not silently changed, since others may have read them.
    Windows keeps other users out of the profile by itself, so modes are not looked at there.

    Raises:
        ConfigError: it is no folder, cannot be made or written, or others can enter it.
    """
    try:
        path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        if os.name == "posix":
            _close(path)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(f"it belongs to user id {path.stat().st_uid}")
    except OSError as error:
        raise ConfigError(
            f"The state folder {path} cannot be used: {error.strerror or error}.",
            next=f"Set {STATE_VARIABLE} to a folder of your own.",
        ) from error
    return path


def _close(path: Path) -> None:
    found = path.stat()
    if not stat.S_IMODE(found.st_mode) & _OTHERS:
        return
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"The state folder {path} belongs to user id {found.st_uid} and others can enter it.",
            next=f"Set {STATE_VARIABLE} to a folder of your own.",
        )
    if any(path.iterdir()):
        raise ConfigError(
            f"Others can enter the state folder {path} (mode {stat.S_IMODE(found.st_mode):04o}), and it holds files.",
            next=f"If it holds only our state, run `chmod 700 {path}`; else set {STATE_VARIABLE} to another folder.",
        )
    path.chmod(_PRIVATE)


def _config_folder(machine: Machine) -> Path:
    if machine.platform == "darwin":
        return machine.home / "Library" / "Application Support" / NAME
    if machine.platform == "win32":
        return _from(machine, "APPDATA", machine.home / "AppData" / "Roaming") / NAME
    return _from(machine, "XDG_CONFIG_HOME", machine.home / ".config") / NAME


def _from(machine: Machine, variable: str, otherwise: Path) -> Path:
    """Return the folder that a variable names; a relative one is ignored, as the XDG base directory rules say."""
    named = Path(machine.environ.get(variable, ""))
    return named if named.is_absolute() else otherwise
