"""What lies on the pretend Factory's disk and in Coolify's database of the instance itself: how it is configured."""

from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.part import Part

BASE, PROD = "docker-compose.yml", "docker-compose.prod.yml"
CUSTOM, POSTGRES_UPGRADE = "docker-compose.custom.yml", "docker-compose.postgres-upgrade.yml"
ORDER = (BASE, PROD, CUSTOM, POSTGRES_UPGRADE)
BASE_TEXT = """\
services:
    coolify:
        container_name: coolify
        restart: always
        depends_on:
            - postgres
    postgres:
        image: postgres:15-alpine
        container_name: coolify-db
    redis:
        image: redis:7-alpine
        container_name: coolify-redis
"""
PROD_TEXT = """\
services:
  coolify:
    image: "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
    env_file:
      - /data/coolify/source/.env
    ports:
      - "${APP_PORT:-8000}:8080"
  postgres:
    environment:
      POSTGRES_USER: "${DB_USERNAME}"
  soketi:
    image: '${REGISTRY_URL:-docker.io}/coollabsio/coolify-realtime:1.0.17'
    ports:
      - "${SOKETI_PORT:-6001}:6001"
      - "6002:6002"
"""
"""Of Coolify's own files (coollabsio/coolify at v4.3.11), what names images, and something of each other kind."""
ENV_NAMES = ("APP_KEY", "DB_PASSWORD", "DB_USERNAME", "REDIS_PASSWORD")
"""Some of what Coolify's installer writes into .env beside what chooses the image."""
MIGRATIONS = (
    "2023_03_20_112410_create_users_table",
    "2023_03_24_140711_create_servers_table",
    "2026_04_19_120000_encrypt_webhook_secrets",
)
"""A few, named as Laravel names them; the real Coolify has some 360."""
UPGRADED_TEXT = """\
services:
  postgres:
    image: postgres:18-alpine
"""


def override(image: str) -> str:
    """Return an override that names the image."""
    return f'services:\n  coolify:\n    image: "{image}"\n'


class Schedule(Part):
    """A scheduled backup of Coolify's own database, and when one last ended well, in Unix seconds of the world."""

    enabled: bool = True
    cron: str = "0 0 * * *"
    last_success: float | None = None


class Dump(Part):
    """A dump on the disk."""

    at: float
    size: int = 8_388_608


class ImageKind(Part):
    """What an image of Coolify is: for which machines, with the option or not, how its container fares, when made.

    `version` is what its own source says, `built_on` the commit of Coolify that it says it was built on, `helper` the
    version that its source builds with.
    """

    arch: str = "amd64"
    option: bool = True
    starts: Literal["healthy", "unhealthy", "exits"] = "healthy"
    created: str = "2026-01-02T03:04:05.678901234Z"
    version: str = ""
    built_on: str = ""
    helper: str = "1.0.15"


class Rotation(Part):
    """A swap of the image by the unit on the Factory, as it lies on the disk there; `orders` are as they came."""

    state: str = "prepared"
    why: str = ""
    orders: dict[str, str]
    healthy_at: float = 0.0
    abort: bool = False
    confirm: bool = False
    before: dict[str, JsonValue] = {}
    said: str = ""
    """What the new container said before it went."""


class Kept(Part):
    """A backup of ours on the disk, by its folder's name: when it was made, and its dump as sum and size.

    One that was `spoilt` has files that are not what its manifest says. `rows` are what Coolify's database held then;
    with a `folder` it was brought there from another machine, and a `foreign` one is encrypted with another APP_KEY.
    """

    name: str
    at: float
    sum: str
    size: int = 8_388_608
    spoilt: bool = False
    rows: dict[str, JsonValue] = {}
    folder: str = ""
    foreign: bool = False
    image: str = ""
    version: str = "4.3.10"
    postgres: str = "15.8"


class Drill(Part):
    """The last restore that was proved there."""

    at: float
    backup: str
    sum: str
    image: str


class Volume(Part):
    """A disk beside the one that the Factory boots from: what lsblk and wipefs say of it, its size in bytes."""

    kind: str = "disk"
    size: int = 100 * 2**30
    read_only: bool = False
    number: str = "8:16"
    children: int = 0
    signs: str = ""
    blank: bool = True
    used_at: list[str] = []
    entries: int = 0


class DiskMove(Part):
    """A move of data by the unit on the Factory, as it lies on the disk there; `orders` are as they came."""

    state: str = "prepared"
    why: str = ""
    seconds: int | None = None
    orders: dict[str, str]


class Install(Part):
    """An installation of Coolify by the unit there, as it lies on the Factory's disk; `orders` are as they came."""

    state: str = "prepared"
    why: str = ""
    attempts: int = 0
    orders: dict[str, str]


class Storage(Part):
    """The Factory's disks by their names below /dev/disk/by-id, and what lies where. `fails` is why a move goes back.

    `kept` are the folders that a move has put aside; `lines` are those of fstab that are about /data or a disk;
    `remains` are places that a Docker which is gone has left.
    """

    volumes: dict[str, Volume] = {"scsi-0HC_Volume_1001": Volume()}
    lines: list[str] = []
    data: str = "folder"
    data_number: str = ""
    below: list[str] = []
    data_kb: int = 2_400_000
    data_entries: int = 31_000
    free_kb: int = 90_000_000
    guarded: bool = False
    missing: list[str] = []
    root: str = "/var/lib/docker"
    store: str = 'overlay2 [["Backing Filesystem","extfs"],["Supports d_type","true"]]'
    docker_kb: int = 18_000_000
    containerd_kb: int = 200
    containerd: str = 'disabled_plugins = ["cri"]\n'
    kept: list[str] = []
    remains: list[str] = []
    moves: dict[str, DiskMove] = {}
    fails: str = ""


class FactoryDisk(Part):
    """`files` are those in /data/coolify/source by name; of `.env` only `env`, and the names of some others.

    `named` are the images that names name there now, where that is not the one of the container. `base` is what the
    image's own source says of its version.
    """

    files: dict[str, str] = {BASE: BASE_TEXT, PROD: PROD_TEXT}
    env: dict[str, str] = {"REGISTRY_URL": "docker.io", "LATEST_IMAGE": "4.3.10", "COOLIFY_VERSION": "4.3.10"}
    env_names: list[str] = [*ENV_NAMES]
    named: dict[str, str] = {}
    base: str = ""
    auto_update: bool = False
    auto_update_cron: str = "0 0 * * *"
    zone: str = "UTC"
    schedules: list[Schedule] = []
    dumps: list[Dump] = []
    images: dict[str, ImageKind] = {}
    """The images that registries have, by reference; every other one is an ordinary fork."""
    rotations: dict[str, Rotation] = {}
    storage: Storage = Storage()
    installs: dict[str, Install] = {}
    install_fails: str = ""
    """Why an installation does not get to its end, with packages, Docker and files in place."""
    routes: list[str] = ["192.0.2.0/24"]
    """The networks that the Factory is in, or has a way to."""
    upgrading: bool = False
    left_over: list[str] = []
    held: list[str] = []
    free_kb: int = 40_000_000
    kept: list[Kept] = []
    relying: list[tuple[str, str, str]] = []
    """Table, uuid and name of what else has --runtime in Coolify's database than the apps that its API shows."""
    drill: Drill | None = None
    database_bytes: int = 8_388_608
    applied: list[str] = [*MIGRATIONS]
    """The migrations that ran in the database, as its table has them."""
    migrations: dict[str, list[str]] = {}
    """The migrations in images, by reference; those of every other image are `MIGRATIONS`."""
    failing: list[str] = []
    """What fails: programs (`pg_dump`, `pg_restore`, `horizon`), migrations by name, or of a restored Coolify its start
    (`restored`), its keys (`decrypt`), and its way in to all servers (`ssh`) or to one (`ssh NAME`); or that realtime
    answers Coolify (`reaches`)."""
    key_fits: bool = True
    """Whether the database was encrypted with the APP_KEY in .env."""
    broken: list[str] = []
    """Sections of the reading script whose command fails."""
