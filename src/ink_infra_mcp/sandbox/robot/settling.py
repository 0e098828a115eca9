"""What time alone does to dedicated servers: they come up from a reset, boot what was set, and are installed."""

from ink_infra_mcp.sandbox.key_pairs import new_key_pair
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_logins import Logins
from ink_infra_mcp.sandbox.state_robot import RobotServer, RobotSystem

BOOT_S = 60.0
INSTALL_S = 240.0


def settle_robot(state: WorldState, now: float) -> None:
    """Bring the account's servers to `now`; doing it twice changes nothing more."""
    for server in state.robot.servers:
        if server.starts_at is not None and server.starts_at <= now:
            _start(state, server, server.starts_at)
        if server.installed_at is not None and server.installed_at <= now:
            _installed(state, server)


def host_of(state: WorldState, server: RobotServer) -> HostState | None:
    """Return the pretend host at the server's address, if there is one."""
    return next((host for host in state.hosts.values() if host.address == server.address), None)


def _start(state: WorldState, server: RobotServer, at: float) -> None:
    """What was set for one start is used up by it."""
    server.starts_at = None
    if server.boots_disk_first:
        _own_system(state, server)
    elif server.linux is not None:
        server.last_linux, server.linux = server.linux, None
        server.last_linux.booted_at, server.installed_at = at, at + INSTALL_S
    elif server.rescue is not None:
        server.last_rescue, server.rescue = server.rescue, None
        server.last_rescue.booted_at = at
        server.shelved = server.shelved or host_of(state, server)
        _put(state, server, _fresh(server, server.last_rescue, "debian", "13"))
    else:
        _own_system(state, server)


def _own_system(state: WorldState, server: RobotServer) -> None:
    host = server.shelved or host_of(state, server)
    server.shelved = None
    if host is not None:
        host.up = True
        _put(state, server, host)


def _installed(state: WorldState, server: RobotServer) -> None:
    server.installed_at = server.shelved = None
    if server.last_linux is not None:
        flavor, version = server.last_linux.system.lower().split()[:2]
        _put(state, server, _fresh(server, server.last_linux, flavor, version))


def _put(state: WorldState, server: RobotServer, host: HostState) -> None:
    now = host_of(state, server)
    host.name = now.name if now is not None else _free_name(state, server)
    state.hosts[host.name] = host


def _free_name(state: WorldState, server: RobotServer) -> str:
    return server.name if server.name not in state.hosts else f"{server.name}-{server.number}"


def _fresh(server: RobotServer, system: RobotSystem, flavor: str, version: str) -> HostState:
    """A bare system with a host key of its own, which lets in the keys that it was set up with."""
    private, public = new_key_pair()
    system.host_keys = [public]
    keys = [key.data for key in system.keys]
    return HostState(
        name=server.name,
        address=server.address,
        ipv6=server.ipv6 if server.ipv4 else "",
        role="muscle",
        os_id=flavor,
        os_version=version,
        kernel="6.12.48+deb13-amd64" if version == "13" else "6.1.0-37-amd64",
        docker_version="",
        runtimes=[],
        runsc_version="",
        without=["docker", "runsc"],
        authorized_keys=[],
        logins=Logins(keys=keys),
        host_private_key=private,
        host_public_key=public,
    )
