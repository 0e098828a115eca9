"""Deleting servers: the one that this operation made, or one that a person named and that is what the plan saw."""

from ink_infra_mcp.clients.hetzner_cloud.models import Server
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, failed, flag
from ink_infra_mcp.clients.hetzner_cloud.steps.servers import protect
from ink_infra_mcp.core.errors import InkError, OutcomeUnknown
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.core.waiting import NotYet, until

GONE_S = 180.0


async def discard_server(step: CloudStep) -> JsonObject:
    """Delete the server `name` that this operation made, protected or not; one that is not there is as good.

    Raises:
        StepFailed: somebody else made it, or it is there after three minutes.
    """
    name = step.call.text("name")
    found = await step.cloud.server_named(name)
    if found is not None:
        if not step.is_own(found.labels):
            raise failed(f"The server {name} was not made by this operation, so it is not deleted.")
        await _delete(step, found)
    return {"server_id": str(found.id) if found else "", "deleted": found is not None}


async def delete_server(step: CloudStep) -> JsonObject:
    """Delete `server` (its id) if it still has `name` and `labels`; with `unprotect` its protection is lifted first.

    Backups and addresses that came with it go with it; volumes stay. A server that is gone is as good.

    Raises:
        StepFailed: it is another one than the plan saw, is protected, or is there after three minutes.
    """
    found = await step.server_or_none()
    if found is not None:
        _compare(step, found)
        if found.protection.delete and not flag(step.call, "unprotect", default=False):
            raise failed(f"{found.name} is protected against deletion, and the plan does not lift that.")
        await _delete(step, found)
    return {"server_id": step.call.given("server"), "deleted": found is not None}


def _compare(step: CloudStep, found: Server) -> None:
    name, labels = step.call.text("name"), table(step.call.params.get("labels"))
    other = [key for key, value in labels.items() if found.labels.get(key) != value]
    if found.name != name or other:
        what = f"is called {found.name}" if found.name != name else f"has another label {other[0]}"
        raise failed(
            f"The server {found.id} {what} now: it may be another one than the plan is about.",
            next="Call the tool again: it plans with what is there now.",
        )


async def _delete(step: CloudStep, server: Server) -> None:
    if server.protection.delete:
        await protect(step, server, on=False)
    await step.free(server)
    lost = await step.unless_lost(lambda: step.cloud.delete_server(server.id))

    async def look() -> bool | NotYet:
        if await step.by_id(server.id) is None:
            return True
        return NotYet(f"waiting for {server.name} to be gone", _stays(server, lost))

    await until(step.call, look, within_s=GONE_S)


def _stays(server: Server, lost: InkError | None) -> InkError:
    next_ = f"Look at it in the Hetzner Console: {server.name} ({server.id}) costs money until it is gone."
    if lost is not None:
        return OutcomeUnknown(f"Whether {server.name} is being deleted is not known: the answer was lost.", next=next_)
    return failed(f"{server.name} is there {GONE_S:.0f} s after its deletion.", done="It was begun.", next=next_)
