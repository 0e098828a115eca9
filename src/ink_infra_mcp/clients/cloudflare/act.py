"""Changing record sets at Cloudflare: one batch that happens as a whole or not, and names each record it takes away."""

from pydantic import JsonValue

from ink_infra_mcp.clients.cloudflare.look import SERVICE, CloudflareLook, result
from ink_infra_mcp.clients.cloudflare.models import AUTOMATIC, SeenRecord, sets_of
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.core.dns.records import Record, RecordSet, same, value_of
from ink_infra_mcp.core.dns.setting import Place
from ink_infra_mcp.core.errors import Conflict
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject


class CloudflareAct(CloudflareLook):
    """The write side of the zones of one token; it exists only while a permit lives."""

    def __init__(self, http: Http, permit: Permit) -> None:
        super().__init__(http)
        self._permit = permit

    async def is_settled(self, place: Place) -> bool:
        """Return True: a batch has happened when it is answered (documentation: one database transaction)."""
        return True

    async def seen(self, place: Place) -> RecordSet | None:
        """Return the set as Cloudflare has it, or None."""
        found = sets_of(await self._records_at(place))
        return found[0] if found else None

    async def change(self, place: Place, now: RecordSet | None, wanted: RecordSet | None) -> None:
        """Delete what is not wanted, change what stays and is otherwise, and add what is new, all at once.

        Raises:
            Conflict: a record is gone, or not the one that was looked at: nothing was changed.
        """
        there = await self._records_at(place)
        if not same(next(iter(sets_of(there)), None), now):
            raise _moved(place)
        body = _batch(place, there, wanted)
        if body:
            result(
                await self._http.send(
                    "POST", f"/zones/{place.zone_id}/dns_records/batch", permit=self._permit, body=body
                )
            )

    async def _records_at(self, place: Place) -> tuple[SeenRecord, ...]:
        return tuple(r for r in await self.records(place.zone_id, place.name) if r.type == place.type)


def _batch(place: Place, there: tuple[SeenRecord, ...], wanted: RecordSet | None) -> JsonObject:
    """Return the body: deletes and patches by id, posts; the vendor runs them in this order.

    A patch changes what it gives, and has to name the record and its type all the same (API description).
    """
    left = {value_of(place.type, record.value): record for record in (wanted.records if wanted else ())}
    deletes: list[JsonValue] = []
    patches: list[JsonValue] = []
    for seen in there:
        record = left.pop(value_of(place.type, seen.content), None)
        if record is None:
            deletes.append({"id": seen.id})
        elif (seen.ttl, bool(seen.proxied)) != (ttl := _ttl(record, wanted), record.proxied):
            same_one: JsonObject = {"id": seen.id, "name": place.name, "type": place.type}
            patches.append({**same_one, "ttl": ttl, "proxied": record.proxied})
    posts: list[JsonValue] = [_post(place, record, wanted) for record in left.values()]
    parts: dict[str, list[JsonValue]] = {"deletes": deletes, "patches": patches, "posts": posts}
    return {name: part for name, part in parts.items() if part}


def _post(place: Place, record: Record, wanted: RecordSet | None) -> JsonObject:
    """A record that is put back gets what the vendor held of it."""
    body: JsonObject = {
        "name": place.name,
        "type": place.type,
        "content": record.value,
        "ttl": _ttl(record, wanted),
        "proxied": record.proxied,
    }
    if record.comment:
        body["comment"] = record.comment
    return body | {name: record.kept[name] for name in ("tags", "settings") if record.kept.get(name)}


def _ttl(record: Record, wanted: RecordSet | None) -> int:
    """Where the records of a set have several TTLs, each keeps its own."""
    ttl = wanted.ttl if wanted is not None else None
    if ttl == 0:
        own = record.kept.get("ttl")
        return own if isinstance(own, int) else AUTOMATIC
    return AUTOMATIC if ttl is None else ttl


def _moved(place: Place) -> Conflict:
    return Conflict(
        f"The {place.type} records of {place.name} were changed by somebody else meanwhile.",
        service=SERVICE,
        next="Call again.",
        vendor_code="changed",
    )
