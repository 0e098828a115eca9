"""Placement groups of the project."""

from functools import partial
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.call import Body, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.things import NameAndLabels, find, refuse_taken, update
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, PlacementGroup


class CreateGroup(Body):
    """POST /placement_groups."""

    name: str
    type: Literal["spread"]
    labels: dict[str, str] = {}


def find_group(call: Call, id_: int) -> PlacementGroup:
    """Return the group.

    Raises:
        ApiError: 404 not_found.
    """
    return find(call.project.placement_groups, id_, "placement group")


def show(project: HetznerState, group: PlacementGroup) -> JsonObject:
    """Return a group as JSON."""
    servers: list[JsonValue] = [server.id for server in project.servers if server.placement_group == group.id]
    return {
        "id": group.id,
        "name": group.name,
        "labels": {**group.labels},
        "type": "spread",
        "created": stamp(group.created),
        "servers": servers,
    }


def _list(call: Call) -> Reply:
    items = [show(call.project, group) for group in call.project.placement_groups]
    return listing(call, "placement_groups", items, filters=("name", "type"))


def _get(call: Call) -> Reply:
    return Reply(200, {"placement_group": show(call.project, find_group(call, call.id))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateGroup)
    check_labels(wanted.labels)
    _check_name(call, wanted.name)
    group = PlacementGroup(id=call.new_id(), name=wanted.name, created=call.now, labels=wanted.labels)
    call.project.placement_groups.append(group)
    return Reply(201, {"placement_group": show(call.project, group)})


def _check_name(call: Call, name: str) -> None:
    if not name:
        raise invalid({"name": "must not be empty"})
    refuse_taken(call.project.placement_groups, name)


def _update(call: Call) -> Reply:
    wanted = call.read(NameAndLabels)
    group = find_group(call, call.id)
    update(group, wanted, partial(_check_name, call))
    return Reply(200, {"placement_group": show(call.project, group)})


def _delete(call: Call) -> Reply:
    """Its servers stay, and are in no group then."""
    group = find_group(call, call.id)
    call.project.placement_groups.remove(group)
    for server in call.project.servers:
        if server.placement_group == group.id:
            server.placement_group = None
    return Reply(204, None)


ROUTES = (
    Route("GET", "/placement_groups", _list),
    Route("POST", "/placement_groups", _create),
    Route("GET", "/placement_groups/{id}", _get),
    Route("PUT", "/placement_groups/{id}", _update),
    Route("DELETE", "/placement_groups/{id}", _delete),
)
