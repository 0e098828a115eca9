"""Coolify's own wildcard domain of a server, from which it makes the names of new apps: read, and told how to set."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name


class CoolifySetting(Frozen):
    """The setting of one server in Coolify; `server` is empty where Coolify does not know the server."""

    server: str = ""
    wildcard: str = ""

    def words(self, domain: str) -> str:
        """Return what to do where Coolify has another domain than this, and nothing where it has it."""
        if not self.server:
            return "Coolify does not know the server yet: it makes no names for apps there"
        if bare(self.wildcard) == domain:
            return ""
        has = f"has {clean_name(self.wildcard)}" if self.wildcard else "has none"
        return (
            f"Coolify {has} as the wildcard domain of {self.server}; in Coolify open Servers, {self.server}, "
            f"Configuration, General, write https://{domain} into Wildcard Domain, and Save"
        )

    def check(self, domain: str) -> Check:
        """Return whether Coolify has this domain."""
        words = self.words(domain)
        evidence = words or f"Coolify has {clean_name(self.wildcard)} for {self.server}"
        return Check(name="Coolify's setting", status="skipped" if words else "passed", evidence=evidence)


async def coolify_setting(look: Look, host: Host) -> CoolifySetting:
    """Return what Coolify has for a server of the fleet, found by its addresses or else by its name."""
    listed = await look.coolify.servers()
    found = _by_address(listed, host) or next((server for server in listed if server.name == host.name), None)
    if found is None:
        return CoolifySetting()
    server = await look.coolify.server(found.uuid)
    return CoolifySetting(server=clean_name(server.name), wildcard=server.wildcard_domain)


def bare(wildcard: str) -> str:
    """Return the domain in what Coolify holds: it is a URL there, such as `https://s1.example.com`."""
    return wildcard.strip().lower().partition("://")[2].rstrip("/") or wildcard.strip().lower()


def _by_address(servers: tuple[Server, ...], host: Host) -> Server | None:
    known = {host.address, host.private_address} - {None}
    return next((server for server in servers if server.ip in known), None)
