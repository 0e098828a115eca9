"""Proofs that a server's ports are as policy wants: computed anew, and held against real connects."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.beside import told_beside
from ink_infra_mcp.areas.ports.closing import MOST_SHOWN
from ink_infra_mcp.areas.ports.findings import Ground, Row
from ink_infra_mcp.areas.ports.knocks import Origin, contradicting, knocked, origin_of
from ink_infra_mcp.areas.ports.ways_in import Neighbours
from ink_infra_mcp.core.firewall.policy import Agreement
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts


async def connects(look: Look, ground: Ground, facts: dict[str, NetworkFacts], neighbours: Neighbours) -> Check:
    """A connect fails it that gets where every layer should stop it, and one that meets silence or a refusal where
    every layer lets it through; one for which there is no way from where it was tried is counted as not tried.
    """
    target = ground.facts.name
    origins = _factory_elsewhere(look.fleet.factory, target, facts, neighbours)
    tried, failed = await knocked(look, [ground], sources={target: facts[target].came_from}, origins=origins)
    if contradicting(ground, tried):
        # packets get lost, and a busy machine is late: what is wrong stays so
        tried, failed = await knocked(look, [ground], sources={target: facts[target].came_from}, origins=origins)
    came = [each for each in tried if each.answer != "unreachable"]
    if wrong := contradicting(ground, came):
        return Check(name="connects", status="failed", evidence="; ".join(found.what for found in wrong[:MOST_SHOWN]))
    if not came:
        return Check(name="connects", status="skipped", evidence="nobody could try: no way there is known")
    nowhere = [f"{len(tried) - len(came)}, for which there is no way from there"] if len(tried) > len(came) else []
    untried = "".join(f"; not tried: {why}" for why in (*nowhere, *failed))
    said = f"{len(came)} were tried; each came to what was computed{untried}"
    return Check(name="connects", status="passed", evidence=said)


def kept(plan: Plan, results: Results) -> Check:
    """Return whether what got through before the server's own rules changed was seen to get through with them, too."""
    steps = {step.kind: results.get(step.id, {}) for step in plan.steps}
    saved, keep = steps.get("hosts.save_firewall"), steps.get("hosts.keep_firewall")
    if saved is None or keep is None:
        return Check(name="kept ways", status="skipped", evidence="the server's own rules did not change")
    untried = f"; not tried: {saved['untried']}" if saved.get("untried") else ""
    if not keep.get("proved"):
        return Check(name="kept ways", status="skipped", evidence=f"nothing got through before{untried}")
    said = f"{keep['proved']} connects that got through before do so with the new rules"
    return Check(name="kept ways", status="passed", evidence=f"{said}{untried}")


def _factory_elsewhere(
    factory: Host, target: str, facts: dict[str, NetworkFacts], neighbours: Neighbours
) -> list[Origin]:
    known = factory.name in facts and factory.name != target
    return [origin_of(factory, facts[factory.name], neighbours)] if known else []


def closed(ground: Ground, rows: tuple[Row, ...]) -> Check:
    """Return whether nothing is open beyond policy; what is not known to be closed counts as open, and says why.

    So does what a container listens on that stands beside the server.
    """
    wrong = [row for row in rows if row.agreement in {Agreement.EXPOSED, Agreement.UNPROVEN}]
    beside = told_beside(ground.facts)[:MOST_SHOWN]
    if wrong or beside:
        return Check(name="closed ports", status="failed", evidence="; ".join([*told(wrong), *beside]))
    return Check(
        name="closed ports", status="passed", evidence=f"{len(rows)} ports, classes and families computed anew"
    )


def told(rows: list[Row]) -> list[str]:
    """Return the first rows in words: whether each is open or not known to be closed, and by which rule or reason."""
    said = dict.fromkeys(
        f"{row.port} {row.exposure.family} {row.exposure.source_class}: {row.exposure.state}{_why(row)}" for row in rows
    )
    more = len(said) - MOST_SHOWN
    return [*list(said)[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _why(row: Row) -> str:
    evidence = clean_name("; ".join(row.exposure.evidence), limit=200)
    return f" ({evidence})" if evidence else ""


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
