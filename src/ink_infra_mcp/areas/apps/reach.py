"""Whether the public internet can reach an app by its name: what the proofs of name, certificate and answer hang on."""

import ipaddress
import re
from collections.abc import Iterable, Sequence

from ink_infra_mcp.clients.outside import seems_public

_RESERVED = ("local", "internal", "test", "example", "invalid", "localhost", "onion", "alt", "home.arpa")
"""Names that no public DNS serves: RFC 2606, 6761, 6762, 7686, 8375, 9476, and ICANN's `internal` of 2024."""
_SPELT = re.compile(r"(?:^|[.-])(?P<v4>\d{1,3}([.-])\d{1,3}\2\d{1,3}\2\d{1,3})\.(?:sslip\.io|nip\.io)$")
_SPELT_V6 = re.compile(r"(?:^|\.)(?P<v6>[0-9a-f-]{2,45})\.sslip\.io$")


def why_not_public(host: str, muscle: str, resolved: Sequence[str]) -> str:
    """Return in words why nobody on the public internet reaches an app, or an empty text where somebody may.

    `muscle` is the address of its server, `resolved` are those that its name was seen to have: none of them says
    nothing.
    """
    if reserved := _reserved(host):
        return f"no public DNS serves {reserved}"
    return _private_address(host, muscle) or _private_answer(host, resolved)


def _reserved_ending(name: str) -> str:
    return next((end for end in _RESERVED if name == end or name.endswith(f".{end}")), "")


def _private_address(host: str, muscle: str) -> str:
    if (spelt := spelt_address(host)) and not seems_public(spelt):
        return f"{host} stands for {spelt}, which is not a public address"
    if not seems_public(muscle):
        return f"{muscle} is not a public address"
    return ""


def _private_answer(host: str, resolved: Sequence[str]) -> str:
    if resolved and not any(map(seems_public, resolved)):
        return f"{host} leads to {', '.join(resolved)} only, which is not public"
    return ""


def is_address(text: str) -> bool:
    """Return whether a text is an IP address, and not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def leads_only(seen: Iterable[str], own: Iterable[str]) -> bool:
    """Return whether a name with these addresses leads to a server, and to no other one beside it.

    Addresses of a version of which none of the server's own is given say nothing.
    """
    known = {ipaddress.ip_address(address) for address in own if is_address(address)}
    versions = {address.version for address in known}
    found = {address for address in map(ipaddress.ip_address, seen) if address.version in versions}
    return bool(found) and found <= known


def spelt_address(host: str) -> str:
    """Return the IP address that a name of sslip.io or nip.io spells, or an empty text."""
    name = host.lower().rstrip(".")
    found = _SPELT.search(name)
    text = found["v4"].replace("-", ".") if found else _spelt_v6(name)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _spelt_v6(name: str) -> str:
    """sslip.io writes colons as hyphens."""
    found = _SPELT_V6.search(name)
    return found["v6"].replace("-", ":") if found else ""


def _reserved(host: str) -> str:
    name = host.lower().rstrip(".")
    if ending := _reserved_ending(name):
        return f"names that end in .{ending}"
    return "" if "." in name or ":" in name else "names without a dot"
