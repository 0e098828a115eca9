"""Cloud servers: what is wanted, and what the project has of it; the steps between both are in `buying`."""

from collections.abc import Sequence
from typing import Literal

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.offers import cloud_offers
from ink_infra_mcp.clients.hetzner_cloud import HOST_KEY, OPERATION, HetznerCloudLook, Server
from ink_infra_mcp.core.errors import SecretMissing
from ink_infra_mcp.core.fleet import Name
from ink_infra_mcp.core.host_key import from_label
from ink_infra_mcp.core.offers import Offer
from ink_infra_mcp.core.plan import Frozen, JsonObject
from ink_infra_mcp.core.ssh_key import PublicKey

Ref = str | JsonObject
"""A value, or the result of an earlier step (`result_of`)."""


class CloudServer(Frozen):
    """A server that is wanted. `firewalls` are ids or results of steps that make them; `network` is an id."""

    name: Name
    server_type: str
    location: str
    image: str = "debian-13"
    backups: bool = False
    labels: dict[str, str] = {}
    keys: tuple[PublicKey, ...]
    firewalls: tuple[Ref, ...] = ()
    network: int | None = None
    placement_group: str = ""
    access: Literal["public", "private"] = "public"
    ipv4: bool = True
    user_data: str = ""


class ServerFact(Frozen):
    """A server that is there. `ours` says that an operation of ours made it; addresses are empty where it has none."""

    id: int
    name: str
    server_type: str
    location: str
    status: str
    ours: bool
    labels: dict[str, str] = {}
    ipv4: str = ""
    ipv6: str = ""
    private: dict[str, str] = {}
    """Its address by the id of the private network."""
    host_key_fingerprint: str = ""
    protected: bool = False
    backed_up: bool = False
    volumes: tuple[int, ...] = ()


class CloudFacts(Frozen):
    """What the project has of what is wanted: servers by name, keys by fingerprint, groups by name; and the offers."""

    servers: dict[str, ServerFact] = {}
    keys: dict[str, str] = {}
    groups: dict[str, str] = {}
    networks: tuple[int, ...] = ()
    offers: tuple[Offer, ...] = ()


async def facts_of(look: Look, wanted: Sequence[CloudServer]) -> CloudFacts:
    """Return what the plan for these servers is made from.

    Raises:
        SecretMissing: there is no Cloud token. VendorError: Hetzner does not answer well.
    """
    cloud = cloud_of(look)
    return CloudFacts(
        servers=await _servers(cloud, wanted),
        keys=await _keys(cloud, wanted),
        groups=await _groups(cloud, wanted),
        networks=tuple(sorted(network.id for network in await cloud.networks())),
        offers=await _offers(cloud, wanted),
    )


async def _servers(cloud: HetznerCloudLook, wanted: Sequence[CloudServer]) -> dict[str, ServerFact]:
    names = {server.name for server in wanted}
    return {server.name: fact(server) for server in await cloud.servers() if server.name in names}


async def _keys(cloud: HetznerCloudLook, wanted: Sequence[CloudServer]) -> dict[str, str]:
    prints = {key.fingerprint for server in wanted for key in server.keys}
    return {key.fingerprint: key.name for key in await cloud.ssh_keys() if key.fingerprint in prints}


async def _groups(cloud: HetznerCloudLook, wanted: Sequence[CloudServer]) -> dict[str, str]:
    names = {server.placement_group for server in wanted}
    return {group.name: str(group.id) for group in await cloud.placement_groups() if group.name in names}


def cloud_of(look: Look) -> HetznerCloudLook:
    """Return the Cloud project's read side.

    Raises:
        SecretMissing: there is no token.
    """
    if look.hetzner is None:
        raise SecretMissing(
            "There is no Hetzner Cloud token, so nothing can be bought or looked at there.",
            next="Store one: `ink-infra-mcp secret set hetzner_cloud_token`.",
        )
    return look.hetzner


def fact(server: Server) -> ServerFact:
    """Return a server as plans know it."""
    return ServerFact(
        id=server.id,
        name=server.name,
        server_type=server.server_type.name,
        location=server.location.name,
        status=server.status,
        ours=OPERATION in server.labels,
        labels=dict(sorted(server.labels.items())),
        ipv4=server.ipv4 or "",
        ipv6=server.ipv6 or "",
        private={str(net.network): net.ip for net in server.private_net},
        host_key_fingerprint=from_label(server.labels.get(HOST_KEY, "")) or "",
        protected=server.protection.delete,
        backed_up=server.backup_window is not None,
        volumes=server.volumes,
    )


async def _offers(cloud: HetznerCloudLook, wanted: Sequence[CloudServer]) -> tuple[Offer, ...]:
    """Those of the wanted types, and those that could stand in for one that is sold out."""
    every = await cloud_offers(cloud)
    types = {server.server_type for server in wanted}
    sold_out = any(not can_be_had(every, server) for server in wanted)
    return every if sold_out else tuple(offer for offer in every if offer.name in types)


def can_be_had(offers: Sequence[Offer], wanted: CloudServer) -> bool:
    """Return whether the wanted type is there at the wanted location now."""
    return any(
        offer.can_be_had for offer in offers if (offer.name, offer.location) == (wanted.server_type, wanted.location)
    )
