"""All that is known of the Coolify image in service: what runs, what is configured, and who depends on it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.areas.apps.app import App, all_apps
from ink_infra_mcp.areas.apps.isolation import weaknesses
from ink_infra_mcp.areas.factory.upstream import Upstream, look_upstream
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.era import parse_version
from ink_infra_mcp.core.copies import Lying
from ink_infra_mcp.core.errors import HostError, InkError
from ink_infra_mcp.core.fleet import BackupPlace
from ink_infra_mcp.hosts.docker.containers import belongs_to
from ink_infra_mcp.hosts.factory import copying
from ink_infra_mcp.hosts.factory.configured import Configured, Kind, configured, kind_of
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.factory.looking import PROD, FactoryFacts, look_at_coolify
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather_all

OPTION = "--runtime"
_OFFICIAL = re.compile(
    r"\$\{REGISTRY_URL:-(?:docker\.io|ghcr\.io)\}/coollabsio/coolify:\$\{LATEST_IMAGE:-latest\}", re.ASCII
)
_FROM_HUB = (4, 2)
"""From this version on Coolify's own line names Docker Hub, before it GitHub's registry (docker-compose.prod.yml)."""


@dataclass(slots=True)
class Picture:
    """What was seen; None is not known, and `unknown` says why, by what it is of.

    `weak` are the apps with a running container that is not isolated as policy wants. `blind` are the apps of which
    nobody could see the containers. With `needless` policy asks for no isolation; `wished` is the image of fleet.toml.
    `copies` are those of backups in `place`, and what else lies there.
    """

    needless: bool
    wished: str
    facts: FactoryFacts
    option: bool | None = None
    told: str | None = None
    apps: tuple[App, ...] | None = None
    weak: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    upstream: Upstream = field(default_factory=Upstream)
    place: BackupPlace = field(default_factory=BackupPlace)
    copies: Lying | None = None
    unknown: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def relying(self) -> tuple[str, ...]:
        """Return the apps that are isolated only as long as the image keeps the option, by name."""
        return tuple(app.name for app in self.apps or () if _relies(app))

    @property
    def kind(self) -> Kind:
        """Return whose image runs: the official one only where a registry of coollabs vouches for it by a digest."""
        digests = self.facts.digests
        if self.facts.reference is None or digests is None:
            return "?"
        kind = kind_of(self.facts.reference)
        return "?" if kind == "official" and kind not in map(kind_of, digests) else kind

    @property
    def configured(self) -> Configured:
        """Return what the next `up` with every file would start."""
        return configured(self.facts)


async def picture(look: Look, *, known: tuple[App, ...] | None = None) -> Picture:
    """Return all of it; each part that cannot be read is unknown, and hides none of the others.

    Whoever knows the apps already, and judges their isolation, gives them as `known`: then neither is asked again.
    """
    fork, factory = look.fleet.fork, look.fleet.factory.name
    seen = Picture(look.isolation.allow_without, fork.image, FactoryFacts(host=factory), place=look.fleet.backup_place)

    async def facts() -> None:
        seen.facts = await look_at_coolify(look.hosts, factory)

    async def option() -> None:
        seen.option = await knows_runtime_option(look.hosts, factory)

    async def told() -> None:
        seen.told = await look.coolify.version()

    async def apps() -> None:
        if known is not None:
            seen.apps = known
            return
        seen.apps = await all_apps(look)
        seen.weak, seen.blind = await _judged(look, seen.apps)

    async def copies() -> None:
        if host := seen.place.host:
            seen.copies = await copying.copies(look.hosts, host, seen.place.folder, fleet=seen.place.fleet)

    async with anyio.create_task_group() as group:
        parts = (("factory", facts), ("option", option), ("told", told), ("apps", apps), ("copies", copies))
        for name, part in parts:
            group.start_soon(_kept, seen, name, part)
    seen.upstream = await look_upstream(look.github, fork.upstream_pull_request, seen.facts.base)
    return seen


async def _kept(seen: Picture, name: str, part: Callable[[], Awaitable[None]]) -> None:
    try:
        await part()
    except InkError as error:
        seen.unknown[name] = error.failed


async def _judged(look: Look, apps: tuple[App, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the apps with a container that is weaker than policy wants, and those of which nobody saw any."""
    facts = await gather_all(look.hosts, sorted({app.muscle for app in apps} - {""}))
    there = [(app, _containers(facts.get(app.muscle))) for app in apps]
    weak = (app.name for app, containers in there if any(_weaknesses(look, app, containers or ())))
    return tuple(weak), _blind(there)


def _blind(there: Iterable[tuple[App, tuple[ContainerFacts, ...] | None]]) -> tuple[str, ...]:
    return tuple(app.name for app, containers in there if containers is None)


def _containers(facts: HostFacts | HostError | None) -> tuple[ContainerFacts, ...] | None:
    return facts.containers if isinstance(facts, HostFacts) else None


def _weaknesses(look: Look, app: App, containers: tuple[ContainerFacts, ...]) -> Iterator[str]:
    for container in containers:
        if container.state == "running" and belongs_to(container, app.uuid):
            yield from weaknesses(look, app, container)


def _relies(app: App) -> bool:
    return isinstance(app.source, Application) and OPTION in (app.source.custom_docker_run_options or "")


def own_line(seen: Picture) -> str:
    """Return the line of Coolify's own file, or the one that belongs there; empty: the file names no image."""
    now = (seen.facts.images or {}).get(PROD, "")
    if not now or _OFFICIAL.fullmatch(now):
        return now
    registry = "ghcr.io" if _is_older(seen.facts.base or "") else "docker.io"
    return f"${{REGISTRY_URL:-{registry}}}/coollabsio/coolify:${{LATEST_IMAGE:-latest}}"


def _is_older(base: str) -> bool:
    version = parse_version(base)
    return version is not None and (version.major, version.minor) < _FROM_HUB
