"""Proofs that names lead where a plan said: asked of the zone's own servers, and of the rest of the world."""

from collections.abc import Sequence

from ink_infra_mcp.areas.dns.steps import is_setting
from ink_infra_mcp.areas.dns.zones import delegation_of, sets_at
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.dns.proving import Expected, asked_name, expected_of
from ink_infra_mcp.core.dns.records import from_param, value_of
from ink_infra_mcp.core.dns.zones import Told, Zone, agree, told_in_words
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.shapes import items, table

PROVES = "nameservers.prove_records"


async def of_records(look: Look, plan: Plan, results: Results, zone: Zone) -> list[Check]:
    """Return whether the zone is delegated, its own servers answer as planned, and the rest of the world does."""
    delegation = await delegation_of(look.dns, zone)
    status = {"right": "passed", "wrong": "failed", "unknown": "skipped"}[delegation.known]
    first = Check.model_validate({"name": "delegation", "status": status, "evidence": delegation.evidence})
    step = next((step for step in plan.steps if step.kind == PROVES), None)
    if step is None:
        return [first]
    expected = _expected(step, results)
    fresh = plan.digest[:16]
    own = await _own(look, [str(each) for each in items(step.params["servers"])], expected, fresh)
    return [first, own, await _world(look, expected, fresh)]


async def of_taken_away(look: Look, plan: Plan, zone: Zone) -> list[Check]:
    """Return whether the zone holds nothing of what the plan's steps took out of it; nothing where none did."""
    setting = (step for step in plan.steps if is_setting(step))
    gone = {(step.target, step.params["type"]): lost for step in setting if (lost := _lost(step))}
    if not gone:
        return []
    now = await sets_at(look, zone, tuple(dict.fromkeys(name for name, _ in gone)))
    nothing = frozenset[str]()
    if still := ", ".join(f"{s.type} {s.name}" for s in now if s.values & gone.get((s.name, s.type), nothing)):
        return [Check(name="taken away", status="failed", evidence=f"{still} still there")]
    return [Check(name="taken away", status="passed", evidence=f"{zone.name} has {len(gone)} record sets less")]


def _lost(step: Step) -> frozenset[str]:
    before, after = from_param(step.params["before"], {}), step.params["after"]
    records = items(table(after)["records"]) if after is not None else []
    stays = {value_of(str(step.params["type"]), str(table(record)["value"])) for record in records}
    return before.values - stays if before is not None else frozenset()


def _expected(step: Step, results: Results) -> list[Expected]:
    return [expected_of(table(each), results) for each in items(step.params["expected"])]


async def _own(look: Look, servers: Sequence[str], expected: Sequence[Expected], fresh: str) -> Check:
    seen: list[str] = []
    right = True
    for each in expected:
        told = await look.dns.nameservers.ask(servers, asked_name(each.name, fresh), each.type)
        right = right and agree(told, each.values)
        seen.append(f"{each.type} {each.name}: {_words(told)}")
    return Check(name="name servers", status="passed" if right else "failed", evidence="; ".join(seen))


def _words(told: Sequence[Told]) -> str:
    """Say once what all say."""
    answers = {(each.status, each.values) for each in told}
    if len(answers) == 1 and told:
        return f"{', '.join(told[0].values) or told[0].status} from all {len(told)}"
    return told_in_words(told)


async def _world(look: Look, expected: Sequence[Expected], fresh: str) -> Check:
    """A resolver may remember an older answer for a name that it was asked for; not for one below a wildcard."""
    seen: list[str] = []
    failed, stale = False, False
    for each in expected:
        name = asked_name(each.name, fresh)
        told = await look.dns.nameservers.world(name, each.type)
        seen.append(f"{each.type} {each.name}: {', '.join(told.values) or told.status}")
        if agree((told,), each.values):
            continue
        failed, stale = failed or name != each.name, True
    status = "failed" if failed else "skipped" if stale else "passed"
    old = "; an older answer may be remembered until its TTL ends" if stale and not failed else ""
    return Check(name="public DNS", status=status, evidence="; ".join(seen) + old)
