"""Private networks, and the cards that servers have in them."""

import ipaddress
from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.actions import begin, refuse_locked, started
from ink_infra_mcp.sandbox.hetzner.call import ApiError, Body, Call, JsonObject, Reply, Route, invalid, stamp
from ink_infra_mcp.sandbox.hetzner.catalogue import location_of
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.servers import find_server
from ink_infra_mcp.sandbox.hetzner.settling import host_of
from ink_infra_mcp.sandbox.hetzner.things import find, refuse_taken
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Network, PrivateNet, Server

SMALLEST = 24


class Subnet(Body):
    """A subnet at the creation of a network."""

    type: str
    network_zone: str
    ip_range: str


class CreateNetwork(Body):
    """POST /networks."""

    name: str
    ip_range: str
    subnets: list[Subnet] = []
    labels: dict[str, str] = {}


class AddSubnet(Body):
    """The body of add_subnet; without a range the first free /24 is taken."""

    type: str
    network_zone: str
    ip_range: str | None = None


class Attach(Body):
    """The body of attach_to_network."""

    network: int
    ip: str | None = None


class Detach(Body):
    """The body of detach_from_network."""

    network: int


def find_network(call: Call, id_: int) -> Network:
    """Return the network.

    Raises:
        ApiError: 404 not_found.
    """
    return find(call.project.networks, id_, "network")


def show(call: Call, network: Network) -> JsonObject:
    """Return a network as JSON; the first address of each subnet's network is the gateway."""
    gateway = str(ipaddress.ip_network(network.ip_range)[1])
    subnets: list[JsonValue] = [
        {"type": "cloud", "network_zone": zone, "ip_range": range_, "gateway": gateway}
        for zone, range_ in network.subnets
    ]
    servers: list[JsonValue] = [server.id for server in call.project.servers if _is_in(server, network)]
    return {
        "id": network.id,
        "name": network.name,
        "ip_range": network.ip_range,
        "subnets": subnets,
        "routes": [],
        "servers": servers,
        "load_balancers": [],
        "protection": {"delete": False},
        "labels": {**network.labels},
        "created": stamp(network.created),
        "expose_routes_to_vswitch": False,
    }


def _is_in(server: Server, network: Network) -> bool:
    return any(net.network == network.id for net in server.private_net)


def join(call: Call, server: Server, network: Network, wanted: str | None = None) -> None:
    """Give a server a card in a network.

    Raises:
        ApiError: it has one, the address is taken or outside, or there is no room where it stands.
    """
    if _is_in(server, network):
        raise ApiError(422, "server_already_attached", "server is already attached to network")
    zone = location_of(call.project, server.location).network_zone
    free = list(_free(call.project, network, zone))
    if not free:
        raise ApiError(422, "no_subnet_available", "no subnet of the network has room in this network zone")
    if wanted is not None and wanted not in free:
        raise ApiError(422, "ip_not_available", "ip is not available in the network")
    number = len(call.project.servers) + network.id + sum(len(s.private_net) for s in call.project.servers)
    server.private_net.append(
        PrivateNet(network=network.id, ip=wanted or free[0], mac_address=f"86:00:00:{number % 256:02x}:00:01")
    )


def _free(project: HetznerState, network: Network, zone: str) -> Iterator[str]:
    used = {net.ip for server in project.servers for net in server.private_net if net.network == network.id}
    for subnet_zone, range_ in network.subnets:
        if subnet_zone == zone:
            hosts = list(ipaddress.ip_network(range_).hosts())[1:250]
            yield from (str(address) for address in hosts if str(address) not in used)


def _list(call: Call) -> Reply:
    return listing(call, "networks", [show(call, network) for network in call.project.networks], filters=("name",))


def _get(call: Call) -> Reply:
    return Reply(200, {"network": show(call, find_network(call, call.id))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateNetwork)
    check_labels(wanted.labels)
    refuse_taken(call.project.networks, wanted.name)
    subnets = [(subnet.network_zone, _range(subnet.ip_range, "subnets")) for subnet in wanted.subnets]
    network = Network(
        id=call.new_id(),
        name=wanted.name,
        ip_range=_range(wanted.ip_range, "ip_range"),
        created=call.now,
        subnets=subnets,
        labels=wanted.labels,
    )
    call.project.networks.append(network)
    return Reply(201, {"network": show(call, network)})


def _range(text: str, field: str) -> str:
    try:
        found = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise invalid({field: "is not a network"}) from error
    if not found.is_private or (field == "ip_range" and found.prefixlen > SMALLEST):
        raise invalid({field: "must be private and large enough"})
    return str(found)


def _delete(call: Call) -> Reply:
    network = find_network(call, call.id)
    if any(_is_in(server, network) for server in call.project.servers):
        raise ApiError(422, "resource_in_use", "network still has attached resources")
    call.project.networks.remove(network)
    return Reply(204, None)


def _add_subnet(call: Call) -> Reply:
    """A part of the network's range that no other subnet has (documentation); vSwitches are not emulated."""
    wanted = call.read(AddSubnet)
    network = find_network(call, call.id)
    if wanted.type not in ("cloud", "server"):
        raise invalid({"type": "is not one that the sandbox has"})
    refuse_locked(call, "network", network.id)
    whole = ipaddress.IPv4Network(network.ip_range)
    taken = [ipaddress.IPv4Network(range_) for _, range_ in network.subnets]
    asked = _range(wanted.ip_range, "subnet") if wanted.ip_range is not None else None
    offered = [ipaddress.IPv4Network(asked)] if asked else whole.subnets(new_prefix=max(SMALLEST, whole.prefixlen))
    found = next((one for one in offered if one.subnet_of(whole) and not any(map(one.overlaps, taken))), None)
    if found is None:
        raise invalid({"ip_range": "is outside of the network, or overlaps"})
    network.subnets.append((wanted.network_zone, str(found)))
    return started(call, begin(call, "add_subnet", ("network", network.id)))


def _attach(call: Call) -> Reply:
    wanted = call.read(Attach)
    server, network = find_server(call, call.id), find_network(call, wanted.network)
    refuse_locked(call, "server", server.id)
    join(call, server, network, wanted.ip)
    _tell_host(call, server)
    return started(call, begin(call, "attach_to_network", ("server", server.id), ("network", network.id)))


def _detach(call: Call) -> Reply:
    wanted = call.read(Detach)
    server, network = find_server(call, call.id), find_network(call, wanted.network)
    refuse_locked(call, "server", server.id)
    if not _is_in(server, network):
        raise ApiError(422, "invalid_input", "server is not attached to network")
    server.private_net = [net for net in server.private_net if net.network != network.id]
    _tell_host(call, server)
    return started(call, begin(call, "detach_from_network", ("server", server.id), ("network", network.id)))


def _tell_host(call: Call, server: Server) -> None:
    """The pretend host has one private card at most."""
    host = host_of(call.state, server)
    if host is not None:
        first = server.private_net[0] if server.private_net else None
        host.private_address = first.ip if first else ""
        host.private_network = find_network(call, first.network).ip_range if first else ""


ROUTES = (
    Route("GET", "/networks", _list),
    Route("POST", "/networks", _create),
    Route("GET", "/networks/{id}", _get),
    Route("DELETE", "/networks/{id}", _delete),
    Route("POST", "/networks/{id}/actions/add_subnet", _add_subnet),
    Route("POST", "/servers/{id}/actions/attach_to_network", _attach),
    Route("POST", "/servers/{id}/actions/detach_from_network", _detach),
)
