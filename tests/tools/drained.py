"""Worlds in which a Muscle has apps of several kinds, and what is left of them when it is gone."""

from dataclasses import dataclass

from mcp import Client

from ink_infra_mcp.core.dns.records import ADDRESSES, mark
from ink_infra_mcp.sandbox.coolify.app_checks import write_labels
from ink_infra_mcp.sandbox.coolify.ids import uuid_of
from ink_infra_mcp.sandbox.seed import SERVERS, SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from tests.tools.calls import deploy
from tests.tools.moved import FILES, Place, with_pages

DRAIN = {"name": "muscle-2", "apps_to": "muscle-1", "volumes": "copy", "machine": "delete", "wait_s": 3600}
HOST = "web.example.com"
ONE, TWO = ("192.0.2.11", "2001:db8:0:2::1"), ("192.0.2.12", "2001:db8:0:3::1")
DOCS_MOVED = Place("docs", "muscle-1", "https://docs.s1.example.com", True, 1, FILES)
WEB_MOVED = Place("web", "muscle-1", f"https://{HOST}", True, 1, None)


async def with_web(client: Client) -> None:
    """Deploy an app without data to muscle-2, under a name of its own below the fleet's domain."""
    said = await deploy(client, name="web", image="registry.example.com/web:1", muscle="muscle-2", domain=HOST)
    assert said.outcome == "applied", said.text


def with_shop(state: WorldState) -> None:
    """Let shop, which has no data, be on muscle-2 beside docs with its pages."""
    with_pages(state)
    shop = next(app for app in state.coolify.applications if app.uuid == SHOP)
    shop.server_uuid, shop.destination_uuid = SERVERS["muscle-2"], uuid_of("destination muscle-2")
    shop.columns["fqdn"] = "https://shop.s2.example.com"
    write_labels(shop)
    one, two = state.hosts["muscle-1"], state.hosts["muscle-2"]
    for container in [container for container in one.containers if SHOP in container.name]:
        labels = {name: text.replace(".s1.", ".s2.") for name, text in container.labels.items()}
        one.containers.remove(container)
        two.containers.append(container.model_copy(update={"labels": labels}))


def with_named_shop(state: WorldState) -> None:
    """Let shop be on muscle-2 under a name of its own, which it keeps wherever it goes, beside docs with its pages."""
    with_shop(state)
    shop = next(app for app in state.coolify.applications if app.uuid == SHOP)
    shop.columns["fqdn"] = f"https://{HOST}"
    write_labels(shop)
    for container in state.hosts["muscle-2"].containers:
        container.labels = {name: text.replace("shop.s2.", "web.") for name, text in container.labels.items()}


def with_own_records(state: WorldState) -> None:
    """Let shop be so, and the records of its name be ours."""
    with_named_shop(state)
    (zone,) = state.hetzner.zones
    for type, value in zip(ADDRESSES, TWO, strict=True):
        record = Record(value=value, comment=mark("op-0123456789", value))
        zone.rrsets.append(RRset(name="web", type=type, records=[record], ttl=60))


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a Muscle: its server at the provider and in Coolify, and where the name of web leads."""

    server: bool
    in_coolify: bool
    web: tuple[str, ...]


def left(state: WorldState) -> Left:
    """Return what is left of muscle-2."""
    (zone,) = state.hetzner.zones
    return Left(
        server=any(server.name == "muscle-2" for server in state.hetzner.servers),
        in_coolify=any(server.name == "muscle-2" for server in state.coolify.servers),
        web=tuple(record.value for rrset in zone.rrsets if rrset.name == "web" for record in rrset.records),
    )


WHOLE = Left(server=True, in_coolify=True, web=TWO)
GONE = Left(server=False, in_coolify=False, web=ONE)
