"""The settings of one run: fleet.toml with the flags of the command line, and the folder for state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.operation import Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.paths import Machine, config_file, need_config, policy_folder, private_folder, state_folder
from ink_infra_mcp.settings.state_url import state_url_fault
from ink_infra_mcp.settings.toml_file import nearest

LogLevel = Literal["debug", "info", "warning", "error"]
ALL_TOOLSETS: frozenset[Toolset] = frozenset(get_args(Toolset))
STATE_FILE = "state.sqlite3"
FLEET_FILE = "fleet.toml"
"""The sandbox's own, in its state folder."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said. `toolsets` is the text after --toolsets, such as `apps,fleet`; empty: all."""

    config: Path | None = None
    state: str = ""
    read_only: bool = False
    toolsets: str = ""
    sandbox: bool = False
    log_level: LogLevel = "info"


class Settings(Frozen):
    """What a run of the program is about. `state_url` never holds a password: the driver finds that by itself."""

    fleet: Fleet
    config_path: Path
    state_url: str
    state_dir: Path
    read_only: bool = False
    toolsets: frozenset[Toolset] = ALL_TOOLSETS
    sandbox: bool = False
    log_level: LogLevel = "info"

    @property
    def fleet_path(self) -> Path:
        """Return the file that Muscles are written into; the sandbox, which reads no fleet.toml, has one of its own."""
        return self.state_dir / FLEET_FILE if self.sandbox else self.config_path

    @property
    def policy_dir(self) -> Path:
        """Return the folder of the operator's policies, which need not exist; the sandbox obeys it, too."""
        return policy_folder(self.config_path)


def load_settings(machine: Machine, flags: Flags, *, sandbox_fleet: Fleet | None = None) -> Settings:
    """Return the settings, with the state folder made and private.

    The sandbox brings its own fleet, reads no fleet.toml, and keeps its state in a folder of its own. The policies
    beside fleet.toml hold there, too: what they refuse can be tried out.

    Raises:
        NotConfigured: there is no fleet.toml. ConfigError: a file, a flag or the state folder is wrong.
    """
    config = config_file(machine, flags.config)
    toolsets = chosen_toolsets(flags.toolsets)
    if fault := state_url_fault(flags.state):
        raise ConfigError(f"The state store named by --state cannot be used: {fault}.", next="Mend --state.")
    fleet = sandbox_fleet or _fleet(config)
    url = flags.state or fleet.state.url
    folder = state_folder(machine) / "sandbox" if flags.sandbox else state_folder(machine)
    return Settings(
        fleet=fleet,
        config_path=config,
        state_url=url or f"sqlite:///{(folder / STATE_FILE).as_posix()}",
        state_dir=private_folder(folder),
        read_only=flags.read_only,
        toolsets=toolsets,
        sandbox=flags.sandbox,
        log_level=flags.log_level,
    )


def _fleet(config: Path) -> Fleet:
    need_config(config)
    return load_fleet(config)


def chosen_toolsets(text: str) -> frozenset[Toolset]:
    """Return the toolsets in a comma-separated list; an empty text means all.

    Raises:
        ConfigError: an unknown name.
    """
    wanted = set(text.replace(",", " ").split())
    if unknown := sorted(wanted - ALL_TOOLSETS):
        word = unknown[0]
        raise ConfigError(f"There is no toolset `{word}`; {nearest(word, ALL_TOOLSETS)}.", next="Mend --toolsets.")
    return frozenset(name for name in ALL_TOOLSETS if name in wanted) or ALL_TOOLSETS
