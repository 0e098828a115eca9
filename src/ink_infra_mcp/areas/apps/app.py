"""Finds an app by what a person calls it: exact name, uuid or domain; compose apps (Coolify's services) too."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.status import Status
from ink_infra_mcp.core.errors import AmbiguousName, UnknownName
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.untrusted import clean_name

_PLACEHOLDER = "coollabsio/coolify"
LONGEST_NAME = 2600
"""Characters of a name as it is written out: Coolify keeps 255, each of which may be one that cannot be seen."""


@dataclass(frozen=True, slots=True)
class App:
    """An app of either kind, as far as both have it. `muscle` is empty when its server is not in fleet.toml."""

    kind: Literal["application", "service"]
    uuid: str
    name: str
    urls: tuple[str, ...]
    status: Status
    server_uuid: str
    muscle: str
    environment_id: int | None
    source: Application | Service

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the host names of the app's URLs."""
        return tuple(host for url in self.urls if (host := host_of(url)))


def host_of(url: str) -> str:
    """Return the host name of a URL, in lower case, or an empty text."""
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").lower()
    except ValueError:
        return ""


def hosts_of(apps: "Iterable[App]") -> frozenset[str]:
    """Return the host names of all URLs of these apps."""
    return frozenset(host for app in apps for host in app.domains)


async def all_apps(look: Look) -> tuple[App, ...]:
    """Return every app and service of the team, sorted by name, then uuid."""
    muscles = await muscle_by_server(look.coolify, look.fleet)
    apps = [_app("application", app, app.urls, muscles) for app in await look.coolify.applications()]
    apps += [_of_service(service, muscles) for service in await _services(look.coolify)]
    return tuple(sorted(apps, key=lambda app: (app.name, app.uuid)))


async def _services(coolify: CoolifyLook) -> list[Service]:
    """The list leaves out the containers, and so the URLs, of a service that just starts (source, version 4.3.11)."""
    return [s if s.applications or s.databases else await coolify.service(s.uuid) for s in await coolify.services()]


async def find_app(look: Look, wanted: str) -> App:
    """Return the one app that `wanted` names exactly.

    Raises:
        UnknownName: none does; near names are given. AmbiguousName: several do; they are listed.
    """
    apps = await all_apps(look)
    key = wanted.strip().lower()
    found = _with_uuid(key, apps) or _with_name(key, apps)
    if len(found) == 1:
        return found[0]
    shown = clean_name(wanted)
    if not found:
        raise UnknownName(f"There is no app {shown!r}.{_near_names(key, apps)}", next="See list_apps.")
    raise AmbiguousName(
        f"{len(found)} apps answer to {shown!r}: {'; '.join(_candidate(app) for app in found[:10])}.",
        next="Use the uuid.",
    )


def _with_uuid(key: str, apps: Iterable[App]) -> list[App]:
    return [app for app in apps if app.uuid == key]


def _with_name(key: str, apps: Iterable[App]) -> list[App]:
    return [app for app in apps if key in (app.name.lower(), *app.domains, *app.urls)]


def _near_names(key: str, apps: Iterable[App]) -> str:
    near = difflib.get_close_matches(key, [app.name for app in apps], n=3)
    return f" Near names: {', '.join(map(clean_name, near))}." if near else ""


async def muscle_by_server(coolify: CoolifyLook, fleet: Fleet) -> dict[str, Muscle]:
    """Return the Muscle of each Coolify server uuid, matched by address or private address, else by name."""
    by_address = _by_address(fleet)
    by_name = {m.name: m for m in fleet.muscles}
    found: dict[str, Muscle] = {}
    for server in await coolify.servers():
        muscle = by_address.get(server.ip) or by_name.get(server.name)
        if muscle is not None:
            found[server.uuid] = muscle
    return found


def _by_address(fleet: Fleet) -> dict[str, Muscle]:
    return {a: m for m in fleet.muscles for a in (m.address, m.private_address) if a}


def _of_service(service: Service, muscles: dict[str, Muscle]) -> App:
    """A port in a service's URL is the container's: nobody calls the service by it."""
    urls = (f"{urlsplit(url).scheme}://{host}" for url in service.urls if (host := host_of(url)))
    return _app("service", service, tuple(dict.fromkeys(urls)), muscles)


def _app(
    kind: Literal["application", "service"],
    source: Application | Service,
    urls: tuple[str, ...],
    muscles: dict[str, Muscle],
) -> App:
    muscle = muscles.get(source.server_uuid)
    return App(
        kind=kind,
        uuid=source.uuid,
        name=clean_name(source.name, limit=LONGEST_NAME),
        urls=urls,
        status=source.status,
        server_uuid=source.server_uuid,
        muscle=muscle.name if muscle else "",
        environment_id=source.environment_id,
        source=source,
    )


def _candidate(app: App) -> str:
    return f"{clean_name(app.name)} {app.uuid} on {app.muscle or 'another server'}"


def is_inline(application: Application) -> bool:
    """Return whether an app comes from an inline Dockerfile.

    Coolify writes its own repository into such an app's row, and shows the Dockerfile only to tokens that may read
    sensitive fields (source, version 4.3.11).
    """
    placeholder = application.build_pack == "dockerfile" and application.git_repository == _PLACEHOLDER
    return bool(application.dockerfile) or placeholder or not application.git_repository


def limits_of(app: App) -> str:
    """Return memory and CPU limit as `512m/1`, `-` for none; a compose app has its own in its file."""
    source = app.source
    if isinstance(source, Service):
        return "compose"
    return f"{_limit(source.limits_memory)}/{_limit(source.limits_cpus)}"


def _limit(value: str) -> str:
    return "-" if value in ("", "0") else value
