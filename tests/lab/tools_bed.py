"""The product's own tools on the lab: a fleet.toml of its servers, and a client that a person sits at."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import Client

from ink_infra_mcp.app import App, Places, Wiring
from ink_infra_mcp.core.fleet import Access, CoolifySettings, Fleet, Muscle
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.server.prompts import instructions
from ink_infra_mcp.settings.loading import Settings
from ink_infra_mcp.settings.policy_files import (
    load_baseline,
    load_dns,
    load_images,
    load_isolation,
    load_policy,
    load_ports,
    load_secrecy,
)
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.settings.system import SystemClock, new_id
from tests.ink import PRINCIPAL, Person
from tests.lab.bed import Bed
from tests.lab.ground.site import PRIVATE_IPV4, PRIVATE_IPV6

NAMES = ("factory", "muscle-1", "muscle-2")


def fleet_of(bed: Bed, **muscle_2: object) -> Fleet:
    """Return the lab as fleet.toml would have it; `muscle_2` changes the Muscle that tests break."""
    factory, one, two = (bed.host(name) for name in NAMES)
    site = bed.lab.site
    return Fleet(
        coolify=CoolifySettings(url="https://coolify.example.com"),
        factory=factory,
        muscles=tuple(
            Muscle.model_validate(host.model_dump() | changes) for host, changes in ((one, {}), (two, muscle_2))
        ),
        access=Access(
            admin=(site.admin_ipv4, site.admin_ipv6),
            private=(PRIVATE_IPV4, PRIVATE_IPV6),
        ),
    )


def app_of(bed: Bed, folder: Path, fleet: Fleet | None = None) -> App:
    """Return the product over the lab; its clock is real, and nothing but SSH is spoken."""
    return App(wiring_of(bed, folder, fleet or fleet_of(bed)))


def wiring_of(bed: Bed, folder: Path, fleet: Fleet) -> Wiring:
    """Return what the product over the lab is made of."""
    redact = Redactor()
    folder.mkdir(mode=0o700, exist_ok=True)
    return Wiring(
        settings=Settings(
            fleet=fleet,
            config_path=folder / "fleet.toml",
            state_url=f"sqlite:///{folder / 'state.sqlite3'}",
            state_dir=folder,
            read_only=False,
            sandbox=False,
        ),
        policy=load_policy(None),
        isolation=load_isolation(None),
        ports=load_ports,
        baseline=load_baseline,
        secrecy=load_secrecy(None),
        dns=load_dns(None),
        images=load_images(None),
        secrets=Secrets(
            {"INK_SSH_KEY": bed.lab.login_key, "INK_COOLIFY_TOKEN": "1|never-used-in-the-lab"}, redact=redact
        ),
        redact=redact,
        clock=SystemClock(),
        new_id=new_id,
        places=Places(),
    )


@asynccontextmanager
async def client_of(app: App, person: Person) -> AsyncGenerator[Client]:
    """Give an MCP client in memory, at which the person sits."""

    async def opened() -> App:
        return app

    server = build_server(
        ServerSettings(
            catalogue=narrowed(load(), toolsets=frozenset(), read_only=False),
            open=opened,
            principal=PRINCIPAL,
            instructions=instructions(),
        )
    )
    async with Client(server, elicitation_callback=person) as client:
        yield client
