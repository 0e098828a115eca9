"""firewalld as it was set up: its zones, from `firewall-cmd --list-all-zones`; what they do is in nft."""

import re

from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.plan import Frozen

_NEEDED = frozenset({"target", "interfaces", "sources", "services", "ports", "rich rules"})


class Zone(Frozen):
    """One zone: whether it is in use, the default one, and what it says, key by key, in firewalld's words.

    `others` is all else that it says, each key with its value.
    """

    name: str
    active: bool
    default: bool
    target: str
    interfaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    rich_rules: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def lasting(self) -> tuple[object, ...]:
        """Return what makes a zone, in an order of ours: firewalld lists lasting rules in another than those of now.

        Interfaces are bound to a zone when they come up, and are not part of it.
        """
        several = (self.sources, self.services, self.ports, self.rich_rules, self.others)
        return (self.name, self.default, self.target, *(tuple(sorted(each)) for each in several))


def read_firewalld(answer: Answer) -> tuple[Zone, ...] | Unreadable:
    """Read what `firewall-cmd --list-all-zones` said; that of a firewalld that is off is a failure."""
    if bad := failed(answer, "firewall-cmd"):
        return bad
    try:
        return tuple(_zone(block.splitlines()) for block in re.split(r"\n\s*\n", answer.text.strip("\n") + "\n"))
    except ValueError as why:
        return Unreadable(f"firewall-cmd: {why}")


def _zone(lines: list[str]) -> Zone:
    heading, *body = lines or [""]
    name, _, marks = heading.partition(" (")
    said = _keys(body)
    if heading.startswith(" ") or not said.keys() >= _NEEDED:
        raise Damaged(f"not a zone: {heading[:80]}")
    return Zone(
        name=name,
        active="active" in marks,
        default="default" in marks,
        target=said["target"],
        interfaces=tuple(said["interfaces"].split()),
        sources=tuple(said["sources"].split()),
        services=tuple(said["services"].split()),
        ports=tuple(said["ports"].split()),
        rich_rules=tuple(line.strip() for line in body if line.startswith("\t")),
        others=tuple(f"{key}: {' '.join(sorted(value.split()))}" for key, value in said.items() if key not in _NEEDED),
    )


def _keys(lines: list[str]) -> dict[str, str]:
    parted = (line.partition(":") for line in lines if not line.startswith("\t"))
    return {key.strip(): value.strip() for key, colon, value in parted if colon}
