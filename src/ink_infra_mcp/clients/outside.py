"""Addresses that we may connect to: public ones, and inner ones where an operator says so; where a name leads."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping

Endpoint = tuple[str, int]
_INSIDE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_EXAMPLES = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    )
)
"""Addresses of documentation stand for public ones: pretend worlds are made of them."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All that IANA has given out of IPv6 for the internet (ipv6-address-space)."""
_PROTOCOL = ipaddress.ip_network("192.0.0.0/24")
"""Of IETF protocols (RFC 6890); one cloud has its metadata there."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def way_to(host: str, port: int, connect_to: Mapping[Endpoint, Endpoint], *, inside: bool) -> Endpoint | None:
    """Return where to connect to for a host: what `connect_to` says, else its first address that we go to.

    None: it has no address, or none that is public; with `inside` an inner one will do. Loopback, link-local and
    metadata addresses never do.
    """
    if (host, port) in connect_to:
        return connect_to[host, port]
    here = ((address, port) for address in await addresses(host, port))
    ways = (connect_to.get(at, at if is_admitted(at[0], inside=inside) else None) for at in here)
    return next(filter(None, ways), None)


def is_admitted(address: str, *, inside: bool) -> bool:
    """Return whether we connect to an address: a public one, and with `inside` one of a private network."""
    return is_public(address) or (inside and is_inside(address))


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet, also when an IPv6 address hides an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    hidden = _hidden(ip)
    return is_public(str(hidden)) if hidden else _is_assigned(ip) and ip.is_global and not ip.is_multicast


def _is_assigned(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Older releases of Python call much global that leads inside: more ways to hide IPv4, site-local addresses."""
    return ip in _UNICAST if isinstance(ip, ipaddress.IPv6Address) else ip not in _PROTOCOL


def seems_public(address: str) -> bool:
    """Return whether an address is of the public internet; those of documentation count, a host name does too."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return True
    return is_public(address) or any(ip.version == net.version and ip in net for net in _EXAMPLES)


def is_inside(address: str) -> bool:
    """Return whether an address is one of a private network: RFC 1918, shared by a carrier (RFC 6598), or ULA."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in _INSIDE)


def _hidden(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a mapped, 6to4 or NAT64 address leads to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    behind_nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    return ip.ipv4_mapped or ip.sixtofour or behind_nat64


async def addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a name, as this machine's resolver gives them; none where it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except (OSError, UnicodeError):
        # a name with a label that DNS cannot have is refused by its encoding already
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
