"""What a DNS record set may hold: names, types and values, checked as a name server would read them."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from pydantic import Field

from ink_infra_mcp.sandbox.hetzner.call import Body, invalid, taken
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset, Zone

Type = Literal[
    "A",
    "AAAA",
    "CAA",
    "CNAME",
    "DS",
    "HINFO",
    "HTTPS",
    "MX",
    "NS",
    "PTR",
    "RP",
    "SOA",
    "SRV",
    "SVCB",
    "TLSA",
    "TXT",
]
RRsetTtl = Annotated[int, Field(ge=60, le=2_147_483_647)] | None
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_QUOTED = re.compile(r'".*"', re.DOTALL)
_NAME = re.compile(rf"^(?:@|(?:\*|{_LABEL})(?:\.{_LABEL})*)$")


class NewRecord(Body):
    """One value to store."""

    value: str
    comment: str = ""


class NewRRset(Body):
    """The body of POST /zones/{zone}/rrsets."""

    name: str
    type: Type
    ttl: RRsetTtl = None
    records: Annotated[list[NewRecord], Field(min_length=1, max_length=50)]
    labels: dict[str, str] = {}


def checked(zone: Zone, wanted: NewRRset) -> RRset:
    """Return the record set to add to the zone.

    Raises:
        ApiError: 422 on a bad name or value or beside a CNAME, 409 when it is there already.
    """
    _check_name(zone, wanted.name)
    _check_beside(zone, wanted)
    return RRset(
        name=wanted.name,
        type=wanted.type,
        ttl=wanted.ttl,
        records=checked_values(zone, wanted.type, wanted.records),
        labels=wanted.labels,
    )


def _check_name(zone: Zone, name: str) -> None:
    if not _NAME.fullmatch(name) or f".{name}".endswith(f".{zone.name}"):
        raise invalid({"name": "must be lower case and relative to the zone, or @"})


def _check_beside(zone: Zone, wanted: NewRRset) -> None:
    beside = {rrset.type for rrset in zone.rrsets if rrset.name == wanted.name}
    if wanted.type in beside:
        raise taken("name")
    if beside and "CNAME" in beside | {wanted.type}:
        raise invalid({"type": "a CNAME cannot stand beside other records"})


def checked_values(zone: Zone, type_: str, records: Sequence[NewRecord]) -> list[Record]:
    """Return the records to store.

    Raises:
        ApiError: 422 on a value of the wrong form, a repeated value, or two values of a CNAME.
    """
    values = distinct(records)
    if len(values) < len(records):
        raise invalid({"records": "must only contain distinct values"})
    if type_ in {"CNAME", "SOA"} and len(values) > 1:
        raise invalid({"records": f"a {type_} has one value"})
    for value in sorted(values):
        _check_value(zone, type_, value)
    return [Record(value=record.value, comment=record.comment) for record in records]


def distinct(records: Iterable[Record | NewRecord]) -> set[str]:
    """Return the values, each once."""
    return {record.value for record in records}


def _check_value(zone: Zone, type_: str, value: str) -> None:
    """TXT values must be quoted; everything else must be what a zone file would take."""
    if type_ == "TXT" and not _QUOTED.fullmatch(value):
        raise invalid({"records": "TXT values must be quoted"})
    origin = dns.name.from_text(zone.name)
    try:
        dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(type_), value, origin=origin)
    except (dns.exception.DNSException, ValueError) as error:
        raise invalid({"records": f"{value} is not a valid {type_} value"}) from error
