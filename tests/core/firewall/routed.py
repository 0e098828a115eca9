"""The routes that the kernel makes of a host's addresses by itself, and a default route, as facts."""

from collections.abc import Iterator
from dataclasses import replace

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.routes import Route, Routes

_ALL = {Family.V4: V4.all(), Family.V6: V6.all()}
_LOOPBACK = Route(Family.V4, V4.parse("127.0.0.0/8"), ("lo",), "local", delivered=True)


def routed(known: Interfaces, *more: Route, uplink: str = "eth0", localnet: frozenset[str] = frozenset()) -> Interfaces:
    """Return the interfaces with their routes: each address is delivered, each network lies behind its interface."""
    made = (*_made(known), *(Route(family, _ALL[family], (uplink,)) for family in Family), _LOOPBACK, *more)
    return replace(known, routes=Routes(made), localnet=localnet)


def _made(known: Interfaces) -> Iterator[Route]:
    for own in known.addresses:
        alone = type(own.network)(((own.number, own.number),))
        yield Route(own.family, alone, (own.interface,), "local", delivered=True)
        yield Route(own.family, own.network, (own.interface,))
