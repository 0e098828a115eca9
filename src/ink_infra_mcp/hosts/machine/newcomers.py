"""Lets every step that changes a server talk to one that fleet.toml does not have yet, by its future name."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field, JsonValue, ValidationError

from ink_infra_mcp.core.errors import ConfigError, InputError
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.ssh.guests import Guest
from ink_infra_mcp.ssh.pool import HostPool

PARAMETER = "newcomer"
Given = str | JsonObject
Need = Callable[[str], Secret]


class Newcomer(Frozen):
    """The step parameter `newcomer`: how a server is reached that is not in fleet.toml, and which key it must show.

    `address` and `host_key` may stand for what an earlier step returns. A list of host keys is in order of preference:
    the first that is known counts alone, so that later steps trust the rotated key and no other one. `password` is the
    name of a secret, never the value; where it is None our SSH key logs in.
    """

    name: str
    address: Given
    host_key: Given | Annotated[tuple[Given, ...], Field(min_length=1)]
    port: int = 22
    user: str = "root"
    password: str | None = None
    bastion: str | None = None


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Makes newcomers known for one call of a handler; `need` gives a secret by its name."""

    pool: HostPool
    need: Need

    def wrap(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """Return the handlers such that each knows the server that its parameter `newcomer` describes."""
        return {kind: partial(self._handled, handler) for kind, handler in handlers.items()}

    @contextmanager
    def knowing(self, given: JsonObject) -> Generator[None]:
        """Know the server that the parameter describes within the block; of what earlier steps return nothing is known.

        Raises:
            InputError, ConfigError: as `guest`.
        """
        with self.pool.knowing(self.guest(given, {})):
            yield

    def guest(self, given: JsonValue, results: Results) -> Guest:
        """Return the server that the parameter describes.

        Raises:
            TypeError: the plan that made the parameter is wrong.
            InputError: no host key is given, or it is none.
            ConfigError: fleet.toml has another server of that name, or there is no such secret.
        """
        try:
            newcomer = Newcomer.model_validate(given)
        except ValidationError as error:
            raise TypeError(f"the parameter {PARAMETER} is wrong: {error.errors()[0]['loc']}") from None
        guest = Guest(
            name=newcomer.name,
            address=_known(newcomer.address, results),
            host_key=_trusted(newcomer, results),
            port=newcomer.port,
            user=newcomer.user,
            password=None if newcomer.password is None else self.need(newcomer.password),
            bastion=newcomer.bastion,
        )
        return self._refuse_another(guest)

    async def _handled(self, handler: Handler, call: StepCall) -> JsonObject:
        given = call.params.get(PARAMETER)
        if given is None:
            return await handler(call)
        with self.pool.knowing(self.guest(given, call.results)):
            return await handler(call)

    def _refuse_another(self, guest: Guest) -> Guest:
        """A server that the fleet has got meanwhile is the same one, or nothing is done to either."""
        known = self.pool.hosts.get(guest.name)
        at = (known.address, known.ssh_address) if known is not None else ()
        if known is not None and (guest.port != known.ssh_port or guest.address not in at):
            raise ConfigError(
                f"fleet.toml has another server called {guest.name}, at {known.address}, not at {guest.address}.",
                next="Give the new one another name, or take the other one out of fleet.toml.",
            )
        return guest


def _trusted(newcomer: Newcomer, results: Results) -> str:
    keys = newcomer.host_key if isinstance(newcomer.host_key, tuple) else (newcomer.host_key,)
    for key in keys:
        if isinstance(key, str) or str(key.get("step")) in results:
            return _known(key, results)
    raise InputError(
        f"No host key of {newcomer.name} is known at this step.", next="Please report it: the plan is not whole."
    )


def _known(value: Given, results: Results) -> str:
    if isinstance(value, dict):
        found = results[str(value["step"])][str(value["field"])]
        if not isinstance(found, str):
            raise TypeError(f"{value['field']} of step {value['step']} is not text")
        return found
    return value
