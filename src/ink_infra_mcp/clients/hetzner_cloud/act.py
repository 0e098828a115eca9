"""Changing a Hetzner Cloud project: single DNS records, firewalls, and waiting for what was begun."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_cloud.firewalls import Firewall, NewFirewall
from ink_infra_mcp.clients.hetzner_cloud.look import ENVELOPE, HetznerCloudLook, rrset_path
from ink_infra_mcp.clients.hetzner_cloud.models import Action, Server
from ink_infra_mcp.clients.hetzner_cloud.resources import PlacementGroup, SshKey
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import Conflict, NotFound, Rejected
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

TXT_PART = 255
POLL_S = (1.0, 1.0, 2.0, 3.0, 5.0)
BUSY_S = (1.0, 2.0, 4.0, 8.0)
BUSY_CODES = frozenset({"conflict", "locked"})


class HetznerCloudAct(HetznerCloudLook):
    """The write side of one Cloud project; it exists only while a permit lives."""

    def __init__(self, http: Http, permit: Permit, *, clock: Clock) -> None:
        super().__init__(http)
        self._permit = permit
        self._clock = clock

    async def add_records(
        self, zone: str, name: str, type: str, *, values: Sequence[str], ttl: int | None = None
    ) -> Action:
        """Add values to a record set and leave those of others alone; the set is made when it is not there.

        `ttl` (seconds, None for the zone's) must be the present one when the set is there. TXT values are quoted here.
        """
        body: dict[str, JsonValue] = {"records": _records(type, values)}
        if ttl is not None:
            body["ttl"] = ttl
        return await self._start(f"{rrset_path(zone, name, type)}/actions/add_records", body)

    async def remove_records(self, zone: str, name: str, type: str, *, values: Sequence[str]) -> Action:
        """Remove values from a record set; it goes with its last value."""
        body: dict[str, JsonValue] = {"records": _records(type, values)}
        return await self._start(f"{rrset_path(zone, name, type)}/actions/remove_records", body)

    async def create_firewall(self, new: NewFirewall) -> tuple[Firewall, tuple[Action, ...]]:
        """Make a firewall that is attached to nothing; return it and what was begun.

        Raises:
            Conflict: the name is taken (`uniqueness_error`).
        """
        body: JsonObject = {"name": new.name, "labels": {**new.labels}, "rules": [*new.as_json()]}
        answer = await self._begin("POST", "/firewalls", body)
        return ENVELOPE.parsed(answer, "firewall", Firewall), ENVELOPE.listed(answer, "actions", Action)

    async def set_firewall_rules(self, id: int, rules: Sequence[JsonObject]) -> tuple[Action, ...]:
        """Replace all rules of a firewall at once, wherever it is attached; none at all lets nothing in."""
        return await self._firewall(id, "set_rules", {"rules": [*rules]})

    async def attach_firewall(self, id: int, to: JsonObject) -> tuple[Action, ...]:
        """Attach a firewall to one more resource: `server_resource` or `selector_resource`.

        Raises:
            Rejected: it is attached there (`firewall_already_applied`), or the server has no public side.
        """
        return await self._firewall(id, "apply_to_resources", {"apply_to": [to]})

    async def detach_firewall(self, id: int, of: JsonObject) -> tuple[Action, ...]:
        """Take a firewall off a resource; one that it is not attached to is no error (since August 2025).

        Raises:
            Rejected: a label selector attached it to that server (`firewall_managed_by_label_selector`).
        """
        return await self._firewall(id, "remove_from_resources", {"remove_from": [of]})

    async def delete_firewall(self, id: int) -> None:
        """Delete a firewall; one that is gone is no error.

        Raises:
            Rejected: it is still attached to something (`resource_in_use`).
        """
        await self._delete(f"/firewalls/{id}")

    async def create_server(self, body: JsonObject) -> tuple[Server, tuple[Action, ...]]:
        """Buy a server; return it and all that was begun: its creation and whatever follows.

        Raises:
            Conflict: the name is taken (`uniqueness_error`).
            Rejected: it cannot be had there now (`resource_unavailable`, `placement_error`).
        """
        answer = await self._begin("POST", "/servers", body)
        begun = ENVELOPE.parsed(answer, "action", Action), *ENVELOPE.listed(answer, "next_actions", Action)
        return ENVELOPE.parsed(answer, "server", Server), begun

    async def delete_server(self, id: int) -> tuple[Action, ...]:
        """Delete a server with its backups and the addresses that came with it; one that is gone is no error.

        Raises:
            Rejected: it is protected.
        """
        try:
            return (ENVELOPE.parsed(await self._begin("DELETE", f"/servers/{id}", None), "action", Action),)
        except NotFound:
            return ()

    async def protect_server(self, id: int, *, on: bool) -> tuple[Action, ...]:
        """Switch the protection against deletion and rebuild on or off; they go together."""
        return await self._server(id, "change_protection", {"delete": on, "rebuild": on})

    async def enable_backup(self, id: int) -> tuple[Action, ...]:
        """Have a server backed up every day, at a window that Hetzner chooses."""
        return await self._server(id, "enable_backup", None)

    async def attach_to_network(self, id: int, network: int, ip: str = "") -> tuple[Action, ...]:
        """Give a server a card in a private network; `ip` asks for an address there.

        Raises:
            Rejected: it has one already (`server_already_attached`), or the network has no room.
        """
        body: JsonObject = {"network": network, "ip": ip} if ip else {"network": network}
        return await self._server(id, "attach_to_network", body)

    async def detach_from_network(self, id: int, network: int) -> tuple[Action, ...]:
        """Take a server's card out of a private network."""
        return await self._server(id, "detach_from_network", {"network": network})

    async def create_ssh_key(self, name: str, public_key: str, labels: Mapping[str, str]) -> SshKey:
        """Add a public key to the project.

        Raises:
            Conflict: the name or the key itself is there already (`uniqueness_error`).
        """
        body: JsonObject = {"name": name, "public_key": public_key, "labels": {**labels}}
        return ENVELOPE.parsed(await self._begin("POST", "/ssh_keys", body), "ssh_key", SshKey)

    async def delete_ssh_key(self, id: int) -> None:
        """Delete a key of the project; servers that were made with it keep it. One that is gone is no error."""
        await self._delete(f"/ssh_keys/{id}")

    async def create_placement_group(self, name: str, labels: Mapping[str, str]) -> PlacementGroup:
        """Make a group whose servers are spread over different hosts.

        Raises:
            Conflict: the name is taken (`uniqueness_error`).
        """
        body: JsonObject = {"name": name, "type": "spread", "labels": {**labels}}
        return ENVELOPE.parsed(await self._begin("POST", "/placement_groups", body), "placement_group", PlacementGroup)

    async def delete_placement_group(self, id: int) -> None:
        """Delete a placement group; its servers stay. One that is gone is no error."""
        await self._delete(f"/placement_groups/{id}")

    async def wait(self, actions: Sequence[Action], deadline_s: float) -> tuple[Action, ...]:
        """Return the actions when all have ended, or as they are after `deadline_s` seconds, some still running.

        Raises:
            Rejected: one ended in an error; the others are not waited for.
        """
        ids = [action.id for action in actions]
        until = self._clock.monotonic() + deadline_s
        now = tuple(actions)
        polls = 0
        while True:
            _raise_failed(now)
            left_s = until - self._clock.monotonic()
            if left_s <= 0 or not any(action.running for action in now):
                return now
            await self._clock.sleep(min(POLL_S[min(polls, len(POLL_S) - 1)], left_s))
            polls += 1
            now = await self.actions(ids)

    async def _firewall(self, id: int, verb: str, body: JsonObject) -> tuple[Action, ...]:
        return ENVELOPE.listed(await self._begin("POST", f"/firewalls/{id}/actions/{verb}", body), "actions", Action)

    async def _server(self, id: int, verb: str, body: JsonValue) -> tuple[Action, ...]:
        return (ENVELOPE.parsed(await self._begin("POST", f"/servers/{id}/actions/{verb}", body), "action", Action),)

    async def _delete(self, path: str) -> None:
        try:
            await self._begin("DELETE", path, None)
        except NotFound:
            return

    async def _start(self, path: str, body: JsonObject) -> Action:
        return ENVELOPE.parsed(await self._begin("POST", path, body), "action", Action)

    async def _begin(self, method: str, path: str, body: JsonValue) -> Answer:
        """A conflict and a lock mean that nothing was done, so the same request is sent again after a while."""
        for pause_s in BUSY_S:
            try:
                return await self._http.send(method, path, permit=self._permit, body=body)
            except Conflict as error:
                if error.vendor_code not in BUSY_CODES:
                    raise
            await self._clock.sleep(pause_s)
        return await self._http.send(method, path, permit=self._permit, body=body)


def server_resource(id: int) -> JsonObject:
    """Return the resource that is one server."""
    return {"type": "server", "server": {"id": id}}


def selector_resource(selector: str) -> JsonObject:
    """Return the resource that is every server whose labels match, now and later."""
    return {"type": "label_selector", "label_selector": {"selector": selector}}


def txt_value(text: str) -> str:
    """Return text as the value of a TXT record: quoted strings of at most 255 characters."""
    if len(text) >= 2 and text.startswith('"') and text.endswith('"'):
        return text
    starts = range(0, max(len(text), 1), TXT_PART)
    return " ".join(_quoted(text[start : start + TXT_PART]) for start in starts)


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _records(type: str, values: Sequence[str]) -> list[JsonValue]:
    return [{"value": txt_value(value) if type == "TXT" else value} for value in values]


def _raise_failed(actions: Sequence[Action]) -> None:
    for action in actions:
        if action.status == "error":
            code = action.error.code if action.error else ""
            words = clean_name(action.error.message, limit=300).rstrip(".") if action.error else "no explanation"
            raise Rejected(
                f"Hetzner Cloud could not finish {clean_name(action.command)} (action {action.id}): {words}.",
                service=ENVELOPE.service,
                done="The change was begun and did not end well.",
                next="Look at the thing in the Hetzner Console, then call again.",
                vendor_code=code,
            )
