"""An app that moves to another Muscle: whether it can, what its data is, by which URLs it is reached there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from ink_infra_mcp.areas.apps import placing, proofs, rollout, source
from ink_infra_mcp.areas.apps.app import App, all_apps, host_of
from ink_infra_mcp.areas.apps.isolation import check_rollout
from ink_infra_mcp.areas.apps.limits import limit_bytes
from ink_infra_mcp.areas.apps.pinning import Present, present
from ink_infra_mcp.areas.apps.reach import leads_only
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application
from ink_infra_mcp.clients.coolify.bodies import AppChanges
from ink_infra_mcp.clients.coolify.models import Destination, Storages
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Muscle, memory_bytes
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import ContainerFacts, containers_of
from ink_infra_mcp.hosts.volumes import asking

MOST_BYTES = 256 * 2**30
"""More than that does not go through this machine in the time of one operation."""
LEAST_BOUND = 64 * 2**20
PARKED = "moved.invalid"
"""No name below it leads anywhere (RFC 6761): what is called so is reached by nobody."""


@dataclass(frozen=True, slots=True)
class Data:
    """A volume of the app: its name, where it is mounted, and the most bytes that are copied of it."""

    name: str
    mount: str
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Target:
    """The Muscle that the app goes to, as Coolify knows it, and the Docker network there."""

    muscle: str
    address: str
    server_uuid: str
    destination: str
    network: str


@dataclass(frozen=True, slots=True)
class Move:
    """An app, where it goes, and all that is known of it.

    `urls` are those that it shall have there, `astray` the host names among them that do not lead to the new Muscle.
    `running` are the ids of its containers, `retired` is what the app that is left behind will be called.
    """

    app: App
    application: Application
    target: Target
    urls: tuple[str, ...]
    astray: tuple[str, ...]
    running: tuple[str, ...]
    data: tuple[Data, ...]
    retired: str
    parked: tuple[str, ...]
    commit: str
    production: bool
    present: Present
    ran: str = ""
    """The commit that runs now."""
    notes: tuple[str, ...] = field(default=())

    @property
    def renamed(self) -> Mapping[str, str]:
        """Return which of its URLs become another one."""
        pairs = zip(self.application.domains, self.urls, strict=True)
        return {before: after for before, after in pairs if before != after}

    @property
    def url(self) -> str:
        """Return the URL that users call it by there."""
        return called(self.urls[0])


def muscle_to(look: Look, name: str) -> Muscle:
    """Return the Muscle of that name, where apps shall go.

    Raises:
        InputError: the fleet has none.
    """
    names = {muscle.name: muscle for muscle in look.fleet.muscles}
    if name not in names:
        raise InputError(f"There is no Muscle {name!r}.", next=f"The fleet has: {', '.join(names) or 'none'}.")
    return names[name]


async def find_move(
    look: Look, app: App, to: Muscle, *, copies: bool, approved: Plan | None, beside_bytes: int = 0
) -> Move:
    """Return what is known of a move; `copies` says that volumes may be copied, `beside_bytes` what is promised there
    to other apps that move, too.

    Raises:
        InputError: the app cannot be moved so, and why. RefusedByPolicy: it would run without gVisor there.
        HostError: a server cannot be asked.
    """
    application = await _movable(look, app)
    await check_rollout(look, app)
    storages = await look.coolify.storages(app.uuid)
    _refuse_foreign(app, storages)
    target = await _target(look, application, to, beside_bytes)
    running = await _running(look, app)
    urls = tuple(_url_on(look, app, url, to) for url in application.domains)
    await _refuse_taken(look, app, urls)
    data = await _data(look, app, storages, copies=copies, approved=approved)
    commit = await source.commit_to_build(look, application)
    last = await look.coolify.deployments_of(app.uuid, take=1)
    return Move(
        app=app,
        application=application,
        target=target,
        urls=urls,
        astray=await astray(look, urls, to),
        running=tuple(container.id for container in running),
        data=data,
        retired=_retired(app),
        parked=(f"http://{app.uuid}.{PARKED}",),
        commit=commit,
        production=to.production or (await rollout.facts(look, app)).production,
        present=await present(look, app.uuid, app.name, service=False),
        ran=proofs.commit_of(last[0].commit) if last else "",
        notes=_notes(application),
    )


async def check_arrived(look: Look, app: App) -> None:
    """Return when an app that is on the Muscle already runs there as it should.

    Raises:
        InputError: it does not: "already so" would be wrong. HostError: it cannot be seen.
    """
    if not await proofs.is_isolated(look, app.muscle, app.uuid, app.domains):
        raise InputError(
            f"{app.name} is on {app.muscle} already, but does not run there isolated.",
            next="See get_app, and start it with control_app.",
        )


async def _movable(look: Look, app: App) -> Application:
    if app.kind == "service":
        raise InputError(
            f"{app.name} is a compose app, whose copy Coolify cannot make with the same values and volumes.",
            next="Deploy its file under another name on the other Muscle, and delete this one when that serves.",
        )
    if not (await look.coolify.era()).clone_api:
        raise InputError(
            "This Coolify cannot copy an app to another server: versions before 4.3.0 have no such call.",
            next="Upgrade Coolify, then call again.",
        )
    application = await look.coolify.application(app.uuid)
    if why := _why_not(application):
        raise InputError(f"{app.name} cannot be moved: {why}.", next="Change that in Coolify, then call again.")
    return application


def _why_not(application: Application) -> str:
    """Return what keeps an app where it is, in words; what Coolify does not tell keeps it, too."""
    if application.labels_are_coolifys is not True:
        return "its container labels are not kept by Coolify, and would lead to the old app"
    if application.more_servers or application.more_servers_count:
        return "it runs on several servers"
    if not application.domains:
        return "it has no domain, by which a copy could be proved"
    if application.is_auto_deploy_enabled is None:
        return "Coolify does not tell whether a push deploys it"
    try:
        AppChanges(name=application.name, domains=application.domains)
    except ValidationError:
        return "its name or a domain has a sign that Coolify's API does not take"
    return ""


def _refuse_foreign(app: App, storages: Storages) -> None:
    """Folders and files of the server are not the app's own: nobody knows what else uses them."""
    folders = [s for s in storages.persistent_storages if s.host_path]
    if foreign := [*folders, *storages.file_storages]:
        shown = ", ".join(f"{clean_name(s.source)} at {clean_name(s.mount_path)}" for s in foreign[:5])
        raise InputError(
            f"{app.name} cannot be moved: it mounts what belongs to its server: {shown}.",
            next="Put the data into a volume of the app, then call again.",
        )


def need_bytes(look: Look, application: Application) -> int:
    """Return the memory that an app is promised where it goes."""
    return limit_bytes(application.limits_memory) or memory_bytes(look.fleet.defaults.memory)


async def _target(look: Look, application: Application, to: Muscle, beside_bytes: int) -> Target:
    need = need_bytes(look, application) + beside_bytes
    placed = await placing.choose(look, muscle=to.name, need_bytes=need, need_runsc=not look.isolation.allow_without)
    there = [d for d in await look.coolify.destinations(placed.server_uuid) if d.type == "standalone"]
    found = _destination(there, application.network)
    if found is None:
        raise InputError(
            f"Coolify has {len(there)} Docker networks on {to.name}, none of them called {application.network}.",
            next="Make one of that name there, then call again.",
        )
    return Target(to.name, to.address, placed.server_uuid, found.uuid, found.network)


def _destination(there: Iterable[Destination], network: str) -> Destination | None:
    """The network that is called as the app's own; a proxy of Coolify's is in each of them."""
    return next((destination for destination in there if destination.network == network), None)


async def _running(look: Look, app: App) -> list[ContainerFacts]:
    running = [c for c in await containers_of(look.hosts, app.muscle, app.uuid) if c.state == "running"]
    if not running:
        raise InputError(
            f"{app.name} does not run, so that nothing could tell whether it works after its move.",
            next="Start it with control_app, then call again.",
        )
    return running


def _url_on(look: Look, app: App, url: str, to: Muscle) -> str:
    """What lies below the old Muscle's wildcard comes below the new one's: its old name never leads there."""
    old = next((m.wildcard_domain for m in look.fleet.muscles if m.name == app.muscle), None)
    host = host_of(url)
    if not old or not host.endswith(f".{old}"):
        return url
    if not to.wildcard_domain:
        raise InputError(
            f"{host} lies below the wildcard domain of {app.muscle}, and {to.name} has none.",
            next="Set wildcard_domain of that Muscle in fleet.toml, or give the app a domain of its own (deploy_app).",
        )
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    moved = f"{host.removesuffix(f'.{old}')}.{to.wildcard_domain}"
    return urlunsplit(parts._replace(netloc=f"{moved}{port}"))


async def _refuse_taken(look: Look, app: App, urls: Iterable[str]) -> None:
    wanted = {host_of(url) for url in urls}
    for other in await all_apps(look):
        if other.uuid != app.uuid and (taken := wanted.intersection(other.domains)):
            raise InputError(
                f"{min(taken)} belongs to the app {other.name} ({other.uuid}).",
                next="Give one of them another domain, then call again.",
            )
        if other.name == _retired(app):
            raise InputError(
                f"{other.name} ({other.uuid}) is left from an earlier move.",
                next=f"Delete it once nobody needs it: delete_app with app={other.uuid}.",
            )


def _retired(app: App) -> str:
    return retired_on(app.name, app.muscle)


def retired_on(app: str, muscle: str) -> str:
    """Return what an app is called that a move has left behind on a Muscle."""
    return f"{app}{_left_on(muscle)}"


def _left_on(muscle: str) -> str:
    return f"-was-on-{muscle}"


def left_by(app: App) -> str:
    """Return the name of the app that an earlier move has put in the place of this one, or an empty text.

    Only what a switch has set counts: its name together with the domain that leads nowhere.
    """
    mark = _left_on(app.muscle)
    return app.name.removesuffix(mark) if _is_parked(app) and app.name.endswith(mark) else ""


def _is_parked(app: App) -> bool:
    leads_on = [host for host in app.domains if not host.endswith(f".{PARKED}")]
    return app.kind == "application" and bool(app.domains) and not leads_on


async def _data(look: Look, app: App, storages: Storages, *, copies: bool, approved: Plan | None) -> tuple[Data, ...]:
    found = [(s.name, s.mount_path, await _volume(look, app, s.name)) for s in storages.persistent_storages]
    if found and not copies:
        shown = "; ".join(f"{clean_name(name)} at {clean_name(at)}, {_size(volume)}" for name, at, volume in found)
        raise InputError(
            f"{app.name} has data: {shown}.",
            next='Call again with volumes="copy": the app is stopped while they are copied.',
        )
    bounds = approved.pinned.get("most_bytes") if approved else None
    earlier = bounds if isinstance(bounds, dict) else {}
    return tuple(Data(name, at, _bound(volume, earlier.get(name))) for name, at, volume in sorted(found))


async def _volume(look: Look, app: App, name: str) -> asking.Volume:
    """Return a volume that is the app's alone.

    Raises:
        InputError: it is not there, not a plain one, or others mount it, too.
    """
    seen = (await asking.look(look.hosts, app.muscle, name)).volume
    if seen is None or not seen.plain:
        words = "is not there" if seen is None else "is no plain volume of Docker's"
        raise _unmovable(app, name, words)
    own = {container.id for container in await containers_of(look.hosts, app.muscle, app.uuid)}
    if others := [user.name for user in seen.users if user.id not in own]:
        raise _unmovable(app, name, f"is mounted by {clean_name(others[0])}, too")
    if max(seen.size_bytes, seen.used_bytes) > MOST_BYTES:
        raise _unmovable(app, name, f"is larger than {MOST_BYTES // 2**30} GiB ({_size(seen)})")
    return seen


def _unmovable(app: App, name: str, why: str) -> InputError:
    return InputError(
        f"{app.name} cannot be moved: its volume {clean_name(name)} on {app.muscle} {why}.",
        next="Mend that on the Muscle, then call again.",
    )


def _bound(volume: asking.Volume, earlier: object) -> int:
    """Return the most bytes that may be copied: what was approved while it still holds, else a power of two above."""
    size = max(volume.size_bytes, volume.used_bytes)
    if isinstance(earlier, int) and size <= earlier:
        return earlier
    bound = LEAST_BOUND
    while bound < size + size // 4:
        bound *= 2
    return bound


def _size(volume: asking.Volume) -> str:
    return f"{max(volume.size_bytes, volume.used_bytes) / 2**20:.1f} MiB"


async def astray(look: Look, urls: Iterable[str], to: Muscle) -> tuple[str, ...]:
    """Return the host names that are not seen to lead to the Muscle now; what cannot be told is among them."""
    own = tuple(filter(None, (to.address, to.private_address)))
    names = dict.fromkeys(map(host_of, urls))
    found = {name: await look.resolver.addresses(name) for name in names}
    return tuple(name for name, seen in found.items() if not leads_only((*seen.ipv4, *seen.ipv6), own))


def _notes(application: Application) -> tuple[str, ...]:
    previews = ("previews of pull requests stay behind with the old app",)
    return previews if application.is_preview_deployments_enabled else ()


def called(url: str) -> str:
    """Return the URL by which users call it: a port in the URL of an app is its container's."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.hostname or ""))
