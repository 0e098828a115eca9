"""Servers as the Cloud API shows, renames and deletes them."""

import re
from functools import partial

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, busy, of_resource, refuse_locked, started
from ink_infra_mcp.sandbox.hetzner.attaching import firewalls_at
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.catalogue import (
    TB,
    image_named,
    location_of,
    server_type_of,
    show_image,
    show_location,
    show_server_type,
)
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.placement_groups import show as show_group
from ink_infra_mcp.sandbox.hetzner.settling import set_host_up
from ink_infra_mcp.sandbox.hetzner.things import NameAndLabels, find, refuse_taken, update
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Server

_NAME = re.compile(
    r"^(?=.{1,253}$)(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
)


def find_server(call: Call, id_: int) -> Server:
    """Return the server.

    Raises:
        ApiError: 404 not_found.
    """
    return find(call.project.servers, id_, "server")


def check_server_name(call: Call, name: str) -> None:
    """Let a good, free name pass.

    Raises:
        ApiError: 422 when it is no host name, 409 when another server has it.
    """
    if not _NAME.fullmatch(name):
        raise invalid({"name": "is not a valid hostname"})
    refuse_taken(call.project.servers, name)


def show_server(call: Call, server: Server) -> JsonObject:
    """Return a server as JSON. The IPv6 address is the /64 network, as the vendor gives it."""
    project = call.project
    kind = server_type_of(project, server)
    image = image_named(project, server.image or "", arm=kind.arm)
    volumes: list[JsonValue] = [v.id for v in project.volumes if v.server == server.id]
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "created": stamp(server.created),
        "public_net": _public_net(call, server),
        "private_net": _private_net(server),
        "server_type": show_server_type(project, kind),
        "location": show_location(location_of(project, server.location)),
        "image": show_image(image) if image else None,
        "iso": None,
        "rescue_enabled": False,
        "locked": busy(project, "server", server.id, call.now),
        "backup_window": "22-02" if server.backups else None,
        "outgoing_traffic": None,
        "ingoing_traffic": None,
        "included_traffic": 20 * TB,
        "protection": {"delete": server.protected, "rebuild": server.protected},
        "labels": {**server.labels},
        "volumes": volumes,
        "load_balancers": [],
        "primary_disk_size": kind.disk,
        "placement_group": _placement_group(project, server),
    }


def _placement_group(project: HetznerState, server: Server) -> JsonValue:
    group = next((group for group in project.placement_groups if group.id == server.placement_group), None)
    return show_group(project, group) if group else None


def _public_net(call: Call, server: Server) -> JsonObject:
    ipv4: JsonValue = None
    if server.ipv4 is not None:
        reverse = ".".join(reversed(server.ipv4.split(".")))
        ipv4 = {
            "id": server.id + 500_000,
            "ip": server.ipv4,
            "blocked": False,
            "dns_ptr": f"static.{reverse}.example.net",
        }
    ipv6: JsonValue = None
    if server.ipv6 is not None:
        ipv6 = {"id": server.id + 600_000, "ip": server.ipv6, "blocked": False, "dns_ptr": []}
    firewalls: list[JsonValue] = [
        {"id": firewall.id, "status": "applied" if arrival.ready_at <= call.now else "pending"}
        for firewall, arrival in firewalls_at(call.project, server)
    ]
    return {"ipv4": ipv4, "ipv6": ipv6, "floating_ips": [], "firewalls": firewalls}


def _private_net(server: Server) -> list[JsonValue]:
    return [
        {"network": net.network, "ip": net.ip, "alias_ips": [], "mac_address": net.mac_address}
        for net in server.private_net
    ]


def _list(call: Call) -> Reply:
    items = [show_server(call, server) for server in call.project.servers]
    return listing(call, "servers", items, filters=("name", "status"))


def _get(call: Call) -> Reply:
    return Reply(200, {"server": show_server(call, find_server(call, call.id))})


def _update(call: Call) -> Reply:
    wanted = call.read(NameAndLabels)
    server = find_server(call, call.id)
    update(server, wanted, partial(check_server_name, call))
    return Reply(200, {"server": show_server(call, server)})


def _delete(call: Call) -> Reply:
    """The server is `deleting` until the action ends; its volumes are detached and live on."""
    server = find_server(call, call.id)
    if server.protected:
        raise ApiError(423, "protected", "server deletion is protected")
    refuse_locked(call, "server", server.id)
    action = begin(call, "delete_server", ("server", server.id))
    server.status, server.next_status, server.next_at = "deleting", "gone", action.ends
    set_host_up(call.state, server, up=False)
    return started(call, action, 200)


def _actions(call: Call) -> Reply:
    return of_resource(call, "server", find_server(call, call.id).id)


ROUTES = (
    Route("GET", "/servers", _list),
    Route("GET", "/servers/{id}", _get),
    Route("PUT", "/servers/{id}", _update),
    Route("DELETE", "/servers/{id}", _delete),
    Route("GET", "/servers/{id}/actions", _actions),
)
