"""How a server stands, in a few words: whether it lets us in, and whether apps can be put there and reached."""

from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.proxies import proxy_doubt, proxy_problem
from ink_infra_mcp.hosts.facts.gathering import HostFacts


def state_of(coolify: Server | None, facts: HostFacts | HostError | None, *, muscle: bool, told: bool) -> str:
    """Return how a server stands by what it says of itself (None: not asked) and Coolify of it (None: it has no such).

    Where Coolify has not `told` its servers nothing of it is known.
    """
    ssh = _ssh(facts)
    if not told:
        return f"{ssh}, Coolify ?"
    if coolify is None:
        return f"{ssh}, unknown to Coolify"
    if not coolify.reachable or not coolify.usable:
        return f"{ssh}, NOT usable for Coolify"
    return f"{ssh}, {_usable(facts, muscle=muscle)}"


def _ssh(facts: HostFacts | HostError | None) -> str:
    return "ssh ok" if isinstance(facts, HostFacts) else "ssh FAILS" if facts is not None else "ssh ?"


def _usable(facts: HostFacts | HostError | None, *, muscle: bool) -> str:
    """Coolify's word is from its last look: what Docker says now counts, and where it is silent nobody knows."""
    if not isinstance(facts, HostFacts):
        return "usable"
    if facts.containers is None:
        return "NOT known to be usable: Docker did not tell its containers"
    problem = (proxy_problem(facts.containers) or proxy_doubt(facts.containers)) if muscle else ""
    return f"NOT usable: {problem}" if problem else "usable"


def full_disks(facts: HostFacts) -> list[str]:
    """Return which disks of a server are nearly full: Docker's folder and /data may lie on some of their own."""
    disks = (facts.disk_root, facts.disk_docker, facts.disk_data)
    full = dict.fromkeys(disk.mount for disk in disks if disk is not None and disk.free_bytes * 10 < disk.size_bytes)
    where = {"/": "the disk"}
    return [f"{facts.host}: less than a tenth of {where.get(mount, clean_name(mount))} is free" for mount in full]
