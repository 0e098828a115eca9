"""What a reboot of a server takes away and for how long, what keeps it from being done, and whether all is back."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.areas.apps import rollout
from ink_infra_mcp.areas.apps.app import App, all_apps
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.boot_findings import LOCKED_OUT, boot_findings
from ink_infra_mcp.areas.ports.findings import Finding, rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.core.errors import HostError, RefusedByPolicy, Unavailable, Unreachable
from ink_infra_mcp.core.fleet import Host, Muscle, Provider
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import JsonObject, Plan, Step, placed
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import belongs_to
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import gather
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, gather_networks
from ink_infra_mcp.hosts.upkeep.running import comes_back
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, gather_upkeep

ABOUT: Mapping[Provider, str] = {"hetzner_cloud": "about 2 minutes", "hetzner_robot": "about 5 minutes"}
ABOUT_OTHER = "some minutes"
"""A virtual server boots in seconds; a dedicated one tests its memory first. Then Docker starts what ran."""
SHOWN = 10
COOLIFY_WITHIN_S = 60.0
EVERY_S = 3.0
KINDS = ("hosts.note_running", "hosts.reboot", "hosts.await_apps")
Networks = tuple[dict[str, NetworkFacts], dict[str, HostError]]
"""The ways into each server, and the errors of those that could not be asked."""
_NO_URL = "-"
_READS = "nothing to undo: it only reads"


@dataclass(frozen=True, slots=True)
class Away:
    """An app that will be away: its name, its uuid, and the URL that it is visited by, empty for none."""

    name: str
    uuid: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class RebootFacts:
    """A server, what will be away with it, and why it asks for a reboot; None: it does not say."""

    server: str
    address: str
    provider: Provider = "other"
    factory: bool = False
    production: bool = False
    apps: tuple[Away, ...] = ()
    others: int = 0
    """Containers that run and are of none of these apps."""
    left_down: tuple[str, ...] = ()
    """Containers that run, and that Docker does not start again by itself."""
    leads_to: tuple[str, ...] = ()
    """Servers that we reach through this one."""
    required: tuple[str, ...] | None = None
    why_unknown: str = ""
    locks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def reboot_facts(
    look: Look, host: Host, networks: Networks | None = None, *, gone: Collection[str] = ()
) -> RebootFacts:
    """Return what a reboot of this server is planned from; `networks` are those of the fleet, where they are known.
    Apps whose uuid is in `gone` will have moved away by then.

    Raises:
        RefusedByPolicy: deployments run that it would break, or nobody could log in afterwards.
        HostError: the server cannot be read: then a person has to look at its console first.
    """
    factory = host.name == look.fleet.factory.name
    upkeep = await gather_upkeep(look.hosts, host.name)
    there = await gather(look.hosts, host.name, areas=("docker", "containers"))
    apps, unseen = await _apps_on(look, host, factory=factory, gone=gone)
    running = _running(there.containers or (), gone)
    of_apps = [c for c in running if _is_of(c, [app.uuid for app in apps])]
    return RebootFacts(
        server=host.name,
        address=host.address,
        provider=host.provider,
        factory=factory,
        production=isinstance(host, Muscle) and host.production,
        apps=tuple(Away(app.name, app.uuid, next(iter(app.urls), "")) for app in apps),
        others=len(running) - len(of_apps),
        left_down=_left_down(running),
        leads_to=_behind(look, host),
        required=upkeep.reboot_required,
        why_unknown=upkeep.unknown.get("reboot_required", ""),
        locks=_locks(host, apps),
        warnings=(*unseen, *await _next_boot(look, host, networks or await gather_networks(look.hosts))),
    )


def _running(containers: Iterable[ContainerFacts], gone: Collection[str]) -> list[ContainerFacts]:
    return [c for c in containers if c.state == "running" and not _is_of(c, gone)]


def _is_of(container: ContainerFacts, uuids: Iterable[str]) -> bool:
    return any(belongs_to(container, uuid) for uuid in uuids)


def _behind(look: Look, host: Host) -> tuple[str, ...]:
    return tuple(other.name for other in look.fleet.hosts if other.bastion == host.name)


def _left_down(running: Iterable[ContainerFacts]) -> tuple[str, ...]:
    return tuple(clean_name(c.name) for c in running if not comes_back(c))


def _locks(host: Host, apps: Iterable[App]) -> tuple[str, ...]:
    own = (f"server:{host.name}", f"firewall:{host.name}")
    return tuple(dict.fromkeys((*own, *(lock for app in apps for lock in rollout.locks(app)))))


async def _apps_on(
    look: Look, host: Host, *, factory: bool, gone: Collection[str]
) -> tuple[tuple[App, ...], tuple[str, ...]]:
    """Return the apps there, and what a person has to know instead where a Factory's Coolify does not answer."""
    try:
        deployments = await look.coolify.running_deployments()
        servers = await look.coolify.servers()
        apps = await all_apps(look)
    except (Unavailable, Unreachable) as error:
        if not factory:
            raise
        return (), (f"Coolify does not answer, so nobody knows which deployments run and break off: {error.failed}",)
    own = _in_coolify(host, servers, factory=factory)
    if broken := [d for d in deployments if factory or d.server_name in {s.name for s in own}]:
        raise _deploying(host, broken, factory=factory)
    uuids = {server.uuid for server in own}
    return tuple(app for app in apps if app.server_uuid in uuids and app.uuid not in gone), ()


def _in_coolify(host: Host, servers: Iterable[Server], *, factory: bool) -> tuple[Server, ...]:
    """Coolify knows its own host by a name inside Docker, and every other server by its address or its name."""
    addresses = {host.address, host.private_address} - {None}
    return tuple(s for s in servers if s.ip in addresses or s.name == host.name or (factory and s.is_coolify_host))


def _deploying(host: Host, running: list[Deployment], *, factory: bool) -> RefusedByPolicy:
    names = ", ".join(sorted({clean_name(d.application_name) or d.uuid for d in running})[:SHOWN])
    where = "Coolify on it runs them" if factory else "they build or start there"
    return RefusedByPolicy(
        f"{host.name} is not rebooted while deployments wait or run: {names}; {where}, and would break off.",
        next="Wait until they have ended, or cancel them in Coolify; then call again.",
    )


async def _next_boot(look: Look, host: Host, networks: Networks) -> tuple[str, ...]:
    """Return in words what the next boot changes of the server's ports for the worse.

    Raises:
        RefusedByPolicy: nobody could log in afterwards.
    """
    facts, away = networks
    if host.name in away:
        raise away[host.name]
    front = (await in_front_of(look, (host,)))[host.name]
    ground = ground_of(look, host, facts[host.name], front, neighbours_of(look.fleet, facts))
    found = boot_findings(ground, rows_of(ground))
    if shut := next((finding for finding in found if finding.code == LOCKED_OUT), None):
        raise _locked_out(host, shut)
    return tuple(f"{finding.what}: {finding.mend}" for finding in found if finding.severity != "info")


def _locked_out(host: Host, found: Finding) -> RefusedByPolicy:
    return RefusedByPolicy(
        f"{host.name} is not rebooted, since {found.what} ({found.evidence}).", next=f"First: {found.mend}"
    )


def reboot_steps(
    facts: RebootFacts, *, ending: str = "", between: tuple[Step, ...] = (), only_if_required: bool = False
) -> tuple[Step, ...]:
    """Return the steps: note what runs, what comes `between`, reboot, and wait until all of it is back.

    `ending` is that of their ids, where a plan has those of several servers.
    """
    name = facts.server
    urls = list(dict.fromkeys(app.url for app in facts.apps if app.url))
    where = " where an update waits for it" if only_if_required else ""
    at: JsonObject = {"host": name, "address": facts.address}
    steps = (
        Step(
            id=f"note{ending}",
            kind="hosts.note_running",
            target=name,
            summary=f"Note what runs on {name} now, and what its apps answer",
            reads=True,
            params={**at, "urls": [*urls]},
            undo_words=_READS,
        ),
        *between,
        Step(
            id=f"reboot{ending}",
            kind="hosts.reboot",
            target=name,
            summary=f"Reboot {name}{where}, and wait until it answers again in another boot",
            params={"host": name, "only_if_required": True} if only_if_required else {"host": name},
            undo_words="a reboot cannot be taken back; containers and files stay as they are",
        ),
        Step(
            id=f"await_apps{ending}",
            kind="hosts.await_apps",
            target=name,
            summary=f"Wait until Docker, its runtimes and every container of {name} run again, and its apps answer",
            reads=True,
            params={**at, "note": result_of(f"note{ending}", "note"), "apps": [_app(app) for app in facts.apps]},
            undo_words=_READS,
        ),
    )
    return placed(steps, servers=[name], apps=[app.name for app in facts.apps])


def _app(app: Away) -> str:
    """An app in one line, for a person to read in the plan; a name may have spaces in it."""
    return f"{app.uuid} {app.url or _NO_URL} {app.name}"


def _read(line: object) -> Away:
    uuid, url, name = str(line).split(" ", 2)
    return Away(name, uuid, "" if url == _NO_URL else url)


def blast_radius(facts: RebootFacts) -> str:
    """Return in words who is cut off and for how long: every app by its name."""
    about = ABOUT.get(facts.provider, ABOUT_OTHER)
    parts = [f"for {about} users of {', '.join(app.name for app in facts.apps)} get errors"] if facts.apps else []
    if facts.factory:
        parts.append(f"for {about} Coolify is away: nothing is deployed or changed; apps on the Muscles go on")
    if facts.others:
        parts.append(f"{facts.others} more containers on {facts.server} are away as long")
    if facts.leads_to:
        parts.append(f"meanwhile we do not reach {', '.join(facts.leads_to)}, which are behind it")
    return "; ".join(parts) or f"for {about} nobody reaches {facts.server}, on which nothing runs in a container"


def warnings(facts: RebootFacts) -> tuple[str, ...]:
    """Return what a person has to know: what stays down, and what the next boot changes."""
    down = ", ".join(facts.left_down[:SHOWN]) + (
        f" and {len(facts.left_down) - SHOWN} more" * (len(facts.left_down) > SHOWN)
    )
    stays = f"by its restart policy Docker does not start again: {down}; it stays down until somebody starts it"
    return (*((stays,) if facts.left_down else ()), *facts.warnings)


def _away(lines: JsonValue) -> tuple[Away, ...]:
    return tuple(map(_read, lines)) if isinstance(lines, list) else ()


async def proofs(look: Look, plan: Plan, results: Results) -> list[Check]:
    """Return for each server whether it is in another boot, and whether each app and all else that ran is back."""
    found: list[Check] = []
    last = [step for step in plan.steps if step.kind == "hosts.await_apps"]
    for step in last:
        checks = await _proofs(look, step, results, noted=_noted_by(step))
        more = f" ({step.target})" if len(last) > 1 else ""
        found += [check.model_copy(update={"name": f"{check.name}{more}"}) for check in checks]
    return found


def _noted_by(step: Step) -> str:
    note = step.params["note"]
    return str(note["step"]) if isinstance(note, dict) else ""


async def _proofs(look: Look, last: Step, results: Results, *, noted: str) -> list[Check]:
    host, apps = str(last.params["host"]), _away(last.params["apps"])
    upkeep = await gather_upkeep(look.hosts, host)
    facts = await gather(look.hosts, host, areas=("docker", "containers"))
    done = results.get(last.id, {})
    stayed = results.get(f"reboot{noted.removeprefix('note')}", {}).get("needed") is False
    return [
        _same_boot(host) if stayed else _other_boot(upkeep, str(results.get(noted, {}).get("boot_id", ""))),
        *(_app_back(app, facts.containers, done) for app in apps),
        _all_back(host, done),
        *([await _coolify_back(look)] if host == look.fleet.factory.name else []),
    ]


def _same_boot(host: str) -> Check:
    return Check(name="reboot", status="skipped", evidence=f"no update on {host} waited for one")


def _other_boot(upkeep: UpkeepFacts, before: str) -> Check:
    now = upkeep.boot_id
    if now is None or not before:
        return Check(name="reboot", status="failed", evidence=f"not seen: {upkeep.unknown.get('boot_id', 'not noted')}")
    status = "passed" if now != before else "failed"
    return Check(name="reboot", status=status, evidence=f"boot {now[:8]} of {upkeep.host}; before it was {before[:8]}")


def _app_back(app: Away, containers: tuple[ContainerFacts, ...] | None, done: JsonObject) -> Check:
    name = f"app {app.name}"
    if containers is None:
        return Check(name=name, status="failed", evidence="not seen: Docker does not tell")
    own = [c for c in containers if belongs_to(c, app.uuid)]
    up = [c for c in own if c.state == "running"]
    if not up:
        return Check(
            name=name, status="skipped", evidence="no container of it runs, as before, or `containers` names it"
        )
    silent = done.get("did_not_answer", [])
    page = "has no URL" if not app.url else f"{app.url} answers as before"
    if isinstance(silent, list) and app.url in silent:
        page = f"{app.url} did not answer before either, or nobody could tell"
    runtimes = ", ".join(sorted({clean_name(c.runtime) for c in up}))
    return Check(name=name, status="passed", evidence=f"{len(up)} containers run under {runtimes}; {page}")


def _all_back(host: str, done: JsonObject) -> Check:
    left = done.get("left_down")
    if not isinstance(left, list):
        return Check(name="containers", status="failed", evidence="nobody saw whether all that ran runs again")
    if left:
        names = ", ".join(map(str, left[:SHOWN]))
        return Check(name="containers", status="failed", evidence=f"ran on {host} before, and does not now: {names}")
    return Check(
        name="containers", status="passed", evidence=f"all {done.get('containers')} that ran on {host} run again"
    )


async def _coolify_back(look: Look) -> Check:
    """Its container is up before it answers; another look is taken for a minute."""
    end = look.clock.monotonic() + COOLIFY_WITHIN_S
    while not (healthy := await look.coolify.healthy()) and look.clock.monotonic() < end:
        await look.clock.sleep(EVERY_S)
    status = "passed" if healthy else "failed"
    return Check(name="Coolify", status=status, evidence=f"it {'answers' if healthy else 'does not answer'} on its API")
