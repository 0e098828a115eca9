"""Money: exact sums, both with and without VAT, and a budget that takes nothing unknown for nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.money import Amount, Item, Price, Spending, total_of

cents = st.integers(0, 10**7).map(lambda value: Decimal(value) / 1000)


def price(net: str, gross: str, currency: str = "EUR") -> Price:
    """Return a price by the month."""
    return Price.monthly(Decimal(net), Decimal(gross), currency)


def item(name: str, found: Price | None, group: str = "ccx33 at fsn1") -> Item:
    """Return something that is paid for."""
    return Item(key=name, name=name, group=group, price=found)


@given(st.lists(st.tuples(cents, cents)))
def test_sums_are_exact_in_any_order(pairs: list[tuple[Decimal, Decimal]]) -> None:
    """No cent is lost or made by adding up, whatever the order."""
    prices = [Price.monthly(net, gross) for net, gross in pairs]
    assert total_of(prices) == total_of(reversed(prices))
    assert total_of(prices).net.value == sum((net for net, _ in pairs), Decimal(0))


@given(st.lists(cents), cents)
def test_a_budget_holds_exactly_what_it_says(gross: list[Decimal], budget: Decimal) -> None:
    """What sums up to the budget is within, anything more is over; one unknown price is never within."""
    items = tuple(item(str(at), Price.monthly(value, value)) for at, value in enumerate(gross))
    spending = Spending(items=items)
    over = sum(gross, Decimal(0)) > budget
    assert spending.held_by(budget) == ("over" if over else "within")
    assert spending.plus([item("odd", None)]).held_by(budget) == ("over" if over else "unknown")


def test_what_could_not_be_read_or_is_in_another_currency_is_unknown() -> None:
    """A budget in euros says nothing of dollars, and nothing of what nobody has seen."""
    assert Spending(unread=("volumes",)).held_by(500) == "unknown"
    assert Spending(items=(item("a", price("1", "1", "USD")),), currency="USD").held_by(500) == "unknown"
    with pytest.raises(ValueError, match="do not add up"):
        _ = Amount(value=Decimal(1)) + Amount(value=Decimal(1), currency="USD")


def test_the_words_say_net_gross_and_what_is_paid_once() -> None:
    """A person reads both prices; a set-up fee only where there is one, to the cent."""
    plain = price("48.49", "57.7031")
    once = plain.model_copy(update={"setup_net": Amount(value=Decimal(39)), "setup_gross": Amount(value=Decimal(46))})
    assert str(plain) == "48.49 EUR (57.70 EUR with VAT) a month"
    assert str(once) == "48.49 EUR (57.70 EUR with VAT) a month, and 39.00 EUR (46.00 EUR with VAT) once"


def test_spending_is_told_by_group_and_changes_by_key() -> None:
    """Equal things are one line; what goes is taken out by its key, what comes is added."""
    spending = Spending(items=(item("a", price("1", "2")), item("b", price("3", "4")), item("v", None, "volumes")))
    assert spending.by_group == (
        "2 x ccx33 at fsn1: 4.00 EUR (6.00 EUR with VAT) a month",
        "1 x volumes: price not known",
    )
    assert spending.minus(["a", "v"]).plus([item("c", price("5", "5"))]).total == price("8", "9")
    assert spending.unpriced == ("v",)
