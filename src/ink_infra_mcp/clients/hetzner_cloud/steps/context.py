"""What every handler of the Cloud works with: the step, the client under its permit, markers, and waiting."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.clients.hetzner_cloud.act import HetznerCloudAct
from ink_infra_mcp.clients.hetzner_cloud.markers import OPERATION
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Server
from ink_infra_mcp.core.errors import (
    LOOKS_FIRST,
    BadAnswer,
    InkError,
    NotFound,
    OutcomeUnknown,
    Rejected,
    StepFailed,
    Unavailable,
    Unreachable,
)
from ink_infra_mcp.core.key_pair import NewKeyPair
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.waiting import NotYet, until

ACTION_S = 120.0
FREE_S = 180.0
"""How long another change of a server may hold it."""


@dataclass(frozen=True, slots=True)
class CloudStep:
    """One run of one step, the client with its permit, and what makes host keys."""

    call: StepCall
    cloud: HetznerCloudAct
    new_key_pair: NewKeyPair

    async def done(self, actions: Sequence[Action]) -> None:
        """Wait for the actions, up to two minutes; what still runs then is seen by the look afterwards.

        Raises:
            Rejected: one ended in an error.
        """
        await self.cloud.wait(actions, ACTION_S)

    async def unless_lost(self, change: Callable[[], Awaitable[tuple[Action, ...]]]) -> InkError | None:
        """Make a change and wait for it; when its answer gets lost, return that: the look afterwards settles it.

        Raises:
            VendorError: the change surely did not happen.
        """
        try:
            begun = await change()
        except (Unavailable, Unreachable, BadAnswer) as error:
            if not error.unsure:
                raise
            return self._lost(error)
        try:
            await self.done(begun)
        except (Unavailable, Unreachable, BadAnswer) as error:
            return self._lost(error)
        return None

    async def deleted(self, what: str, deletion: Awaitable[None], there: Callable[[], Awaitable[object]]) -> None:
        """Make a deletion, which has happened when it is answered; `there` finds what is left of the thing.

        Raises:
            OutcomeUnknown: the answer was lost, and the thing is still there.
        """

        async def change() -> tuple[Action, ...]:
            await deletion
            return ()

        lost = await self.unless_lost(change)
        if lost is not None and await there():
            raise OutcomeUnknown(
                f"Whether {what} is being deleted is not known: the answer was lost, and it is still there.",
                next=LOOKS_FIRST,
            )

    def _lost(self, error: InkError) -> InkError:
        self.call.say(f"Hetzner gave no good answer ({error.code}); looking what came of it")
        return error

    async def server(self) -> Server:
        """Return the server that the parameter `server` has the id of.

        Raises:
            StepFailed: it is gone.
        """
        found = await self.server_or_none()
        if found is None:
            raise failed(f"The server {self.call.given('server')} is gone.")
        return found

    async def server_or_none(self) -> Server | None:
        """Return the server that the parameter `server` has the id of, or None when it is gone."""
        return await self.by_id(int(self.call.given("server")))

    async def by_id(self, id: int) -> Server | None:
        """Return the server with that id, never one that has it for a name."""
        found = await self.cloud.server(id)
        return found if found is not None and found.id == id else None

    async def free(self, server: Server) -> None:
        """Wait, up to three minutes, for the end of whatever else is under way with a server: until then it is locked.

        Raises:
            StepFailed: it is still being changed.
        """

        async def look() -> bool | NotYet:
            if not any(action.running for action in await self.actions(server.id)):
                return True
            words = f"waiting for the end of another change of {server.name}"
            return NotYet(words, failed(f"{server.name} is still being changed after {FREE_S:.0f} s."))

        await until(self.call, look, within_s=FREE_S)

    async def actions(self, server: int) -> tuple[Action, ...]:
        """Return what was begun on a server; nothing when it is gone."""
        try:
            return await self.cloud.server_actions(server)
        except NotFound:
            return ()

    def is_own(self, labels: Mapping[str, str]) -> bool:
        """Return whether the thing with these labels was made by this operation."""
        return labels.get(OPERATION) == self.call.operation_id

    def own_labels(self) -> dict[str, str]:
        """Return the labels to make a thing with: those of the parameters, and this operation's marker."""
        given = self.call.params.get("labels", {})
        if not isinstance(given, dict):
            raise TypeError(f"step {self.call.step_id}: labels is not an object")
        return {**{key: str(value) for key, value in given.items()}, OPERATION: self.call.operation_id}


Run = Callable[[CloudStep], Awaitable[JsonObject]]


def given(call: StepCall, name: str) -> JsonValue:
    """Return a parameter, or the field of an earlier step's result that it stands for."""
    return _meant(call, call.params[name])


def texts(call: StepCall, name: str) -> tuple[str, ...]:
    """Return a list of texts, each given or the field of an earlier step's result; absent is empty."""
    return tuple(str(_meant(call, value)) for value in items(call.params.get(name)))


def flag(call: StepCall, name: str, default: bool) -> bool:
    """Return a parameter that is true or false.

    Raises:
        TypeError: it is something else.
    """
    value = call.params.get(name, default)
    if not isinstance(value, bool):
        raise TypeError(f"step {call.step_id}: {name} is neither true nor false")
    return value


def _meant(call: StepCall, value: JsonValue) -> JsonValue:
    if isinstance(value, dict) and set(value) == {"step", "field"}:
        return call.results[str(value["step"])][str(value["field"])]
    return value


def failed(
    what: str, *, done: str = "Nothing was changed.", next: str = "Call the tool again.", stage: str = "server"
) -> StepFailed:
    """Return the failure of a step of the Cloud."""
    return StepFailed(what, done=done, next=next, stage=stage)


def passing(error: Rejected, *codes: str) -> tuple[Action, ...]:
    """Return that nothing was begun, where the refusal only says that it is so already.

    Raises:
        Rejected: it says something else.
    """
    if error.vendor_code not in codes:
        raise error
    return ()
