"""Containers that stand beside a server, not behind it: their packets pass no filter of the server's own."""

from collections.abc import Iterator

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, family_of
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.docker import Container, Containers
from ink_infra_mcp.core.firewall.exposure import HostFacts
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.untrusted import clean_name


def beside(facts: HostFacts) -> Iterator[tuple[Container, tuple[str, ...]]]:
    """Yield each container with the addresses that it has beside the server (macvlan, ipvlan, a plugin's network).

    An address is behind the server where Docker says so, or where the server's routes lead to it over an interface of
    its own; where neither is known it counts as beside, for then what reaches it is not known either.
    """
    if isinstance(facts.containers, Containers):
        for container in facts.containers.running:
            if texts := tuple(text for text in container.apart if not _leads_inside(text, facts.interfaces)):
                yield container, texts


def told_beside(facts: HostFacts) -> tuple[str, ...]:
    """Return in words which containers stand beside a server: what is closed on it is not closed for them."""
    return tuple(
        f"container {clean_name(container.name, limit=60)} has an address of its own beside the server "
        f"({', '.join(texts)}): no filter of the server stands before what it listens on"
        for container, texts in beside(facts)
    )


def _leads_inside(text: str, interfaces: Interfaces | Unreadable) -> bool:
    if isinstance(interfaces, Unreadable) or isinstance(interfaces.routes, Unreadable):
        return False
    family = family_of(text)
    number = (V4 if family is Family.V4 else V6).parse(text).spans[0][0]
    return interfaces.towards(number, family) in interfaces.inner()
