"""Proofs that a server's ports are as policy wants: computed anew, and held against real connects."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.closing import MOST_SHOWN
from ink_infra_mcp.areas.ports.findings import Finding, Ground, Row
from ink_infra_mcp.areas.ports.knocks import Knocked, Origin, disagreements, knocked
from ink_infra_mcp.areas.ports.ways_in import Neighbours, ways_of
from ink_infra_mcp.core.firewall.policy import Agreement
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.operation import Check
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts


async def connects(look: Look, ground: Ground, facts: dict[str, NetworkFacts], neighbours: Neighbours) -> Check:
    """What gets through though every layer should stop it fails; what a network in between may stop does not."""
    target = ground.facts.name
    origins = _factory_elsewhere(look.fleet.factory, target, facts, neighbours)
    tried, failed = await knocked(look, [ground], sources={target: facts[target].came_from}, origins=origins)
    wrong = _critical(ground, tried)
    if wrong:
        return Check(name="connects", status="failed", evidence="; ".join(found.what for found in wrong[:MOST_SHOWN]))
    if not tried:
        return Check(name="connects", status="skipped", evidence="nobody could try: no way there is known")
    untried = "".join(f"; not tried: {why}" for why in failed)
    said = f"{len(tried)} were tried; none got where none should{untried}"
    return Check(name="connects", status="passed", evidence=said)


def _factory_elsewhere(
    factory: Host, target: str, facts: dict[str, NetworkFacts], neighbours: Neighbours
) -> list[Origin]:
    known = factory.name in facts and factory.name != target
    return [Origin(factory.name, ways_of(factory, facts[factory.name], neighbours))] if known else []


def _critical(ground: Ground, tried: list[Knocked]) -> list[Finding]:
    return [found for found in disagreements([ground], tried) if found.severity == "critical"]


def closed(rows: tuple[Row, ...]) -> Check:
    """Return whether nothing is open beyond policy; what is not known to be closed counts as open."""
    wrong = [row for row in rows if row.agreement in {Agreement.EXPOSED, Agreement.UNPROVEN}]
    if wrong:
        said = [f"{row.port} {row.exposure.family} {row.exposure.source_class}: {row.exposure.state}" for row in wrong]
        return Check(name="closed ports", status="failed", evidence="; ".join(said[:MOST_SHOWN]))
    return Check(
        name="closed ports", status="passed", evidence=f"{len(rows)} ports, classes and families computed anew"
    )


def reachable(rows: tuple[Row, ...]) -> Check:
    """Return whether no firewall closes what policy needs; a port where nobody listens is named, and no failure."""
    missing = [row for row in rows if row.agreement is Agreement.MISSING]
    if shut := _shut(missing):
        said = dict.fromkeys(f"{row.port} {row.exposure.source_class}: {row.exposure.decided_by}" for row in shut)
        return Check(name="required ports", status="failed", evidence="; ".join(list(said)[:MOST_SHOWN]))
    return Check(name="required ports", status="passed", evidence=_unheard(missing))


def _shut(missing: list[Row]) -> list[Row]:
    return [row for row in missing if row.exposure.decided_by != "listener"]


def _unheard(missing: list[Row]) -> str:
    silent = sorted({row.port for row in missing})
    return f"no firewall closes one; nobody listens on {', '.join(silent)}" if silent else "all are reachable"
