"""The steps that write fleet.toml, which nothing else does: a proved Muscle more, or one less, a private address."""

from collections.abc import Mapping

import anyio.to_thread
from pydantic import ValidationError

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.settings.live_fleet import LiveFleet


class FleetSteps:
    """Handlers of the kinds `fleet.*`."""

    def __init__(self, live: LiveFleet) -> None:
        self._live = live

    def handlers(self) -> Mapping[str, Handler]:
        """Return each kind with its handler."""
        return {
            "fleet.add_muscle": self.add,
            "fleet.remove_muscle": self.remove,
            "fleet.set_private_address": self.set_private_address,
        }

    async def add(self, call: StepCall) -> JsonObject:
        """Write a Muscle by its `fields`, which may stand for what earlier steps returned; it is in force at once.

        Raises:
            StepFailed: its fields are no Muscle's. ConfigError: the file cannot take it.
        """
        muscle = _muscle(call)
        call.permit.require("edit fleet.toml")
        added = await anyio.to_thread.run_sync(self._live.add, muscle)
        return {"added": added, "name": muscle.name}

    async def remove(self, call: StepCall) -> JsonObject:
        """Take the Muscle called `name` out of the file; no tool sees it any more.

        Raises:
            ConfigError: the file cannot be edited.
        """
        call.permit.require("edit fleet.toml")
        return {"removed": await anyio.to_thread.run_sync(self._live.remove, call.text("name"))}

    async def set_private_address(self, call: StepCall) -> JsonObject:
        """Write `address` as the private one of the Factory or Muscle `name`, empty for none; it is in force at once.

        Raises:
            ConfigError: the file cannot be edited.
        """
        name, address = call.text("name"), call.given("address")
        call.permit.require("edit fleet.toml")
        changed = await anyio.to_thread.run_sync(self._live.set_private_address, name, address or None)
        return {"changed": changed, "name": name, "private_address": address}


def _muscle(call: StepCall) -> Muscle:
    try:
        return Muscle.model_validate(json_object(call.filled("fields")))
    except ValidationError as error:
        wrong = ", ".join(str(fault["loc"][0]) for fault in error.errors(include_url=False))
        raise StepFailed(
            f"{call.target} cannot stand in fleet.toml: {wrong} is not what it should be.",
            done="The server is as the earlier steps made it.",
            next="Call the tool again; if it fails the same way, report it.",
        ) from None
