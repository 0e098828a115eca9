"""What things cost by the month: amounts, prices with and without VAT, and what all that exists comes to."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from typing import Literal

from ink_infra_mcp.core.plan import Frozen

EUR = "EUR"
CENT = Decimal("0.01")
Held = Literal["within", "over", "unknown"]


class Amount(Frozen):
    """An exact sum in one currency; only words are rounded."""

    value: Decimal
    currency: str = EUR

    def __add__(self, other: "Amount") -> "Amount":
        """Return the sum.

        Raises:
            ValueError: the currencies differ.
        """
        if other.currency != self.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")
        return Amount(value=self.value + other.value, currency=self.currency)

    def times(self, factor: Decimal | int) -> "Amount":
        """Return it that many times."""
        return Amount(value=self.value * factor, currency=self.currency)

    @property
    def figure(self) -> str:
        """Return the number, to the cent."""
        return str(self.value.quantize(CENT, rounding=ROUND_HALF_UP))

    def __str__(self) -> str:
        return f"{self.figure} {self.currency}"


class Price(Frozen):
    """What something costs each month and once, without (`net`) and with VAT (`gross`)."""

    net: Amount
    gross: Amount
    setup_net: Amount
    setup_gross: Amount

    @staticmethod
    def monthly(net: Decimal, gross: Decimal, currency: str = EUR) -> "Price":
        """Return a price by the month that costs nothing once."""
        nothing = Amount(value=Decimal(0), currency=currency)
        return Price(
            net=Amount(value=net, currency=currency),
            gross=Amount(value=gross, currency=currency),
            setup_net=nothing,
            setup_gross=nothing,
        )

    def __add__(self, other: "Price") -> "Price":
        """Return the sum.

        Raises:
            ValueError: the currencies differ.
        """
        return Price(
            net=self.net + other.net,
            gross=self.gross + other.gross,
            setup_net=self.setup_net + other.setup_net,
            setup_gross=self.setup_gross + other.setup_gross,
        )

    def times(self, factor: Decimal | int) -> "Price":
        """Return it that many times."""
        return Price(
            net=self.net.times(factor),
            gross=self.gross.times(factor),
            setup_net=self.setup_net.times(factor),
            setup_gross=self.setup_gross.times(factor),
        )

    def __str__(self) -> str:
        once = f", and {self.setup_net} ({self.setup_gross} with VAT) once" if self.setup_gross.value else ""
        return f"{self.net} ({self.gross} with VAT) a month{once}"


def total_of(prices: Iterable[Price], currency: str = EUR) -> Price:
    """Return the sum of prices, nothing for none.

    Raises:
        ValueError: their currencies differ.
    """
    return reduce(lambda one, other: one + other, prices, Price.monthly(Decimal(0), Decimal(0), currency))


class Item(Frozen):
    """One thing that is paid for; `group` says what it is one of, such as `ccx33 at fsn1`. No price: it is unknown."""

    key: str
    name: str
    group: str
    price: Price | None


class Spending(Frozen):
    """What exists and is paid for by the month. `unread` is what could not be looked at, `left_out` what never is."""

    items: tuple[Item, ...] = ()
    currency: str = EUR
    unread: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def total(self) -> Price:
        """Return the sum of all known prices."""
        return total_of((item.price for item in self.items if item.price is not None), self.currency)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Return the names of what has no known price."""
        return tuple(item.name for item in self.items if item.price is None)

    @property
    def by_group(self) -> tuple[str, ...]:
        """Return a line for each group: how many, and what they cost together."""
        groups = dict.fromkeys(item.group for item in self.items)
        return tuple(_line(group, [item for item in self.items if item.group == group]) for group in groups)

    def plus(self, items: Iterable[Item]) -> "Spending":
        """Return it with more."""
        return self.model_copy(update={"items": (*self.items, *items)})

    def minus(self, keys: Iterable[str]) -> "Spending":
        """Return it without the items of these keys."""
        gone = frozenset(keys)
        return self.model_copy(update={"items": tuple(item for item in self.items if item.key not in gone)})

    def held_by(self, max_monthly_eur: Decimal | int) -> Held:
        """Return whether a budget, which counts VAT, holds it. Unknown is never within.

        It is over as soon as what is known is; it is unknown where anything is, or in another currency than the budget.
        """
        if self.currency != EUR:
            return "unknown"
        if self.total.gross.value > max_monthly_eur:
            return "over"
        return "unknown" if self.unpriced or self.unread else "within"


def _line(group: str, items: list[Item]) -> str:
    known = [item.price for item in items if item.price is not None]
    price = str(total_of(known, known[0].net.currency)) if len(known) == len(items) else "price not known"
    return f"{len(items)} x {group}: {price}"
