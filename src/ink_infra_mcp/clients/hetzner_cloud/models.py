"""What the Hetzner Cloud API tells us, as frozen values. Enums are open: the vendor adds words without notice."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv6Network
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.core.plan import JsonObject


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(_Seen):
    """A price, without and with VAT."""

    net: Decimal
    gross: Decimal


class PublicAddress(_Seen):
    """A public address; for IPv6 `ip` is the /64 network, not an address."""

    ip: str


class AttachedFirewall(_Seen):
    """A firewall at a server's public side; known states: applied, and pending, which protects nothing yet."""

    id: int
    status: str


class PublicNet(_Seen):
    """The public side of a server."""

    ipv4: PublicAddress | None = None
    ipv6: PublicAddress | None = None
    firewalls: tuple[AttachedFirewall, ...] = ()


class PrivateNet(_Seen):
    """A server's address in a private network."""

    network: int
    ip: str


class Named(_Seen):
    """A reference to something with a name."""

    id: int
    name: str


class Protection(_Seen):
    """What is switched off until somebody takes the protection away."""

    delete: bool = False
    rebuild: bool = False


class Server(_Seen):
    """A Cloud server. Known states: running, initializing, starting, stopping, off, deleting, migrating, rebuilding."""

    id: int
    name: str
    status: str
    created: datetime
    server_type: Named
    location: Named
    public_net: PublicNet = PublicNet()
    private_net: tuple[PrivateNet, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict[str, str])
    volumes: tuple[int, ...] = ()
    protection: Protection = Protection()
    locked: bool = False
    backup_window: str | None = None
    """When it is backed up; None: it is not."""
    placement_group: Named | None = None

    def as_json(self) -> JsonObject:
        """Return it in Hetzner's own words and shape, as far as it is known here."""
        return cast(JsonObject, self.model_dump(mode="json"))

    @property
    def ipv4(self) -> str | None:
        """Return the public IPv4 address."""
        return self.public_net.ipv4.ip if self.public_net.ipv4 else None

    def private(self, network: int) -> str | None:
        """Return its address in a private network, None where it is not attached to it."""
        return next((net.ip for net in self.private_net if net.network == network), None)

    @property
    def ipv6(self) -> str | None:
        """Return the IPv6 address at which the server answers: `::1` of its /64 (Cloud documentation)."""
        if self.public_net.ipv6 is None:
            return None
        return str(IPv6Network(self.public_net.ipv6.ip, strict=False)[1])


class Deprecation(_Seen):
    """When something was announced to go, and when it goes."""

    announced: datetime
    unavailable_after: datetime


class TypeAtLocation(_Seen):
    """Whether a server type can be had at a location; only this says so, not the type's own `deprecated`."""

    name: str
    available: bool = True
    recommended: bool = True
    deprecation: Deprecation | None = None


class TypePrice(_Seen):
    """What a server type costs at a location."""

    location: str
    price_hourly: Money
    price_monthly: Money


class ServerType(_Seen):
    """A kind of server; memory and disk are GB. Supported only at the locations listed."""

    id: int
    name: str
    cores: int
    memory: float
    disk: int
    cpu_type: str = ""
    architecture: str = ""
    locations: tuple[TypeAtLocation, ...] = ()
    prices: tuple[TypePrice, ...] = ()

    def monthly(self, location: str) -> Money | None:
        """Return the price of a month there, or None when it is not sold there."""
        return next((p.price_monthly for p in self.prices if p.location == location), None)


class GbPrice(_Seen):
    """A price for each GB and month."""

    price_per_gb_month: Money


class AddressPrice(_Seen):
    """What an address, or a load balancer, costs at a location."""

    location: str
    price_monthly: Money


class AddressPrices(_Seen):
    """What Primary IPs of one kind cost."""

    type: str
    prices: tuple[AddressPrice, ...] = ()


class LoadBalancerPrices(_Seen):
    """What a type of load balancer costs."""

    name: str
    prices: tuple[AddressPrice, ...] = ()


class Backup(_Seen):
    """What backups add to the price of a server, in percent."""

    percentage: Decimal


class Pricing(_Seen):
    """Prices of what is not a server."""

    currency: str
    vat_rate: Decimal
    volume: GbPrice
    server_backup: Backup
    primary_ips: tuple[AddressPrices, ...] = ()
    floating_ips: tuple[AddressPrices, ...] = ()
    load_balancer_types: tuple[LoadBalancerPrices, ...] = ()
    image: GbPrice | None = None
    """Of snapshots."""


class Delegation(_Seen):
    """Which name servers the zone should have, and what the parent zone says (known: valid, invalid, lame, ...)."""

    assigned: tuple[str, ...] = ()
    delegated: tuple[str, ...] = ()
    delegation_status: str = "unknown"


class Zone(_Seen):
    """A DNS zone: a registrable domain. Known states: ok, updating, error."""

    id: int
    name: str
    status: str
    ttl: int
    mode: str = "primary"
    record_count: int = 0
    authoritative_nameservers: Delegation = Delegation()

    def relative(self, domain: str) -> str:
        """Return `domain` as this zone's record sets call it: without the zone, `@` for the zone itself.

        Raises:
            ValueError: the domain is not in the zone.
        """
        bare = domain.lower().rstrip(".")
        if bare == self.name:
            return "@"
        if not bare.endswith(f".{self.name}"):
            raise ValueError(f"{bare} is not in the zone {self.name}")
        return bare.removesuffix(f".{self.name}")


class Record(_Seen):
    """One value of a record set."""

    value: str
    comment: str = ""


class RRset(_Seen):
    """All values of one name and type. A `ttl` of None is the zone's."""

    id: str
    name: str
    type: str
    ttl: int | None
    records: tuple[Record, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """Return the values alone."""
        return tuple(record.value for record in self.records)


class ActionTrouble(_Seen):
    """Why an action failed."""

    code: str
    message: str


class Action(_Seen):
    """Work that takes time: running, success or error."""

    id: int
    command: str
    status: str
    progress: int = 0
    error: ActionTrouble | None = None

    @property
    def running(self) -> bool:
        """Return whether it still runs."""
        return self.status == "running"
