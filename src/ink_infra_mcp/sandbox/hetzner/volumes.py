"""Network disks of the project."""

import re
from functools import partial
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, of_resource, refuse_locked, shown, started
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.catalogue import location_asked, location_of, show_location
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.servers import find_server
from ink_infra_mcp.sandbox.hetzner.things import NameAndLabels, find, refuse_taken, update
from ink_infra_mcp.sandbox.state_hetzner import Action, Volume

_NAME = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")
MIN_GB, MAX_GB = 10, 10_240


class CreateVolume(Body):
    """POST /volumes: either `location` or `server`."""

    name: str
    size: int
    location: str | int | None = None
    server: int | None = None
    format: Literal["xfs", "ext4"] | None = None
    automount: bool | None = None
    labels: dict[str, str] = {}


class Attach(Body):
    """The body of attach."""

    server: int
    automount: bool | None = None


class Resize(Body):
    """The body of resize; a disk only grows."""

    size: int


class Protection(Body):
    """The body of change_protection."""

    delete: bool


def find_volume(call: Call, id_: int) -> Volume:
    """Return the volume.

    Raises:
        ApiError: 404 not_found.
    """
    return find(call.project.volumes, id_, "volume")


def show(call: Call, volume: Volume) -> JsonObject:
    """Return a volume as JSON."""
    return {
        "id": volume.id,
        "created": stamp(volume.created),
        "name": volume.name,
        "server": volume.server,
        "location": show_location(location_of(call.project, volume.location)),
        "size": volume.size,
        "linux_device": f"/dev/disk/by-id/scsi-0HC_Volume_{volume.id}",
        "protection": {"delete": volume.protected},
        "labels": {**volume.labels},
        "status": "creating" if call.now < volume.ready_at else "available",
        "format": volume.format,
    }


def _list(call: Call) -> Reply:
    items = [show(call, volume) for volume in call.project.volumes]
    return listing(call, "volumes", items, filters=("name", "status"))


def _get(call: Call) -> Reply:
    return Reply(200, {"volume": show(call, find_volume(call, call.id))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateVolume)
    location = _place(call, wanted)
    check_labels(wanted.labels)
    _check_name(call, wanted.name)
    _check_size(wanted.size, MIN_GB)
    volume = Volume(
        id=call.new_id(),
        name=wanted.name,
        size=wanted.size,
        location=location,
        created=call.now,
        server=wanted.server,
        format=wanted.format,
        labels=wanted.labels,
        ready_at=call.now + call.project.action_s,
    )
    call.project.volumes.append(volume)
    made = begin(call, "create_volume", ("volume", volume.id))
    following: list[JsonValue] = []
    if wanted.server is not None:
        following.append(shown(_attaching(call, volume, wanted.server), call.now))
    body: JsonObject = {"volume": show(call, volume), "action": shown(made, call.now), "next_actions": following}
    return Reply(201, body)


def _place(call: Call, wanted: CreateVolume) -> str:
    if (wanted.location is None) == (wanted.server is None):
        raise invalid({"location": "give either location or server"})
    if wanted.automount and wanted.server is None:
        raise invalid({"automount": "needs server"})
    if wanted.server is not None:
        return find_server(call, wanted.server).location
    return location_asked(call.project, str(wanted.location)).name


def _check_name(call: Call, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid({"name": "is not a valid name"})
    refuse_taken(call.project.volumes, name)


def _check_size(size: int, least: int) -> None:
    if not least <= size <= MAX_GB:
        raise invalid({"size": f"must be between {least} and {MAX_GB}"})


def _update(call: Call) -> Reply:
    wanted = call.read(NameAndLabels)
    volume = find_volume(call, call.id)
    update(volume, wanted, partial(_check_name, call))
    return Reply(200, {"volume": show(call, volume)})


def _delete(call: Call) -> Reply:
    volume = find_volume(call, call.id)
    if volume.protected:
        raise ApiError(423, "protected", "volume deletion is protected")
    if volume.server is not None:
        raise ApiError(422, "resource_in_use", "volume is still attached to a server")
    refuse_locked(call, "volume", volume.id)
    call.project.volumes.remove(volume)
    return Reply(204, None)


def _attach(call: Call) -> Reply:
    wanted = call.read(Attach)
    volume = find_volume(call, call.id)
    server = find_server(call, wanted.server)
    if volume.server is not None:
        raise ApiError(422, "volume_already_attached", "volume is already attached to a server")
    if volume.location != server.location:
        raise invalid({"server": "server is in another location"})
    refuse_locked(call, "volume", volume.id)
    return started(call, _attaching(call, volume, server.id))


def _attaching(call: Call, volume: Volume, server_id: int) -> Action:
    volume.server = server_id
    return begin(call, "attach_volume", ("server", server_id), ("volume", volume.id))


def _detach(call: Call) -> Reply:
    volume = find_volume(call, call.id)
    if volume.server is None:
        raise ApiError(422, "invalid_input", "volume is not attached to a server")
    refuse_locked(call, "volume", volume.id)
    action = begin(call, "detach_volume", ("server", volume.server), ("volume", volume.id))
    volume.server = None
    return started(call, action)


def _resize(call: Call) -> Reply:
    wanted = call.read(Resize)
    volume = find_volume(call, call.id)
    _check_size(wanted.size, volume.size + 1)
    refuse_locked(call, "volume", volume.id)
    volume.size = wanted.size
    return started(call, begin(call, "resize_volume", ("volume", volume.id)))


def _change_protection(call: Call) -> Reply:
    wanted = call.read(Protection)
    volume = find_volume(call, call.id)
    volume.protected = wanted.delete
    return started(call, begin(call, "change_protection", ("volume", volume.id), after_s=0))


def _actions(call: Call) -> Reply:
    return of_resource(call, "volume", find_volume(call, call.id).id)


ROUTES = (
    Route("GET", "/volumes", _list),
    Route("POST", "/volumes", _create),
    Route("GET", "/volumes/{id}", _get),
    Route("PUT", "/volumes/{id}", _update),
    Route("DELETE", "/volumes/{id}", _delete),
    Route("GET", "/volumes/{id}/actions", _actions),
    Route("POST", "/volumes/{id}/actions/attach", _attach),
    Route("POST", "/volumes/{id}/actions/detach", _detach),
    Route("POST", "/volumes/{id}/actions/resize", _resize),
    Route("POST", "/volumes/{id}/actions/change_protection", _change_protection),
)
