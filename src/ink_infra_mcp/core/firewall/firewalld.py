"""firewalld as it was set up: its zones, from `firewall-cmd --list-all-zones`; what they do is in nft."""

from itertools import groupby

from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed
from ink_infra_mcp.core.plan import Frozen

_TARGET = "target"


class Zone(Frozen):
    """One zone: whether it is in use, the default one, and what it says, key by key, in firewalld's words."""

    name: str
    active: bool
    default: bool
    target: str
    interfaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    rich_rules: tuple[str, ...] = ()


def read_firewalld(answer: Answer) -> tuple[Zone, ...] | Unreadable:
    """Read what `firewall-cmd --list-all-zones` said. One that is off is unreadable here."""
    if bad := failed(answer, "firewall-cmd"):
        return bad
    blocks = [
        list(lines)
        for filled, lines in groupby(answer.text.splitlines(), key=lambda line: bool(line.strip()))
        if filled
    ]
    zones = tuple(zone for block in blocks if (zone := _zone(block)))
    if not zones or len(zones) != len(blocks):
        return Unreadable("firewall-cmd says something that is no zone")
    return zones


def _zone(lines: list[str]) -> Zone | None:
    heading, *body = lines
    name, _, marks = heading.partition(" (")
    said = {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in body) if colon}
    if heading.startswith(" ") or _TARGET not in said or "rich rules" not in said:
        return None
    return Zone(
        name=name,
        active="active" in marks,
        default="default" in marks,
        target=said[_TARGET],
        interfaces=tuple(said.get("interfaces", "").split()),
        sources=tuple(said.get("sources", "").split()),
        services=tuple(said.get("services", "").split()),
        ports=tuple(said.get("ports", "").split()),
        rich_rules=tuple(line.strip() for line in body if line.startswith("\t")),
    )
