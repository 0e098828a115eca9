"""Who gets to which port of a pretend server: its sockets, its own firewall, and the provider's in front of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from ink_infra_mcp.sandbox.hosts.firewalld_table import firewalld_table
from ink_infra_mcp.sandbox.hosts.nft_text import Packet, Table, judged, read_tables
from ink_infra_mcp.sandbox.hosts.ufw_rules import judged_by_ufw
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import Firewall, FirewallRule
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_robot import RobotRule

CLIENT = "198.51.100.7"
"""Where the people of the pretend world, and this machine, come from."""
SSH_PORT = 22
CLIENT_PORT = 50_000
BRIDGE, GATEWAY = "br-1f2e3d4c5b6a", "10.0.1.1"
"""Coolify's network on every server."""
_CONTAINER = "10.0.1.2"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a container that Docker publishes."""

    address: str
    port: int
    inner: int
    protocol: str
    container: Container


class Came(NamedTuple):
    """From where a connection to a server came, and to which of its addresses."""

    source: str
    to: str


def ssh_connection(came: Came) -> str:
    """Return SSH_CONNECTION as a session on the server has it."""
    return f"{came.source} {CLIENT_PORT} {came.to} {SSH_PORT}"


def published(host: HostState) -> Iterator[PublishedPort]:
    """Yield the published ports of the containers that run."""
    for container in host.containers:
        if container.state != "running":
            continue
        for text in container.ports:
            outer, _, inside = text.partition("->")
            address, _, port = outer.rpartition(":")
            inner, _, protocol = inside.partition("/")
            yield PublishedPort(address.strip("[]"), int(port), int(inner), protocol or "tcp", container)


def tables_of(host: HostState) -> tuple[Table, ...]:
    """Return the tables of nftables: our own, those made by hand, and firewalld's."""
    firewall = host.firewall
    return (*read_tables(firewall.table), *read_tables(firewall.tables), *read_tables(_firewalld(host)))


def _firewalld(host: HostState) -> str:
    if host.firewall.firewalld is None or not host.firewall.firewalld.running:
        return ""
    return firewalld_table(host.firewall.firewalld, bridges=(BRIDGE, "docker0") if host.docker_version else ())


def lets_in(host: HostState, came: Came, port: int) -> bool:
    """Return whether the server's own firewall lets a TCP connection in."""
    return _filtered(host, came.to, came.source, port) == "accept"


def from_outside(host: HostState) -> Came:
    """Return how the pretend people come: from their own address to the server's public one."""
    return Came(CLIENT, host.address)


def through(state: WorldState, by: str, address: str) -> tuple[HostState | None, Came]:
    """Return which server has an address, and how a connection comes there that passes through another server.

    Over the private network it comes from that server's own private address; else nobody asks from where.
    """
    target, passed = _host_at(state, address), state.hosts[by]
    inner = target is not None and address == target.private_address
    return target, Came(passed.private_address if inner else CLIENT, address)


def knock(state: WorldState, source: HostState, address: str, port: int, *, now: float) -> str:
    """Return what a TCP connect from one server meets at an address: open, refused or silent.

    A connect to a server's private address comes by its private card, which no provider's firewall stands before.
    """
    target = _host_at(state, address)
    if target is None or not target.up:
        return "silent"
    verdict = "accept" if target is source else _verdict(state, target, source, (address, port), now=now)
    return _met(verdict, listens=_listens(target, address, port))


def inhabited(host: HostState, network: str) -> bool:
    """Return whether a container is in one of a server's networks that can make a connect: all are in Coolify's."""
    return network == BRIDGE and any(container.state == "running" for container in host.containers)


def knock_inside(state: WorldState, host: HostState, network: str, to: tuple[str, int], *, now: float) -> str:
    """Return what a TCP connect of a container on that network meets: at its own server, or beyond it."""
    address, port = to
    own = address in {GATEWAY, *_addresses(host)}
    packet = Packet("tcp", _CONTAINER, port, card=network, kind="bridge", leaving="" if own else "eth0")
    verdict = judged(tables_of(host), "input" if own else "forward", packet)
    if not own:
        return knock(state, host, address, port, now=now) if verdict == "accept" else "silent"
    verdict = _after_ufw(host, packet) if verdict == "accept" else verdict
    return _met(verdict, listens=_listens(host, host.address if address == GATEWAY else address, port))


def _host_at(state: WorldState, address: str) -> HostState | None:
    return next((host for host in state.hosts.values() if address in _addresses(host)), None)


def _met(verdict: str, *, listens: bool) -> str:
    if verdict == "drop":
        return "silent"
    return "open" if verdict == "accept" and listens else "refused"


def _addresses(host: HostState) -> tuple[str, ...]:
    found = (host.address, host.ipv6, host.private_address, host.private_ipv6)
    return tuple(address for address in found if address)


def _verdict(state: WorldState, target: HostState, source: HostState, to: tuple[str, int], *, now: float) -> str:
    address, port = to
    at = (target.address, target.ipv6, target.private_address, target.private_ipv6).index(address)
    sender = (source.address, source.ipv6, source.private_address, source.private_ipv6)[at]
    public = address in {target.address, target.ipv6}
    if not sender or (public and not _provider_lets_in(state, target, sender, port, now=now)):
        return "drop"
    return _filtered(target, address, sender, port)


def _filtered(host: HostState, address: str, source: str, port: int) -> str:
    """Return what the server's own firewall does to a connection: accept, drop or reject."""
    card = "eth1" if address in {host.private_address, host.private_ipv6} else "eth0"
    dnat = ":" not in address and _is_published(host, address, port)
    packet = Packet("tcp", source, port, card=card, dnat=dnat)
    if dnat:
        return judged(tables_of(host), "forward", packet)
    verdict = judged(tables_of(host), "input", packet)
    return _after_ufw(host, packet) if verdict == "accept" else verdict


def _after_ufw(host: HostState, packet: Packet) -> str:
    ufw = host.firewall.ufw
    return judged_by_ufw(ufw, packet) if ufw and ufw.active else "accept"


def _listens(host: HostState, address: str, port: int) -> bool:
    return port == SSH_PORT or _is_published(host, address, port)


def _is_published(host: HostState, address: str, port: int) -> bool:
    return any(_is_at(one, address, port) for one in published(host))


def _is_at(one: PublishedPort, address: str, port: int) -> bool:
    """Return whether a TCP port is published at an address; one of all addresses is of one family."""
    if one.port != port or one.protocol != "tcp":
        return False
    same_family = (":" in one.address) is (":" in address)
    return one.address == address or (same_family and int(ip_address(one.address)) == 0)


def _provider_lets_in(state: WorldState, target: HostState, source: str, port: int, *, now: float) -> bool:
    return _cloud_lets_in(state, target.address, source, port, now=now) and _robot_lets_in(
        state, target.address, source, port, now=now
    )


def _cloud_lets_in(state: WorldState, address: str, source: str, port: int, *, now: float) -> bool:
    """A server with firewalls is open to what any of them lets in."""
    firewalls = _cloud_firewalls(state, address, now=now)
    return not firewalls or any(_cloud_rule_meets(rule, source, port) for one in firewalls for rule in one.rules)


def _cloud_firewalls(state: WorldState, address: str, *, now: float) -> list[Firewall]:
    """Return the Cloud firewalls that are in force before a server."""
    at = _cloud_servers(state, address)
    return [one for one in state.hetzner.firewalls if any(a.server in at and a.ready_at <= now for a in one.at)]


def _cloud_servers(state: WorldState, address: str) -> set[int]:
    return {server.id for server in state.hetzner.servers if server.ipv4 == address}


def _cloud_rule_meets(rule: FirewallRule, source: str, port: int) -> bool:
    inbound = rule.direction == "in" and rule.protocol == "tcp" and _port_in(port, rule.port or "any")
    return inbound and _address_in_any(source, rule.source_ips)


def _address_in_any(address: str, networks: Iterable[str]) -> bool:
    return any(_address_in(address, network) for network in networks)


def _robot_lets_in(state: WorldState, address: str, source: str, port: int, *, now: float) -> bool:
    """The first rule that matches decides, and what none matches is discarded."""
    for server in state.robot.servers:
        filters = server.in_force(now)
        if server.ipv4 == address and filters.status == "active":
            return _robot_accepts(filters.input, source, port)
    return True


def _robot_accepts(rules: Iterable[RobotRule], source: str, port: int) -> bool:
    met = (rule for rule in rules if _robot_rule_meets(rule, source, port))
    return next((rule.action == "accept" for rule in met), False)


def _robot_rule_meets(rule: RobotRule, source: str, port: int) -> bool:
    if not _is_of_tcp(rule) or not _port_in(port, rule.dst_port or "any"):
        return False
    return rule.src_ip is None or _address_in(source, rule.src_ip)


def _is_of_tcp(rule: RobotRule) -> bool:
    """Return whether a rule is about the first packet of a TCP connection over IPv4, from whatever port."""
    of_tcp = rule.ip_version in {None, "ipv4"} and rule.protocol in {None, "tcp"}
    return of_tcp and rule.src_port is None and rule.tcp_flags in {None, "syn"}


def _port_in(port: int, text: str) -> bool:
    first, _, last = text.partition("-")
    return text == "any" or int(first) <= port <= int(last or first)


def _address_in(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network, strict=False)
