"""What a bought server is when it has come up for the first time: a bare system with the keys it was made with."""

import ipaddress
from typing import cast

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Server
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.sandbox.state_logins import Logins

GB = 2**30
KERNELS = {"debian-12": "6.1.0-37-amd64", "debian-13": "6.12.48+deb13-amd64", "ubuntu-24.04": "6.8.0-85-generic"}


def public_address(server: Server) -> str:
    """Return where a server is reached: at its IPv4 address, else at `::1` of its IPv6 network."""
    if server.ipv4 is not None:
        return server.ipv4
    return _ipv6(server)


def _ipv6(server: Server) -> str:
    return str(ipaddress.IPv6Network(server.ipv6)[1]) if server.ipv6 else ""


def free_name(state: WorldState, server: Server) -> str:
    """Return the name of the pretend host: the server's, with its id where another host has that."""
    return server.name if server.name not in state.hosts else f"{server.name}-{server.id}"


def first_boot(project: HetznerState, server: Server) -> HostState:
    """Return the pretend host of a new server: no Docker yet, root with the keys of its creation.

    Where user_data gives a host key (`ssh_keys`, as cloud-init's cc_ssh has it), that is the one it shows.
    """
    kind = next(kind for kind in project.server_types if kind.name == server.server_type)
    image = next(image for image in project.images if image.name == server.image)
    private, public = _host_key(server.user_data)
    return HostState(
        name=server.name,
        address=public_address(server),
        ipv6=_ipv6(server) if server.ipv4 is not None else "",
        private_address=server.private_net[0].ip if server.private_net else "",
        private_network=_network(project, server),
        role="muscle",
        os_id=image.flavor,
        os_version=image.version,
        kernel=KERNELS[image.name],
        cpus=kind.cores,
        memory_bytes=kind.memory * GB,
        disk_bytes=kind.disk * GB,
        used_bytes=300 * 2**20,
        disk_used_bytes=2 * GB,
        docker_version="",
        runtimes=[],
        runsc_version="",
        without=["docker", "runsc"],
        authorized_keys=[],
        logins=Logins(keys=[_bare(key) for key in server.root_keys or []]),
        host_private_key=private,
        host_public_key=public,
    )


def _network(project: HetznerState, server: Server) -> str:
    joined = {net.network for net in server.private_net[:1]}
    return next((network.ip_range for network in project.networks if network.id in joined), "")


def _host_key(user_data: str) -> tuple[str, str]:
    """What cloud-init cannot read it passes over with a warning."""
    import yaml

    if not user_data.startswith("#cloud-config"):
        return "", ""
    try:
        config: object = yaml.safe_load(user_data)
    except yaml.YAMLError:
        return "", ""
    found = cast(dict[str, object], config).get("ssh_keys") if isinstance(config, dict) else None
    keys = cast(dict[str, object], found) if isinstance(found, dict) else {}
    return str(keys.get("ed25519_private", "")), str(keys.get("ed25519_public", ""))


def _bare(public_key: str) -> str:
    """A key without its comment, as Coolify shows its own."""
    return " ".join(public_key.split()[:2])
