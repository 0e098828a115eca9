"""Changing record sets at Hetzner value by value, so that a value which somebody else adds meanwhile is never lost."""

from collections.abc import Iterable

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_dns.look import ENVELOPE, HetznerDnsLook, set_path, sets_path
from ink_infra_mcp.clients.hetzner_dns.models import Action
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.dns.names import relative
from ink_infra_mcp.core.dns.records import Record, RecordSet, value_of
from ink_infra_mcp.core.dns.setting import Place
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import Conflict, Rejected
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

ACTION_S = 120.0
POLL_S = 2.0
BUSY_S = (1.0, 2.0, 4.0, 8.0)
BUSY_CODES = frozenset({"conflict", "locked"})


class HetznerDnsAct(HetznerDnsLook):
    """The write side of the zones of one project; it exists only while a permit lives."""

    def __init__(self, http: Http, permit: Permit, *, clock: Clock) -> None:
        super().__init__(http)
        self._permit = permit
        self._clock = clock

    async def is_settled(self, place: Place) -> bool:
        """Return whether the zone is not being published."""
        return await self.zone_status(place.zone_id) != "updating"

    async def seen(self, place: Place) -> RecordSet | None:
        """Return the set as Hetzner has it, or None."""
        return await self.record_set(place.zone_id, place.zone, place.name, place.type)

    async def change(self, place: Place, now: RecordSet | None, wanted: RecordSet | None) -> None:
        """Add what is new, take away what is not wanted, set the TTL last; a set goes with its last value.

        Raises:
            Conflict: somebody else made the set meanwhile, or keeps changing the zone.
            Rejected: Hetzner refused a value, or the set is protected.
        """
        if now is None:
            if wanted is not None:
                await self._create(place, wanted)
            return
        await self._add(place, now, _beyond(wanted, now))
        await self._remove(place, _beyond(now, wanted))
        if wanted is not None and wanted.ttl != now.ttl:
            await self._begin(f"{self._path(place)}/actions/change_ttl", {"ttl": wanted.ttl})

    async def _create(self, place: Place, wanted: RecordSet) -> None:
        body: JsonObject = {
            "name": relative(place.name, place.zone),
            "type": place.type,
            "ttl": wanted.ttl,
            "records": _bodies(wanted.records),
        }
        await self._begin(sets_path(place.zone_id), body)

    async def _add(self, place: Place, now: RecordSet, records: tuple[Record, ...]) -> None:
        """A TTL that is given must be the present one."""
        if records:
            body: JsonObject = {"records": _bodies(records), "ttl": now.ttl}
            await self._begin(f"{self._path(place)}/actions/add_records", body)

    async def _remove(self, place: Place, records: tuple[Record, ...]) -> None:
        if records:
            body: JsonObject = {"records": [{"value": record.value} for record in records]}
            await self._begin(f"{self._path(place)}/actions/remove_records", body)

    def _path(self, place: Place) -> str:
        return set_path(place.zone_id, relative(place.name, place.zone), place.type)

    async def _begin(self, path: str, body: JsonObject) -> None:
        """A conflict and a lock mean that nothing was done, so the same request is sent again after a while."""
        for pause_s in BUSY_S:
            try:
                return await self._done(await self._http.send("POST", path, permit=self._permit, body=body))
            except Conflict as error:
                if error.vendor_code not in BUSY_CODES:
                    raise
            await self._clock.sleep(pause_s)
        return await self._done(await self._http.send("POST", path, permit=self._permit, body=body))

    async def _done(self, answer: Answer) -> None:
        """Wait for what was begun, up to two minutes; what still runs then is seen by the look afterwards."""
        action = ENVELOPE.parsed(answer, "action", Action)
        until = self._clock.monotonic() + ACTION_S
        while action.status == "running" and self._clock.monotonic() < until:
            await self._clock.sleep(POLL_S)
            action = ENVELOPE.parsed(await self._http.get(f"/actions/{action.id}"), "action", Action)
        if action.status == "error":
            raise _failed(action)


def _beyond(one: RecordSet | None, other: RecordSet | None) -> tuple[Record, ...]:
    """Return the records of `one` whose values `other` does not have."""
    known = other.values if other is not None else frozenset[str]()
    return tuple(r for r in one.records if value_of(one.type, r.value) not in known) if one is not None else ()


def _bodies(records: Iterable[Record]) -> list[JsonValue]:
    return [{"value": record.value, "comment": record.comment} for record in records]


def _failed(action: Action) -> Rejected:
    words = clean_name(action.error.message, limit=300).rstrip(".") if action.error else "no explanation"
    return Rejected(
        f"Hetzner DNS could not finish {clean_name(action.command)} (action {action.id}): {words}.",
        service=ENVELOPE.service,
        done="The change was begun and did not end well.",
        next="Look at the zone in the Hetzner Console, then call again.",
        vendor_code=action.error.code if action.error else "",
    )
