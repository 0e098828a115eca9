"""Ports that a compose file publishes on its Muscle, past the proxy: a number outside, one inside, on every address."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items, table

_SHORT = re.compile(r"(?P<outer>[0-9]{1,5}):(?P<inner>[0-9]{1,5})(?:/(?P<protocol>tcp|udp))?", re.ASCII)
_LONG = frozenset({"target", "published", "protocol", "mode"})
_MOST = 65_535


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the Muscle that leads to one of a container."""

    outer: int
    inner: int
    protocol: str

    @property
    def name(self) -> str:
        """Return the port of the Muscle, as `25/tcp`."""
        return f"{self.outer}/{self.protocol}"

    @property
    def short(self) -> str:
        """Return the short form, which all readers share."""
        return f"{self.outer}:{self.inner}/{self.protocol}"

    @property
    def told(self) -> str:
        """Return it as Docker tells it, without an address: for every one."""
        return f"{self.outer}->{self.inner}/{self.protocol}"


def published_port(value: JsonValue) -> Published | None:
    """Return what an entry of `ports` publishes; None for a range, an address, a random port, or what is no port."""
    parts = _long(value) if isinstance(value, dict) else _short(value)
    if parts is None:
        return None
    outer, inner, protocol = parts
    return Published(outer, inner, protocol) if 1 <= outer <= _MOST and 1 <= inner <= _MOST else None


def ports_of(service: JsonObject) -> Iterator[Published]:
    """Yield the ports that a service publishes, those left out that no one of ours may have."""
    for entry in items(service.get("ports")):
        if (port := published_port(entry)) is not None:
            yield port


def ports_in(compose: JsonObject) -> frozenset[str]:
    """Return the ports of the Muscle that a file publishes, each as `25/tcp`."""
    services = map(table, table(compose.get("services")).values())
    return frozenset(port.name for service in services for port in ports_of(service))


def _short(value: JsonValue) -> tuple[int, int, str] | None:
    found = _SHORT.fullmatch(value) if isinstance(value, str) else None
    return (int(found["outer"]), int(found["inner"]), found["protocol"] or "tcp") if found else None


def _long(port: JsonObject) -> tuple[int, int, str] | None:
    """The long form, as it is written and as `docker compose config` prints it."""
    outer, inner, protocol = str(port.get("published", "")), str(port.get("target", "")), port.get("protocol", "tcp")
    is_plain = set(port) <= _LONG and port.get("mode", "ingress") == "ingress" and protocol in ("tcp", "udp")
    if not is_plain or not _is_number(outer) or not _is_number(inner):
        return None
    return int(outer), int(inner), str(protocol)


def _is_number(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text, re.ASCII) is not None
