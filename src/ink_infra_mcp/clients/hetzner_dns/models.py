"""What Hetzner's DNS API tells us, as frozen values. Enums are open: the vendor adds words without notice."""

from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.core.dns.names import absolute
from ink_infra_mcp.core.dns.records import Record, RecordSet
from ink_infra_mcp.core.dns.zones import Known, Zone

_SAYS: dict[str, Known] = {"valid": "right", "partially-valid": "unknown", "unknown": "unknown"}
"""All other words say that the world asks elsewhere: invalid, lame, unregistered, and whatever comes."""


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class NameServers(_Seen):
    """Which servers Hetzner assigned, and what it found in the parent zone when it last looked."""

    assigned: tuple[str, ...] = ()
    delegation_status: str = "unknown"


class SeenZone(_Seen):
    """A zone. Known modes: primary, and secondary, whose records come from elsewhere."""

    id: int
    name: str
    mode: str = "primary"
    status: str = "ok"
    authoritative_nameservers: NameServers = NameServers()

    def zone(self) -> Zone:
        """Return it as every provider's zones are told."""
        primary = self.mode == "primary"
        return Zone(
            provider="hetzner",
            id=str(self.id),
            name=self.name,
            served_by=tuple(name.rstrip(".").lower() for name in self.authoritative_nameservers.assigned),
            vendor_says=_SAYS.get(self.authoritative_nameservers.delegation_status, "wrong"),
            writable=primary,
            why_not="" if primary else "Hetzner copies it from a name server elsewhere (secondary mode)",
        )


class SeenRecord(_Seen):
    """One value of a record set."""

    value: str
    comment: str | None = ""


class SeenSet(_Seen):
    """All values of one name, as the zone calls it, and type."""

    name: str
    type: str
    ttl: int | None
    records: tuple[SeenRecord, ...]

    def record_set(self, zone: str) -> RecordSet:
        """Return it by its whole name. The vendor promises no order of records, and a plan needs one."""
        in_order = sorted(self.records, key=lambda record: record.value)
        records = tuple(Record(value=r.value, comment=r.comment or "") for r in in_order)
        return RecordSet(name=absolute(self.name, zone), type=self.type, ttl=self.ttl, records=records)


class ActionTrouble(_Seen):
    """Why an action failed."""

    code: str = ""
    message: str = ""


class Action(_Seen):
    """Work that takes time: running, success or error."""

    id: int
    command: str = ""
    status: str
    error: ActionTrouble | None = None
