"""The reverse proxy in front of a server's apps, as the server itself tells of it."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.core.plan import Frozen


class ProxySeen(Frozen):
    """The container `coolify-proxy`: its state in Docker's word, empty where there is none.

    `since` is when it was started, as a text to compare, and `version` what the Traefik in it says of itself; it is
    empty where it does not run, or is no Traefik.
    """

    state: str = ""
    image: str = ""
    since: str = ""
    version: str = ""


SeeProxy = Callable[[str], Awaitable[ProxySeen]]
"""Looks at the proxy on the server of that name; raises HostError where the server cannot be asked."""
