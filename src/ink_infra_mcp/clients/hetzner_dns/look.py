"""Reading the DNS zones of a Hetzner project."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from ink_infra_mcp.clients.answers import Model
from ink_infra_mcp.clients.envelope import Envelope
from ink_infra_mcp.clients.hetzner_dns.models import SeenSet, SeenZone
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.dns.names import is_below, relative
from ink_infra_mcp.core.dns.records import RecordSet
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.errors import NotFound

READS = Reads(
    "/zones?page&per_page",
    "/zones/{number}",
    "/zones/{number}/rrsets?name&page&per_page",
    "/zones/{number}/rrsets/{word}/{word}",
    "/actions/{number}",
)
"""No GET of this API changes anything (documentation); listed is what we ask."""
ENVELOPE = Envelope("Hetzner DNS")


class HetznerDnsLook:
    """The read side of the zones of one project. Each method raises `VendorError` when Hetzner answers not well."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def zones(self) -> tuple[Zone, ...]:
        """Return all zones of the project."""
        return tuple(seen.zone() for seen in await self._all("/zones", "zones", SeenZone))

    async def record_sets(self, zone: Zone, names: Iterable[str]) -> tuple[RecordSet, ...]:
        """Return the record sets of every type at these names."""
        wanted = [name for name in dict.fromkeys(names) if is_below(name, zone.name)]
        found: list[RecordSet] = []
        for name in wanted:
            query = {"name": relative(name, zone.name)}
            sets = await self._all(f"/zones/{zone.id}/rrsets", "rrsets", SeenSet, query)
            found.extend(seen.record_set(zone.name) for seen in sets if seen.name == query["name"])
        return tuple(found)

    async def all_record_sets(self, zone: Zone) -> tuple[RecordSet, ...]:
        """Return every record set of the zone."""
        sets = await self._all(sets_path(zone.id), "rrsets", SeenSet)
        return tuple(seen.record_set(zone.name) for seen in sets)

    async def record_set(self, zone_id: str, zone: str, name: str, type: str) -> RecordSet | None:
        """Return one record set, or None."""
        try:
            answer = await self._http.get(set_path(zone_id, relative(name, zone), type))
        except NotFound:
            return None
        return ENVELOPE.parsed(answer, "rrset", SeenSet).record_set(zone)

    async def zone_status(self, zone_id: str) -> str:
        """Return `ok`, `updating` while a change is being published, or `error`."""
        return ENVELOPE.parsed(await self._http.get(f"/zones/{zone_id}"), "zone", SeenZone).status

    async def _all(
        self, path: str, key: str, model: type[Model], query: Mapping[str, str] | None = None
    ) -> tuple[Model, ...]:
        return await ENVELOPE.pages(self._http, path, key, model, query)


def sets_path(zone_id: str) -> str:
    """Return the path of the record sets of a zone."""
    return f"/zones/{quote(zone_id, safe='')}/rrsets"


def set_path(zone_id: str, name: str, type: str) -> str:
    """Return the path of a record set by the name that the zone gives it; `@` and `*` stand in it as they are."""
    return f"{sets_path(zone_id)}/{quote(name, safe='@*')}/{quote(type, safe='')}"
