"""What is true of Coolify after a restore, seen anew."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.hosts.factory.backing_up import FOLDER
from ink_infra_mcp.hosts.factory.weighing import Weighed, weigh

_SHOWN = 6


async def of_restore(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the checks: the database is that of the backup, keys decrypt, servers let Coolify in, our token."""
    if not plan.steps:
        return []
    restored = next(step for step in plan.steps if step.id == "restore")
    proof = results.get("prove", {})
    seen = await _weighed(plan.target, str(restored.params["folder"]), look)
    return [
        _database(seen),
        Check(name="keys", status="passed", evidence=f"{proof.get('keys')} keys decrypt and lie as files"),
        _servers(proof, seen),
        _own_server(proof),
        await _api(look),
    ]


async def _weighed(host: str, folder: str, look: Look) -> Weighed | InkError:
    try:
        return await weigh(look.hosts, host, folder.removeprefix(f"{FOLDER}/"))
    except InkError as error:
        return error


def _database(seen: Weighed | InkError) -> Check:
    if isinstance(seen, InkError):
        return Check(name="database", status="failed", evidence=f"not seen: {seen.failed}")
    others = sum(len(seen.lost(table)) + len(seen.back(table)) for table in seen.tables)
    evidence = f"{len(seen.now)} rows with a name; {others or 'none'} are only here, or only in the backup"
    return Check(name="database", status="failed" if others else "passed", evidence=evidence)


def _servers(proof: JsonObject, seen: Weighed | InkError) -> Check:
    reached, away = items(proof.get("reached")), items(proof.get("unreached"))
    things = () if isinstance(seen, InkError) else seen.kept
    names = {thing.uuid: thing.name for thing in things if thing.table == "servers"}
    some = ", ".join(names.get(str(uuid)) or str(uuid) for uuid in away[:_SHOWN])
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
