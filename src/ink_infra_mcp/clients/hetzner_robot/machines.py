"""What Robot tells of a server as a machine: what it boots, its resets, its cancellation, and the account's SSH keys.

Answers about booting have root's password in them. No value here has a place for it, so it ends with the answer.
"""

from typing import Self, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.told_keys import ToldKey, told_key


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class RobotKey(_Told):
    """An SSH key of the account; `fingerprint` is the MD5 of its blob, with colons."""

    name: str = ""
    fingerprint: str
    type: str = ""
    size: int = 0
    data: str = ""


class VSwitchServer(_Told):
    """A server on a vSwitch. Known states: ready, processing (`in process` in the documentation), failed."""

    server_number: int
    status: str = ""


class CloudSide(_Told):
    """The part of a Cloud network that a vSwitch is coupled to: its servers have addresses there."""

    ip: str
    mask: int
    gateway: str


class VSwitch(_Told):
    """A vSwitch; the list names no servers and no networks."""

    id: int
    name: str = ""
    vlan: int
    cancelled: bool = False
    server: tuple[VSwitchServer, ...] = ()
    cloud_network: tuple[CloudSide, ...] = ()

    def state_of(self, number: int) -> str:
        """Return how far a server is on it, empty where it is not."""
        return next((member.status or "unknown" for member in self.server if member.server_number == number), "")

    @property
    def in_process(self) -> bool:
        """Return whether a change of it is under way: Robot takes no other one meanwhile."""
        return any(member.status in {"processing", "in process"} for member in self.server)


class BootSystem(_Told):
    """One way to boot at the next start, `active` or not: the rescue system, or an installation.

    `system` is the chosen one when active (or the last one), `offered` are those to choose from. `keys` are the MD5
    fingerprints of the SSH keys that root gets, `booted_at` when it was booted, where Robot tells it.
    """

    active: bool
    system: str = ""
    offered: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    host_keys: tuple[ToldKey, ...] = ()
    booted_at: str | None = Field(default=None, validation_alias="boot_time")

    @model_validator(mode="before")
    @classmethod
    def _as_robot_has_it(cls, value: object) -> object:
        """A choice is a text once it was made, and a list before (documentation)."""
        if not isinstance(value, dict):
            return value
        told = cast(JsonObject, value)
        chosen = told.get("os", told.get("dist"))
        return {
            "active": told.get("active"),
            "system": chosen if isinstance(chosen, str) else "",
            "offered": [str(one) for one in items(chosen)],
            "languages": [str(one) for one in items(told.get("lang"))],
            "keys": [_fingerprint(one) for one in items(told.get("authorized_key"))],
            "host_keys": [key for one in items(told.get("host_key")) if (key := told_key(one))],
            "boot_time": told.get("boot_time"),
        }

    def is_for(self, key: str, system: str | None = None) -> bool:
        """Return whether it is this system (None: any), and lets in this key and no other."""
        return self.keys == (key.lower(),) and system in (None, self.system)


def _fingerprint(value: JsonValue) -> str:
    """Documented as fingerprints, seen as objects."""
    told = table(table(value).get("key"))
    return str(told.get("fingerprint", "") if told else value).lower()


class RobotBoot(_Told):
    """All ways to boot of one server by name: rescue, linux, vnc, windows, and whatever Robot may add."""

    ways: dict[str, BootSystem]

    @model_validator(mode="before")
    @classmethod
    def _only_those_there(cls, value: object) -> object:
        """A way that a server does not have is null, or an empty list."""
        if not isinstance(value, dict):
            return value
        told = cast(JsonObject, value)
        return {"ways": {name: way for name, way in told.items() if way}}

    @property
    def active(self) -> tuple[str, ...]:
        """Return what the next start boots in place of the server's own system; one at most, Robot says."""
        return tuple(name for name, way in self.ways.items() if way.active)


class RobotCancellation(_Told):
    """Whether a server is cancelled, to which day, and from which day on it can be."""

    cancelled: bool
    cancellation_date: str | None = None
    earliest_cancellation_date: str | None = None
    reservation_possible: bool = False


class RobotReset(_Told):
    """The ways to reset a server: sw, hw, power, power_long, and man for a technician."""

    type: tuple[str, ...]
    operating_status: str = ""

    @field_validator("type", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.type:
            raise ValueError("no way to reset")
        return self
