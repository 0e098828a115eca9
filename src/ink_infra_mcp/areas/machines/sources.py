"""Where new Muscles come from, as the caller says it."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.core.fleet import Address, Port

MOST = 10
"""Machines in one call: as many as run side by side."""
SecretName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExistingMachine(_Given):
    """A server that is there. `host_key` is what it must show at the first login, from the provider or the console.

    `inner` is its address in the fleet's private network, where the Factory reaches it and nobody else shall.
    """

    address: Address
    host_key: Annotated[str, Field(max_length=2000)]
    port: Port = 22
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] = "root"
    root_login: SecretName | None = None
    inner: Annotated[Address, Field(pattern=r"^[0-9.]+$")] | None = None


_SETTING = re.compile(r"(port|user|root_login|inner)=(.*)")


def _by_line(given: object) -> object:
    """Return the parts of a machine's line; an object is judged as it is."""
    if not isinstance(given, str):
        return given
    address, *words = given.split() or [""]
    settings = {match[1]: match[2] for match in map(_SETTING.fullmatch, words) if match}
    return {"address": address, **_key([word for word in words if not _SETTING.fullmatch(word)]), **settings}


def _key(words: list[str]) -> dict[str, str]:
    return {"host_key": " ".join(words)} if words else {}


_LINE: dict[str, JsonValue] = {"type": "string"}
MachineLine = Annotated[ExistingMachine, BeforeValidator(_by_line), WithJsonSchema(_LINE)]
_WORDS = "ADDRESS HOST_KEY|SHA256:... [port=] [user=] [inner=] [root_login=SECRET]"


_HOW = Field(description="From where")


class Existing(_Given):
    """Servers that are there, in the order of the names."""

    kind: Annotated[Literal["existing"], _HOW]
    machines: Annotated[tuple[MachineLine, ...], Field(min_length=1, max_length=MOST, description=_WORDS)]

    @property
    def inside(self) -> int:
        """Return how many of them are reached over the private network."""
        return sum(machine.inner is not None for machine in self.machines)


class HetznerCloud(_Given):
    """New servers of Hetzner Cloud, all of one type."""

    kind: Annotated[Literal["hetzner_cloud"], _HOW]
    server_type: Annotated[str, Field(max_length=20, description="as cx53")]
    location: Annotated[str, Field(max_length=20, description="as fsn1")]
    image: Annotated[str, Field(max_length=40), Mark.OPTION] = "debian-13"
    backups: Annotated[bool, Mark.OPTION] = False
    network: Annotated[int | None, Mark.OPTION] = None


class HetznerRobot(_Given):
    """Dedicated servers that are rented already, by their numbers. `install` wipes them first."""

    kind: Annotated[Literal["hetzner_robot"], _HOW]
    numbers: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST)]
    install: Annotated[str | None, Field(max_length=100, description="wipes disks"), Mark.OPTION] = None


Source = Annotated[Existing | HetznerCloud | HetznerRobot, Field(discriminator="kind")]
