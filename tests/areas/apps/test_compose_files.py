"""Compose files as people paste them: each is read as Docker reads it, or refused by its true reason."""

from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from ink_infra_mcp.areas.apps.compose_apps import ComposeFile, prepared
from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.isolation import Isolation
from tests import recorded
from tests.ink import ink, says, says_yes
from tests.tools.calls import call

FILES = Path(recorded.__file__).parent / "compose"
"""Shortened from what is published and pasted; `photos`, `stats` and the like stand for well-known apps."""

GIB = 2**30
POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN",), forbidden={})
ADDED = {"runtime": "runsc", "cap_drop": ["ALL"], "cap_add": ["CHOWN"], "pids_limit": 512}
LIMITS = {"mem_limit": "512m", "cpus": "1"}


class Runs(NamedTuple):
    """What runs of a file: its services but for what is added to each, its volumes, what is told, and its memory."""

    services: dict[str, Any]
    volumes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    memory_bytes: int = GIB // 2


def unpublished(service: str, *ports: str) -> tuple[str, ...]:
    """Return what is told of ports that stay closed."""
    return tuple(f"{service}: port {port} is not published on the server; users come by the proxy" for port in ports)


def once(service: str, copies: int) -> str:
    """Return what is told of a service that was to run several times."""
    return f"{service}: runs once and not {copies} times; Coolify gives each service one container"


HEALTHY = {"condition": "service_healthy"}
SHARED = {
    "restart": "always",
    "image": "docker.example/n8n:${N8N_VERSION}",
    "environment": {"DB_TYPE": "postgresdb", "KEY": "${ENCRYPTION_KEY}"},
    "volumes": ["n8n_storage:/home/node/.n8n"],
    "depends_on": {"postgres": HEALTHY},
}
POSTGRES = {
    "image": "postgres:18",
    "environment": {"POSTGRES_USER": None, "PGDATA": "/var/lib/postgresql/data"},
    "volumes": ["db_storage:/var/lib/postgresql/data"],
}
WORDS = {"ENABLE_SIGNUP": "yes", "DEBUG": "no", "LOG_SQL": "off", "CACHE": "on", "COUNTRY": "NO", "SECURE": "true"}
QUOTED = {
    **{"COMMIT": "12345e6", "BUILD": "1e3", "PIN": "007", "A": "1_000", "B": "0x1F", "C": ".5", "D": "1.10"},
    **{"E": "1.1", "F": "432", "DATE": "2024-01-01 00:00:00 +0000 UTC", "TS": "2024-01-01 10:00:00 +0000 UTC"},
    **{"G": "~", "H": "null", "I": "y", "J": "=", "K": "yes"},
}
APP = "registry.example.com/app:1"
RUNS = {
    "equals": Runs({"app": {"image": "app:1", "environment": {"SEP": "="}}}),
    "n8n": Runs(
        {
            "postgres": POSTGRES,
            "n8n": {**SHARED, "expose": ["5678"]},
            "n8n-worker": {**SHARED, "command": "worker"},
        },
        volumes=("db_storage", "n8n_storage"),
        notes=(*unpublished("n8n", "5678:5678"), once("n8n-worker", 4)),
        memory_bytes=GIB * 3 // 2,
    ),
    "on": Runs(
        {
            "on": {"image": APP, "environment": {"OFF": "off"}},
            "no": {"image": APP, "depends_on": ["on"], "volumes": ["off:/data"]},
        },
        volumes=("off",),
        memory_bytes=GIB,
    ),
    "quota": Runs(
        {"worker": {"image": "w:1", "cpus": "0.5"}, "db": {"image": "db:1", "mem_reservation": "256m"}},
        memory_bytes=GIB,
    ),
    "sexagesimal_ports": Runs(
        {
            "forge": {
                "image": "forge:1",
                "environment": {"BACKUP_AT": "23:30"},
                "expose": ["22", "53/udp", "53", "80"],
            }
        },
        notes=unpublished("forge", "22222:22", "2222:22", "53:53/udp", "53:53", "8080:80"),
    ),
    "sizes": Runs(
        {
            "a": {"image": "a:1", "mem_limit": "64GiB"},
            "b": {"image": "b:1", "mem_limit": "1T"},
            "c": {"image": "c:1", "mem_limit": "32 g"},
            "f": {"image": "f:1", "mem_limit": "1G"},
            "g": {"image": "g:1", "mem_limit": "1g"},
        },
        notes=(once("f", 20), once("g", 20)),
        memory_bytes=(64 + 1024 + 32 + 1 + 1) * GIB,
    ),
    "strings": Runs({"app": {"image": "app:1", "environment": QUOTED}}),
    "tab": Runs({"web": {"image": "nginx:1", "environment": {"A": "1"}}}),
    "umami": Runs(
        {
            "stats": {
                "image": "ghcr.io/example/stats:postgresql-latest",
                "environment": {"DATABASE_URL": "postgresql://u:u@db:5432/u"},
                "depends_on": {"db": HEALTHY},
                "expose": ["3000"],
            },
            "db": {
                "image": "postgres:15-alpine",
                "volumes": ["db-data:/var/lib/postgresql/data"],
                "healthcheck": {"test": ["CMD-SHELL", "pg_isready -U $${POSTGRES_USER}"], "interval": "5s"},
            },
        },
        volumes=("db-data",),
        notes=unpublished("stats", "3000:3000"),
        memory_bytes=GIB,
    ),
    "yes_no": Runs({"app": {"image": "app:1", "environment": WORDS, "labels": {"com.example.backup": "yes"}}}),
}

MOUNTS = "mounts a path of the Muscle; use a named volume, or `configs` with `content` for a file"
BUILDS = "build: runs on the Muscle outside gVisor; give `image`, or deploy the repository itself"
READ = "may be read by the proxy, by Coolify or by Docker: an app's domain comes from its plan"
NO_SIZE = "is no size that Docker reads, or none at all: write one such as 512m"
STEAL = "traefik.http.routers.steal"
WEAK = {
    "bind_content": (
        "web: volumes: ./conf/app.conf mounts a path of the Muscle; use `configs` with `content` for a file",
    ),
    "build": ("web: has no image", f"web: {BUILDS}", f"worker: {BUILDS}"),
    "gpu": ("llm: deploy: resources.reservations.devices opens devices of the Muscle, or is not known",),
    "immich": (
        f"photos-server: volumes: ${{UPLOAD_LOCATION}}:/data {MOUNTS}",
        f"photos-server: volumes: /etc/localtime:/etc/localtime:ro {MOUNTS}",
        f"database: volumes: ${{DB_DATA_LOCATION}}:/var/lib/postgresql/data {MOUNTS}",
    ),
    "labels": tuple(
        f"web: labels: {label} {READ}"
        for label in ("traefik.enable", f"{STEAL}.rule", f"{STEAL}.priority", "coolify.serviceId", "coolify.managed")
    ),
    "mastodon": (
        f"db: volumes: ./pg:/var/lib/postgresql/data {MOUNTS}",
        "web: env_file: reads a file that a pasted file does not bring; give its variables as `env` of deploy_app",
    ),
    "mem_units": (
        f"d: mem_limit: ${{MEM:-16g}} {NO_SIZE}",
        f"e: mem_limit: 0 {NO_SIZE}",
        f"h: mem_limit: -1 {NO_SIZE}",
    ),
    "plausible": (f"events_db: volumes: ./clickhouse/logs.xml:/etc/clickhouse-server/config.d/logs.xml:ro {MOUNTS}",),
    "quoted_scalars": (
        "'0o022' does not arrive: Coolify writes it without quotes and Docker reads 18; write it another way",
    ),
    "reservation": (
        "search: the memory limit is below what the service reserves",
        "db: the memory limit is below what the service reserves",
        "cache: memswap_limit, which counts memory too, is not between the memory limit and twice that, "
        "Docker's default",
    ),
}
REFUSED = {
    **{name: f"The compose file would weaken isolation: {'; '.join(problems)}." for name, problems in WEAK.items()},
    "dup": "The compose file has the key 'environment' twice, in lines 4 and 6.",
    "tags": "Line 4 of the compose file has the tag !reset, which its readers do not share: leave it out.",
}


def text_of(name: str) -> str:
    """Return a recorded file."""
    return (FILES / f"{name}.yml").read_text(encoding="utf-8")


def made_of(text: str) -> ComposeFile:
    """Return a file as it will run under the policy of these tests."""
    return prepared(text, POLICY, memory="512m", cpus="1")


def test_every_recorded_file_has_an_outcome() -> None:
    """No file lies there that nothing is said about, and none is missing."""
    assert sorted(path.stem for path in FILES.iterdir()) == sorted((*RUNS, *REFUSED))


@pytest.mark.parametrize("name", RUNS)
def test_a_file_that_is_read_runs_as_it_is_written_but_for_what_is_told(name: str) -> None:
    """The text that is sent reads as the document that was judged: as given, isolated and limited, and each other
    difference is told; prepared once more it stays as it is, without a word."""
    expected, file = RUNS[name], made_of(text_of(name))
    document = read_compose(file.text)
    services = {service: {**LIMITS, **body, **ADDED} for service, body in expected.services.items()}
    volumes = {"volumes": dict.fromkeys(expected.volumes)} if expected.volumes else {}
    assert document == {"services": services, **volumes}
    assert file == ComposeFile(file.text, tuple(expected.services), expected.memory_bytes, expected.notes)
    assert compose_problems(document, POLICY) == ()
    assert made_of(file.text) == ComposeFile(file.text, file.services, file.memory_bytes)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_refused_is_refused_by_its_true_reason(name: str) -> None:
    """All that is wrong with it is named at once, in words that say what to write instead."""
    with pytest.raises(InputError) as caught:
        made_of(text_of(name))
    assert caught.value.failed == REFUSED[name]


@pytest.mark.anyio
async def test_a_plan_says_what_a_file_becomes_and_no_refusal_asks_anybody(tmp_path: Path) -> None:
    """deploy_app shows each difference to the person who approves; a refused file is neither asked about nor sent, nor
    one that no server has the memory for."""
    person = says("decline")
    with anyio.fail_after(180):
        async with ink(tmp_path) as it, it.client(person) as client:
            refused = {name: await call(client, "deploy_app", name="pasted", compose=text_of(name)) for name in REFUSED}
            assert person.asked == []
            asked = dict[str, str]()
            for name in RUNS.keys() - {"sizes"}:
                front = next(iter(RUNS[name].services))
                said = await call(client, "deploy_app", name="pasted", compose=text_of(name), compose_service=front)
                assert person.asked, said.text
                asked[name] = " ".join(person.asked.pop().replace("...", " ").split())
            big = await call(client, "deploy_app", name="pasted", compose=text_of("sizes"), compose_service="a")
            journal = it.journal
    assert {name: said.text.partition(" Nothing was changed.")[0] for name, said in refused.items()} == {
        name: f"[invalid_input] {words}" for name, words in REFUSED.items()
    }
    assert [(name, note) for name, text in asked.items() for note in RUNS[name].notes if note not in text] == []
    assert "No Muscle can take the app: muscle-1: no headroom: 1117696 MiB short" in big.text
    assert journal == []


@pytest.mark.anyio
async def test_a_service_whose_name_is_a_word_of_yaml_1_1_runs(tmp_path: Path) -> None:
    """`on` and `no` are names for Docker, for Coolify and for us, as keys, in depends_on and as volumes."""
    with anyio.fail_after(120):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            ask = {"name": "words", "compose": text_of("on"), "compose_service": "on", "wait_s": 60}
            first = await call(client, "deploy_app", **ask)
            again = await call(client, "deploy_app", **ask)
            ours = it.state.coolify.services[-1].uuid
            found = {
                container.name.removesuffix(f"-{ours}"): (container.runtime, container.env.get("OFF"))
                for host in it.state.hosts.values()
                for container in host.containers
                if container.name.endswith(ours)
            }
    assert (first.outcome, again.outcome) == ("applied", "already_so"), first.text
    assert found == {"on": ("runsc", "off"), "no": ("runsc", None)}
