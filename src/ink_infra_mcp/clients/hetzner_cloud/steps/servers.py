"""Buying a server: everything in the one request, never asked for twice, and awaited to its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.clients.hetzner_cloud.markers import HOST_KEY
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Server, ServerType
from ink_infra_mcp.clients.hetzner_cloud.steps.context import CloudStep, failed, flag, given, texts
from ink_infra_mcp.clients.hetzner_cloud.user_data import user_data
from ink_infra_mcp.core.errors import (
    LOOKS_FIRST,
    BadAnswer,
    Conflict,
    InkError,
    OutcomeUnknown,
    Rejected,
    StepFailed,
    Unavailable,
    Unreachable,
)
from ink_infra_mcp.core.host_key import as_label, from_label
from ink_infra_mcp.core.key_pair import KeyPair, fingerprint_of
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.core.waiting import NotYet, until

BUILT_S = 600.0
"""Large images take more than five minutes."""
READY_S = 180.0
LOST_S = 60.0
SHOWN = 5
SOLD_OUT = frozenset({"resource_unavailable", "placement_error"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a server is asked to be, with what earlier steps returned filled in."""

    name: str
    server_type: str
    location: str
    firewalls: tuple[int, ...]
    networks: tuple[int, ...]
    group: str

    @staticmethod
    def of(call: StepCall) -> "Wanted":
        """Return what the parameters say."""
        group = given(call, "placement_group") if call.params.get("placement_group") else ""
        return Wanted(
            name=call.text("name"),
            server_type=call.text("server_type"),
            location=call.text("location"),
            firewalls=tuple(map(int, texts(call, "firewalls"))),
            networks=tuple(map(int, texts(call, "networks"))),
            group=str(group),
        )


async def create_server(step: CloudStep) -> JsonObject:
    """Buy the server `name`, or find the one that an earlier run of this operation bought, and see it up.

    `server_type`, `location`, `image`; `ssh_keys`, `firewalls`, `networks` (lists), `placement_group`, `labels`,
    `ipv4`, `ipv6` and `user_data` go with the request; then `protect` (unless false) and `backups` are switched on.
    With `first_host_key` it shows a key made here, which has to be replaced at the first login. Returns `server_id`,
    `name`, `ipv4`, `ipv6`, `private_address` and `host_key_fingerprint`, all texts, empty where there is none.

    Raises:
        StepFailed: the name is somebody else's; it is sold out; or it was bought and did not come up as asked.
        OutcomeUnknown: the answer was lost, and no server of that name has appeared after a minute.
    """
    wanted = Wanted.of(step.call)
    server = await _own(step, wanted.name) or await _bought(step, wanted)
    await _built(step, server)
    if flag(step.call, "protect", default=True) and not server.protection.delete:
        await protect(step, server, on=True)
    if flag(step.call, "backups", default=False):
        await _back_up(step, server)
    return _result(step, await _ready(step, server, wanted), wanted)


async def set_protection(step: CloudStep) -> JsonObject:
    """Switch the protection of `server` against deletion and rebuild `on` or off; return how it was before.

    Raises:
        StepFailed: the server is gone, or it is otherwise afterwards.
    """
    server, on = await step.server(), flag(step.call, "on", default=True)
    if server.protection.delete is not on:
        await step.free(server)
        await protect(step, server, on=on)
    return {"server_id": str(server.id), "before": server.protection.delete}


async def enable_backup(step: CloudStep) -> JsonObject:
    """Have `server` backed up every day.

    Raises:
        StepFailed: the server is gone, or is not backed up afterwards.
        OutcomeUnknown: it is not, and the answer was lost.
    """
    server = await step.server()
    await step.free(server)
    await _back_up(step, server)
    return {"server_id": str(server.id)}


async def protect(step: CloudStep, server: Server, *, on: bool) -> None:
    """Switch the protection, and see it so.

    Raises:
        StepFailed: it is otherwise afterwards. OutcomeUnknown: so it is, and the answer was lost.
    """
    lost = await step.unless_lost(lambda: step.cloud.protect_server(server.id, on=on))
    now = await step.by_id(server.id)
    if now is None or now.protection.delete is not on:
        raise _not_so(server, "protected" if on else "free of its protection", lost)


async def _back_up(step: CloudStep, server: Server) -> None:
    now = await step.by_id(server.id)
    if now is not None and now.backup_window is None:
        lost = await step.unless_lost(lambda: step.cloud.enable_backup(server.id))
        now = await step.by_id(server.id)
        if now is None or now.backup_window is None:
            raise _not_so(server, "backed up", lost)


async def _own(step: CloudStep, name: str) -> Server | None:
    """The server of that name that this operation bought.

    Raises:
        StepFailed: it is somebody else's.
    """
    found = await step.cloud.server_named(name)
    if found is not None and not step.is_own(found.labels):
        raise failed(
            f"A server called {name} is there already ({found.id}), and this operation did not make it.",
            next="Adopt it, or choose another name.",
        )
    return found


async def _bought(step: CloudStep, wanted: Wanted) -> Server:
    """Ask once. A lost answer is settled by name and marker; a name that is taken may be ours, of such an answer."""
    body = _body(step, wanted)
    try:
        server, begun = await step.cloud.create_server(body)
    except Conflict as error:
        found = await _own(step, wanted.name) if error.vendor_code == "uniqueness_error" else None
        if found is None:
            raise
        return found
    except Rejected as error:
        if error.vendor_code not in SOLD_OUT:
            raise
        raise await _sold_out(step, wanted, error) from error
    except (Unavailable, Unreachable, BadAnswer) as error:
        if not error.unsure:
            raise
        return await _looked_for(step, wanted.name)
    step.call.say(f"bought {server.name} ({server.id}); waiting until it is built")
    await _until_ended(step, server, begun)
    return server


def _body(step: CloudStep, wanted: Wanted) -> JsonObject:
    call = step.call
    key = step.new_key_pair() if flag(call, "first_host_key", default=False) else None
    labels = step.own_labels() | ({HOST_KEY: as_label(fingerprint_of(key.public))} if key else {})
    body: JsonObject = {
        "name": wanted.name,
        "server_type": wanted.server_type,
        "location": wanted.location,
        "image": call.text("image"),
        "start_after_create": True,
        "ssh_keys": _ssh_keys(call),
        "firewalls": [{"firewall": id_} for id_ in wanted.firewalls],
        "networks": [*wanted.networks],
        "labels": {**labels},
        "public_net": {
            "enable_ipv4": flag(call, "ipv4", default=True),
            "enable_ipv6": flag(call, "ipv6", default=True),
        },
    }
    return body | _group(wanted) | _first_boot(call, key)


def _ssh_keys(call: StepCall) -> list[JsonValue]:
    """Without a key Hetzner makes a password for root, and sends it by mail."""
    keys: list[JsonValue] = [*texts(call, "ssh_keys")]
    if not keys:
        raise TypeError(f"step {call.step_id}: a server is made with at least one SSH key")
    return keys


def _group(wanted: Wanted) -> JsonObject:
    return {"placement_group": int(wanted.group)} if wanted.group else {}


def _first_boot(call: StepCall, key: KeyPair | None) -> JsonObject:
    text = user_data(str(call.params.get("user_data") or ""), key)
    return {"user_data": text} if text else {}


async def _looked_for(step: CloudStep, name: str) -> Server:
    step.call.say(f"the answer to the creation of {name} was lost; looking whether it is there")

    async def look() -> Server | NotYet:
        return await _own(step, name) or NotYet(f"no server called {name} yet", _unknown(name))

    return await until(step.call, look, within_s=LOST_S)


def _unknown(name: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Whether the server {name} was bought is not known: the answer was lost, "
        f"and {LOST_S:.0f} s later none is there.",
        next=f"Call the tool again: it looks for {name} first and never buys a second one of that name. "
        "If it shows up and is not wanted, delete it: it costs money until then.",
    )


async def _until_ended(step: CloudStep, server: Server, begun: Sequence[Action]) -> None:
    """All that the answer began has ended; a look that fails meanwhile is made up for by the ones after it."""
    try:
        await step.cloud.wait(begun, BUILT_S)
    except Rejected as error:
        if await step.by_id(server.id) is None:
            raise failed(error.failed, done=f"{server.name} was bought, and is gone again.", stage="build") from error
        raise _half_built(server, error.failed) from error
    except (Unavailable, Unreachable, BadAnswer) as error:
        step.call.say(f"Hetzner gave no good answer ({error.code}); looking again")


async def _built(step: CloudStep, server: Server) -> None:
    """Nothing runs on the new server any more, and nothing that was begun on it has failed."""

    async def look() -> bool | NotYet:
        actions = await step.actions(server.id)
        if broken := [action for action in actions if action.status == "error"]:
            raise _half_built(server, _trouble(broken[0]))
        if not any(action.running for action in actions):
            return True
        words = f"waiting until {server.name} is built"
        return NotYet(words, _half_built(server, f"{server.name} is not built after {BUILT_S:.0f} s."))

    await until(step.call, look, within_s=BUILT_S)


def _trouble(action: Action) -> str:
    words = clean_name(action.error.message, limit=300).rstrip(".") if action.error else "no explanation"
    return f"Hetzner Cloud could not finish {clean_name(action.command)} (action {action.id}): {words}."


async def _ready(step: CloudStep, bought: Server, wanted: Wanted) -> Server:
    """It runs, behind its firewalls, in its networks, and is what was asked for."""

    async def look() -> Server | NotYet:
        server = await step.by_id(bought.id)
        if server is None:
            raise failed(f"The server {wanted.name} ({bought.id}) is gone.", done="It was bought, and deleted again.")
        lacks = _lacks(server, wanted)
        if not lacks:
            return server
        return NotYet(f"{wanted.name}: {lacks}", _half_built(server, f"{wanted.name} after {READY_S:.0f} s: {lacks}."))

    server = await until(step.call, look, within_s=READY_S)
    if (server.server_type.name, server.location.name) != (wanted.server_type, wanted.location):
        is_ = f"{server.server_type.name} at {server.location.name}"
        raise _half_built(server, f"{wanted.name} is {is_}, not {wanted.server_type} at {wanted.location}.")
    return server


def _lacks(server: Server, wanted: Wanted) -> str:
    applied = {at.id for at in server.public_net.firewalls if at.status == "applied"}
    if server.status != "running":
        return f"its status is {clean_name(server.status)}"
    if missing := set(wanted.firewalls) - applied:
        return f"the firewall {min(missing)} is not applied"
    if absent := [network for network in wanted.networks if server.private(network) is None]:
        return f"it has no address in the network {absent[0]}"
    return ""


def _result(step: CloudStep, server: Server, wanted: Wanted) -> JsonObject:
    shown = from_label(server.labels.get(HOST_KEY, "")) or ""
    if flag(step.call, "first_host_key", default=False) and not shown:
        raise _half_built(server, f"{server.name} has lost its label {HOST_KEY}, so its host key is not known.")
    private = server.private(wanted.networks[0]) if wanted.networks else None
    return {
        "server_id": str(server.id),
        "name": server.name,
        "ipv4": server.ipv4 or "",
        "ipv6": server.ipv6 or "",
        "private_address": private or "",
        "host_key_fingerprint": shown,
    }


async def _sold_out(step: CloudStep, wanted: Wanted, error: Rejected) -> StepFailed:
    types = await step.cloud.server_types()
    least = next((kind for kind in types if kind.name == wanted.server_type), None)
    here = _available(types, least) if least else []
    instead = f"Available now: {'; '.join(here[:SHOWN])}." if here else "Nothing as large is available anywhere now."
    return failed(
        f"{wanted.server_type} is sold out at {wanted.location} ({error.vendor_code}).",
        done="Nothing was bought.",
        next=f"{instead} Call again with one of them, or later.",
        stage="buy",
    )


def _available(types: Sequence[ServerType], least: ServerType) -> list[str]:
    """Types at least as large, of the same architecture, where they can be had, cheapest first."""
    large = [
        kind
        for kind in types
        if (kind.architecture, kind.memory >= least.memory, kind.cores >= least.cores)
        == (least.architecture, True, True)
    ]
    found = [
        (price.net, f"{kind.name} at {place.name} for {price.net:.2f} net, {price.gross:.2f} with VAT a month")
        for kind in large
        for place in kind.locations
        if place.available and place.deprecation is None and (price := kind.monthly(place.name)) is not None
    ]
    return [words for _, words in sorted(found)]


def _not_so(server: Server, what: str, lost: InkError | None) -> InkError:
    if lost is not None:
        return OutcomeUnknown(f"Whether {server.name} is {what} is not known: the answer was lost.", next=LOOKS_FIRST)
    return failed(f"{server.name} ({server.id}) is not {what}.", done=f"{server.name} exists and costs money.")


def _half_built(server: Server, why: str) -> StepFailed:
    return failed(
        why,
        done=f"{server.name} ({server.id}) was bought, exists and costs money.",
        next="The same call goes on with it; remove_muscle deletes it.",
        stage="build",
    )
