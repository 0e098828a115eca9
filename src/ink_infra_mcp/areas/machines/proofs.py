"""What is true of a Muscle after it was added, statement by statement, seen anew."""

from collections.abc import Awaitable, Callable

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.audits import idle_waivers, verdict_of
from ink_infra_mcp.areas.ports.checks import closed, reachable
from ink_infra_mcp.areas.ports.findings import rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.host_target import lies_of, seen_from_outside
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.baseline.judging import Wanted, judge
from ink_infra_mcp.core.baseline.steps import told
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.login.judging import judge as judge_sshd
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.hosts.firewall.network_facts import gather_networks
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.hosts.machine.auditing import audit
from ink_infra_mcp.hosts.machine.reading import read_machine

Statement = Callable[[Look, Muscle], Awaitable[Check]]


async def of_muscle(look: Look, name: str, plan: Plan, results: Results) -> list[Check]:
    """Return the statements about a Muscle that the fleet has; what cannot be seen is failed, never passed."""
    muscle = next((m for m in look.fleet.muscles if m.name == name), None)
    if muscle is None:
        return [Check(name=f"{name} fleet", status="failed", evidence="fleet.toml does not have it")]
    found = [Check(name=f"{name} fleet", status="passed", evidence=f"{name} at {muscle.address}")]
    for word, statement in (("baseline", _baseline), ("sshd", _sshd), ("coolify", _coolify)):
        found.append(await _seen(f"{name} {word}", statement, look, muscle))
    found += [*await _ports(look, muscle), await _audited(look, muscle, plan)]
    return [*found, *_canary(name, plan, results)]


async def _seen(name: str, statement: Statement, look: Look, muscle: Muscle) -> Check:
    try:
        return (await statement(look, muscle)).model_copy(update={"name": name})
    except InkError as error:
        return Check(name=name, status="failed", evidence=f"not seen: {error.failed}")


async def _baseline(look: Look, muscle: Muscle) -> Check:
    machine = await read_machine(look.hosts, muscle.name, look.baseline())
    judgement = judge(machine, look.baseline(), Wanted(role="muscle", networks=look.fleet.access.private))
    if not judgement.is_already_so:
        wrong = "; ".join(filter(None, (*judgement.refusals, told(judgement.findings))))
        return Check(name="", status="failed", evidence=wrong)
    return Check(name="", status="passed", evidence=f"{machine.release}: all parts of the baseline, read anew")


async def _sshd(look: Look, muscle: Muscle) -> Check:
    judgement = judge_sshd(await logins.look(look.hosts, muscle.name), look.sshd())
    if judgement.is_good:
        return Check(name="", status="passed", evidence="sshd itself says that only keys let in")
    wrong = "; ".join((*judgement.refusals, *(f"{c.name} is {c.before}" for c in judgement.changes)))
    return Check(name="", status="failed", evidence=wrong)


async def _coolify(look: Look, muscle: Muscle) -> Check:
    server = next((s for s in await look.coolify.servers() if s.name == muscle.name), None)
    if server is None or server.ip not in (muscle.address, muscle.private_address):
        return Check(name="", status="failed", evidence="Coolify does not have it")
    good = server.reachable and server.usable
    said = f"reachable {str(server.reachable).lower()}, usable {str(server.usable).lower()}"
    return Check(name="", status="passed" if good else "failed", evidence=said)


async def _audited(look: Look, muscle: Muscle, plan: Plan) -> Check:
    """Others' judgement. An auditor that is not there has not judged, and is named; idle waivers are told."""
    name = f"{muscle.name} auditors"
    try:
        seen, baseline = await audit(look.hosts, muscle.name), look.baseline()
    except InkError as error:
        return Check(name=name, status="skipped", evidence=f"not judged: {error.failed}")
    verdict = verdict_of(seen, baseline, before=_before(plan, muscle.name))
    idle = idle_waivers([seen], baseline)
    told = f"{verdict.told}; waived, and not raised here: {', '.join(idle)}" if idle else verdict.told
    status = "failed" if verdict.wrong else "passed" if not verdict.not_judged else "skipped"
    return Check(name=name, status=status, evidence=told)


def _before(plan: Plan, name: str) -> int | None:
    indexes = plan.pinned.get("lynis_before")
    index = indexes.get(name) if isinstance(indexes, dict) else None
    return index if isinstance(index, int) else None


async def _ports(look: Look, muscle: Muscle) -> list[Check]:
    try:
        facts, away = await gather_networks(look.hosts)
        if muscle.name in away:
            raise away[muscle.name]
        front = (await in_front_of(look, (muscle,)))[muscle.name]
        neighbours = neighbours_of(look.fleet, facts)
        ground = ground_of(look, muscle, facts[muscle.name], front, neighbours)
        ground = seen_from_outside(ground, lies_of(ground, neighbours.known[muscle.name]))
        rows = rows_of(ground)
    except InkError as error:
        return [Check(name=f"{muscle.name} ports", status="failed", evidence=f"not seen: {error.failed}")]
    checks = (closed(ground, rows), reachable(rows))
    return [check.model_copy(update={"name": f"{muscle.name} {check.name}"}) for check in checks]


def _canary(name: str, plan: Plan, results: Results) -> list[Check]:
    """The canary is gone by now: what its steps saw stands in their results."""
    steps = {step.kind: results.get(step.id) for step in plan.steps if step.lane == name}
    proved, visit = steps.get("hosts.prove_isolation"), steps.get("web.visit")
    if proved is None and visit is None:
        return [Check(name=f"{name} canary", status="skipped", evidence="no canary was part of this plan")]
    found: list[Check] = []
    if proved is not None:
        containers = proved.get("containers")
        said = f"ran under gVisor: {containers}"
        found.append(Check(name=f"{name} canary", status="passed", evidence=said))
    if visit is not None and visit.get("visited") is True:
        said = f"answered {visit.get('status')} over HTTPS, certificate of {visit.get('issuer')}"
        found.append(Check(name=f"{name} web", status="passed", evidence=said))
    elif visit is not None:
        found.append(Check(name=f"{name} web", status="skipped", evidence=str(visit.get("why"))))
    return found
