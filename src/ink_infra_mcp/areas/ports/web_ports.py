"""Whether a firewall keeps the internet from the web of a server, as check_firewall would compute it."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.findings import Row, rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.diagnosis_pages import Unread
from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.exposure import State
from ink_infra_mcp.core.firewall.listening import LISTENER
from ink_infra_mcp.hosts.firewall.network_facts import gather_network

WEB = frozenset({80, 443})


async def shut_to_web(look: Look, muscle: str) -> tuple[str, ...] | Unread:
    """Return in words which web ports of a server a firewall closes to the internet, or that it is not known.

    That nobody listens behind them is no firewall, and not told here.

    Raises:
        HostError: the server cannot be asked.
    """
    host, facts = look.fleet.host(muscle), await gather_network(look.hosts, muscle)
    front = await in_front_of(look, (host,))
    ground = ground_of(look, host, facts, front[muscle], neighbours_of(look.fleet, {muscle: facts}))
    family = Family.V6 if ":" in host.address else Family.V4
    rows = [row for row in rows_of(ground) if _of_web(row, family)]
    if not rows or any(row.exposure.state is State.UNKNOWN for row in rows):
        return Unread("which firewalls stand before ports 80 and 443 is not known", f"check_firewall server={muscle}")
    return tuple(f"{row.port} is closed by {row.exposure.decided_by}" for row in rows if _is_shut(row))


def _of_web(row: Row, family: Family) -> bool:
    seen = row.exposure
    return (seen.source_class, seen.protocol, seen.family) == ("internet", "tcp", family) and seen.port in WEB


def _is_shut(row: Row) -> bool:
    return row.exposure.state is State.CLOSED and row.exposure.decided_by != LISTENER
