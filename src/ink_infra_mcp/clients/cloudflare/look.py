"""Reading the zones that a Cloudflare token may see."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer, Model, shaped, undocumented
from ink_infra_mcp.clients.cloudflare.models import Info, SeenRecord, SeenZone, sets_of
from ink_infra_mcp.clients.http import Http
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.dns.names import is_below
from ink_infra_mcp.core.dns.records import RecordSet
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.shapes import table

READS = Reads("/zones?page&per_page", "/zones/{uuid}/dns_records?name.exact&page&per_page")
"""No GET of these changes anything (documentation)."""
PER_PAGE = 50
MAX_PAGES = 200
SERVICE = "Cloudflare"


class CloudflareLook:
    """The read side of the zones of one token. Every method raises `VendorError` when Cloudflare answers not well."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def zones(self) -> tuple[Zone, ...]:
        """Return all zones that the token may see."""
        return tuple(seen.zone() for seen in await self._all("/zones", SeenZone))

    async def record_sets(self, zone: Zone, names: Iterable[str]) -> tuple[RecordSet, ...]:
        """Return the record sets of every type at these names."""
        wanted = [name for name in dict.fromkeys(names) if is_below(name, zone.name)]
        found = [record for name in wanted for record in await self.records(zone.id, name)]
        return sets_of(found)

    async def all_record_sets(self, zone: Zone) -> tuple[RecordSet, ...]:
        """Return every record set of the zone."""
        return sets_of(await self._all(f"/zones/{zone.id}/dns_records", SeenRecord))

    async def records(self, zone_id: str, name: str) -> tuple[SeenRecord, ...]:
        """Return the single records of every type at one name."""
        found = await self._all(f"/zones/{zone_id}/dns_records", SeenRecord, {"name.exact": name})
        return tuple(record for record in found if record.name.lower() == name)

    async def _all(self, path: str, model: type[Model], query: Mapping[str, str] | None = None) -> tuple[Model, ...]:
        found: list[Model] = []
        page, pages = 1, 1
        while page <= pages:
            answer = await self._http.get(path, {**(query or {}), "page": page, "per_page": PER_PAGE})
            found.extend(listed(answer, model))
            pages = shaped(SERVICE, answer, table(answer.json).get("result_info") or {}, Info).total_pages
            if pages > MAX_PAGES:
                raise undocumented(SERVICE, answer, f"{pages} pages")
            page += 1
        return tuple(found)


def listed(answer: Answer, model: type[Model]) -> tuple[Model, ...]:
    """Return the list in an answer.

    Raises:
        BadAnswer: it says that it did not succeed, or is of another shape.
    """
    part = result(answer)
    if not isinstance(part, list):
        raise undocumented(SERVICE, answer, "result is not a list")
    return tuple(shaped(SERVICE, answer, item, model) for item in part)


def result(answer: Answer) -> JsonValue:
    """Return the result in an answer.

    Raises:
        BadAnswer: it does not say that it succeeded.
    """
    body = table(answer.json)
    if body.get("success") is not True or "result" not in body:
        raise undocumented(SERVICE, answer, "it does not say that it succeeded")
    return body["result"]
