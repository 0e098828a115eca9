"""Addresses of a name that are of the other version of IP than the one by which fleet.toml knows its server: a browser
that has both takes either.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ink_infra_mcp.areas.dns.addresses import Addresses
from ink_infra_mcp.core.fleet import Host


@dataclass(frozen=True, slots=True)
class Beside:
    """Of such addresses of a name: `strange` are not its server's, and of `unknown` nobody knows whose they are."""

    strange: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def others(server: Host, addresses: Iterable[str]) -> tuple[str, ...]:
    """Return those of the addresses that are of a version of which fleet.toml has no public one of the server."""
    versions = {address.version for address in _read((server.address,))}
    return tuple(str(address) for address in _read(addresses) if versions and address.version not in versions)


def beside(server: Host, addresses: Iterable[str], known: Mapping[str, Addresses]) -> Beside:
    """Return what such addresses of a name are, by the public ones that are `known` of the fleet's servers."""
    own = _read(known.get(server.name, Addresses()).known)
    versions = {address.version for address in own}
    foreign = [address for address in _read(others(server, addresses)) if address not in own]
    strange = tuple(str(address) for address in foreign if address.version in versions)
    return Beside(strange=strange, unknown=() if strange else tuple(map(str, foreign)))


def _read(texts: Iterable[str]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    found: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_address(text))
        except ValueError:
            continue
    return found
