"""What time alone does in the project: servers reach their next state, firewalls and zones follow, old actions go."""

from ink_infra_mcp.sandbox.hetzner.attaching import reconcile
from ink_infra_mcp.sandbox.hetzner.first_boot import first_boot, free_name, public_address
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Server
from ink_infra_mcp.sandbox.state_hosts import HostState

KEPT_ACTIONS = 500


def settle_hetzner(state: WorldState, now: float) -> None:
    """Bring the project to `now`; doing it twice changes nothing more.

    A server that goes off, comes up or is deleted takes the pretend host of the same IPv4 address with it.
    """
    project = state.hetzner
    for server in project.servers:
        if server.next_status is not None and server.next_at <= now:
            _arrive(state, server)
    _forget_gone(project)
    reconcile(project, now)
    del project.actions[:-KEPT_ACTIONS]
    publish(project, now)


def _forget_gone(project: HetznerState) -> None:
    project.servers = [server for server in project.servers if server.status != "gone"]
    there = {server.id for server in project.servers}
    for volume in project.volumes:
        if volume.server not in there:
            volume.server = None


def publish(project: HetznerState, now: float) -> None:
    """Put the record sets of every zone that is no longer `updating` on its name servers."""
    for zone in project.zones:
        if zone.busy_until <= now and zone.served != zone.rrsets:
            zone.served = [rrset.model_copy(deep=True) for rrset in zone.rrsets]


def set_host_up(state: WorldState, server: Server, *, up: bool) -> None:
    """Switch the pretend host at the server's IPv4 address on or off, if there is one."""
    host = host_of(state, server)
    if host is not None:
        host.up = up


def host_of(state: WorldState, server: Server) -> HostState | None:
    """Return the pretend host at the server's public address, if there is one."""
    address = public_address(server)
    return next((host for host in state.hosts.values() if address and host.address == address), None)


def _arrive(state: WorldState, server: Server) -> None:
    status = server.next_status or server.status
    server.status = status
    server.next_status = None
    if status == "gone" and server.root_keys is not None:
        host = host_of(state, server)
        state.hosts = {name: one for name, one in state.hosts.items() if one is not host}
    elif status == "running" and server.root_keys is not None and host_of(state, server) is None:
        state.hosts[free_name(state, server)] = first_boot(state.hetzner, server)
    else:
        set_host_up(state, server, up=status == "running")
