"""Which host key a new server shows: noted only when its provider told it."""

from dataclasses import dataclass

from pydantic import ValidationError

from ink_infra_mcp.core.errors import HostUnreachable, InkError, StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.core.told_keys import ToldKey, trusted
from ink_infra_mcp.core.waiting import NotYet, until
from ink_infra_mcp.hosts.host_keys.telling import SSH_PORT
from ink_infra_mcp.ssh.pool import HostPool

UP_S = 1200.0
"""A dedicated server starts again after its installation, which takes minutes with much memory."""


@dataclass(frozen=True, slots=True)
class HostKeySteps:
    """Binds the handlers to the way to servers."""

    hosts: HostPool

    def handlers(self) -> dict[str, Handler]:
        """Return step kind -> handler."""
        return {"hosts.note_told_host_key": self.note_told_host_key}

    async def note_told_host_key(self, call: StepCall) -> JsonObject:
        """Return as `host_key` the whole public key that `address` shows, once it is one of `host_keys`; no login.

        `host_keys` are `ToldKey`s, given or what an earlier step returned. Until one of them is shown, nobody answers
        or another system does: an installer, or the rescue system.

        Raises:
            StepFailed: none was told, or after 20 minutes the server shows none of them.
        """
        told, address = _told(call), call.text("address")
        if not told:
            raise _failed(f"No host key was told of {call.target}, so that none can be trusted.")

        async def look() -> str | NotYet:
            try:
                shown = await self.hosts.scan_host_key(address, _port(call))
            except HostUnreachable as error:
                return NotYet(f"waiting for {call.target} to answer at {address}", error)
            key = trusted([shown], told)
            return key or NotYet(f"another system answers at {address} still", _another(call, address, told))

        return {"host_key": await until(call, look, within_s=UP_S, every_s=10.0)}


def _told(call: StepCall) -> tuple[ToldKey, ...]:
    value = call.params["host_keys"]
    if isinstance(value, dict):
        value = call.results[str(value["step"])][str(value["field"])]
    try:
        return tuple(ToldKey.model_validate(one) for one in items(value))
    except ValidationError as error:
        raise TypeError(f"step {call.step_id}: host_keys are none") from error


def _port(call: StepCall) -> int:
    port = call.params.get("port", SSH_PORT)
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"step {call.step_id}: port is no number")
    return port


def _another(call: StepCall, address: str, told: tuple[ToldKey, ...]) -> InkError:
    return _failed(
        f"{call.target} at {address} shows none of the host keys that its provider told "
        f"({', '.join(key.words for key in told)}).",
        next="Look at the server's console: if its key is right there, add it as an existing server with that "
        "fingerprint. If it is not, somebody else answers at its address.",
    )


def _failed(what: str, *, next: str = "Give the fingerprint from the server's console.") -> StepFailed:
    return StepFailed(what, done="Nobody has logged in.", next=next, stage="host key")
