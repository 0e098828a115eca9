"""A server's card in a private network: attached, and taken off again."""

from ink_infra_mcp.clients.hetzner_cloud.models import Action, Server
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, failed, passing
from ink_infra_mcp.core.errors import LOOKS_FIRST, InkError, OutcomeUnknown, Rejected
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

SEEN_S = 60.0


async def attach(step: CloudStep) -> JsonObject:
    """Attach `server` to `network`, at the address `ip` if given; return its private address.

    Raises:
        StepFailed: the server is gone, or is not attached after a minute, or has another address.
        OutcomeUnknown: the answer was lost, and it is not attached after a minute.
    """
    server, network = await step.server(), int(step.call.given("network"))
    lost = None
    if server.private(network) is None:
        await step.free(server)
        lost = await step.unless_lost(lambda: _attach(step, server, network))
    address = await _until_there(step, server, network, lost)
    wanted = step.call.params.get("ip")
    if wanted and address != wanted:
        raise failed(f"{server.name} has {address} in the network {network}, not {wanted}.", done="It is attached.")
    return {"server": str(server.id), "private_address": address}


async def _attach(step: CloudStep, server: Server, network: int) -> tuple[Action, ...]:
    try:
        return await step.cloud.attach_to_network(server.id, network, str(step.call.params.get("ip") or ""))
    except Rejected as error:
        return passing(error, "server_already_attached")


async def _until_there(step: CloudStep, server: Server, network: int, lost: InkError | None) -> str:
    async def look() -> str | NotYet:
        address = (await step.server()).private(network)
        return address or NotYet(f"waiting for {server.name} to be in the network", _late(server, "attached", lost))

    return await until(step.call, look, within_s=SEEN_S)


async def detach(step: CloudStep) -> JsonObject:
    """Take `server` off `network`; a server that is gone is off.

    Raises:
        StepFailed: it is still there after a minute. OutcomeUnknown: so it is, and the answer was lost.
    """
    server, network = await step.server_or_none(), int(step.call.given("network"))
    if server is not None and server.private(network) is not None:
        await step.free(server)
        lost = await step.unless_lost(lambda: step.cloud.detach_from_network(server.id, network))
        await _until_off(step, server, network, lost)
    return {"network": str(network)}


async def _until_off(step: CloudStep, server: Server, network: int, lost: InkError | None) -> None:
    async def look() -> bool | NotYet:
        now = await step.server_or_none()
        if now is None or now.private(network) is None:
            return True
        return NotYet(f"waiting for {server.name} to leave the network", _late(server, "taken off", lost))

    await until(step.call, look, within_s=SEEN_S)


def _late(server: Server, what: str, lost: InkError | None) -> InkError:
    if lost is not None:
        return OutcomeUnknown(
            f"Whether {server.name} is being {what} is not known: the answer was lost.", next=LOOKS_FIRST
        )
    return failed(f"{server.name} is not {what} after {SEEN_S:.0f} s.", done="The change was begun.")
