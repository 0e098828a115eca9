"""The clients of others, installed once; emulators on real sockets, each look at which takes half a minute."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ink_infra_mcp.sandbox.cloudflare import build_cloudflare
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from ink_infra_mcp.sandbox.state_robot import ROBOT_PASSWORD, ROBOT_USER
from ink_infra_mcp.sandbox.tls import edge_tls
from ink_infra_mcp.sandbox.world import World
from tests.sandbox.pretend import SteppingTime, pretend_world, served
from tests.vendor_clients.ansible import Ansible
from tests.vendor_clients.installing import Clients, installed
from tests.vendor_clients.proxy import proxy

ROBOT = "robot-ws.your-server.de"
"""The address that community.hrobot has no option for."""
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU ci@example.com"
FINGERPRINT = "4f:85:ca:21:ef:a7:64:7f:1e:7d:ed:e1:01:8b:25:87"


@dataclass(frozen=True)
class Cloud:
    """A Cloud project, and where it is served."""

    world: World
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """Return what tells Hetzner's own clients of it."""
        return {"HCLOUD_ENDPOINT": self.endpoint, "HCLOUD_TOKEN": HETZNER_TOKEN}


@dataclass(frozen=True)
class Modules:
    """A world, and Ansible before it."""

    world: World
    ansible: Ansible


@pytest.fixture(scope="session")
def clients() -> Clients:
    """Return the clients that exist for Python."""
    return installed()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a fresh world."""
    return pretend_world(tmp_path, SteppingTime(step_s=30.0))


@pytest.fixture
def cloud(world: World) -> Generator[Cloud]:
    """Serve the world's Cloud project."""
    with served(build_hetzner(world)) as port:
        yield Cloud(world, f"http://127.0.0.1:{port}/v1")


@pytest.fixture
def on_cloud(cloud: Cloud, clients: Clients, tmp_path: Path) -> Modules:
    """Return Ansible before the Cloud project."""
    return Modules(cloud.world, Ansible(clients, tmp_path, cloud.environment))


@pytest.fixture
def on_robot(world: World, clients: Clients, tmp_path: Path) -> Generator[Modules]:
    """Give Ansible before the world's Robot, which it finds at its real address, over HTTPS: a proxy leads there."""
    tls, authority = edge_tls([ROBOT])
    trusted = tmp_path / "authority.pem"
    trusted.write_text(authority, encoding="utf-8")
    login = {"hetzner_user": ROBOT_USER, "hetzner_password": ROBOT_PASSWORD, "rate_limit_retry_timeout": 0}
    with served(build_robot(world), tls=tls) as port, proxy({f"{ROBOT}:443": port}) as address:
        environment = {"https_proxy": address, "SSL_CERT_FILE": str(trusted)}
        yield Modules(world, Ansible(clients, tmp_path, environment, login))


@pytest.fixture
def cloudflare(world: World) -> Generator[str]:
    """Serve the world's Cloudflare; give the address."""
    with served(build_cloudflare(world)) as port:
        yield f"http://127.0.0.1:{port}/client/v4"
