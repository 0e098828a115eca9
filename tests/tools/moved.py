"""Worlds in which apps move: an app with data, and where everything of it is afterwards."""

from dataclasses import dataclass

from ink_infra_mcp.sandbox.seed import DOCS, SERVERS
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application, Volume
from ink_infra_mcp.sandbox.state_hosts import VolumeContent

PAGES = f"{DOCS}-pages"
FILES = {"index.html": "digest of index.html", "img/a\nb.png": "digest of a picture"}


def with_pages(state: WorldState) -> None:
    """Let docs, which runs on muscle-2, have a volume with files in it."""
    app = next(app for app in state.coolify.applications if app.uuid == DOCS)
    app.volumes = [Volume(id=900, uuid="v" * 24, name=PAGES, mount_path="/data")]
    host = state.hosts["muscle-2"]
    host.volumes.append(PAGES)
    host.volume_contents[PAGES] = VolumeContent(files=dict(FILES))
    for container in host.containers:
        if container.labels.get("coolify.applicationId") == str(app.id):
            container.volumes = [PAGES]


@dataclass(frozen=True, slots=True)
class Place:
    """One app: its name, server, domains, whether a push deploys it, how many containers run, and its files."""

    name: str
    server: str
    domains: str
    pushed: bool
    running: int
    files: dict[str, str] | None


def places(state: WorldState, name: str) -> list[Place]:
    """Return where apps are whose name begins so, sorted by server."""
    found = [app for app in state.coolify.applications if app.text("name").startswith(name)]
    return sorted((_place(state, app) for app in found), key=lambda place: place.server)


def _place(state: WorldState, app: Application) -> Place:
    server = next(name for name, uuid in SERVERS.items() if uuid == app.server_uuid)
    host = state.hosts[server]
    own = [c for c in host.containers if c.labels.get("coolify.applicationId") == str(app.id)]
    contents = [host.volume_contents[v.name].files for v in app.volumes if v.name in host.volume_contents]
    return Place(
        name=app.text("name"),
        server=server,
        domains=app.text("fqdn"),
        pushed=app.is_on("is_auto_deploy_enabled"),
        running=sum(container.state == "running" for container in own),
        files=contents[0] if contents else None,
    )


BEFORE = [Place("docs", "muscle-2", "https://docs.s2.example.com", True, 1, FILES)]
"""Where docs is before it moves, and after a move that was taken back."""
AFTER = [
    Place("docs", "muscle-1", "https://docs.s1.example.com", True, 1, FILES),
    Place("docs-was-on-muscle-2", "muscle-2", f"http://{DOCS}.moved.invalid", False, 0, FILES),
]
"""Where both of it are when it has moved to muscle-1 with its data."""
