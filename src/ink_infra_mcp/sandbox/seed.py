"""The demo world: a Factory, two Muscles, three applications with a past, and what they live on at the vendors."""

import base64
import hashlib
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.sandbox.coolify import variables
from ink_infra_mcp.sandbox.coolify.app_checks import write_labels
from ink_infra_mcp.sandbox.coolify.containers import container_id
from ink_infra_mcp.sandbox.coolify.defaults import new_columns, new_settings
from ink_infra_mcp.sandbox.coolify.ids import new_id, uuid_of
from ink_infra_mcp.sandbox.coolify.queue import Wish, enqueue
from ink_infra_mcp.sandbox.hosts.restore import rows_of
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import (
    Application,
    CoolifyState,
    Destination,
    Environment,
    GithubApp,
    PrivateKey,
    Project,
    Server,
    ServerSettings,
    Token,
)
from ink_infra_mcp.sandbox.state_factory import (
    BASE,
    BASE_TEXT,
    CUSTOM,
    PROD,
    PROD_TEXT,
    Drill,
    Dump,
    FactoryDisk,
    Kept,
    Schedule,
    override,
)
from ink_infra_mcp.sandbox.state_github import commit_sha, seed_github
from ink_infra_mcp.sandbox.state_hetzner import seed_hetzner
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from ink_infra_mcp.sandbox.state_place import seed_place

DAY_S = 86_400.0
SECRET = "sandboxCoolifyRoot" + "0" * 22
TOKEN = f"1|{SECRET}"
"""May do everything, as its owner."""
READ_SECRET = "sandboxCoolifyRead" + "0" * 22
READ_TOKEN = f"2|{READ_SECRET}"
"""May read everything, secrets too, and change nothing."""
FORK_IMAGE = "registry.example.com/ink/coolify@sha256:" + "f" * 64
ISOLATED = "--runtime=runsc --pids-limit=256 --cap-drop=ALL --cap-add=NET_BIND_SERVICE"
WILDCARDS = {"muscle-1": "https://s1.example.com", "muscle-2": "https://s2.example.com"}
ADDRESSES = {"factory": "192.0.2.10", "muscle-1": "192.0.2.11", "muscle-2": "192.0.2.12"}
OWN_KEY, MUSCLES_KEY = "localhost's key", "muscles"
SHOP, DOCS, LEGACY = (uuid_of(f"application {name}") for name in ("shop", "docs", "legacy"))
PROJECT = uuid_of("project apps")
ENVIRONMENT = uuid_of("environment production")
GITHUB_APP = uuid_of("github-app example")
SERVERS = {name: uuid_of(f"server {name}") for name in ADDRESSES}
"""The uuids of the seed are the same in every world."""


@dataclass(frozen=True, slots=True)
class _Sketch:
    uuid: str
    server: str
    columns: dict[str, JsonValue]
    github_app: str | None = None
    variables: dict[str, str] = field(default_factory=dict[str, str])


_SKETCHES = (
    _Sketch(
        SHOP,
        "muscle-1",
        {
            "name": "shop",
            "build_pack": "nixpacks",
            "git_repository": "example/hello",
            "git_branch": "main",
            "ports_exposes": "3000",
            "fqdn": "https://shop.s1.example.com",
            "limits_memory": "512m",
            "limits_cpus": "0.5",
            "custom_docker_run_options": ISOLATED,
        },
        variables={"NIXPACKS_NODE_VERSION": "22", "GREETING": "hello"},
    ),
    _Sketch(
        DOCS,
        "muscle-2",
        {
            "name": "docs",
            "build_pack": "dockerimage",
            "docker_registry_image_name": "registry.example.com/docs",
            "docker_registry_image_tag": "1.4",
            "ports_exposes": "80",
            "fqdn": "https://docs.s2.example.com",
            "limits_memory": "256m",
            "custom_docker_run_options": ISOLATED,
        },
    ),
    _Sketch(
        LEGACY,
        "muscle-1",
        {
            "name": "legacy",
            "build_pack": "dockerfile",
            "git_repository": "example/private-api",
            "git_branch": "main",
            "ports_exposes": "8080",
            "fqdn": "https://legacy.s1.example.com",
        },
        github_app=GITHUB_APP,
    ),
)


def seed(now: float) -> WorldState:
    """Return the demo world as it is at `now`: all is up, every deployment of the past has ended."""
    began = now - 30 * DAY_S
    state = WorldState(
        began=began,
        coolify=_coolify(began),
        hetzner=seed_hetzner(now),
        github=seed_github(now),
        hosts={name: _host(name, began) for name in ADDRESSES},
    )
    _live(state, now)
    last = state.coolify.factory.kept[-1]
    older = [each for each in state.coolify.deployments if each.created_at <= last.at]
    state.place = seed_place(last.name, last.sum, made=last.at)
    last.rows, last.image = rows_of(state.coolify.model_copy(update={"deployments": older})), FORK_IMAGE
    state.began = now
    return state


def _live(state: WorldState, now: float) -> None:
    """Deploy everything, and the shop twice, from two commits: so it has an image to go back to."""
    branches = state.github.repos["example/hello"].branches
    head, branches["main"] = branches["main"], commit_sha("example/hello main, a week ago")
    for app in state.coolify.applications:
        _deploy(state, app, now - 7 * DAY_S)
    branches["main"] = head
    _deploy(state, state.coolify.applications[0], now - DAY_S)
    settle(state, now)
    for server in state.coolify.servers:
        server.next_check_at = now + 60


def _deploy(state: WorldState, app: Application, at: float) -> None:
    settle(state, at)
    uuid = uuid_of(f"deployment {app.uuid} {len(state.coolify.deployments)}")
    enqueue(state, app, uuid, Wish(), now=at)
    settle(state, at + 600)


def _coolify(began: float) -> CoolifyState:
    coolify = CoolifyState(
        supports_runtime_option=True,
        last_id=100,
        public_ipv4=ADDRESSES["factory"],
        fqdn="https://coolify.example.com",
        tokens=[
            Token(id=1, secret=SECRET, name="operator"),
            Token(id=2, secret=READ_SECRET, name="look", abilities=["read", "read:sensitive"]),
        ],
        keys=[_key(0, OWN_KEY, began), _key(1, MUSCLES_KEY, began)],
        github_apps=_github_apps(began),
        servers=[_server(number, name, began) for number, name in enumerate(ADDRESSES)],
        projects=[_project(began)],
        factory=_factory_disk(began),
    )
    coolify.applications = [_application(coolify, sketch, began) for sketch in _SKETCHES]
    return coolify


def _factory_disk(began: float) -> FactoryDisk:
    """The fork by digest in the override, no updates, backups each night and a drill: all as it should be."""
    last = began + 30 * DAY_S - 5 * 3600
    kept = Kept(name="op-4w7hx2mnp9", at=last - 3 * DAY_S, sum="4e" * 32)
    return FactoryDisk(
        files={BASE: BASE_TEXT, PROD: PROD_TEXT, CUSTOM: override(FORK_IMAGE)},
        env={"REGISTRY_URL": "docker.io", "LATEST_IMAGE": "4.3.10", "COOLIFY_VERSION": "4.3.10", "AUTOUPDATE": "false"},
        schedules=[Schedule(last_success=last)],
        dumps=[Dump(at=last - DAY_S), Dump(at=last)],
        kept=[kept],
        drill=Drill(at=kept.at, backup=kept.name, sum=kept.sum, image=f"sha256:{container_id(FORK_IMAGE, 0.0)}"),
    )


def _key(number: int, name: str, began: float) -> PrivateKey:
    return PrivateKey(
        id=number,
        uuid=uuid_of(f"key {name}"),
        name=name,
        public_key=_public_key(name),
        created_at=began,
        updated_at=began,
    )


def _public_key(name: str) -> str:
    """Nobody has its other half: Coolify's way in is only compared."""
    point = hashlib.sha256(name.encode()).digest()
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", point))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def _github_apps(began: float) -> list[GithubApp]:
    public = GithubApp(id=0, uuid=uuid_of("github-app public"), name="Public GitHub", is_public=True)
    own = GithubApp(
        id=1,
        uuid=GITHUB_APP,
        name="example",
        organization="example",
        app_id=100_001,
        installation_id=200_001,
        client_id="Iv1.0000000000000000",
        repositories=["example/private-api", "example/hello", "example/broken"],
        created_at=began,
        updated_at=began,
    )
    return [public, own]


def _server(number: int, name: str, began: float) -> Server:
    """The Factory is server 0 to Coolify: called localhost, and reached as host.docker.internal."""
    own = name == "factory"
    return Server(
        id=number,
        uuid=SERVERS[name],
        name="localhost" if own else name,
        ip="host.docker.internal" if own else ADDRESSES[name],
        private_key_id=0 if own else 1,
        host=name,
        is_coolify_host=own,
        proxy_status="running",
        settings=ServerSettings(
            is_reachable=True,
            is_usable=True,
            wildcard_domain=WILDCARDS.get(name),
            docker_version="28.5.1",
            docker_version_checked_at=began,
        ),
        destinations=[Destination(id=number, uuid=uuid_of(f"destination {name}"))],
        created_at=began,
        updated_at=began,
    )


def _project(began: float) -> Project:
    production = Environment(id=1, uuid=ENVIRONMENT, name="production", created_at=began, updated_at=began)
    return Project(id=1, uuid=PROJECT, name="apps", environments=[production], created_at=began, updated_at=began)


def _application(coolify: CoolifyState, sketch: _Sketch, began: float) -> Application:
    app = Application(
        id=new_id(coolify),
        uuid=sketch.uuid,
        environment_uuid=ENVIRONMENT,
        server_uuid=SERVERS[sketch.server],
        destination_uuid=uuid_of(f"destination {sketch.server}"),
        columns={
            **new_columns(sketch.uuid),
            "git_repository": "coollabsio/coolify",
            "git_branch": "main",
            **sketch.columns,
        },
        settings=new_settings(),
        github_app_uuid=sketch.github_app,
        created_at=began,
        updated_at=began,
    )
    for key, value in sketch.variables.items():
        variables.add(coolify, app, {"key": key, "value": value}, now=began)
    write_labels(app)
    return app


def _host(name: str, began: float) -> HostState:
    role = "factory" if name == "factory" else "muscle"
    return HostState(
        name=name,
        address=ADDRESSES[name],
        role=role,
        authorized_keys=[_public_key(OWN_KEY if role == "factory" else MUSCLES_KEY)],
        containers=_factory_stack(began) if role == "factory" else [],
        volumes=["coolify-db", "coolify-redis"] if role == "factory" else [],
    )


def _factory_stack(began: float) -> list[Container]:
    """Coolify itself, in the fork's image, and its database, cache and web sockets."""
    images = {
        "coolify": FORK_IMAGE,
        "coolify-db": "postgres:15-alpine",
        "coolify-redis": "redis:7-alpine",
        "coolify-realtime": "coollabsio/coolify-realtime:1.0.17",
    }
    ports = {
        "coolify": ["0.0.0.0:8000->8080/tcp"],
        "coolify-realtime": ["0.0.0.0:6001->6001/tcp", "0.0.0.0:6002->6002/tcp"],
    }
    return [
        Container(
            id=container_id(name, began),
            name=name,
            image=image,
            image_id="sha256:" + container_id(image, 0.0),
            image_digests=[image] if "@" in image else [],
            health="healthy",
            created_at=began,
            started_at=began,
            ports=ports.get(name, []),
        )
        for name, image in images.items()
    ]
