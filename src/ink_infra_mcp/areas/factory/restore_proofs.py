"""What is true of Coolify after a restore, seen anew."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.hosts.factory.weighing import Weighed, weigh

_SHOWN = 6


async def of_restore(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the checks: the database is that of the backup, keys decrypt, servers let Coolify in, our token."""
    if not plan.steps:
        return []
    restored = next(step for step in plan.steps if step.id == "restore")
    proof = results.get("prove", {})
    return [
        await _database(plan.target, str(restored.params["folder"]), look),
        Check(name="keys", status="passed", evidence=f"{proof.get('keys')} keys decrypt and lie as files"),
        _servers(proof),
        _own_server(proof),
        await _api(look),
    ]


async def _database(host: str, folder: str, look: Look) -> Check:
    place = folder.removeprefix("/data/coolify/backups/ink/")
    try:
        seen = await weigh(look.hosts, host, place)
    except InkError as error:
        return Check(name="database", status="failed", evidence=f"not seen: {error.failed}")
    others = _others(seen)
    evidence = f"{len(seen.now)} rows with a name; {others or 'none'} are only here, or only in the backup"
    return Check(name="database", status="failed" if others else "passed", evidence=evidence)


def _others(seen: Weighed) -> int:
    return sum(len(seen.lost(table)) + len(seen.back(table)) for table in seen.tables)


def _servers(proof: JsonObject) -> Check:
    reached, away = items(proof.get("reached")), items(proof.get("unreached"))
    some = ", ".join(map(str, away[:_SHOWN]))
    evidence = f"{len(reached)} servers let Coolify in with its key" + (f"; not: {some}" if away else "")
    return Check(name="servers", status="failed" if away else "passed", evidence=evidence)


def _own_server(proof: JsonObject) -> Check:
    own = proof.get("own")
    if not own:
        return Check(name="own_server", status="skipped", evidence="Coolify has none, or it could not be asked")
    let_in = own in items(proof.get("reached"))
    evidence = "Coolify gets in to the machine that it runs on" if let_in else "it lets Coolify's key not in"
    return Check(name="own_server", status="passed" if let_in else "failed", evidence=evidence)


async def _api(look: Look) -> Check:
    try:
        version = await look.coolify.version()
    except InkError as error:
        return Check(
            name="api",
            status="failed",
            evidence=f"{error.failed} A token that is newer than the backup is gone: make one, and store it",
        )
    return Check(name="api", status="passed", evidence=f"our token is known to Coolify {version}")
