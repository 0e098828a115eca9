"""What a private network may not overlap on a server: what is routed elsewhere, and what Docker may take."""

import json
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from ink_infra_mcp.core.baseline.daemon import POOLS
from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.routes import Route, Routes
from ink_infra_mcp.core.firewall.spans import intersection
from ink_infra_mcp.core.shapes import table

CLOUD_MTU, VSWITCH_MTU = 1450, 1400
"""Of a card in a Cloud network, and of a vSwitch (Hetzner's documentation of both)."""
DOCKER_POOLS = (
    "172.17.0.0/16",
    "172.18.0.0/16",
    "172.19.0.0/16",
    "172.20.0.0/14",
    "172.24.0.0/14",
    "172.28.0.0/14",
    "192.168.0.0/16",
)
"""What Docker takes networks from where its settings name no pools (moby, libnetwork/ipamutils)."""


def routed_elsewhere(network: str, interfaces: Interfaces | Unreadable, own: str) -> tuple[str, ...]:
    """Return in words which routes lead parts of a network elsewhere than to the card with the server's `own` address.

    Default routes are none. Routes that cannot be read are words as well: nobody knows what they say.
    """
    if isinstance(interfaces, Unreadable):
        return (f"its routes are not known ({interfaces.reason})",)
    if isinstance(interfaces.routes, Unreadable):
        return (f"its routes are not known ({interfaces.routes.reason})",)
    card = interfaces.holding(own) if own else None
    return tuple(dict.fromkeys(_told(route) for route in _meeting(V4.parse(network), interfaces.routes, card)))


def _meeting(network: V4, routes: Routes, card: str | None) -> Iterator[Route]:
    for route in routes.found:
        leads = route.family is Family.V4 and not route.is_wide and not route.delivered and route.devices != (card,)
        if leads and intersection(network.spans, route.network.spans):
            yield route


def _told(route: Route) -> str:
    to = f"leads to {', '.join(route.devices)}" if route.devices else "leads nowhere"
    return f"{', '.join(route.network.cidrs())} {to}"


def pools_met(network: str, daemon: str | None) -> tuple[str, ...]:
    """Return in words which pools of Docker overlap a network; `daemon` is the text of its settings, None not known."""
    if daemon is None:
        return ("Docker's settings are not known",)
    try:
        pools = pools_of(daemon)
    except (ValueError, RecursionError) as error:
        return (f"the pools of Docker's settings are not understood ({error})",)
    wanted = IPv4Network(network)
    return tuple(f"Docker may take {pool}" for pool in pools if IPv4Network(pool).overlaps(wanted))


def pools_of(daemon: str) -> tuple[str, ...]:
    """Return the IPv4 networks from which Docker takes its own, by the text of its settings.

    Raises:
        ValueError: it is no JSON, or a pool in it is no network.
    """
    pools = table(json.loads(daemon)).get(POOLS) if daemon.strip() else None
    if not pools:
        return DOCKER_POOLS
    if not isinstance(pools, list):
        raise ValueError(f"{POOLS} is no list")
    return tuple(_ipv4(str(table(pool).get("base", "")) for pool in pools))


def _ipv4(bases: Iterable[str]) -> Iterator[str]:
    return (str(IPv4Network(base, strict=False)) for base in bases if ":" not in base)
