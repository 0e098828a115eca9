"""Proofs that an app is as promised: its deployment, its isolation on the host, DNS, TLS and HTTP."""

from collections.abc import Iterable

import anyio

from ink_infra_mcp.areas.apps import env_proof
from ink_infra_mcp.areas.apps.app import all_apps, host_of
from ink_infra_mcp.areas.apps.services import NO_SERVICES, Services
from ink_infra_mcp.areas.apps.web import web
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.buildlog import FINISHED
from ink_infra_mcp.core.errors import HostError, NotFound
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import ContainerFacts, containers_of
from ink_infra_mcp.hosts.docker.rollouts import (
    UP,
    Promise,
    judged,
    lingering,
    missing,
    problems,
    promise_of,
    restarting,
    settling_s,
    unsettled,
)

GONE_WITHIN_S = 60.0
RUNS_WITHIN_S = 60.0
_EVERY_S = 3.0


async def is_isolated(
    look: Look, muscle: str, app_uuid: str, hosts: Iterable[str], services: Services = NO_SERVICES
) -> bool:
    """Return whether all that is promised of the app runs there and each container is isolated, under its own `hosts`.

    Raises:
        HostError: it cannot be seen, which is not the same as "no".
    """
    promise = Promise(
        app=app_uuid,
        services=services.must_run,
        once=services.may_end,
        ports=services.ports,
        hosts=frozenset(hosts),
    )
    found = await containers_of(look.hosts, muscle, app_uuid)
    return not missing(found, promise) and not problems(judged(found, promise), look.isolation, promise)


async def running_of(look: Look, muscle: str, app_uuid: str) -> tuple[str, ...]:
    """Return the names of the app's containers that run there or try to; raises HostError like `is_isolated`."""
    return tuple(c.name for c in await containers_of(look.hosts, muscle, app_uuid) if c.state in UP)


async def of_deployment(plan: Plan, results: Results, look: Look) -> list[Check]:
    """Return the checks of a plan whose steps `deploy` and `prove_isolation` have run."""
    prove = _step(plan, "prove_isolation")
    app, muscle, url = _uuid(prove, results), str(prove.params["muscle"]), str(prove.params["url"])
    commit = _approved_commit(plan)
    deployment = results.get("deploy", {}).get("deployment")
    return [
        *([await _deployment(look, str(deployment), commit)] if deployment else []),
        await _with_restarts(
            look, await isolation(look, muscle, promise_of(app, prove.params, results)), deployment, app
        ),
        await env_proof.variables(look, plan, results),
        *(await web(look, muscle, url) if url else []),
        *await _other_names(look, prove, app),
    ]


async def _other_names(look: Look, prove: Step, app: str) -> list[Check]:
    """Return one check of all names of the app beside that of its URL, each looked at as that one is; nothing where it
    has no other.
    """
    first = host_of(str(prove.params["url"]))
    hosts = [str(each) for each in items(prove.params.get("hosts", [])) if each not in ("", first)]
    if not hosts:
        return []
    urls = await _urls_of(look, app)
    seen: dict[str, list[Check]] = {}

    async def visit(host: str) -> None:
        seen[host] = await web(look, str(prove.params["muscle"]), urls.get(host, f"https://{host}"))

    async with anyio.create_task_group() as group:
        for host in hosts:
            group.start_soon(visit, host)
    return [_together([check for host in hosts for check in seen[host]])]


async def _urls_of(look: Look, app: str) -> dict[str, str]:
    """Return the first URL that Coolify has of each host of the app."""
    known = next((each.urls for each in await all_apps(look) if each.uuid == app), ())
    return {host_of(url): url for url in reversed(known)}


def _together(checks: Iterable[Check]) -> Check:
    """A plain URL has no certificate to look at, which is no gap."""
    by_status: dict[str, list[str]] = {}
    for check in checks:
        if (check.name, check.status) != ("tls", "skipped"):
            by_status.setdefault(check.status, []).append(check.evidence)
    worst = next(status for status in ("failed", "skipped", "passed") if status in by_status)
    evidence = "; ".join(dict.fromkeys(by_status[worst]))
    return Check.model_validate({"name": "other names", "status": worst, "evidence": evidence})


async def _with_restarts(look: Look, check: Check, deployment: object, app: str) -> Check:
    """Return the check with Coolify's count of starts since the deployment, which a compose app has none of."""
    why = restarts_of(await look.coolify.application(app)) if deployment else ""
    return check.model_copy(update={"evidence": f"{check.evidence}; {why}"}) if why else check


def _approved_commit(plan: Plan) -> str:
    return next((str(step.params["commit"]) for step in plan.steps if step.id == "deploy"), "")


def restarts_of(app: Application) -> str:
    """Return in words how often Coolify saw the app start again since its deployment, or an empty text for never."""
    if not app.restart_count:
        return ""
    times = "once" if app.restart_count == 1 else f"{app.restart_count} times"
    last = f", last after a {clean_name(app.last_restart_type)}" if app.last_restart_type else ""
    return f"Coolify saw it start again {times}{last}"


def summary_of_deployment(plan: Plan, results: Results) -> JsonObject:
    """Return what the caller wants to know of a deployed app, as far as the steps came."""
    prove = _step(plan, "prove_isolation")
    done = results.get("deploy", {})
    said: JsonObject = {
        "url": prove.params["url"],
        "app": _uuid(prove, results),
        "muscle": prove.params["muscle"],
        "deployment": done.get("deployment", ""),
    }
    return said | ({"commit": commit} if (commit := commit_of(done.get("commit"))) else {})


def commit_of(named: object) -> str:
    """Return a deployment's commit, or an empty text: Coolify writes HEAD where the source has none, as an image."""
    return named if isinstance(named, str) and named != "HEAD" else ""


async def isolation(look: Look, muscle: str, promise: Promise) -> Check:
    """Return whether what runs is new, all that was promised, isolated, and stays up: docker inspect says so twice.

    Waits up to a minute until it is new and complete, then for policy's time whether it stays up.
    """
    try:
        counted, wrong = await _watched(look, muscle, promise)
    except HostError as error:
        return Check(name="isolation", status="failed", evidence=f"not seen: {error.failed}")
    if wrong:
        return Check(name="isolation", status="failed", evidence="; ".join(wrong))
    return Check(name="isolation", status="passed", evidence="; ".join(_inspected(c, muscle) for c in counted))


async def _watched(look: Look, muscle: str, promise: Promise) -> tuple[tuple[ContainerFacts, ...], tuple[str, ...]]:
    """Return the containers that count and, in words, what is wrong with them; empty where they also stayed up."""
    found, wanting = await _complete(look, muscle, promise)
    counted = judged(found, promise)
    wrong = problems(counted, look.isolation, promise) or restarting(found, promise) or wanting
    if not wrong:
        await look.clock.sleep(settling_s(counted, look.isolation))
        wrong = unsettled(counted, await containers_of(look.hosts, muscle, promise.app))
    return counted, wrong


async def _complete(look: Look, muscle: str, promise: Promise) -> tuple[tuple[ContainerFacts, ...], tuple[str, ...]]:
    """Return the app's containers once they are new and complete, or after a minute with what is wanting."""
    end = look.clock.monotonic() + RUNS_WITHIN_S
    found = await containers_of(look.hosts, muscle, promise.app)
    while (wanting := _wanting(found, promise, muscle)) and look.clock.monotonic() < end:
        await look.clock.sleep(_EVERY_S)
        found = await containers_of(look.hosts, muscle, promise.app)
    return tuple(found), wanting


def _wanting(found: Iterable[ContainerFacts], promise: Promise, muscle: str) -> tuple[str, ...]:
    found = tuple(found)
    old = tuple(f"{name} on {muscle} is from before" for name in lingering(found, promise))
    lacking = missing(found, promise)
    return (*old, f"no container of {lacking} runs on {muscle}") if lacking else old


async def _deployment(look: Look, uuid: str, commit: str) -> Check:
    deployment = await look.coolify.deployment(uuid)
    wrong_commit = bool(commit) and deployment.commit not in (commit, "HEAD", "")
    ok = deployment.status == FINISHED and not wrong_commit
    evidence = f"Coolify says {clean_name(deployment.status)} for {uuid}"
    if wrong_commit:
        evidence += f", but it deployed {clean_name(deployment.commit)} and not {commit}"
    return Check(name="deployment", status="passed" if ok else "failed", evidence=evidence)


def _inspected(container: ContainerFacts, muscle: str) -> str:
    does = "runs" if container.state == "running" else "ended well"
    return f"docker inspect on {muscle}: {container.name} {does} under {container.runtime}"


def app_of(plan: Plan, results: Results) -> str:
    """Return the uuid of the app that the plan deploys, as far as the steps came, or an empty text."""
    step = next((s for s in plan.steps if s.id == "deploy"), None)
    return _uuid(step, results) if step is not None else ""


def _step(plan: Plan, step_id: str) -> Step:
    return next(step for step in plan.steps if step.id == step_id)


def _uuid(step: Step, results: Results) -> str:
    app = step.params["app"]
    if isinstance(app, dict):
        return str(results.get(str(app["step"]), {}).get(str(app["field"]), ""))
    return str(app)


async def stopped(look: Look, plan: Plan, results: Results) -> Check:
    """Return whether no container of the app runs any more, as the host sees it; waits up to a minute for the last."""
    step = plan.steps[0]
    app, muscle = _uuid(step, results), str(step.params["muscle"])
    if not muscle:
        return Check(name="stopped", status="skipped", evidence="its server is not in fleet.toml")
    try:
        running = await _left_running(look, muscle, app)
    except HostError as error:
        return Check(name="stopped", status="failed", evidence=f"not seen: {error.failed}")
    if running:
        return Check(name="stopped", status="failed", evidence=f"still running on {muscle}: {', '.join(running)}")
    return Check(name="stopped", status="passed", evidence=f"no container of it runs on {muscle}")


async def _left_running(look: Look, muscle: str, app: str) -> tuple[str, ...]:
    end = look.clock.monotonic() + GONE_WITHIN_S
    while (running := await running_of(look, muscle, app)) and look.clock.monotonic() < end:
        await look.clock.sleep(_EVERY_S)
    return tuple(running)


async def gone(look: Look, step: Step, results: Results) -> list[Check]:
    """Return whether Coolify and the host both no longer have the app that the step deletes."""
    params = step.params
    uuid, muscle = _uuid(step, results), str(params["muscle"])
    return [
        await _gone_in_coolify(look, uuid, service=params["service"] is True),
        await _no_container(look, muscle, uuid),
    ]


async def _gone_in_coolify(look: Look, uuid: str, *, service: bool) -> Check:
    try:
        await (look.coolify.service(uuid) if service else look.coolify.application(uuid))
    except NotFound:
        return Check(name="gone from Coolify", status="passed", evidence=f"Coolify knows no {uuid}")
    return Check(name="gone from Coolify", status="failed", evidence=f"Coolify still has {uuid}")


async def _no_container(look: Look, muscle: str, uuid: str) -> Check:
    name = "no container left"
    if not muscle:
        return Check(name=name, status="skipped", evidence="its server is not in fleet.toml")
    try:
        left = await containers_of(look.hosts, muscle, uuid)
    except HostError as error:
        return Check(name=name, status="failed", evidence=f"not seen: {error.failed}")
    if left:
        return Check(name=name, status="failed", evidence=f"{', '.join(c.name for c in left)} on {muscle}")
    return Check(name=name, status="passed", evidence=f"docker on {muscle} has none")
