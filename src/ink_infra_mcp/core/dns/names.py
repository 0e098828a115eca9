"""Names in DNS: in one spelling, below a zone, and wildcards."""

import ipaddress
import re
from collections.abc import Iterator

APEX = "@"
STAR = "*"
_LABEL = re.compile(r"^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$")
_MOST = 253
_HOST_BITS = 64


def canonical(name: str) -> str:
    """Return a name in lower case without its last dot.

    Raises:
        ValueError: it is no name that a record can have; `*` may be its first label.
    """
    bare = name.lower().removesuffix(".")
    labels = bare.split(".")
    rest = labels[1:] if labels[0] == STAR else labels
    if len(bare) > _MOST or not rest or not all(map(_LABEL.fullmatch, rest)):
        raise ValueError(f"{name!r} is not a name that a DNS record can have")
    return bare


def is_below(name: str, zone: str) -> bool:
    """Return whether a name is the zone's own or below it."""
    return name == zone or name.endswith(f".{zone}")


def relative(name: str, zone: str) -> str:
    """Return a name as the zone's own records are named: `@` for the zone itself, `*.s1` for `*.s1.example.com`.

    Raises:
        ValueError: it is not in the zone.
    """
    if not is_below(name, zone):
        raise ValueError(f"{name} is not in the zone {zone}")
    return APEX if name == zone else name.removesuffix(f".{zone}")


def absolute(name: str, zone: str) -> str:
    """Return the whole name of what the zone calls `name`."""
    return zone if name == APEX else f"{name}.{zone}"


def between(name: str, zone: str) -> Iterator[str]:
    """Yield the name and what is above it, up to the zone and without it: each may be delegated elsewhere."""
    here = name
    while here != zone and is_below(here, zone):
        yield here
        here = here.partition(".")[2]


def above(name: str) -> Iterator[str]:
    """Yield what is above a name, the closest first: `s1.example.com` has `example.com` and `com` above it."""
    here = name.partition(".")[2]
    while here:
        yield here
        here = here.partition(".")[2]


def wildcard(domain: str) -> str:
    """Return the name whose records stand for every name below the domain."""
    return f"{STAR}.{domain}"


def host_address(text: str) -> str:
    """Return an address in its one spelling; of an IPv6 network, as vendors tell it, the host's own: the first in it.

    Raises:
        ValueError: it is neither.
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        network = ipaddress.ip_network(text, strict=False)
    if network.version != 6 or network.prefixlen > _HOST_BITS:
        raise ValueError(f"{text} is not the address of a host")
    return str(network[1])
