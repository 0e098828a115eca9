"""POST /servers: what is checked, what is made, and the actions that follow each other."""

import ipaddress
import secrets

from pydantic import Field, JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, shown
from ink_infra_mcp.sandbox.hetzner.attaching import arrive
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, Reply, Route, invalid, not_found
from ink_infra_mcp.sandbox.hetzner.catalogue import image_named, location_asked, server_type_named
from ink_infra_mcp.sandbox.hetzner.firewalls import find_firewall
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.networks import find_network, join
from ink_infra_mcp.sandbox.hetzner.placement_groups import find_group
from ink_infra_mcp.sandbox.hetzner.servers import check_server_name, show_server
from ink_infra_mcp.sandbox.hetzner.ssh_keys import key_named
from ink_infra_mcp.sandbox.hetzner.volumes import find_volume
from ink_infra_mcp.sandbox.state_firewalls import Bond
from ink_infra_mcp.sandbox.state_hetzner import Action, HetznerState, Location, Offer, Server, ServerType, Volume

USER_DATA_BYTES = 32 * 1024
DEFAULT_LOCATION = "fsn1"
FRESH_IPV4 = ipaddress.ip_network("203.0.113.0/24")


class PublicNet(Body):
    """Which public addresses the server gets."""

    enable_ipv4: bool = True
    enable_ipv6: bool = True


class FirewallRef(Body):
    """A firewall to attach before the first boot."""

    firewall: int


class CreateServer(Body):
    """The body of POST /servers."""

    name: str
    server_type: str | int
    image: str | int
    location: str | int = DEFAULT_LOCATION
    start_after_create: bool = True
    ssh_keys: list[str | int] = []
    volumes: list[int] = []
    networks: list[int] = []
    firewalls: list[FirewallRef] = []
    placement_group: int | None = None
    user_data: str = ""
    labels: dict[str, str] = {}
    automount: bool | None = None
    public_net: PublicNet = Field(default_factory=PublicNet)


def _create(call: Call) -> Reply:
    wanted = call.read(CreateServer)
    server = _checked(call, wanted)
    for network in wanted.networks:
        join(call, server, find_network(call, network))
    call.project.servers.append(server)
    made = begin(call, "create_server", ("server", server.id), after_s=call.project.create_s)
    _protect(call, server, wanted, made)
    following = [_attach(call, server, volume_id) for volume_id in wanted.volumes]
    following += _start(call, server, made, wanted)
    next_actions: list[JsonValue] = [shown(action, call.now) for action in following]
    return Reply(
        201,
        {
            "server": show_server(call, server),
            "action": shown(made, call.now),
            "next_actions": next_actions,
            "root_password": None if wanted.ssh_keys else secrets.token_urlsafe(15),
        },
    )


def _protect(call: Call, server: Server, wanted: CreateServer, made: Action) -> None:
    """Firewalls named at the creation are there before the first boot."""
    for ref in wanted.firewalls:
        firewall = find_firewall(call, ref.firewall)
        firewall.bonds.append(Bond(server=server.id))
        arrive(firewall, server.id, made.ends)


def _start(call: Call, server: Server, made: Action, wanted: CreateServer) -> list[Action]:
    if not wanted.start_after_create:
        server.next_status, server.next_at = "off", made.ends
        return []
    ready_s = call.project.create_s + call.project.action_s
    action = begin(call, "start_server", ("server", server.id), after_s=ready_s)
    server.next_status, server.next_at = "running", action.ends
    if action.error_code:
        server.next_status = "off"
    return [action]


def _checked(call: Call, wanted: CreateServer) -> Server:
    """Return the server to make; nothing is changed but the id counter."""
    check_server_name(call, wanted.name)
    check_labels(wanted.labels)
    _check_parts(call, wanted)
    place = _place(call, wanted)
    kind = _offered_type(call, wanted, place)
    image = image_named(call.project, str(wanted.image), arm=kind.arm)
    if image is None:
        raise invalid({"image": "image not found or of another architecture"})
    id_ = call.new_id()
    return Server(
        id=id_,
        name=wanted.name,
        server_type=kind.name,
        location=place.name,
        created=call.now,
        image=image.name,
        status="initializing",
        ipv4=_free_ipv4(call.project) if wanted.public_net.enable_ipv4 else None,
        ipv6=f"2001:db8:1:{id_ % 65536:x}::/64" if wanted.public_net.enable_ipv6 else None,
        labels=wanted.labels,
        placement_group=wanted.placement_group,
        user_data=wanted.user_data,
        root_keys=[key.public_key for name in wanted.ssh_keys if (key := key_named(call.project, name))],
    )


def _check_parts(call: Call, wanted: CreateServer) -> None:
    if len(wanted.user_data.encode()) > USER_DATA_BYTES:
        raise invalid({"user_data": "must not be longer than 32 KiB"})
    for key in wanted.ssh_keys:
        if key_named(call.project, key) is None:
            raise not_found("ssh key", key)
    for id_ in wanted.volumes:
        _check_volume(call, find_volume(call, id_), wanted)
    _refuse_absent(call, wanted)


def _check_volume(call: Call, volume: Volume, wanted: CreateServer) -> None:
    if volume.server is not None or volume.location != _place(call, wanted).name:
        raise invalid({"volumes": "volume is attached or in another location"})


def _refuse_absent(call: Call, wanted: CreateServer) -> None:
    for network in wanted.networks:
        find_network(call, network)
    for ref in wanted.firewalls:
        find_firewall(call, ref.firewall)
    if wanted.placement_group is not None:
        find_group(call, wanted.placement_group)


def _place(call: Call, wanted: CreateServer) -> Location:
    return location_asked(call.project, str(wanted.location))


def _offered_type(call: Call, wanted: CreateServer, place: Location) -> ServerType:
    kind = server_type_named(call.project, str(wanted.server_type))
    offer = _offer(kind, place) if kind else None
    if kind is None or offer is None:
        raise invalid({"server_type": "unknown server type, or unsupported in this location"})
    if offer.unavailable_at is not None and offer.unavailable_at <= call.now:
        raise invalid({"server_type": "server type is deprecated"})
    if not offer.available:
        raise ApiError(412, "resource_unavailable", "error during placement")
    return kind


def _offer(kind: ServerType, place: Location) -> Offer | None:
    return next((offer for offer in kind.offers if offer.location == place.name), None)


def _free_ipv4(project: HetznerState) -> str:
    used = {server.ipv4 for server in project.servers}
    for address in list(FRESH_IPV4.hosts())[9:]:
        if str(address) not in used:
            return str(address)
    raise ApiError(403, "resource_limit_exceeded", "primary IP limit exceeded")


def _attach(call: Call, server: Server, volume_id: int) -> Action:
    find_volume(call, volume_id).server = server.id
    ready_s = call.project.create_s + call.project.action_s
    return begin(call, "attach_volume", ("server", server.id), ("volume", volume_id), after_s=ready_s)


ROUTES = (Route("POST", "/servers", _create),)
