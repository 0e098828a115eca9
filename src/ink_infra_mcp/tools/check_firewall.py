"""check_firewall: which ports are reachable for whom, against policy and, where asked for, by trying."""

from collections import Counter
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.boot_findings import boot_findings
from ink_infra_mcp.areas.ports.findings import RANKS, Finding, Ground, Row, findings_of, rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.knocks import Knocked, Origin, disagreements, knocked, origin_of
from ink_infra_mcp.areas.ports.lines import PortLine, lines_of
from ink_infra_mcp.areas.ports.offers import probe_offered
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.errors import HostError, UnknownName
from ink_infra_mcp.core.firewall.listening import LISTENER
from ink_infra_mcp.core.fleet import Host, Name
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, ROBOT, Needs
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, gather_networks

MAX_FINDINGS = 60
_KNOCKERS = 2


class Args(BaseModel):
    """What check_firewall takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name | None, Field(description="Default: all")] = None
    probe: Annotated[bool, Field(description="Also try TCP connects")] = False


class ServerPorts(Frozen):
    """One server. `verdict` is `clean` only where every layer was read and nothing worse than a warning was found.

    `ports` are all that matter when one server was asked for, else those that disagree with policy.
    """

    name: str
    verdict: str
    checked: int
    ports: tuple[PortLine, ...] = ()


class Report(Frozen):
    """The servers, and all findings with the worst first. `more_findings` counts those that did not fit.

    `connects` is how many were tried, and `probed_from` are the places that they came from.
    """

    verdict: str
    servers: tuple[ServerPorts, ...]
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    connects: int = 0
    probed_from: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class CheckFirewall(Query[Args, Look, Report]):
    """Show which ports of servers the internet, admins, the Factory and the fleet really reach through every firewall
    and Docker, what policy wants, and the call that mends each finding. `unknown` never means closed. It changes
    nothing.
    """

    name: ClassVar[str] = "check_firewall"
    title: ClassVar[str] = "Check ports and firewalls"
    hint: ClassVar[str] = (
        "is a port open, exposed, reachable from outside or the world; who gets at ssh, database; is it safe"
    )
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "fleet"
    needs: ClassVar[Needs] = Needs((FACTORY,), (MUSCLE, HETZNER, ROBOT))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what is reachable: one round trip to each server, and the providers asked once.

        Raises:
            UnknownName: the fleet has no such server.
        """
        hosts = _asked_for(args, look)
        # the others' addresses say who is a neighbour of one that is to be judged
        facts, away = await gather_networks(look.hosts)
        grounds = await _grounds(look, [host for host in hosts if host.name in facts], facts)
        judged = [(ground, rows_of(ground)) for ground in grounds]
        missing = {host: away[host.name] for host in hosts if host.name in away}
        tried, notes = await _tried(look, grounds, facts) if args.probe else ([], [])
        findings = _sorted(
            *(finding for ground, rows in judged for finding in _of_one(ground, rows)),
            *map(_unreached, missing, missing.values()),
            *disagreements(grounds, tried),
        )
        whole = args.server is not None
        return Report(
            verdict=_verdict(findings),
            servers=(
                *(_server(ground, lines_of(rows), findings, whole=whole) for ground, rows in judged),
                *(ServerPorts(name=host.name, verdict="unknown", checked=0) for host in missing),
            ),
            findings=tuple(findings[:MAX_FINDINGS]),
            more_findings=max(0, len(findings) - MAX_FINDINGS),
            connects=len(tried),
            probed_from=_origins_of(tried),
            notes=(*look.ports().overrides, *_missing_settings(look), *_offered(args, judged), *notes),
        )

    def render(self, report: Report) -> str:
        """Return the findings, the worst first, then a line for each server."""
        lines = [f"verdict: {report.verdict}{_counted(report)}"]
        lines += [f"{f.severity}: {f.server}: {f.what} [{f.code}; {f.evidence}] -> {f.mend}" for f in report.findings]
        lines += [f"{report.more_findings} more findings"] if report.more_findings else []
        for server in report.servers:
            lines.append(f"{server.name}: {server.verdict}, {server.checked} ports and families checked")
            lines += [f"  {_words(port)}" for port in server.ports]
        lines += [_told_of_connects(report)] if report.connects else []
        return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def _asked_for(args: Args, look: Look) -> tuple[Host, ...]:
    if args.server is None:
        return look.fleet.hosts
    found = tuple(host for host in look.fleet.hosts if host.name == args.server)
    if not found:
        names = ", ".join(host.name for host in look.fleet.hosts)
        raise UnknownName(f"No server is called {args.server!r}.", next=f"Use one of: {names}.")
    return found


async def _grounds(look: Look, hosts: list[Host], facts: dict[str, NetworkFacts]) -> list[Ground]:
    front = await in_front_of(look, tuple(hosts))
    neighbours = neighbours_of(look.fleet, facts)
    return [ground_of(look, host, facts[host.name], front[host.name], neighbours) for host in hosts]


async def _tried(look: Look, grounds: list[Ground], facts: dict[str, NetworkFacts]) -> tuple[list[Knocked], list[str]]:
    sources = {name: known.came_from for name, known in facts.items() if known.came_from}
    return await knocked(look, grounds, sources=sources, origins=_origins(look, grounds, facts))


def _origins(look: Look, grounds: list[Ground], facts: dict[str, NetworkFacts]) -> list[Origin]:
    """The Factory and one more server knock: others of the fleet are the same class to a server.

    Whoever is asked about does not knock at itself, so that of one server there are two others.
    """
    alone = {grounds[0].facts.name} if len(grounds) == 1 else set[str]()
    neighbours = neighbours_of(look.fleet, facts)
    factory = look.fleet.factory
    hosts = [factory, *(host for host in look.fleet.hosts if host is not factory)]
    asked = [host for host in hosts if host.name in facts and host.name not in alone]
    return [origin_of(host, facts[host.name], neighbours) for host in asked[:_KNOCKERS]]


def _origins_of(tried: list[Knocked]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.origin for one in tried))


def _sorted(*findings: Finding) -> list[Finding]:
    return sorted(findings, key=lambda finding: RANKS.index(finding.severity))


def _of_one(ground: Ground, rows: tuple[Row, ...]) -> tuple[Finding, ...]:
    return (*findings_of(ground, rows), *boot_findings(ground, rows))


def _unreached(host: Host, error: HostError) -> Finding:
    return Finding(
        server=host.name,
        severity="high",
        code="not_reached",
        what="the server could not be asked: what is open there is unknown",
        evidence=error.failed,
        mend=error.next,
    )


def _server(ground: Ground, lines: tuple[PortLine, ...], findings: list[Finding], *, whole: bool) -> ServerPorts:
    mine = [finding for finding in findings if finding.server == ground.facts.name]
    shown = lines if whole else tuple(line for line in lines if not line.agrees)
    return ServerPorts(name=ground.facts.name, verdict=_verdict(mine), checked=len(lines), ports=shown)


def _verdict(findings: list[Finding]) -> str:
    codes = {finding.code for finding in findings}
    if any(finding.severity in {"critical", "high"} and finding.code not in _UNKNOWN for finding in findings):
        return "problems"
    if codes & _UNKNOWN:
        return "unknown"
    return "clean, with warnings" if any(finding.severity == "warning" for finding in findings) else "clean"


_UNKNOWN = frozenset({"not_reached", "unreadable_layer", "not_known"})


def _offered(args: Args, judged: list[tuple[Ground, tuple[Row, ...]]]) -> tuple[str, ...]:
    return () if args.probe else probe_offered((ground.facts.name, rows) for ground, rows in judged)


def _missing_settings(look: Look) -> list[str]:
    if look.fleet.access.admin or look.fleet.bastions:
        return []
    return [
        "fleet.toml names no [access] admin networks: nobody counts as an admin, so SSH must be open to nobody else"
    ]


def _counted(report: Report) -> str:
    """Return how many findings there are of each severity, the worst first."""
    counts = Counter(finding.severity for finding in report.findings)
    said = [f"{counts[severity]} {severity}" for severity in RANKS if counts[severity]]
    return f" ({', '.join(said)})" if said else ""


def _told_of_connects(report: Report) -> str:
    differ = sum(finding.code == "probe_differs" for finding in report.findings)
    came_to = f"{differ} came to something else than computed" if differ else "none contradicts what was computed"
    return f"{report.connects} TCP connects were tried from {', '.join(report.probed_from)}: {came_to}"


def _words(line: PortLine) -> str:
    wanted = "as wanted" if line.agrees else f"WANTED {line.intended}"
    return f"{line.port} {line.family}: {line.effective} ({wanted}; {_stopped_by(line)})"


def _stopped_by(line: PortLine) -> str:
    if not line.depth:
        return "no layer stops the internet"
    if line.depth == 1 and line.layer == LISTENER:
        return "nobody listens"
    return f"{line.depth} layer{'' if line.depth == 1 else 's'} stop the internet, first {line.layer}"
