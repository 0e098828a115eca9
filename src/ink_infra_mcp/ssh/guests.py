"""Servers that the fleet does not have yet: how they are reached, and which host key alone is trusted."""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import MappingProxyType

from pydantic import Field, ValidationError

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.words import of_fault

_KINDS = "ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)"
_PIN = re.compile(rf"SHA256:[A-Za-z0-9+/]{{43}}|(?:{_KINDS}) [A-Za-z0-9+/]{{40,}}={{0,3}}(?: [^\n]*)?")


class GuestHost(Host):
    """A guest as the way to servers knows it; `password` is tried where the server does not take our key."""

    password: Secret | None = Field(default=None, repr=False)

    def guest(self) -> "Guest":
        """Return it as it was given."""
        return Guest(
            name=self.name,
            address=self.address,
            host_key=self.host_key,
            port=self.ssh_port,
            user=self.ssh_user,
            password=self.password,
            bastion=self.bastion,
        )


@dataclass(frozen=True, slots=True)
class Guest:
    """A server that fleet.toml does not have, under the name that it will have there.

    `host_key` is one or more lines, each an OpenSSH public key or a fingerprint as `ssh-keygen -l` says it
    (`SHA256:...`): one of them has to be the server's, and there is no way to trust whatever it shows. `password` logs
    in where our key does not yet. `bastion` is a server of the fleet that leads there.

    Raises:
        InputError: no host key is given, or a field cannot be what it is named for.
    """

    name: str
    address: str
    host_key: str
    port: int = 22
    user: str = "root"
    password: Secret | None = None
    bastion: str | None = None

    def __post_init__(self) -> None:
        lines = [line.strip() for line in self.host_key.splitlines() if line.strip()]
        if not lines or not all(map(_PIN.fullmatch, lines)):
            raise InputError(
                f"No host key is given for {self.name}, or what is given is none.",
                next="Give its public key (`ssh-ed25519 AAAA...`) or its fingerprint (`SHA256:...`), from the provider "
                "or from its console.",
            )
        try:
            self.host()
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise InputError(
                f"{self.name[:80]!r} cannot be reached as given: {where}: {of_fault(fault)}.",
                next="Correct its name, address, port or user.",
            ) from None

    def host(self) -> GuestHost:
        """Return it as a server that can be connected to."""
        return GuestHost(
            name=self.name,
            address=self.address,
            host_key=self.host_key,
            ssh_port=self.port,
            ssh_user=self.user,
            bastion=self.bastion,
            password=self.password,
        )

    def by_key(self) -> "Guest":
        """Return it such that only our key logs in."""
        return replace(self, password=None)


_HERE: ContextVar[Mapping[str, GuestHost]] = ContextVar("ink_guests", default=MappingProxyType({}))
"""The guests of the present task and of those that it starts: another operation's have no place in it."""


@contextmanager
def present(*guests: Guest) -> Generator[None]:
    """Make guests known under their names within the block, in this task and in those which that starts."""
    token = _HERE.set({**_HERE.get(), **{guest.name: guest.host() for guest in guests}})
    try:
        yield
    finally:
        _HERE.reset(token)


class Known(Mapping[str, Host]):
    """The servers of the fleet and, within `present`, its guests, who come first."""

    def __init__(self, fleet: Mapping[str, Host]) -> None:
        self._fleet = fleet

    def __getitem__(self, name: str) -> Host:
        guests = _HERE.get()
        return guests[name] if name in guests else self._fleet[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._fleet, **_HERE.get()})

    def __len__(self) -> int:
        return len({**self._fleet, **_HERE.get()})
