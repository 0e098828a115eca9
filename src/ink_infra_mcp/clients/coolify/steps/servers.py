"""Enters servers into Coolify, and takes them out again."""

import ipaddress

from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import make_once, not_seen, unless_lost
from ink_infra_mcp.core.errors import NOTHING_DONE, InkError, InputError, NotFound, Rejected, StepFailed, VendorError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.waiting import NotYet, until

GONE_S = 60.0
NEXT = "Call the tool again: it plans with the servers that are there now."


async def create_server(step: CoolifyStep) -> JsonObject:
    """Enter the server `name` at `address` with the key `key`, or find the one that an earlier run entered.

    It is not validated by that. Returns its `uuid` and `address`.

    Raises:
        StepFailed: another server has the address, or what was entered is not as asked.
    """
    text, port = step.call.text, step.call.number("port")
    name, address = text("name"), host_address(step.call.given("address"))
    body: JsonObject = {
        "name": name,
        "description": f"Added by ink-infra-mcp. {step.marker}",
        "ip": address,
        "port": port,
        "user": text("user"),
        "private_key_uuid": step.call.given("key"),
        "is_build_server": False,
        "instant_validate": False,
        "proxy_type": "traefik",
    }

    async def make() -> str:
        await _refuse_taken(step, address)
        return await step.coolify.create_server(body)

    try:
        uuid = await make_once(step, lambda: _own(step, name), make, whether=f"{name} is there")
    except Rejected as error:
        if error.vendor_code != "address_taken":
            raise
        raise _taken(address, "A server of Coolify, perhaps of another team,") from error
    made = await step.coolify.server(uuid)
    if (made.name, made.ip, made.port, made.user) != (name, address, port, text("user")):
        raise _failed(
            f"Coolify has {name} as {made.user}@{made.ip} port {made.port}, not as {text('user')}@{address} port "
            f"{port}.",
            done="The server is entered in Coolify and not validated.",
        )
    return {"uuid": uuid, "address": address}


async def discard_server(step: CoolifyStep) -> JsonObject:
    """Take the server `name` that this operation entered out of Coolify, if it did; another one is left alone.

    Raises:
        StepFailed: something lives there.
    """
    uuid = await _own(step, step.call.text("name"))
    if uuid is not None:
        await _delete(step, uuid)
    return {"gone": True}


async def delete_server(step: CoolifyStep) -> JsonObject:
    """Take the server `server` out of Coolify, if it still has `address`; one that is gone counts as taken out.

    The machine stays as it is, with what runs on it.

    Raises:
        StepFailed: it is another server now, the Factory's own, or something lives there.
        OutcomeUnknown: the answer was lost, and it is still there after a minute.
    """
    uuid = step.call.given("server")
    found = await _found(step, uuid)
    if found is None:
        return {"gone": True}
    if found.is_coolify_host or found.ip != step.call.text("address"):
        what = "is the Factory itself" if found.is_coolify_host else f"is at {found.ip} now"
        raise _failed(f"The server {found.name} {what}, so it is not taken out of Coolify.", done="It is still there.")
    await _delete(step, uuid)
    return {"gone": True}


async def set_server_address(step: CoolifyStep) -> JsonObject:
    """Let Coolify reach the server `server`, which it reaches at `before`, at `address`; nothing is validated by that.

    Raises:
        StepFailed: it is the Factory's own, is at a third address now, or another server has the new one.
        OutcomeUnknown: the answer was lost, and it is not at the new address.
    """
    uuid, wanted = step.call.given("server"), host_address(step.call.given("address"))
    now = await step.coolify.server(uuid)
    if host_address(now.ip) == wanted:
        return {"server": uuid, "address": now.ip}
    if now.is_coolify_host or now.ip != step.call.given("before"):
        what = "is the Factory itself" if now.is_coolify_host else f"is at {now.ip} now"
        raise _failed(f"The server {now.name} of Coolify {what}, so its address is not changed.", done=NOTHING_DONE)
    await _refuse_taken(step, wanted)
    change = step.coolify.update_server(uuid, {"ip": wanted})
    lost = await unless_lost(step, change, whether=f"the server is at {wanted}")
    now = await step.coolify.server(uuid)
    if host_address(now.ip) != wanted:
        raise (
            not_seen(f"Coolify has {now.name} at {wanted}", lost)
            if lost
            else _failed(f"Coolify has {now.name} at {now.ip}, not at {wanted}.", done="The change was sent.")
        )
    return {"server": uuid, "address": now.ip}


def host_address(text: str) -> str:
    """Return the one address in `text` as Coolify compares it; of a network of IPv6 the first host (`::1` of a /64).

    Names are taken as they are.

    Raises:
        InputError: it is a network of IPv4.
    """
    try:
        if "/" not in text:
            return str(ipaddress.ip_address(text))
        network = ipaddress.ip_interface(text)
    except ValueError:
        return text
    if network.network.num_addresses == 1 or network.ip != network.network.network_address:
        return str(network.ip)
    if network.version == 4:
        raise InputError(f"{text} is a network, not the address of a server.", next="Give the server's own address.")
    return str(network.network.network_address + 1)


async def _own(step: CoolifyStep, name: str) -> str | None:
    servers = await step.coolify.servers()
    return next((s.uuid for s in servers if s.name == name and step.marker in s.description.split()), None)


async def _found(step: CoolifyStep, uuid: str) -> Server | None:
    try:
        return await step.coolify.server(uuid)
    except NotFound:
        return None


async def _refuse_taken(step: CoolifyStep, address: str) -> None:
    for server in await step.coolify.servers():
        if host_address(server.ip) == address:
            raise _taken(address, f"The server {server.name} of Coolify")


async def _delete(step: CoolifyStep, uuid: str) -> None:
    try:
        lost = await unless_lost(step, step.coolify.delete_server(uuid), whether="the server is gone")
    except NotFound:
        return
    except Rejected as error:
        if error.vendor_code != "has_resources":
            raise
        raise await _still_used(step, uuid) from error

    async def gone() -> bool | NotYet:
        if await _found(step, uuid) is None:
            return True
        return NotYet("waiting until Coolify has forgotten the server", _still_there(lost))

    await until(step.call, gone, within_s=GONE_S)


def _still_there(lost: VendorError | None) -> InkError:
    if lost is not None:
        return not_seen("the server is taken out of Coolify", lost)
    return _failed("Coolify still has the server after it was deleted.", done="Its deletion was asked for.")


async def _still_used(step: CoolifyStep, uuid: str) -> StepFailed:
    names = sorted(thing.name for thing in await step.coolify.server_resources(uuid))
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return _failed(
        f"Coolify does not take the server out while something lives there: {', '.join(names[:8])}{more}.",
        done="The server is still in Coolify.",
        next="Move or delete these first, then call again.",
    )


def _taken(address: str, who: str) -> StepFailed:
    return _failed(
        f"{who} has the address {address} already, and this operation did not enter it.",
        done="No server was entered.",
        next="Call the tool again to go on with that one, or take it out of Coolify first.",
    )


def _failed(failed: str, *, done: str, next: str = NEXT) -> StepFailed:
    return StepFailed(failed, done=done, next=next, stage="coolify_server")
