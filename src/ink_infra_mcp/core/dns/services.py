"""Service bindings (HTTPS and SVCB records, RFC 9460): a browser that finds one goes where it says, whatever the
addresses of the name are.
"""

import re
import shlex
from collections.abc import Collection, Iterable

from ink_infra_mcp.core.dns.records import RecordSet, value_of
from ink_infra_mcp.core.untrusted import clean_name

SERVICES = ("HTTPS", "SVCB")
"""The types of service bindings."""
_PRIORITY = re.compile(r"[1-9][0-9]{0,4}")
"""0 is an alias (RFC 9460, 2.4.2)."""
_HINTS = {"ipv4hint": "A", "ipv6hint": "AAAA"}
_HARMLESS = ("alpn", "mandatory")
"""Keys that choose no place and shut nobody out (RFC 9460, 7 and 8)."""
_TOLD = 120


def bindings_of(sets: Iterable[RecordSet]) -> tuple[str, ...]:
    """Return the service bindings among the records of a name."""
    return tuple(value for each in sets if each.type in SERVICES for value in sorted(each.values))


def diverted(bindings: Iterable[str], name: str, addresses: Collection[str]) -> str:
    """Return in words which of a name's service bindings may lead browsers to something else than port 443 of these
    addresses, or nothing.
    """
    away = [each for each in bindings if not stays(each, name, addresses)]
    return f"browsers follow its HTTPS record ({clean_name(away[0], limit=_TOLD)})" if away else ""


def stays(binding: str, name: str, addresses: Collection[str]) -> bool:
    """Return whether a service binding is known to lead to port 443 of these addresses, as the name itself does."""
    try:
        priority, target, *params = shlex.split(binding)
    except ValueError:
        return False
    own = target.lower().removesuffix(".") in ("", name)
    return own and bool(_PRIORITY.fullmatch(priority)) and all(_is_harmless(each, addresses) for each in params)


def _is_harmless(param: str, addresses: Collection[str]) -> bool:
    key, _, value = param.partition("=")
    if key in _HINTS:
        return all(value_of(_HINTS[key], one) in addresses for one in value.split(","))
    return key in _HARMLESS or param == "port=443"
