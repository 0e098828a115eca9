"""A server's place in the fleet's private network: what is so, and what stands in the way."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.cloud_servers import cloud_of
from ink_infra_mcp.areas.machines.robot_servers import robot_of
from ink_infra_mcp.areas.ports.providers import server_of
from ink_infra_mcp.clients.hetzner_cloud.resources import Network
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.clients.hetzner_robot.machines import CloudSide, VSwitch
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.private_network import CLOUD_MTU, VSWITCH_MTU, pools_met, routed_elsewhere
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.firewall.knocking import knock_from
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.hosts.machine.reading import read_machine
from ink_infra_mcp.hosts.machine.vlans import manager_of


class CoolifyServer(Frozen):
    """A server as Coolify has it. `wildcard` is empty where Coolify makes names of its address."""

    uuid: str
    address: str
    wildcard: str = ""


class Link(Frozen):
    """A VLAN on a dedicated server: `address` with its prefix, and the router to the rest of the network.

    `joined` tells whether Robot calls the server ready on the vSwitch, `manager` who rules its card.
    """

    vlan: int
    address: str
    gateway: str
    joined: bool = False
    manager: str = ""


class Place(Frozen):
    """A server of the fleet and its place in a private network.

    `address` is the one that it has there, empty where it is not attached, and `written` that of fleet.toml. `machine`
    is its id at Hetzner. `factory` is the Factory's private address, empty where the server is the Factory itself.
    """

    server: str
    machine: str
    network: str
    network_name: str
    range: str
    address: str = ""
    written: str = ""
    seen: bool = False
    """Whether a card of the server has the address."""
    works: bool = False
    """Whether a card of the server has the address, and its SSH port answers the Factory there."""
    factory_name: str
    factory: str = ""
    port: int = 22
    user: str = "root"
    mtu: int = CLOUD_MTU
    vswitch: Link | None = None
    """Of a dedicated server: what joins it to the network in place of a Cloud card."""
    coolify: CoolifyServer | None = None
    obstacles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def cloud_place(look: Look, host: Host, network: int | None) -> Place:
    """Return the place of a Cloud server in the network, or in the one network of the project that is the fleet's.

    Raises:
        InputError: which network is meant is not clear, or it is not one of fleet.toml's; the server is not found.
        RefusedByPolicy: the Factory is not in the network yet.
        InkError: Hetzner, Coolify or a server does not answer well.
    """
    cloud, fleet = cloud_of(look), look.fleet
    machine = server_of(host, await cloud.servers())
    if machine is None:
        raise InputError(
            f"The Hetzner Cloud project of the token has no server that is {host.name}.",
            next="Write its id as provider_id in fleet.toml, or connect it by hand.",
        )
    chosen = _chosen(await cloud.networks(), network, fleet)
    address = machine.private(chosen.id) or ""
    factory = "" if host.name == fleet.factory.name else _factory_in(fleet, chosen)
    obstacles, warnings, seen = await _ground(look, host, chosen.ip_range, address)
    works = seen and (not factory or await _answers(look, address, host.ssh_port))
    return Place(
        server=host.name,
        machine=str(machine.id),
        network=str(chosen.id),
        network_name=chosen.name,
        range=chosen.ip_range,
        address=address,
        written=host.private_address or "",
        seen=seen,
        works=works,
        factory_name=fleet.factory.name,
        factory=factory,
        port=host.ssh_port,
        user=host.ssh_user,
        mtu=mtu_from(fleet),
        coolify=await _in_coolify(look, host, address) if factory else None,
        obstacles=obstacles,
        warnings=warnings,
    )


def refuse_unreached(fleet: Fleet, name: str, inner: str) -> None:
    """Let pass a private address at which the Factory can reach a server by fleet.toml.

    Raises:
        InputError: it is in none of the fleet's networks. RefusedByPolicy: the Factory is not in that one.
    """
    _in_range(fleet, _network_of(fleet, inner), f"the network of {name}")


async def refuse_unfit_network(look: Look, network: int) -> None:
    """Let pass a network that is the fleet's and has the Factory in it.

    Raises:
        InputError: it is not the fleet's. RefusedByPolicy: the Factory is not in it.
    """
    _factory_in(look.fleet, _chosen(await cloud_of(look).networks(), network, look.fleet))


def _chosen(networks: Iterable[Network], asked: int | None, fleet: Fleet) -> Network:
    found = [network for network in networks if asked in (None, network.id) and _is_fleets(network, fleet)]
    if not found:
        raise _none_fits(asked, fleet)
    if len(found) > 1:
        known = ", ".join(f"{n.id} ({n.name}, {n.ip_range})" for n in found)
        raise InputError("More than one network of the project is the fleet's.", next=f"Give `network`: {known}.")
    return found[0]


def _is_fleets(network: Network, fleet: Fleet) -> bool:
    private = (IPv4Network(text) for text in fleet.access.private if ":" not in text)
    return any(IPv4Network(network.ip_range).subnet_of(each) for each in private)


def _none_fits(asked: int | None, fleet: Fleet) -> InputError:
    which = f"The network {asked}" if asked is not None else "No network of the project"
    lies = "is none of the project that lies" if asked is not None else "lies"
    return InputError(
        f"{which} {lies} in the private networks of fleet.toml ({', '.join(fleet.access.private) or 'none'}).",
        next="Write its range into [access] private: firewalls are judged by it. Then start the server anew, and call "
        "again.",
    )


def _factory_in(fleet: Fleet, network: Network) -> str:
    return _in_range(fleet, network.ip_range, f"the network {network.name}")


def _in_range(fleet: Fleet, network: str, named: str) -> str:
    address = fleet.factory.private_address or ""
    try:
        inside = IPv4Address(address) in IPv4Network(network)
    except ValueError:
        inside = False
    if not inside:
        raise RefusedByPolicy(
            f"The Factory is not in {named} ({network}) by fleet.toml, so nobody could prove the way.",
            next=f"Connect it first: connect_private_network {fleet.factory.name}.",
        )
    return address


@dataclass(frozen=True, slots=True)
class _End:
    """One end of the way: which of its routes and Docker's pools meet the network, and whether it has its address."""

    routes: tuple[str, ...]
    pools: tuple[str, ...]
    seen: bool


async def _end(look: Look, host: Host, network: str, own: str) -> _End:
    interfaces = (await gather_network(look.hosts, host.name)).interfaces
    machine = await read_machine(look.hosts, host.name, look.baseline())
    return _End(
        routes=tuple(f"{host.name}: {words}" for words in routed_elsewhere(network, interfaces, own)),
        pools=tuple(f"{host.name}: {words}" for words in pools_met(network, machine.daemon)),
        seen=bool(own) and isinstance(interfaces, Interfaces) and interfaces.holding(own) is not None,
    )


async def robot_place(look: Look, host: Host, vswitch: int | None, address: str) -> Place:
    """Return the place of a dedicated server: on a vSwitch that is coupled to the Cloud network of the Factory.

    Of the Factory itself nothing is proved: there is nobody whom it could reach before it is there.

    Raises:
        InputError: which vSwitch is meant is not clear, it is not coupled, or no address of its part is given.
        RefusedByPolicy: the Factory is not in the network yet, or nobody known rules the server's card.
        InkError: Robot, Coolify or a server does not answer well.
    """
    robot, fleet, wanted = robot_of(look), look.fleet, address or host.private_address or ""
    number = _number_of(host)
    chosen = await robot.vswitch(await _vswitch(robot, vswitch))
    side, network = _side(chosen, wanted), _network_of(fleet, wanted)
    unseen = await _refuse_taken(look, host, wanted)
    factory = "" if host.name == fleet.factory.name else _in_range(fleet, network, f"the network of {chosen.name}")
    manager, why = await manager_of(look.hosts, host.name)
    if not manager:
        raise RefusedByPolicy(
            f"No VLAN can be put on {host.name}: {why}", next="Put it there by hand, then call again."
        )
    obstacles, warnings, seen = await _ground(look, host, network, wanted)
    joined = chosen.state_of(number) == "ready"
    return Place(
        server=host.name,
        machine=host.provider_id,
        network=str(chosen.id),
        network_name=chosen.name,
        range=network,
        address=wanted,
        written=host.private_address or "",
        seen=seen,
        works=seen and joined and (not factory or await _answers(look, wanted, host.ssh_port)),
        vswitch=Link(
            vlan=chosen.vlan, address=f"{wanted}/{side.mask}", gateway=side.gateway, joined=joined, manager=manager
        ),
        factory_name=fleet.factory.name,
        factory=factory,
        port=host.ssh_port,
        user=host.ssh_user,
        mtu=VSWITCH_MTU,
        coolify=await _in_coolify(look, host, wanted) if factory else None,
        obstacles=obstacles,
        warnings=(*warnings, *unseen),
    )


def mtu_from(fleet: Fleet) -> int:
    """Return what packets from the Factory carry to a Cloud server: a vSwitch lets less through than the network."""
    return VSWITCH_MTU if fleet.factory.provider == "hetzner_robot" else CLOUD_MTU


def _number_of(host: Host) -> int:
    if not host.provider_id.isdecimal():
        raise InputError(
            f"fleet.toml does not say which server at Robot {host.name} is.",
            next="Write its number there as provider_id, start this server anew, and call again.",
        )
    return int(host.provider_id)


async def _vswitch(robot: HetznerRobotLook, asked: int | None) -> int:
    if asked is not None:
        return asked
    found = await robot.vswitches()
    if len(found) != 1:
        known = ", ".join(f"{one.id} ({one.name}, VLAN {one.vlan})" for one in found) or "none"
        raise InputError("Which vSwitch is meant is not clear.", next=f"Give `network`, its id; there are: {known}.")
    return found[0].id


def _side(vswitch: VSwitch, wanted: str) -> CloudSide:
    """Return the part of the Cloud network that an address lies in; its router's is nobody else's, and neither are its
    first and its last one.
    """
    for side in vswitch.cloud_network:
        part = IPv4Network(f"{side.ip}/{side.mask}")
        nobodys = (side.gateway, str(part.network_address), str(part.broadcast_address))
        if wanted and wanted not in nobodys and IPv4Address(wanted) in part:
            return side
    parts = ", ".join(f"{side.ip}/{side.mask}" for side in vswitch.cloud_network)
    raise InputError(
        f"A server on the vSwitch {vswitch.name} is given an address: {wanted or 'none'} is not one of its part.",
        next=f"Give `address`, one of {parts} that no other server has."
        if parts
        else "Couple the vSwitch to the Cloud network of the Factory first, in the Cloud's console.",
    )


async def _refuse_taken(look: Look, host: Host, wanted: str) -> tuple[str, ...]:
    """Return what is worth a word: that nobody looked at the Cloud's servers.

    Raises:
        InputError: another server of fleet.toml, or a Cloud server's card, has the address.
    """
    others = [each for each in look.fleet.hosts if each.name != host.name]
    taken = [each.name for each in others if wanted in (each.address, each.private_address)]
    if look.hetzner is not None:
        servers = await look.hetzner.servers()
        taken += [clean_name(each.name) for each in servers if wanted in (net.ip for net in each.private_net)]
    if taken:
        raise InputError(f"{taken[0]} has the address {wanted}.", next="Give an `address` that no other server has.")
    return (
        () if look.hetzner is not None else (f"no Cloud token: whether a Cloud server has {wanted} was not looked at",)
    )


def _network_of(fleet: Fleet, address: str) -> str:
    for text in fleet.access.private:
        if ":" not in text and IPv4Address(address) in IPv4Network(text):
            return text
    raise InputError(
        f"{address} lies in none of the private networks of fleet.toml ({', '.join(fleet.access.private) or 'none'}).",
        next="Write its network into [access] private, start the server anew, and call again.",
    )


async def _ground(look: Look, host: Host, network: str, address: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Return what stands in the way on both ends, what is worth a word, and whether the server has the address.

    The Factory's pool is no obstacle: Coolify's installer gives it 10.0.0.0/8, which overlaps whatever is usual.
    """
    factory = look.fleet.factory
    if host.name == factory.name:
        here = await _end(look, host, network, address)
        return here.routes, here.pools, here.seen
    here = await _end(look, host, network, address)
    there = await _end(look, factory, network, factory.private_address or "")
    return (*here.routes, *here.pools, *there.routes), there.pools, here.seen


async def _answers(look: Look, address: str, port: int) -> bool:
    met = await knock_from(look.hosts, look.fleet.factory.name, [(address, port)])
    return met[address, port] == "open"


async def _in_coolify(look: Look, host: Host, address: str) -> CoolifyServer | None:
    known = {host.address, host.private_address, address} - {None, ""}
    found = [server for server in await look.coolify.servers() if server.ip in known]
    if len(found) != 1:
        return None
    server = await look.coolify.server(found[0].uuid)
    return CoolifyServer(uuid=server.uuid, address=server.ip, wildcard=server.wildcard_domain)
