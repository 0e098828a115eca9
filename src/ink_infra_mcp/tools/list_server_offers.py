"""list_server_offers: machines that can be had now and are large enough, with the most memory for the money first."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.cloud_servers import cloud_of
from ink_infra_mcp.areas.machines.offers import auction_offers, cloud_offers
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.money import CENT
from ink_infra_mcp.core.offers import Offer, Specs, ranked
from ink_infra_mcp.core.operation import Query, Toolset
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.systems import HETZNER, ROBOT, Needs

CLOUD_NOTE = "prices are a month's; of Cloud servers with a public IPv4 address, without backups"
AUCTION_NOTE = (
    "servers of the auction (Robot) are single used machines, without an IPv4 address at that price; how many cores "
    "they have is not told: look up their CPU"
)
NOT_LOOKED_AT = "the server auction (Robot) was not looked at"


class Args(BaseModel):
    """What list_server_offers takes; the defaults are what a Muscle is recommended to have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: Annotated[int, Field(ge=1, le=1024, description="At least")] = 8
    memory_gb: Annotated[int, Field(ge=1, le=65536, description="At least")] = 64
    disk_gb: Annotated[int, Field(ge=1, le=1_000_000, description="At least")] = 100
    location: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,20}$", description="Such as fsn1")] = ""
    architecture: Annotated[Literal["x86", "arm"], Field(description="Of the processor")] = "x86"
    limit: Annotated[int, Field(ge=1, le=50, description="At most")] = 10


class OfferLine(Frozen):
    """One machine at one place. Prices are of a month, with two decimals; `per_gb` is net for each GB of memory.

    `setup_net` is paid once. `cores` is left out where it is not told.
    """

    source: str
    type: str
    location: str
    cores: int | None = None
    cpu: str
    memory_gb: str
    disk_gb: int
    net: str
    gross: str
    per_gb: str
    setup_net: str = "0.00"


class Report(Frozen):
    """What can be had, best first. `sold_out` and `leaving` are large enough and cannot be bought, or should not be."""

    currency: str
    offers: tuple[OfferLine, ...]
    more: int = 0
    sold_out: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ListServerOffers(Query[Args, Look, Report]):
    """List machines of Hetzner Cloud and of Robot's auction that fit a Muscle and are available now, cheapest per GB of
    memory first, with VAT.
    """

    name: ClassVar[str] = "list_server_offers"
    title: ClassVar[str] = "List servers to buy"
    hint: ClassVar[str] = "what a new server costs, cheapest, expensive, compare prices; what to buy; auction"
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs((HETZNER,), (ROBOT,))
    args = Args
    report = Report

    async def observe(self, args: Args, look: Look) -> Report:
        """Return what Hetzner says of this moment.

        Raises:
            SecretMissing: there is no Cloud token. VendorError: Hetzner does not answer well.
        """
        specs = Specs(cores=args.cores, memory_gb=args.memory_gb, disk_gb=args.disk_gb, architecture=args.architecture)
        cloud = await cloud_offers(cloud_of(look))
        auction, note = await _auction(look)
        fit = [offer for offer in (*cloud, *auction) if offer.meets(specs) and _is_at(offer, args.location)]
        return _report(fit, args.limit, (CLOUD_NOTE, note))

    def render(self, report: Report) -> str:
        """Return one line for each offer."""
        lines = [_words(offer, report.currency) for offer in report.offers] or ["nothing as large can be had now"]
        if report.more:
            lines.append(f"{report.more} more: ask with a higher limit, or for one location")
        if report.sold_out:
            lines.append(f"sold out: {', '.join(report.sold_out)}")
        if report.leaving:
            lines.append(f"no longer sold soon: {', '.join(report.leaving)}")
        return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


async def _auction(look: Look) -> tuple[tuple[Offer, ...], str]:
    """Return what the auction offers and what is to be said of it; that it does not answer hides no Cloud server."""
    if look.robot is None:
        return (), f"{NOT_LOOKED_AT}: there is no webservice user"
    try:
        return await auction_offers(look.robot), AUCTION_NOTE
    except InkError as error:
        return (), f"{NOT_LOOKED_AT}: {error.failed}"


def _is_at(offer: Offer, location: str) -> bool:
    """Robot names a data centre of the location, such as FSN1-DC14."""
    return not location or offer.location.lower().partition("-")[0] == location


def _report(fit: list[Offer], limit: int, notes: tuple[str, ...]) -> Report:
    best = ranked(fit)
    currencies = {offer.price.net.currency for offer in best if offer.price is not None}
    return Report(
        currency=", ".join(sorted(currencies)) or "EUR",
        offers=tuple(map(_line, best[:limit])),
        more=max(0, len(best) - limit),
        sold_out=tuple(sorted(offer.label for offer in fit if not offer.available and not offer.leaves)),
        leaving=tuple(sorted(f"{offer.label} ({offer.leaves})" for offer in fit if offer.leaves)),
        notes=notes,
    )


def _line(offer: Offer) -> OfferLine:
    return OfferLine(
        source=offer.source,
        type=offer.name,
        location=offer.location,
        cores=offer.cores,
        cpu=offer.cpu,
        memory_gb=f"{offer.memory_gb.normalize():f}",
        disk_gb=offer.disk_gb,
        net=offer.price.net.figure if offer.price else "?",
        gross=offer.price.gross.figure if offer.price else "?",
        setup_net=offer.price.setup_net.figure if offer.price else "?",
        per_gb=str((offer.net_per_gb or Decimal(0)).quantize(CENT)),
    )


def _words(offer: OfferLine, currency: str) -> str:
    cores = offer.cpu if offer.cores is None else f"{offer.cores} {offer.cpu} cores"
    size = f"{cores}, {offer.memory_gb} GB memory, {offer.disk_gb} GB disk"
    price = f"{offer.net} {currency} ({offer.gross} with VAT) a month, {offer.per_gb} a GB"
    once = "" if offer.setup_net == "0.00" else f", {offer.setup_net} once"
    return f"{offer.type} at {offer.location}: {size}; {price}{once}"
