"""Coolify on the lab's Factory: its own compose files, its .env, its four containers, and what is in its database."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from tests.lab.ground.commands import until
from tests.lab.ground.hosts import COOLIFY, Done, Server
from tests.lab.ground.stand_in.catalogue import VERSION, published
from tests.lab.ground.stand_in.pushing import NAME

BASE, PROD, CUSTOM = "docker-compose.yml", "docker-compose.prod.yml", "docker-compose.custom.yml"
UPSTREAM = Path(__file__).resolve().parent / "upstream"
"""Coolify's own files at 4.3.11 (coollabsio/coolify at 379abb2526), word for word."""
IMAGE = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
DATA = "/data/coolify"
FOLDERS = (
    "ssh/keys",
    "ssh/mux",
    "applications",
    "databases",
    "backups",
    "services",
    "proxy/dynamic",
    "sentinel",
    "images",
)
UP_S, READY_S = 360.0, 120.0

_DEPLOYMENT = """\
insert into application_deployment_queues (application_id, deployment_uuid, status, created_at, updated_at)
values ('1', :'uuid', :'status', now(), now())
"""
_TOKEN = """\
update instance_settings set is_api_enabled = true;
insert into personal_access_tokens (tokenable_type, tokenable_id, name, token, team_id, abilities)
values ('App\\Models\\User', 0, 'lab', :'digest', '0', '["*"]') returning id
"""


@dataclass(frozen=True, slots=True)
class Coolify:
    """A Coolify that runs, and the APP_KEY that its secrets are encrypted with."""

    server: Server
    app_key: str

    @property
    def compose(self) -> tuple[str, ...]:
        """The words of Docker Compose with all files that are there, as Coolify's upgrade.sh has them."""
        custom = self.server.run("test", "-f", f"{COOLIFY}/{CUSTOM}").returncode == 0
        files = (BASE, PROD, CUSTOM) if custom else (BASE, PROD)
        words = (word for name in files for word in ("-f", f"{COOLIFY}/{name}"))
        return ("docker", "compose", "--env-file", f"{COOLIFY}/.env", *words)

    def up(self) -> None:
        """Start it and wait until it is healthy, has migrated, and its Horizon runs.

        Raises:
            LabError: it does not come to that.
        """
        self.server.say(*self.compose, "up", "--detach", "--wait", "--quiet-pull", limit_s=UP_S)
        until(self.works, what="the Coolify of the lab has no Horizon that runs", limit_s=READY_S)

    def works(self) -> bool:
        """Return whether its Horizon runs, which starts after migration, seeder and app:init."""
        return self.artisan("horizon:status").returncode == 0

    def artisan(self, *words: str) -> Done:
        """Run one of Coolify's own commands in its container and return how it ended."""
        return self.server.run("docker", "exec", "coolify", "php", "artisan", *words)

    def tinker(self, code: str) -> str:
        """Return what PHP prints inside of Coolify.

        Raises:
            LabError: it failed.
        """
        return self.server.say("docker", "exec", "coolify", "php", "artisan", "tinker", f"--execute={code}")

    def sql(self, statement: str, *, database: str = "coolify", **values: str) -> str:
        """Return what its database answers, cells by `|` and rows by line; `:'name'` in it stands for a value.

        Raises:
            LabError: it is an error.
        """
        words = ("psql", "-U", "coolify", "-d", database, "-X", "-q", "-A", "-t", "-f", "-")
        given = (w for name, value in {"ON_ERROR_STOP": "1", **values}.items() for w in ("-v", f"{name}={value}"))
        return self.server.say("docker", "exec", "-i", "coolify-db", *words, *given, stdin=statement).strip()

    def queue_deployment(self, uuid: str, *, status: str = "queued") -> None:
        """Put a deployment into Coolify's queue, where `status` is `queued` or `in_progress`."""
        self.sql(_DEPLOYMENT, uuid=uuid, status=status)

    def store_key(self, uuid: str, text: str) -> None:
        """Store a private key, which Coolify encrypts."""
        row = {"uuid": uuid, "name": uuid, "private_key": text, "team_id": 0}
        packed = base64.b64encode(json.dumps(row).encode()).decode()
        self.tinker(f"App\\Models\\PrivateKey::create(json_decode(base64_decode('{packed}'), true));")

    def api_token(self) -> str:
        """Switch Coolify's API on and return a token for it."""
        secret = secrets.token_hex(20)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        number = self.sql(_TOKEN, digest=digest)
        return f"{number}|{secret}"


def installed(factory: Server, image: str = "", *, file: str = CUSTOM) -> Coolify:
    """Install Coolify in place of the lab's own small one, start it with its data empty, and return it.

    Without `image` it is the official one, as .env names it; another is written into the compose file `file`. All
    images of the stand-in are in the lab's registry afterwards, which Docker asks for those of Docker Hub as well.

    Raises:
        LabError: the images could not be made, or it does not start.
    """
    published(factory.site)
    factory.say("docker", "compose", "--project-directory", COOLIFY, "down", "--volumes")
    hears_the_registry(factory)
    coolify = Coolify(factory, app_key=f"base64:{base64.b64encode(secrets.token_bytes(32)).decode()}")
    factory.say("mkdir", "-p", *(f"{DATA}/{name}" for name in FOLDERS))
    for name, text in _files(coolify, image, file).items():
        factory.write(f"{COOLIFY}/{name}", text)
    factory.say("chown", "-R", "9999:root", DATA)
    factory.say("chmod", "-R", "700", DATA)
    factory.say("docker", "network", "create", "--attachable", "coolify")
    coolify.up()
    return coolify


def _files(coolify: Coolify, image: str, file: str) -> dict[str, str]:
    files = {name: (UPSTREAM / name).read_text(encoding="utf-8") for name in (BASE, PROD)}
    files[".env"] = environment(coolify.app_key)
    if image and file == CUSTOM:
        files[CUSTOM] = f"services:\n  coolify:\n    image: {image}\n"
    elif image:
        files[file] = files[file].replace(IMAGE, image)
    return files


def environment(app_key: str) -> str:
    """Return an .env as Coolify's install.sh writes it (.env.production of 4.3.11), with passwords of its own."""
    values = {
        "APP_ID": secrets.token_hex(16),
        "APP_NAME": "Coolify",
        "APP_KEY": app_key,
        "DB_USERNAME": "coolify",
        "DB_PASSWORD": secrets.token_urlsafe(24),
        "REDIS_PASSWORD": secrets.token_urlsafe(24),
        "PUSHER_APP_ID": secrets.token_hex(32),
        "PUSHER_APP_KEY": secrets.token_hex(32),
        "PUSHER_APP_SECRET": secrets.token_hex(32),
        "ROOT_USERNAME": "",
        "ROOT_USER_EMAIL": "",
        "ROOT_USER_PASSWORD": "",
        "REGISTRY_URL": NAME,
        "LATEST_IMAGE": VERSION,
        "COOLIFY_VERSION": VERSION,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def hears_the_registry(factory: Server) -> None:
    """Let Docker look for images of Docker Hub in the lab's registry: Coolify's files name two by Hub's names.

    Its containers ask for unknown names where nobody listens, or each would wait for a resolver on the internet.
    """
    factory.write("/etc/resolv.conf", f"nameserver {factory.site.gateway_ipv4}\n")
    settings = json.loads(factory.say("cat", "/etc/docker/daemon.json"))
    settings["registry-mirrors"] = [f"http://{NAME}"]
    factory.write("/etc/docker/daemon.json", json.dumps(settings, indent=1) + "\n")
    factory.say("systemctl", "reload", "docker")
