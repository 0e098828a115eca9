"""get_fleet: planes, servers, versions, headroom, cost and warnings, on one screen."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import ClassVar

import anyio
from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.areas.apps.muscles import muscle_warnings
from ink_infra_mcp.areas.apps.placing import candidates
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.usable import full_disks, state_of
from ink_infra_mcp.clients.coolify.models import Server
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook
from ink_infra_mcp.core.errors import HostError, InkError
from ink_infra_mcp.core.fleet import Host, Muscle
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, READ, Needs
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather_all, troubles

UNKNOWN = "?"
GIB = 2**30


class Args(BaseModel):
    """What get_fleet takes: nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerLine(Frozen):
    """One server. Sizes are GiB; `headroom` is what new apps' limits may still sum up to. `?` is not known."""

    name: str
    role: str
    address: str
    state: str
    cpus: str = UNKNOWN
    memory: str = UNKNOWN
    headroom: str = ""
    disk_free: str = UNKNOWN
    docker: str = UNKNOWN
    runsc: str = UNKNOWN
    apps: str = ""
    eur_month: str = UNKNOWN


class Report(Frozen):
    """The fleet. `eur_month` is the sum of what is known; `warnings` come first when something is wrong."""

    coolify: str
    runtime_option: str
    servers: tuple[ServerLine, ...]
    eur_month: str
    warnings: tuple[str, ...] = ()


class GetFleet(Query[Args, Look, Report]):
    """Show the fleet: Coolify, servers with memory, disk, Docker, gVisor and cost, warnings. Use it first. It changes
    nothing; `?` is not known.
    """

    name: ClassVar[str] = "get_fleet"
    title: ClassVar[str] = "Show the fleet"
    hint: ClassVar[str] = (
        "overview, state of the platform, how it is doing; which servers we have, full disks, room left on each "
        "server, ip, monthly bill"
    )
    entry: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "fleet"
    needs: ClassVar[Needs] = Needs((), (READ, FACTORY, MUSCLE, HETZNER))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what all systems say, asked at once; one that does not answer becomes a warning."""
        seen = await _see(look)
        lines = tuple(_line(host, seen) for host in look.fleet.hosts)
        known = [Decimal(line.eur_month) for line in lines if line.eur_month != UNKNOWN]
        return Report(
            coolify=seen.coolify,
            runtime_option=seen.runtime_option,
            servers=lines,
            eur_month=f"{sum(known, Decimal(0)):.2f}" if known else UNKNOWN,
            warnings=tuple(dict.fromkeys([*seen.warnings, *_weak(seen, look)])),
        )

    def render(self, report: Report) -> str:
        """Return one line a server."""
        lines = [f"Coolify {report.coolify}; --runtime option: {report.runtime_option}"]
        lines += [_words(server) for server in report.servers]
        lines += [f"cost: {report.eur_month} EUR a month (net, servers with a known price)"]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in report.warnings)])


class _Seen:
    """What was read, and what could not be."""

    def __init__(self, factory: str) -> None:
        self.factory = factory
        self.coolify = UNKNOWN
        self.runtime_option = UNKNOWN
        self.servers: tuple[Server, ...] | None = None
        """None: Coolify did not tell them."""
        self.facts: dict[str, HostFacts | HostError] = {}
        self.headroom: dict[str, tuple[int | None, int]] = {}
        self.prices: dict[str, str] = {}
        self.warnings: list[str] = []


async def _see(look: Look) -> _Seen:
    seen = _Seen(look.fleet.factory.name)

    async def versions() -> None:
        era = await look.coolify.era()
        seen.coolify = await look.coolify.version()
        if not era.supported:
            seen.warnings.append(era.words)

    async def servers() -> None:
        seen.servers = await look.coolify.servers()

    async def hosts() -> None:
        seen.facts = await gather_all(look.hosts, [host.name for host in look.fleet.hosts])

    async def option() -> None:
        known = await knows_runtime_option(look.hosts, look.fleet.factory.name)
        seen.runtime_option = "yes" if known else "NO"
        if not known:
            seen.warnings.append("the Coolify image in service drops --runtime: nothing new can run isolated")

    async def placement() -> None:
        for found in await candidates(look, list(look.fleet.muscles)):
            room = found.headroom_after(0) if found.memory_bytes else None
            seen.headroom[found.name] = (room, found.apps)

    async def prices() -> None:
        if look.hetzner is None:
            seen.warnings.append("no Hetzner Cloud token: prices are not known")
            return
        seen.prices = await _prices(look.hetzner)

    async with anyio.create_task_group() as group:
        for part in (versions, servers, hosts, option, placement, prices):
            group.start_soon(_or_warn, part, seen)
    seen.warnings.sort()
    return seen


async def _or_warn(part: Callable[[], Awaitable[None]], seen: _Seen) -> None:
    try:
        await part()
    except InkError as error:
        seen.warnings.append(error.failed)


async def _prices(look: HetznerCloudLook) -> dict[str, str]:
    types = {kind.name: kind for kind in await look.server_types()}
    found: dict[str, str] = {}
    for server in await look.servers():
        kind = types.get(server.server_type.name)
        price = kind.monthly(server.location.name) if kind else None
        if price is not None and server.ipv4:
            found[server.ipv4] = f"{price.net:.2f}"
    return found


def _line(host: Host, seen: _Seen) -> ServerLine:
    facts = seen.facts.get(host.name)
    muscle = isinstance(host, Muscle)
    room, apps = seen.headroom.get(host.name, (None, None))
    coolify = _in_coolify(host, seen)
    line = ServerLine(
        name=host.name,
        role="muscle" if muscle else "factory" if host.name == seen.factory else "host",
        address=host.address,
        state=state_of(coolify, facts, muscle=muscle, told=seen.servers is not None),
        headroom=_gib(room) if muscle else "",
        apps=(UNKNOWN if apps is None else str(apps)) if muscle else "",
        eur_month=seen.prices.get(host.address, UNKNOWN),
    )
    return line.model_copy(update=_measured(facts)) if isinstance(facts, HostFacts) else line


def _in_coolify(host: Host, seen: _Seen) -> Server | None:
    """Coolify knows its own host by a name inside Docker, and every other server by its address."""
    addresses = {host.address, host.private_address}
    servers = seen.servers or ()
    by_address = next((s for s in servers if s.ip in addresses), None)
    if by_address is not None or host.name != seen.factory:
        return by_address
    return next((s for s in servers if s.is_coolify_host), None)


def _measured(facts: HostFacts) -> dict[str, str]:
    disk = facts.disk_root
    return {
        "cpus": UNKNOWN if facts.cpus is None else str(facts.cpus),
        "memory": _gib(facts.memory_total_bytes),
        "disk_free": _gib(disk.free_bytes if disk else None),
        "docker": facts.docker_version or UNKNOWN,
        "runsc": UNKNOWN if facts.docker_runtimes is None else "yes" if "runsc" in facts.docker_runtimes else "NO",
    }


def _weak(seen: _Seen, look: Look) -> list[str]:
    """Warnings that hosts give: unreachable, without runsc, containers of apps that are not isolated, full disks."""
    found: list[str] = []
    for name, facts in seen.facts.items():
        if isinstance(facts, HostError):
            found.append(f"{name}: {facts.failed}")
            continue
        found += full_disks(facts)
        unread = troubles(facts, factory=name == seen.factory)
        found += [f"{name}: {what} could not be read: {why}" for what, why in unread.items()]
        found += muscle_warnings(facts, look.isolation) if name in {m.name for m in look.fleet.muscles} else []
    return found


def _gib(size: int | None) -> str:
    return UNKNOWN if size is None else f"{size / GIB:.1f}"


def _words(server: ServerLine) -> str:
    parts = [f"{server.name} ({server.role}, {server.address}): {server.state}; {server.cpus} CPU"]
    parts.append(f"{server.memory} GiB memory, {server.disk_free} GiB disk free")
    if server.role == "muscle":
        parts.append(f"{server.apps} app{'' if server.apps == '1' else 's'}, headroom {server.headroom} GiB")
    return "; ".join([*parts, f"docker {server.docker}, runsc {server.runsc}", f"{server.eur_month} EUR/month"])
