"""Where firewalls are: which servers their bonds mean now, and whether they have arrived there."""

from ink_infra_mcp.sandbox.hetzner.labels import selector
from ink_infra_mcp.sandbox.state_firewalls import Arrival, Bond, Firewall
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Server


def reconcile(project: HetznerState, now: float) -> None:
    """Let every firewall come to the servers that it means at `now`, and leave all others."""
    for firewall in project.firewalls:
        firewall.bonds = [bond for bond in firewall.bonds if _lives(project, bond, now)]
        meant = {server.id for bond in firewall.bonds for server in meant_by(project, bond)}
        firewall.at = [arrival for arrival in firewall.at if arrival.server in meant]
        there = {arrival.server for arrival in firewall.at}
        firewall.at += [Arrival(server=id_, ready_at=now + project.action_s) for id_ in sorted(meant - there)]


def _lives(project: HetznerState, bond: Bond, now: float) -> bool:
    """A bond to a server goes with it."""
    gone = bond.server is not None and all(server.id != bond.server for server in project.servers)
    return not gone and (bond.until is None or bond.until > now)


def meant_by(project: HetznerState, bond: Bond) -> list[Server]:
    """Return the servers that a bond means; a label selector comes upon those with a public side only."""
    if bond.selector is None:
        return [server for server in project.servers if server.id == bond.server]
    matches = selector(bond.selector)
    return [server for server in project.servers if has_public_side(server) and matches(server.labels)]


def has_public_side(server: Server) -> bool:
    """Return whether there is anything for a firewall to filter: private networks never are."""
    return server.ipv4 is not None or server.ipv6 is not None


def firewalls_at(project: HetznerState, server: Server) -> list[tuple[Firewall, Arrival]]:
    """Return the firewalls at a server."""
    return [
        (firewall, arrival) for firewall in project.firewalls for arrival in firewall.at if arrival.server == server.id
    ]


def arrive(firewall: Firewall, server: int, ready_at: float) -> None:
    """Let a firewall be pending at a server until `ready_at`."""
    firewall.at = [arrival for arrival in firewall.at if arrival.server != server]
    firewall.at.append(Arrival(server=server, ready_at=ready_at))
