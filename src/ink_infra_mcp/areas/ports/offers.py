"""Where what is said of ports rests on a server's own word, and what tries it: check_firewall with probe=true."""

from collections.abc import Iterable, Sequence

from ink_infra_mcp.areas.ports.findings import Row, listed
from ink_infra_mcp.core.firewall.exposure import State
from ink_infra_mcp.core.firewall.listening import LISTENER
from ink_infra_mcp.core.firewall.netfilter import HOST

_ITS_OWN = frozenset({HOST, LISTENER})
"""Layers that the server itself tells: its filters and routes, and who listens."""


def probe_offered(judged: Iterable[tuple[str, Sequence[Row]]]) -> tuple[str, ...]:
    """Return the offer to try what is not known, or closed by nobody but the server's own word; none where nothing is.

    Connects are of TCP alone: what is said of UDP can be tried by nobody.
    """
    untried = {name: _untried(rows) for name, rows in judged}
    named = [name for name, ports in untried.items() if ports]
    if not named:
        return ()
    count = sum(len(ports) for ports in untried.values())
    server = f"server={named[0]} " if len(untried) == 1 else ""
    ports = "one TCP port" if count == 1 else f"{count} TCP ports"
    return (
        f"that nobody gets in at {ports} of {listed(named)} rests on what the server itself says of its filters, "
        f"routes and listeners, or is not known: check_firewall {server}probe=true tries it",
    )


def _untried(rows: Iterable[Row]) -> set[str]:
    return {row.port for row in rows if row.exposure.protocol == "tcp" and _on_its_word(row)}


def _on_its_word(row: Row) -> bool:
    found = row.exposure
    if found.state is State.CLOSED:
        return not set(found.deniers) - _ITS_OWN
    return bool(found.unknown) or found.state is State.UNKNOWN
