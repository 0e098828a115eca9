"""What a server tells of the proxy that Coolify keeps in front of its apps."""

import re

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import gather
from ink_infra_mcp.ssh.command import HostCommand
from ink_infra_mcp.ssh.pool import HostPool

NAME = "coolify-proxy"
VERSION = ("docker", "exec", NAME, "traefik", "version")
_VERSION = re.compile(r"^Version:\s+v?(\d+\.\d+\.\d+\S*)\s*$", re.MULTILINE)


async def proxy_on(pool: HostPool, host: str) -> ProxySeen:
    """Return the container `coolify-proxy` on a server, and the version that the Traefik in it tells.

    Raises:
        HostError: the server cannot be asked, or does not tell which containers it has: unknown, not "none".
    """
    found = await _container(pool, host)
    if found is None:
        return ProxySeen()
    since = found.started_at.isoformat() if found.started_at else ""
    seen = ProxySeen(state=found.state, image=found.image, since=since)
    if found.state != "running":
        return seen
    return seen.model_copy(update={"version": await traefik_version(pool, host)})


async def traefik_version(pool: HostPool, host: str) -> str:
    """Return the version that the Traefik in `coolify-proxy` tells; empty where none runs there."""
    said = await pool.run(host, HostCommand(words=VERSION, changes=False))
    version = _VERSION.search(said.stdout) if said.exit_status == 0 else None
    return version[1] if version else ""


async def _container(pool: HostPool, host: str) -> ContainerFacts | None:
    facts = await gather(pool, host, areas=("containers",))
    if facts.containers is None:
        why = facts.unknown.get("containers", "it does not say why")
        raise HostError(
            f"{host} does not tell which containers it has: {why}.", host=host, next="See whether Docker runs there."
        )
    return next((container for container in facts.containers if container.name == NAME), None)
