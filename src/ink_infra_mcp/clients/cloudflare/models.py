"""What Cloudflare tells us of zones and records, as frozen values. Enums are open."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.core.dns.records import Record, RecordSet
from ink_infra_mcp.core.dns.zones import Known, Zone
from ink_infra_mcp.core.plan import JsonObject

AUTOMATIC = 1
"""The TTL that Cloudflare chooses by itself."""
_SAYS: dict[str, Known] = {"active": "right"}
"""All other words say that the world does not ask here: initializing, pending, moved, and whatever comes."""
_TYPES = {
    "partial": "its DNS is at another provider, which names Cloudflare (partial setup)",
    "secondary": "Cloudflare copies it from a name server elsewhere (secondary)",
    "internal": "it answers only inside an account",
}


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SeenZone(_Seen):
    """A zone. Known types: full, and others whose records are not Cloudflare's own."""

    id: str
    name: str
    status: str | None = None
    type: str | None = None
    name_servers: tuple[str, ...] = ()
    vanity_name_servers: tuple[str, ...] | None = None

    def zone(self) -> Zone:
        """Return it as every provider's zones are told. A zone of a type that we do not know is not changed."""
        full = self.type == "full"
        return Zone(
            provider="cloudflare",
            id=self.id,
            name=self.name.lower(),
            served_by=self._served_by(),
            vendor_says=_SAYS.get(self.status or "", "wrong"),
            writable=full,
            why_not="" if full else _TYPES.get(self.type or "", f"it is of the type {self.type}"),
        )

    def _served_by(self) -> tuple[str, ...]:
        names = (*self.name_servers, *(self.vanity_name_servers or ()))
        return tuple(name.rstrip(".").lower() for name in names)


class SeenRecord(_Seen):
    """One record."""

    id: str
    name: str
    type: str
    content: str = ""
    ttl: int = AUTOMATIC
    proxied: bool | None = False
    comment: str | None = None
    tags: tuple[str, ...] | None = ()
    settings: dict[str, Any] | None = None

    def record(self) -> Record:
        """Return it as one of a set, with all that goes back with it when it is put back."""
        kept: JsonObject = {"ttl": self.ttl}
        if self.tags:
            kept["tags"] = [*self.tags]
        if self.settings:
            kept["settings"] = self.settings
        return Record(value=self.content, comment=self.comment or "", proxied=bool(self.proxied), kept=kept)


class Info(_Seen):
    """The `result_info` of a list."""

    total_pages: int = 1


def sets_of(records: Iterable[SeenRecord]) -> tuple[RecordSet, ...]:
    """Return the records by name and type."""
    found: dict[tuple[str, str], list[SeenRecord]] = {}
    for record in records:
        found.setdefault((record.name.lower(), record.type), []).append(record)
    return tuple(
        RecordSet(name=name, type=type, ttl=_ttl(each), records=_in_order(each)) for (name, type), each in found.items()
    )


def _in_order(records: Iterable[SeenRecord]) -> tuple[Record, ...]:
    return tuple(record.record() for record in sorted(records, key=lambda record: (record.content, record.id)))


def _ttl(records: Iterable[SeenRecord]) -> int | None:
    ttls = {record.ttl for record in records}
    if len(ttls) > 1:
        return 0
    ttl = ttls.pop()
    return None if ttl == AUTOMATIC else ttl
