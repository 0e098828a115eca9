"""Asks one layer about one port, and gives the answer as sets of sources."""

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.gates import Gate, judged
from ink_infra_mcp.core.firewall.grid import Door, Grid, grid
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.netfilter import crossing, way
from ink_infra_mcp.core.firewall.rules import Tables
from ink_infra_mcp.core.firewall.walk import Judgement

NUMBER = V4.parse("203.0.113.11").spans[0][0]
OVER_ETH0 = Question(None, NUMBER, "eth0")
NO_INTERFACES = Interfaces()
OTHERS = (("tcp", 1), ("udp", 40_001))
"""Asked along with the one that is meant: what is said of one door must not depend on the others."""


def sets(cells: Grid[A], judgement: Judgement, door: Door) -> tuple[A, A, A]:
    """Return who may pass, who may be stopped, and whom both concerns."""
    parts = (judgement.admitted, judgement.denied, judgement.unknown)
    admitted, denied, unknown = (cells.sources(part, door) for part in parts)
    return admitted, denied, unknown


def at_host(
    tables: Tables[A] | Unreadable,
    sources: A,
    port: int,
    protocol: str = "tcp",
    interfaces: Interfaces = NO_INTERFACES,
) -> tuple[A, A, A]:
    """Return whom a host's filters admit, deny, and of whom they do not tell."""
    assert not isinstance(tables, Unreadable), tables
    filters = way(tables)
    cells = grid(sources, filters.told_apart, (OTHERS[0], (protocol, port), OTHERS[1]))
    return sets(cells, crossing(filters, OVER_ETH0, cells, interfaces).judgement, (protocol, port))


def at_gate(gate: Gate[A], sources: A, port: int, protocol: str = "tcp") -> tuple[A, A, A]:
    """Return whom a provider's firewall admits, denies, and of whom it does not tell."""
    cells = grid(sources, frozenset(gate.told_apart()), (OTHERS[0], (protocol, port), OTHERS[1]))
    return sets(cells, judged(gate, OVER_ETH0, cells), (protocol, port))


def words(found: tuple[V4, V4, V4] | tuple[V6, V6, V6]) -> tuple[str, str, str]:
    """Return the three sets as they are printed."""
    admitted, denied, unknown = found
    return str(admitted), str(denied), str(unknown)
