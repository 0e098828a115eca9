"""Which Cloud servers can be had, as Hetzner says at this moment."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ink_infra_mcp.clients.hetzner_cloud import HetznerCloudLook, Pricing, ServerType
from ink_infra_mcp.clients.hetzner_cloud.models import Money, TypeAtLocation
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook, MarketProduct
from ink_infra_mcp.core.money import Amount, Price, total_of
from ink_infra_mcp.core.offers import Offer, Specs, ranked

CLOUD = "hetzner_cloud"
ROBOT = "hetzner_robot"
SHOWN = 5


async def cloud_offers(look: HetznerCloudLook) -> tuple[Offer, ...]:
    """Return all server types at all locations, each with its price, a public IPv4 address included."""
    types, pricing = await look.server_types(), await look.pricing()
    return tuple(_offer(kind, place, pricing) for kind in types for place in kind.locations)


def _offer(kind: ServerType, place: TypeAtLocation, pricing: Pricing) -> Offer:
    return Offer(
        source=CLOUD,
        name=kind.name,
        location=place.name,
        cores=kind.cores,
        memory_gb=Decimal(str(kind.memory)),
        disk_gb=kind.disk,
        cpu=kind.cpu_type,
        architecture=kind.architecture,
        available=place.available,
        leaves=place.deprecation.unavailable_after.date().isoformat() if place.deprecation else "",
        price=server_price(kind, place.name, pricing, backups=False, ipv4=True),
    )


async def auction_offers(look: HetznerRobotLook) -> tuple[Offer, ...]:
    """Return what Robot's auction offers; all of it is x86, and each is one machine, gone when somebody takes it."""
    return tuple(_auctioned(one) for one in await look.market() if one.memory_size)


def _auctioned(one: MarketProduct) -> Offer:
    known = one.price is not None and one.price_vat is not None
    return Offer(
        source=ROBOT,
        name=f"auction {one.id}",
        location=one.datacenter,
        cores=None,
        memory_gb=one.memory_size or Decimal(0),
        disk_gb=(one.hdd_size or 0) * (one.hdd_count or 0),
        cpu=one.cpu,
        architecture="x86",
        available=True,
        price=_auction_price(one) if known else None,
    )


def _auction_price(one: MarketProduct) -> Price:
    monthly = Price.monthly(one.price or Decimal(0), one.price_vat or Decimal(0))
    return monthly.model_copy(
        update={
            "setup_net": Amount(value=one.price_setup or Decimal(0)),
            "setup_gross": Amount(value=one.price_setup_vat or Decimal(0)),
        }
    )


def server_price(kind: ServerType, location: str, pricing: Pricing, *, backups: bool, ipv4: bool) -> Price | None:
    """Return what a new server costs, with its backups and its IPv4 address if it has them; None: not known."""
    own = type_price(kind, location, pricing, backups=backups)
    address = address_price(pricing, "ipv4", location) if ipv4 else price_of(None, pricing)
    return None if own is None or address is None else total_of((own, address), pricing.currency)


def type_price(kind: ServerType, location: str, pricing: Pricing, *, backups: bool) -> Price | None:
    """Return what a server costs without its addresses; None where it is not sold."""
    money = kind.monthly(location)
    if money is None:
        return None
    more = pricing.server_backup.percentage / 100 if backups else Decimal(0)
    return price_of(money, pricing).times(1 + more)


def address_price(pricing: Pricing, kind: str, location: str, *, floating: bool = False) -> Price | None:
    """Return what an address costs at a location; None: not known."""
    lists = pricing.floating_ips if floating else pricing.primary_ips
    found = (
        one.price_monthly for each in lists if each.type == kind for one in each.prices if one.location == location
    )
    money = next(found, None)
    return None if money is None else price_of(money, pricing)


def balancer_price(pricing: Pricing, kind: str, location: str) -> Price | None:
    """Return what a load balancer costs at a location; None: not known."""
    prices = [price for each in pricing.load_balancer_types if each.name == kind for price in each.prices]
    money = next((price.price_monthly for price in prices if price.location == location), None)
    return None if money is None else price_of(money, pricing)


def snapshot_price(pricing: Pricing, size_gb: Decimal | None) -> Price | None:
    """Return what a snapshot of that size costs; None: not known."""
    if pricing.image is None or size_gb is None:
        return None
    return price_of(pricing.image.price_per_gb_month, pricing).times(size_gb)


def price_of(money: Money | None, pricing: Pricing) -> Price:
    """Return Hetzner's price as ours, in the account's currency; nothing for None."""
    nothing = Decimal(0)
    return Price.monthly(money.net if money else nothing, money.gross if money else nothing, pricing.currency)


def instead_of(offers: Sequence[Offer], name: str) -> tuple[str, ...]:
    """Return in words what can be had that is at least as large as the type `name`, cheapest for each GB first."""
    wanted = next((offer for offer in offers if offer.name == name), None)
    if wanted is None:
        return ()
    specs = Specs(
        cores=wanted.cores or 0,
        memory_gb=int(wanted.memory_gb),
        disk_gb=0,
        architecture=wanted.architecture,
    )
    return tuple(_words(ranked(offer for offer in offers if offer.meets(specs)))[:SHOWN])


def _words(offers: Iterable[Offer]) -> list[str]:
    return [f"{offer.label} for {offer.price}" for offer in offers]
