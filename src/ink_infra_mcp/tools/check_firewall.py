"""check_firewall: which ports are reachable for whom, against policy and, where asked for, by trying."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.core.errors import HostError, UnknownName
from ink_infra_mcp.core.fleet import Host, Name
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, ROBOT, Needs
from ink_infra_mcp.hosts.network_facts import NetworkFacts, gather_networks
from ink_infra_mcp.tools.look import Look
from ink_infra_mcp.tools.shared.judging import ground_of
from ink_infra_mcp.tools.shared.knocks import Knocked, Origin, disagreements, knocked_from_here, knocked_from_servers
from ink_infra_mcp.tools.shared.port_findings import RANKS, Finding, Ground, PortLine, findings_of, lines_of, rows_of
from ink_infra_mcp.tools.shared.providers import in_front_of
from ink_infra_mcp.tools.shared.ways_in import neighbours_of

MAX_FINDINGS = 60
_KNOCKERS = 2


class Args(BaseModel):
    """What check_firewall takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name | None, Field(description="Default: every server of the fleet")] = None
    probe: Annotated[bool, Field(description="Also try TCP connects, from here and from other servers")] = False


class ServerPorts(Frozen):
    """One server. `verdict` is `clean` only where every layer was read and nothing worse than a warning was found.

    `ports` are all that matter when one server was asked for, else those that disagree with policy.
    """

    name: str
    verdict: str
    checked: int
    ports: tuple[PortLine, ...] = ()


class Report(Frozen):
    """The servers, and all findings with the worst first. `more_findings` counts those that did not fit."""

    verdict: str
    servers: tuple[ServerPorts, ...]
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    connects: int = 0
    notes: tuple[str, ...] = ()


class CheckFirewall(Query[Args, Look, Report]):
    """Show which ports of one server, or of all, the internet, admins, the Factory and the fleet can really reach
    through every firewall and Docker, what policy wants, and findings with evidence and the call that mends each.
    `unknown` never means closed; with probe=true it also tries TCP connects. It changes nothing.
    """

    name: ClassVar[str] = "check_firewall"
    title: ClassVar[str] = "Check ports and firewalls"
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
        missing = [host for host in hosts if host.name in away]
        tried, notes = await _tried(look, grounds, facts) if args.probe else ([], [])
        findings = [finding for ground, rows in judged for finding in findings_of(ground, rows)]
        findings += [*(_unreached(host, away[host.name]) for host in missing), *disagreements(grounds, tried)]
        findings.sort(key=lambda finding: RANKS.index(finding.severity))
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
            notes=(*look.ports().overrides, *_missing_settings(look), *notes),
        )

    def render(self, report: Report) -> str:
        """Return the findings, the worst first, then a line for each server."""
        lines = [f"verdict: {report.verdict}"]
        lines += [f"{f.severity}: {f.server}: {f.what} [{f.code}; {f.evidence}] -> {f.mend}" for f in report.findings]
        lines += [f"{report.more_findings} more findings"] if report.more_findings else []
        for server in report.servers:
            lines.append(f"{server.name}: {server.verdict}, {server.checked} ports and families checked")
            lines += [f"  {_words(port)}" for port in server.ports]
        lines += [f"{report.connects} connects were tried"] if report.connects else []
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
    here = await knocked_from_here(look, grounds, sources)
    there, failed = await knocked_from_servers(look, grounds, _origins(look, grounds))
    return [*here, *there], failed


def _origins(look: Look, grounds: list[Ground]) -> list[Origin]:
    """The Factory and one more server knock: others of the fleet are the same class to a server."""
    known = [Origin(ground.facts.name, ground.facts.ways) for ground in grounds]
    first = [origin for origin in known if origin.name == look.fleet.factory.name]
    return [*first, *(origin for origin in known if origin not in first)][:_KNOCKERS]


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


def _missing_settings(look: Look) -> list[str]:
    if look.fleet.access.admin or look.fleet.bastions:
        return []
    return [
        "fleet.toml names no [access] admin networks: nobody counts as an admin, so SSH must be open to nobody else"
    ]


def _words(line: PortLine) -> str:
    mark = "" if line.agrees else "  <- differs"
    return (
        f"{line.port} {line.family}: {line.effective} (wanted {line.intended}; {line.layer}, depth {line.depth}){mark}"
    )
