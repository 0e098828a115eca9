"""What is wrong with the ports of a server, judged from facts alone: the state of each port, and findings."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.areas.ports.beside import beside
from ink_infra_mcp.areas.ports.providers import InFront
from ink_infra_mcp.core.firewall.addresses import V4, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.exposure import (
    Exposure,
    HostFacts,
    Port,
    SourceClass,
    State,
    exposures,
    ports_that_matter,
)
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.firewall.listening import LISTENER
from ink_infra_mcp.core.firewall.netfilter import Way, passage, way
from ink_infra_mcp.core.firewall.outside import BRIDGE
from ink_infra_mcp.core.firewall.policy import Agreement, Intent, Intents, PortPolicy, Role, agreement, intents
from ink_infra_mcp.core.firewall.routes import Routes
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.untrusted import clean_name

Severity = Literal["critical", "high", "warning", "info"]
RANKS: tuple[Severity, ...] = ("critical", "high", "warning", "info")
SSH = 22
FATAL_PORTS = frozenset({2375, 2376, 2377, 5000, 5432, 6379})
"""Docker's API, and Coolify's registry, database and Redis: to reach them is to own the server."""
_METADATA = V4.parse("169.254.169.254")
_SHOWN = 6


class Finding(Frozen):
    """One thing that is wrong or not known. `evidence` is what was read; `mend` the call or act that puts it right."""

    server: str
    severity: Severity
    code: str
    what: str
    evidence: str
    mend: str


@dataclass(frozen=True, slots=True)
class Ground:
    """All that a server is judged by. `factory` is its class on the way that the Factory uses, where that is known."""

    facts: HostFacts
    classes: tuple[SourceClass, ...]
    role: Role
    policy: PortPolicy
    front: InFront
    ssh_port: int = SSH
    ufw: bool | None = None
    metadata: bool = False
    boot: NextBoot | Unreadable | None = None
    factory: tuple[SourceClass, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A port (as `80/tcp`), a class and a family: what is wanted, what is, and how far the two agree."""

    exposure: Exposure
    intent: Intent
    agreement: Agreement
    port: str

    @classmethod
    def of(cls, exposure: Exposure, intent: Intent) -> "Row":
        """Return it; what is not known of a port that must be open is not proved; some who are banned shut none."""
        untold = intent is Intent.MUST and exposure.state is State.UNKNOWN
        agrees = Agreement.UNPROVEN if untold else agreement(intent, _state_for(exposure, intent))
        return cls(exposure, intent, agrees, f"{exposure.port}/{exposure.protocol}")


def _state_for(exposure: Exposure, intent: Intent) -> State:
    return State.OPEN if intent is Intent.MUST and exposure.few_denied else exposure.state


def rows_of(ground: Ground) -> tuple[Row, ...]:
    """Return every port that matters for every class and family, the most reachable of several ways into one.

    What must be open for the Factory is judged by the way that it uses: that another is open is of no help to it.
    """
    wants = intents(ground.policy, ground.role)
    worst = _most_reachable(exposures(ground.facts, ground.classes, ports_that_matter(ground.facts, wants.ports)))
    required = [port for port in wants.ports if _must(wants, port)]
    by_factory = exposures(ground.facts, ground.factory, required)
    worst |= {_key(found): found for found in by_factory if _intent(ground, wants, found) is Intent.MUST}
    return tuple(Row.of(found, _intent(ground, wants, found)) for found in worst.values())


def _must(wants: Intents, port: Port) -> bool:
    return any(wants.of(port, "factory", family) is Intent.MUST for family in Family)


def _most_reachable(every: Iterable[Exposure]) -> dict[tuple[Family, str, int, str], Exposure]:
    found: dict[tuple[Family, str, int, str], Exposure] = {}
    for one in every:
        if _rank(one) > _rank(found.setdefault(_key(one), one)):
            found[_key(one)] = one
    return found


def _key(found: Exposure) -> tuple[Family, str, int, str]:
    return found.family, found.protocol, found.port, found.source_class


def _rank(found: Exposure) -> int:
    return [State.CLOSED, State.UNKNOWN, State.PARTLY, State.OPEN].index(found.state)


def _intent(ground: Ground, wants: Intents, found: Exposure) -> Intent:
    wanted = wants.of((found.protocol, found.port), found.source_class, found.family)
    return Intent.MAY if wanted is Intent.MUST and _all_or_nobody(ground, found) else wanted


def _all_or_nobody(ground: Ground, found: Exposure) -> bool:
    """Robot cannot tell IPv6 by its source: what is for a few there is for nobody, and they come over IPv4."""
    return ground.front.robot is not None and found.family is Family.V6 and found.source_class != "internet"


def findings_of(ground: Ground, rows: tuple[Row, ...]) -> tuple[Finding, ...]:
    """Return what is wrong, the worst first; nothing at all only where everything that matters is known and right."""
    found = [finding for judge in _JUDGES for finding in judge(ground, rows)]
    return tuple(sorted(found, key=lambda finding: (RANKS.index(finding.severity), finding.code, finding.what)))


def _finding(ground: Ground, severity: Severity, code: str, what: str, evidence: str, *, mend: str = "") -> Finding:
    name = ground.facts.name
    mend = mend or f"apply_firewall server={name}"
    return Finding(server=name, severity=severity, code=code, what=what, evidence=evidence, mend=mend)


def _unreadable(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    layers = {
        "the provider's firewall": ground.facts.provider,
        "the IPv4 filters": ground.facts.v4,
        "the IPv6 filters": ground.facts.v6,
        "the interfaces": ground.facts.interfaces,
        "the routes": _routes(ground),
        "the sockets": ground.facts.sockets,
        "the containers": ground.facts.containers,
    }
    for name, layer in layers.items():
        if isinstance(layer, Unreadable):
            yield _finding(
                ground,
                "high",
                "unreadable_layer",
                f"{name} could not be read: what passes there is unknown",
                clean_name(layer.reason, limit=200),
                mend="Put right what kept it from being read, then check again.",
            )


def _routes(ground: Ground) -> Routes | Unreadable | None:
    return ground.facts.interfaces.routes if isinstance(ground.facts.interfaces, Interfaces) else None


def _beside(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    for container, addresses in beside(ground.facts):
        name = clean_name(container.name, limit=60)
        yield _finding(
            ground,
            "high",
            "container_beside",
            f"container {name} has an address of its own beside the server: what it listens on counts as open there, "
            "for no filter of the server stands before it",
            f"{listed(list(addresses))}, in a network of Docker that is none behind the server (macvlan, ipvlan ...)",
            mend="Attach it to a bridge network and publish its ports, or filter it in front; apply_firewall cannot.",
        )


def _exposed(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    for port, same in _by_port(rows, Agreement.EXPOSED):
        number = same[0].exposure.port
        names = {row.exposure.source_class for row in same}
        families = {row.exposure.family for row in same}
        world = "internet" in names
        yield _finding(
            ground,
            _severity(number, world=world),
            _exposed_code(ground, same[0], world=world),
            f"{port} is open over {' and '.join(sorted(families))} to {', '.join(sorted(names, key=_not_world))}, "
            "though policy wants it closed",
            _evidence(same),
            mend=_closing(ground, number),
        )


def _not_world(name: str) -> tuple[bool, str]:
    """Whoever reads of several wants to know first whether it is everybody."""
    return name != "internet", name


def _severity(port: int, *, world: bool) -> Severity:
    if not world:
        return "critical" if port in FATAL_PORTS else "warning"
    return "critical" if port in FATAL_PORTS else "high"


def _exposed_code(ground: Ground, row: Row, *, world: bool) -> str:
    port = row.exposure.port
    if port == ground.ssh_port:
        return "ssh_open_to_world" if world else "ssh_open_to_neighbours"
    if port in {2375, 2376, 2377}:
        return "docker_socket_open"
    if port in FATAL_PORTS:
        return "store_published"
    if ground.ufw and _published(ground, row):
        return "docker_bypasses_ufw"
    if port == 8080:
        return "traefik_dashboard_open"
    if ground.role == "muscle" and port in {8000, 6001, 6002}:
        return "coolify_port_on_muscle"
    return "open_to_world" if world else "open_to_neighbours"


def _published(ground: Ground, row: Row) -> bool:
    containers = ground.facts.containers
    wanted = (row.exposure.protocol, row.exposure.port)
    return isinstance(containers, Containers) and wanted in {(p.protocol, p.host_port) for p in containers.published}


def _closing(ground: Ground, port: int) -> str:
    name = ground.facts.name
    if port in {2375, 2376, 2377}:
        return f"apply_firewall server={name}; then take tcp:// out of Docker's hosts in /etc/docker/daemon.json."
    return f"apply_firewall server={name}"


def _ipv6_only(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    closed = {
        (row.port, row.exposure.source_class)
        for row in rows
        if row.exposure.family is Family.V4 and row.exposure.state is State.CLOSED
    }
    for row in rows:
        six = row.exposure.family is Family.V6 and row.agreement is Agreement.EXPOSED
        if six and (row.port, row.exposure.source_class) in closed:
            yield _finding(
                ground,
                "high",
                "ipv6_open",
                f"{row.port} is closed over IPv4 but open over IPv6 to {row.exposure.source_class}",
                _evidence([row]),
            )


def _missing(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    for port, same in _by_port(rows, Agreement.MISSING):
        names = sorted({row.exposure.source_class for row in same})
        families = sorted({row.exposure.family for row in same})
        code = _missing_code(ground, same, names)
        yield _finding(
            ground,
            "critical" if code == "factory_locked_out" else "high",
            code,
            f"{port} must be reachable over {' and '.join(families)} for {', '.join(names)}, and is not",
            _evidence(same),
            mend=f"Start what should listen on {port}." if code == "no_listener" else "",
        )


def _missing_code(ground: Ground, same: list[Row], names: list[str]) -> str:
    if all(row.exposure.decided_by == LISTENER for row in same):
        return "no_listener"
    ssh = same[0].exposure.port == ground.ssh_port
    return "factory_locked_out" if ssh and "factory" in names else "required_port_closed"


def _unproven(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    unread = {"v4": ground.facts.v4, "v6": ground.facts.v6, "provider": ground.facts.provider}
    told = any(isinstance(layer, Unreadable) for layer in unread.values())
    for port, same in _by_port(rows, Agreement.UNPROVEN):
        names = sorted({row.exposure.source_class for row in same})
        yield _finding(
            ground,
            "warning" if told else "high",
            "not_known",
            f"whether {port} is reachable for {', '.join(names)} cannot be told",
            _evidence(same),
            mend="check_firewall probe=true tells what answers from here.",
        )


def _one_layer(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    thin = [row for row in rows if row.intent is Intent.MUST_NOT and _is_thin(row.exposure)]
    if thin:
        ports = sorted({row.port for row in thin})
        layers = sorted({row.exposure.decided_by for row in thin})
        yield _finding(
            ground,
            "warning",
            "one_layer_deep",
            f"{listed(ports)} {'is' if len(ports) == 1 else 'are'} kept from the internet by one layer only",
            f"the only layer: {', '.join(layers)}",
        )


def _is_thin(exposure: Exposure) -> bool:
    """Return whether one layer alone keeps the internet from something that listens."""
    closed = exposure.source_class == "internet" and exposure.state is State.CLOSED
    return closed and exposure.depth == 1 and LISTENER not in exposure.deniers


def _provider(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    robot = ground.front.robot
    if not isinstance(ground.front.gates, Unreadable) and not ground.front.filters:
        yield _finding(
            ground,
            "warning",
            "no_provider_firewall",
            "no firewall of the provider stands in front of it",
            ground.front.gates.v4.opened_by,
            mend="" if ground.front.server else "Put one there by hand: apply_firewall can only at Hetzner.",
        )
    if robot is not None and robot.status == "active" and not robot.filter_ipv6:
        yield _finding(
            ground,
            "high",
            "robot_ignores_ipv6",
            "the Robot firewall filters IPv4 only: all of IPv6 passes it",
            f"server {robot.server_number}: filter_ipv6 is off",
        )


def _metadata(ground: Ground, rows: tuple[Row, ...]) -> Iterator[Finding]:
    """A Cloud server's metadata service tells its user data and networks to whoever asks from inside."""
    tables, interfaces = ground.facts.v4, ground.facts.interfaces
    if not ground.metadata or isinstance(tables, Unreadable) or isinstance(interfaces, Unreadable):
        return
    filters = way(tables)
    reached = [own.interface for own in _bridges(interfaces) if _reaches_metadata(filters, own, interfaces)]
    if reached:
        yield _finding(
            ground,
            "warning",
            "metadata_reachable",
            f"containers reach the server's metadata service ({_METADATA.first()})",
            f"nothing stops it from {listed(reached)}",
        )


def _bridges(interfaces: Interfaces) -> list[OwnAddress]:
    inside = interfaces.of_kind(BRIDGE) & interfaces.inner()
    return [own for own in interfaces.addresses if own.family is Family.V4 and own.interface in inside]


def _reaches_metadata(filters: Way[V4], bridge: OwnAddress, interfaces: Interfaces) -> bool:
    sources = V4(bridge.network.spans)
    there = _METADATA.spans[0][0]
    question = Question("tcp", there, bridge.interface, local=False, port=80, asked_destination=there)
    return bool(passage(filters, question, sources, interfaces).judgement.admitted)


def _by_port(rows: tuple[Row, ...], wanted: Agreement) -> Iterator[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.agreement is wanted:
            found.setdefault(row.port, []).append(row)
    yield from sorted(found.items())


def _evidence(rows: list[Row]) -> str:
    said = dict.fromkeys(text for row in rows for text in row.exposure.evidence)
    parts = dict.fromkeys(cidr for row in rows for cidr in row.exposure.admitted)
    admitted = [f"admitted: {listed(list(parts))}"] if parts else []
    return clean_name("; ".join([*list(said)[:3], *admitted]), limit=400)


def listed(names: list[str]) -> str:
    """Return the first few names on one line, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


_JUDGES: tuple[Callable[[Ground, tuple[Row, ...]], Iterator[Finding]], ...] = (
    _unreadable,
    _exposed,
    _ipv6_only,
    _missing,
    _unproven,
    _one_layer,
    _provider,
    _metadata,
    _beside,
)
