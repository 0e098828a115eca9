"""What the Cloud project costs by the month: as it is, and as it would be with more servers or fewer."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import anyio

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.offers import (
    address_price,
    balancer_price,
    price_of,
    server_price,
    snapshot_price,
    type_price,
)
from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook, Pricing, Server, ServerType
from ink_infra_mcp.clients.hetzner_cloud.resources import FloatingIp, LoadBalancer, PrimaryIp, Snapshot, Volume
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.money import EUR, Amount, Item, Price, Spending, total_of
from ink_infra_mcp.core.plan import Frozen

MONEY_LOCK = "money:hetzner_cloud"
"""Every plan that buys holds it: what two plans buy at once is counted by neither of them else."""
LEFT_OUT = ("traffic beyond what is included", "dedicated servers (Robot)")


class Buying(Protocol):
    """A server that is to be bought, as far as its price goes."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def server_type(self) -> str:
        """Return its type."""
        ...

    @property
    def location(self) -> str:
        """Return where it is to be."""
        ...

    @property
    def backups(self) -> bool:
        """Return whether it is to be backed up."""
        ...

    @property
    def ipv4(self) -> bool:
        """Return whether it gets a public IPv4 address."""
        ...


class Costs(Frozen):
    """What is paid for before and after a plan, and what each new server costs, by name; None: not known.

    `there` are those that are bought already, each with the addresses that came with it.
    """

    before: Spending
    after: Spending
    added: dict[str, Price | None] = {}
    there: dict[str, Price | None] = {}

    @property
    def monthly_eur(self) -> str | None:
        """Return what the plan adds a month, VAT included, as plans say it; `unknown` where it is not known."""
        if not self.added:
            return None
        prices = [price.gross for price in self.added.values() if price is not None]
        if len(prices) < len(self.added) or any(price.currency != EUR for price in prices):
            return "unknown"
        return sum(prices, Amount(value=prices[0].value * 0)).figure

    @property
    def total_eur(self) -> str:
        """Return what all costs a month afterwards, VAT included; `unknown` where any of it is not known."""
        unknown = self.after.held_by(self.after.total.gross.value) != "within"
        return "unknown" if unknown else self.after.total.gross.figure

    @property
    def words(self) -> tuple[str, ...]:
        """Return what a person is to read of it: each new server's price, the total before and after, what is open."""
        lines = [f"{name}: {price or 'price not known'}" for name, price in self.added.items()]
        lines.append(f"the project costs {self.before.total} now, and {self.after.total} afterwards")
        open_ = (*self.after.unpriced, *self.after.unread)
        lines += [f"not known: what {', '.join(open_)} costs"] if open_ else []
        return (*lines, f"not counted: {', '.join(self.after.left_out)}")


async def costs_of(
    look: Look,
    adding: Sequence[Buying] = (),
    removing: Iterable[int] = (),
    there: Mapping[str, int] = MappingProxyType({}),
) -> Costs:
    """Return what the Cloud project costs before and after servers come and go (`removing` and `there` by their ids).

    What cannot be read is unknown, and so is the total then: it never counts as nothing.
    """
    if look.hetzner is None:
        nothing = Spending(unread=("the Hetzner Cloud project (no token)",), left_out=LEFT_OUT)
        return Costs(before=nothing, after=nothing, added={server.name: None for server in adding})
    seen = await _see(look.hetzner)
    before = seen.spending()
    added = {server.name: seen.price(server) for server in adding}
    new = [Item(key=f"new:{name}", name=name, group="new", price=price) for name, price in added.items()]
    gone = [key for id_ in removing for key in seen.keys_of(id_)]
    priced = {name: seen.price_there(id_) for name, id_ in there.items()}
    return Costs(before=before, after=before.minus(gone).plus(new), added=added, there=priced)


@dataclass(slots=True)
class _Seen:
    """What was read of the project; `unread` names what could not be."""

    pricing: Pricing | None = None
    types: dict[str, ServerType] = field(default_factory=dict[str, ServerType])
    servers: tuple[Server, ...] = ()
    volumes: tuple[Volume, ...] = ()
    primary_ips: tuple[PrimaryIp, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    unread: list[str] = field(default_factory=list[str])

    def spending(self) -> Spending:
        """Return what exists."""
        currency = self.pricing.currency if self.pricing else EUR
        items = (*self._servers(), *self._primary(), *self._floating(), *self._volumes(), *self._others())
        return Spending(items=items, currency=currency, unread=tuple(sorted(self.unread)), left_out=LEFT_OUT)

    def price(self, server: Buying) -> Price | None:
        """Return what a new server costs."""
        kind = self.types.get(server.server_type)
        if kind is None or self.pricing is None:
            return None
        return server_price(kind, server.location, self.pricing, backups=server.backups, ipv4=server.ipv4)

    def price_there(self, server: int) -> Price | None:
        """Return what a server that exists costs, with the addresses that came with it."""
        keys, items = {*self.keys_of(server)}, (*self._servers(), *self._primary())
        prices = [item.price for item in items if item.key in keys]
        known = [price for price in prices if price is not None]
        if not known or len(known) < len(prices) or "primary ips" in self.unread:
            return None
        return total_of(known, known[0].net.currency)

    def keys_of(self, server: int) -> Iterator[str]:
        """Yield the keys of what goes with a server: itself, and the addresses that came with it."""
        yield f"server:{server}"
        for address in self.primary_ips:
            if address.assignee_id == server and address.auto_delete:
                yield f"primary_ip:{address.id}"

    def _servers(self) -> Iterator[Item]:
        for server in self.servers:
            kind, backups = self.types.get(server.server_type.name), server.backup_window is not None
            price = self._own(kind, server.location.name, backups=backups)
            group = f"{server.server_type.name} at {server.location.name}" + (" with backups" if backups else "")
            yield Item(key=f"server:{server.id}", name=server.name, group=group, price=price)

    def _own(self, kind: ServerType | None, location: str, *, backups: bool) -> Price | None:
        if kind is None or self.pricing is None:
            return None
        return type_price(kind, location, self.pricing, backups=backups)

    def _primary(self) -> Iterator[Item]:
        for one in self.primary_ips:
            price = address_price(self.pricing, one.type, one.location.name) if self.pricing else None
            yield Item(key=f"primary_ip:{one.id}", name=one.ip, group=f"primary {one.type}", price=price)

    def _floating(self) -> Iterator[Item]:
        for one in self.floating_ips:
            place = one.home_location.name
            price = address_price(self.pricing, one.type, place, floating=True) if self.pricing else None
            yield Item(key=f"floating_ip:{one.id}", name=one.ip, group=f"floating {one.type}", price=price)

    def _volumes(self) -> Iterator[Item]:
        for volume in self.volumes:
            pricing = self.pricing
            price = price_of(pricing.volume.price_per_gb_month, pricing).times(volume.size) if pricing else None
            yield Item(key=f"volume:{volume.id}", name=volume.name, group="volumes", price=price)

    def _others(self) -> Iterator[Item]:
        for one in self.load_balancers:
            price = (
                balancer_price(self.pricing, one.load_balancer_type.name, one.location.name) if self.pricing else None
            )
            yield Item(key=f"load_balancer:{one.id}", name=one.name, group="load balancers", price=price)
        for image in self.snapshots:
            price = snapshot_price(self.pricing, image.image_size) if self.pricing else None
            yield Item(key=f"image:{image.id}", name=f"snapshot {image.id}", group="snapshots", price=price)


async def _see(look: HetznerCloudLook) -> _Seen:
    seen = _Seen()

    async def pricing() -> None:
        seen.pricing = await look.pricing()

    async def types() -> None:
        seen.types = {kind.name: kind for kind in await look.server_types()}

    async def servers() -> None:
        seen.servers = await look.servers()

    async def volumes() -> None:
        seen.volumes = await look.volumes()

    async def primary_ips() -> None:
        seen.primary_ips = await look.primary_ips()

    async def floating_ips() -> None:
        seen.floating_ips = await look.floating_ips()

    async def load_balancers() -> None:
        seen.load_balancers = await look.load_balancers()

    async def snapshots() -> None:
        seen.snapshots = await look.snapshots()

    parts = (pricing, types, servers, volumes, primary_ips, floating_ips, load_balancers, snapshots)
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(_or_unread, part, seen)
    return seen


async def _or_unread(part: Callable[[], Awaitable[None]], seen: _Seen) -> None:
    try:
        await part()
    except InkError:
        seen.unread.append(part.__name__.replace("_", " "))
