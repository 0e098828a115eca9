"""Who gets to which port of a pretend server: its sockets, its own firewall, and the provider's in front of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from ink_infra_mcp.sandbox.hosts.nft_text import Packet, admits, read_table
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import FirewallRule
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_robot import RobotRule

CLIENT = "198.51.100.7"
"""Where the people of the pretend world, and this machine, come from."""
SSH_PORT = 22
CLIENT_PORT = 50_000
BRIDGE, GATEWAY = "br-1f2e3d4c5b6a", "10.0.1.1"
"""Coolify's network on every server."""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a container that Docker publishes."""

    address: str
    port: int
    inner: int
    protocol: str
    container: Container


def ssh_connection(host: HostState, client: str) -> str:
    """Return SSH_CONNECTION as a session on the server has it."""
    return f"{client} {CLIENT_PORT} {host.address} {SSH_PORT}"


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


def lets_in(host: HostState, source: str, port: int) -> bool:
    """Return whether the server's own firewall lets a TCP connection in, to itself or to a container."""
    if not host.firewall.table:
        return True
    dnat = any(one.port == port and one.protocol == "tcp" for one in published(host))
    packet = Packet("tcp", source, port, dnat=dnat)
    return admits(read_table(host.firewall.table), "forward" if dnat else "input", packet)


def knock(state: WorldState, source: HostState, address: str, port: int, *, now: float) -> str:
    """Return what a TCP connect from one server meets at an address: open, refused or silent."""
    target = next((host for host in state.hosts.values() if host.address == address), None)
    if target is None or not target.up or (target is not source and _stopped(state, target, source, port, now=now)):
        return "silent"
    listens = {SSH_PORT, *(one.port for one in published(target) if one.protocol == "tcp")}
    return "open" if port in listens else "refused"


def _stopped(state: WorldState, target: HostState, source: HostState, port: int, *, now: float) -> bool:
    passed = (
        _cloud_lets_in(state, target.address, source.address, port, now=now),
        _robot_lets_in(state, target.address, source.address, port, now=now),
        lets_in(target, source.address, port),
    )
    return not all(passed)


def _cloud_lets_in(state: WorldState, address: str, source: str, port: int, *, now: float) -> bool:
    """A server with firewalls is open to what any of them lets in."""
    at = {server.id for server in state.hetzner.servers if server.ipv4 == address}
    firewalls = [one for one in state.hetzner.firewalls if any(a.server in at and a.ready_at <= now for a in one.at)]
    return not firewalls or any(_cloud_rule_meets(rule, source, port) for one in firewalls for rule in one.rules)


def _cloud_rule_meets(rule: FirewallRule, source: str, port: int) -> bool:
    inbound = rule.direction == "in" and rule.protocol == "tcp" and _port_in(port, rule.port or "any")
    return inbound and any(_address_in(source, network) for network in rule.source_ips)


def _robot_lets_in(state: WorldState, address: str, source: str, port: int, *, now: float) -> bool:
    """The first rule that matches decides, and what none matches is discarded."""
    for server in state.robot.servers:
        filters = server.in_force(now)
        if server.ipv4 == address and filters.status == "active":
            met = (rule for rule in filters.input if _robot_rule_meets(rule, source, port))
            return next((rule.action == "accept" for rule in met), False)
    return True


def _robot_rule_meets(rule: RobotRule, source: str, port: int) -> bool:
    return (
        rule.ip_version in {None, "ipv4"}
        and rule.protocol in {None, "tcp"}
        and rule.src_port is None
        and rule.tcp_flags in {None, "syn"}
        and _port_in(port, rule.dst_port or "any")
        and (rule.src_ip is None or _address_in(source, rule.src_ip))
    )


def _port_in(port: int, text: str) -> bool:
    first, _, last = text.partition("-")
    return text == "any" or int(first) <= port <= int(last or first)


def _address_in(address: str, network: str) -> bool:
    return ip_address(address) in ip_network(network, strict=False)
