"""Record sets of a zone: reading, creating, and the actions that change them."""

from typing import Annotated

from pydantic import Field, JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import shown, started
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, JsonObject, Reply, Route, invalid, parsed
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.records import NewRecord, NewRRset, RRsetTtl, checked, checked_values, distinct
from ink_infra_mcp.sandbox.hetzner.things import Labels, relabel
from ink_infra_mcp.sandbox.hetzner.zones import begin_change, find_zone, free_zone
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset, Zone

MAX_RECORDS = 50
MAX_PER_PAGE = 100


class Records(Body):
    """The body of set_records and remove_records."""

    records: Annotated[list[NewRecord], Field(min_length=1, max_length=MAX_RECORDS)]


class AddRecords(Records):
    """The body of add_records; a `ttl` must be the present one."""

    ttl: RRsetTtl = None


class ChangeTtl(Body):
    """The body of change_ttl; null means the zone's."""

    ttl: RRsetTtl


class Protection(Body):
    """The body of change_protection."""

    change: bool


def show(zone: Zone, rrset: RRset) -> JsonObject:
    """Return a record set as JSON."""
    records: list[JsonValue] = [{"value": record.value, "comment": record.comment} for record in rrset.records]
    return {
        "id": f"{rrset.name}/{rrset.type}",
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "labels": {**rrset.labels},
        "protection": {"change": rrset.protected},
        "records": records,
        "zone": zone.id,
    }


def _present(call: Call, zone: Zone) -> RRset | None:
    name, type_ = call.parts["name"], call.parts["type"]
    return next((r for r in zone.rrsets if (r.name, r.type) == (name, type_)), None)


def _find(call: Call, zone: Zone) -> RRset:
    rrset = _present(call, zone)
    if rrset is None:
        raise ApiError(404, "not_found", f"rrset '{call.parts['name']}/{call.parts['type']}' not found")
    return rrset


def _changeable(call: Call) -> tuple[Zone, RRset]:
    """Return the zone and the record set, ready for a change.

    Raises:
        ApiError: 404, 409 conflict while the zone is published, 423 protected.
    """
    zone = free_zone(call)
    rrset = _find(call, zone)
    if rrset.protected:
        raise ApiError(423, "protected", "rrset change is protected")
    return zone, rrset


def _list(call: Call) -> Reply:
    zone = find_zone(call)
    items = [show(zone, rrset) for rrset in zone.rrsets]
    return listing(call, "rrsets", items, filters=("name", "type"), most=MAX_PER_PAGE)


def _get(call: Call) -> Reply:
    zone = find_zone(call)
    return Reply(200, {"rrset": show(zone, _find(call, zone))})


def _create(call: Call) -> Reply:
    wanted = call.read(NewRRset)
    zone = free_zone(call)
    check_labels(wanted.labels)
    rrset = checked(zone, wanted)
    zone.rrsets.append(rrset)
    action = begin_change(call, zone, "create_rrset")
    return Reply(201, {"rrset": show(zone, rrset), "action": shown(action, call.now)})


def _update(call: Call) -> Reply:
    wanted = call.read(Labels)
    zone = find_zone(call)
    rrset = _find(call, zone)
    relabel(rrset, wanted)
    return Reply(200, {"rrset": show(zone, rrset)})


def _delete(call: Call) -> Reply:
    zone, rrset = _changeable(call)
    if rrset.type == "SOA":
        raise invalid({"type": "the SOA record cannot be deleted"})
    zone.rrsets.remove(rrset)
    return started(call, begin_change(call, zone, "delete_rrset"))


def _set_records(call: Call) -> Reply:
    wanted = call.read(Records)
    zone, rrset = _changeable(call)
    rrset.records = checked_values(zone, rrset.type, wanted.records)
    return started(call, begin_change(call, zone, "set_rrset_records"))


def _add_records(call: Call) -> Reply:
    """Creates the record set when it is absent."""
    wanted = call.read(AddRecords)
    zone = free_zone(call)
    if _present(call, zone) is None:
        zone.rrsets.append(checked(zone, _fresh(call, wanted)))
    else:
        _, rrset = _changeable(call)
        rrset.records = _together(zone, rrset, wanted)
    return started(call, begin_change(call, zone, "add_rrset_records"))


def _fresh(call: Call, wanted: AddRecords) -> NewRRset:
    records: list[JsonValue] = [{"value": r.value, "comment": r.comment} for r in wanted.records]
    name, type_ = call.parts["name"], call.parts["type"]
    return parsed(NewRRset, {"name": name, "type": type_, "ttl": wanted.ttl, "records": records})


def _together(zone: Zone, rrset: RRset, wanted: AddRecords) -> list[Record]:
    if wanted.ttl not in {None, rrset.ttl}:
        raise invalid({"ttl": "differs from the TTL of the existing rrset"})
    present = [NewRecord(value=record.value, comment=record.comment) for record in rrset.records]
    if len(present) + len(wanted.records) > MAX_RECORDS:
        raise invalid({"records": f"an rrset has at most {MAX_RECORDS} records"})
    return checked_values(zone, rrset.type, [*present, *wanted.records])


def _remove_records(call: Call) -> Reply:
    """Deletes the record set with its last record."""
    wanted = call.read(Records)
    zone, rrset = _changeable(call)
    gone = distinct(wanted.records)
    if not gone <= distinct(rrset.records):
        raise invalid({"records": "a record does not exist"})
    rrset.records = [record for record in rrset.records if record.value not in gone]
    if not rrset.records:
        zone.rrsets.remove(rrset)
    return started(call, begin_change(call, zone, "remove_rrset_records"))


def _change_ttl(call: Call) -> Reply:
    wanted = call.read(ChangeTtl)
    zone, rrset = _changeable(call)
    rrset.ttl = wanted.ttl
    return started(call, begin_change(call, zone, "change_rrset_ttl"))


def _change_protection(call: Call) -> Reply:
    wanted = call.read(Protection)
    zone = free_zone(call)
    _find(call, zone).protected = wanted.change
    return started(call, begin_change(call, zone, "change_rrset_protection"))


_ONE = "/zones/{zone}/rrsets/{name}/{type}"
ROUTES = (
    Route("GET", "/zones/{zone}/rrsets", _list),
    Route("POST", "/zones/{zone}/rrsets", _create),
    Route("GET", _ONE, _get),
    Route("PUT", _ONE, _update),
    Route("DELETE", _ONE, _delete),
    Route("POST", f"{_ONE}/actions/set_records", _set_records),
    Route("POST", f"{_ONE}/actions/add_records", _add_records),
    Route("POST", f"{_ONE}/actions/remove_records", _remove_records),
    Route("POST", f"{_ONE}/actions/change_ttl", _change_ttl),
    Route("POST", f"{_ONE}/actions/change_protection", _change_protection),
)
