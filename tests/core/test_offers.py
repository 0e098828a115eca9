"""Offers: which are large enough, and in which order a person sees them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.money import Price
from ink_infra_mcp.core.offers import Offer, Specs, ranked

prices = st.none() | st.integers(1, 500).map(lambda net: Price.monthly(Decimal(net), Decimal(net) * 2))
offers = st.builds(
    Offer,
    source=st.just("hetzner_cloud"),
    name=st.sampled_from(["a", "b", "c"]),
    location=st.sampled_from(["fsn1", "hel1"]),
    cores=st.none() | st.integers(1, 64),
    memory_gb=st.integers(1, 256).map(Decimal),
    disk_gb=st.integers(10, 1000),
    cpu=st.just("shared"),
    architecture=st.sampled_from(["x86", "arm"]),
    available=st.booleans(),
    leaves=st.sampled_from(["", "2027-01-01"]),
    price=prices,
)


@given(st.lists(offers))
def test_only_what_can_be_had_is_ranked_and_the_cheapest_gigabyte_is_first(found: list[Offer]) -> None:
    """Sold out, on its way out or without a price is not offered; each next one costs as much for a GB or more."""
    order = ranked(found)
    per_gb = [offer.net_per_gb for offer in order if offer.net_per_gb is not None]
    assert len(per_gb) == len(order) == sum(o.available and not o.leaves and o.price is not None for o in found)
    assert per_gb == sorted(per_gb)


@given(st.lists(offers), st.randoms())
def test_the_order_does_not_depend_on_how_the_vendor_lists_them(found: list[Offer], random: st.DataObject) -> None:
    """The same offers in another order are ranked alike, where no two are the same."""
    unique = list({(offer.name, offer.location): offer for offer in found}.values())
    assert ranked(unique) == ranked(reversed(unique))


@given(offers)
def test_an_offer_meets_what_it_has_itself_and_nothing_more(offer: Offer) -> None:
    """At least as large in each respect, and of the same architecture."""
    own = Specs(
        cores=offer.cores or 1, memory_gb=int(offer.memory_gb), disk_gb=offer.disk_gb, architecture=offer.architecture
    )
    assert offer.meets(own)
    for more in ({"memory_gb": int(offer.memory_gb) + 1}, {"disk_gb": offer.disk_gb + 1}):
        assert not offer.meets(own.model_copy(update=more))
    assert not offer.meets(own.model_copy(update={"architecture": "riscv"}))
    assert offer.meets(own.model_copy(update={"cores": own.cores + 1})) is (offer.cores is None)
