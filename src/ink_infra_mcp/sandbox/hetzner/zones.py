"""DNS zones of the project, in primary mode."""

import re
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, of_resource, shown, started
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, JsonObject, Reply, Route, invalid, not_found, stamp
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.records import NewRRset, checked
from ink_infra_mcp.sandbox.hetzner.things import Labels, refuse_taken, relabel
from ink_infra_mcp.sandbox.state_hetzner import NAMESERVERS, Action, Record, RRset, Zone

_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.[a-z]{2,63}$")
_SOA = f"{NAMESERVERS[0]} dns.example.net. 2026110100 86400 10800 3600000 3600"
Ttl = Annotated[int, Field(ge=60, le=2_147_483_647)]


class CreateZone(Body):
    """POST /zones."""

    name: str
    mode: Literal["primary", "secondary"]
    ttl: Ttl = 3600
    labels: dict[str, str] = {}
    rrsets: list[NewRRset] = []
    zonefile: str | None = None


class ChangeTtl(Body):
    """The body of a zone's change_ttl."""

    ttl: Ttl


class Protection(Body):
    """The body of a zone's change_protection."""

    delete: bool


def find_zone(call: Call) -> Zone:
    """Return the zone whose id or name is in the path.

    Raises:
        ApiError: 404 not_found.
    """
    key = call.parts["zone"]
    for zone in call.project.zones:
        if key in {str(zone.id), zone.name}:
            return zone
    raise not_found("zone", key)


def free_zone(call: Call) -> Zone:
    """Return the zone, ready for a change.

    Raises:
        ApiError: 404, or 409 conflict while it is being published.
    """
    zone = find_zone(call)
    if call.now < zone.busy_until:
        raise ApiError(409, "conflict", "the resource has changed during the request, please retry")
    return zone


def begin_change(call: Call, zone: Zone, command: str) -> Action:
    """Start an action on the zone, which is `updating` until it ends."""
    action = begin(call, command, ("zone", zone.id))
    zone.busy_until = action.ends
    return action


def show(call: Call, zone: Zone) -> JsonObject:
    """Return a zone as JSON. What the parent zone delegates to is the vendor's last check, not the present."""
    assigned: list[JsonValue] = list(NAMESERVERS)
    delegated: list[JsonValue] = list(zone.delegated)
    checked_at = zone.delegation_checked_at
    return {
        "id": zone.id,
        "name": zone.name,
        "mode": "primary",
        "created": stamp(zone.created),
        "primary_nameservers": [],
        "labels": {**zone.labels},
        "protection": {"delete": zone.protected},
        "ttl": zone.ttl,
        "status": "updating" if call.now < zone.busy_until else "ok",
        "record_count": sum(len(rrset.records) for rrset in zone.rrsets),
        "authoritative_nameservers": {
            "assigned": assigned,
            "delegated": delegated,
            "delegation_last_check": None if checked_at is None else stamp(checked_at),
            "delegation_status": zone.delegation_status,
        },
        "registrar": "other",
    }


def _list(call: Call) -> Reply:
    return listing(call, "zones", [show(call, zone) for zone in call.project.zones], filters=("name", "mode"))


def _get(call: Call) -> Reply:
    return Reply(200, {"zone": show(call, find_zone(call))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateZone)
    _check_new(call, wanted)
    zone = Zone(
        id=call.new_id(),
        name=wanted.name,
        created=call.now,
        ttl=wanted.ttl,
        labels=wanted.labels,
        rrsets=[
            RRset(name="@", type="SOA", records=[Record(value=_SOA)]),
            RRset(name="@", type="NS", records=[Record(value=server) for server in NAMESERVERS]),
        ],
    )
    for rrset in wanted.rrsets:
        zone.rrsets.append(checked(zone, rrset))
    call.project.zones.append(zone)
    action = begin_change(call, zone, "create_zone")
    return Reply(201, {"zone": show(call, zone), "action": shown(action, call.now)})


def _check_new(call: Call, wanted: CreateZone) -> None:
    if wanted.mode != "primary" or wanted.zonefile is not None:
        raise ApiError(422, "unsupported_error", "the sandbox has neither secondary zones nor zone files")
    if not _NAME.fullmatch(wanted.name):
        raise invalid({"name": "is not a registrable domain in lower case"})
    refuse_taken(call.project.zones, wanted.name)
    check_labels(wanted.labels)


def _update(call: Call) -> Reply:
    wanted = call.read(Labels)
    zone = find_zone(call)
    relabel(zone, wanted)
    return Reply(200, {"zone": show(call, zone)})


def _delete(call: Call) -> Reply:
    zone = find_zone(call)
    if zone.protected:
        raise ApiError(423, "protected", "zone deletion is protected")
    zone = free_zone(call)
    call.project.zones.remove(zone)
    return started(call, begin(call, "delete_zone", ("zone", zone.id)))


def _change_ttl(call: Call) -> Reply:
    wanted = call.read(ChangeTtl)
    zone = free_zone(call)
    zone.ttl = wanted.ttl
    return started(call, begin_change(call, zone, "change_zone_ttl"))


def _change_protection(call: Call) -> Reply:
    wanted = call.read(Protection)
    zone = find_zone(call)
    zone.protected = wanted.delete
    return started(call, begin(call, "change_zone_protection", ("zone", zone.id), after_s=0))


def _actions(call: Call) -> Reply:
    return of_resource(call, "zone", find_zone(call).id)


ROUTES = (
    Route("GET", "/zones", _list),
    Route("POST", "/zones", _create),
    Route("GET", "/zones/{zone}", _get),
    Route("PUT", "/zones/{zone}", _update),
    Route("DELETE", "/zones/{zone}", _delete),
    Route("GET", "/zones/{zone}/actions", _actions),
    Route("POST", "/zones/{zone}/actions/change_ttl", _change_ttl),
    Route("POST", "/zones/{zone}/actions/change_protection", _change_protection),
)
