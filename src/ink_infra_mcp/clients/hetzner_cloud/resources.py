"""What a project holds beside servers and firewalls: keys, networks, placement groups, volumes, addresses."""

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.clients.hetzner_cloud.models import Named


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    name: str
    labels: Mapping[str, str] = Field(default_factory=dict[str, str])


class SshKey(_Seen):
    """A public key of the project. `fingerprint` is MD5 with colons."""

    fingerprint: str
    public_key: str


class PlacementGroup(_Seen):
    """Servers that are kept on different hosts; the only type known is `spread`."""

    type: str
    servers: tuple[int, ...] = ()


class Subnet(BaseModel):
    """A part of a network. Known types: cloud, vswitch, server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    network_zone: str
    ip_range: str | None = None
    gateway: str | None = None


class Network(_Seen):
    """A private network."""

    ip_range: str
    subnets: tuple[Subnet, ...] = ()
    servers: tuple[int, ...] = ()


class Volume(_Seen):
    """A network disk, `size` in GB; it costs the same whether it is attached or not."""

    size: int
    location: Named
    server: int | None = None


class PrimaryIp(_Seen):
    """A public address of its own; it costs the same whether it is assigned or not."""

    type: str
    ip: str
    location: Named
    assignee_id: int | None = None
    auto_delete: bool = False
    """Whether it goes with what it is assigned to."""


class LoadBalancer(_Seen):
    """A load balancer."""

    location: Named
    load_balancer_type: Named


class Snapshot(BaseModel):
    """An image that somebody made of a server; its size in GB is None while it is being made."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    description: str = ""
    image_size: Decimal | None = None


class FloatingIp(_Seen):
    """An address that can move between servers."""

    type: str
    ip: str
    home_location: Named
    server: int | None = None
