"""Holds the host key that a server shows against those that its provider told; nobody logs in."""

from collections.abc import Iterable

from ink_infra_mcp.core.told_keys import ToldKey, trusted
from ink_infra_mcp.ssh.pool import HostPool

SSH_PORT = 22


async def told_host_key(hosts: HostPool, address: str, told: Iterable[ToldKey], port: int = SSH_PORT) -> str | None:
    """Return the whole public key that a server shows now, when it is one of the told ones; None when it is not.

    Raises:
        HostUnreachable: no SSH server answered.
    """
    told = tuple(told)
    return trusted([await hosts.scan_host_key(address, port)], told) if told else None
