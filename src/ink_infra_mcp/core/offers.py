"""Machines that can be had: which are large enough, and which of them gives the most memory for the money."""

from collections.abc import Iterable
from decimal import Decimal

from ink_infra_mcp.core.money import Price
from ink_infra_mcp.core.plan import Frozen


class Specs(Frozen):
    """What a server must have at least. Sizes are GB. The defaults are what a Muscle is recommended to have."""

    cores: int = 8
    memory_gb: int = 64
    disk_gb: int = 100
    architecture: str = "x86"


class Offer(Frozen):
    """A machine at a place. `available` is the vendor's word of this moment; `leaves` is when it is no longer sold.

    `cores` is None where the vendor names the CPU only: a person has to look that up.
    """

    source: str
    name: str
    location: str
    cores: int | None
    memory_gb: Decimal
    disk_gb: int
    cpu: str
    architecture: str
    available: bool
    leaves: str = ""
    price: Price | None = None

    @property
    def label(self) -> str:
        """Return the name and the place."""
        return f"{self.name} at {self.location}"

    @property
    def net_per_gb(self) -> Decimal | None:
        """Return what a GB of memory costs a month without VAT; None where the price is not known."""
        return self.price.net.value / self.memory_gb if self.price and self.memory_gb else None

    def meets(self, specs: Specs) -> bool:
        """Return whether it is as large as `specs`, as far as that is told, and of its architecture."""
        return (
            self.architecture == specs.architecture
            and (self.cores is None or self.cores >= specs.cores)
            and self.memory_gb >= specs.memory_gb
            and self.disk_gb >= specs.disk_gb
        )

    @property
    def can_be_had(self) -> bool:
        """Return whether it is there now, is not on its way out, and has a known price."""
        return self.available and not self.leaves and self.price is not None


def ranked(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return the offers that can be had, cheapest for each GB of memory first, then the cheapest, then by name."""
    having = [(offer.net_per_gb, offer) for offer in offers if offer.can_be_had]
    known = [(per_gb, offer) for per_gb, offer in having if per_gb is not None]
    return tuple(offer for _, offer in sorted(known, key=_rank))


def _rank(pair: tuple[Decimal, Offer]) -> tuple[Decimal, Decimal, str, str]:
    per_gb, offer = pair
    return per_gb, offer.price.net.value if offer.price else Decimal(0), offer.name, offer.location
