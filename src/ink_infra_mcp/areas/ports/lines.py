"""Each port that matters in one line: who can reach it, who should, and how many layers stop the internet."""

from collections.abc import Iterable

from ink_infra_mcp.areas.ports.findings import Row
from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.policy import Agreement, Intent
from ink_infra_mcp.core.plan import Frozen


class PortLine(Frozen):
    """One port over one family: what policy wants and what is, for each class of sources.

    `layer` is the one that decides for the internet, and `depth` how many layers would each keep out all that is kept
    out of it; 0 where it is open.
    """

    port: str
    family: str
    intended: str
    effective: str
    layer: str
    depth: int
    agrees: bool


def lines_of(rows: Iterable[Row]) -> tuple[PortLine, ...]:
    """Return one line for each port and family, in order."""
    grouped: dict[tuple[str, int, Family], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.exposure.protocol, row.exposure.port, row.exposure.family), []).append(row)
    return tuple(_line(grouped[key]) for key in sorted(grouped))


def _line(rows: list[Row]) -> PortLine:
    chief = _chief(rows)
    return PortLine(
        port=chief.port,
        family=chief.exposure.family,
        intended=" ".join(f"{row.exposure.source_class}={_short(row.intent)}" for row in rows),
        effective=" ".join(f"{row.exposure.source_class}={row.exposure.state}" for row in rows),
        layer=chief.exposure.decided_by,
        depth=chief.exposure.depth,
        agrees=all(row.agreement is Agreement.AGREES for row in rows),
    )


def _chief(rows: list[Row]) -> Row:
    return next((row for row in rows if row.exposure.source_class == "internet"), rows[0])


def _short(intent: Intent) -> str:
    return {Intent.MUST: "open", Intent.MAY: "any", Intent.MUST_NOT: "closed"}[intent]
