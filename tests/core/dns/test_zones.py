"""Zones: which one holds a name, and what is known of who serves it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.dns.zones import Known, Told, Zone, agree, closest, judged

SERVERS = ("ns1.example.net", "ns2.example.net")


def zone(name: str = "example.com", says: Known = "unknown", served_by: tuple[str, ...] = SERVERS) -> Zone:
    """Return a zone."""
    return Zone(provider="hetzner", id="1", name=name, served_by=served_by, vendor_says=says)


def test_the_closest_zone_holds_a_name() -> None:
    """Not one that only ends alike."""
    zones = [zone("example.com"), zone("s1.example.com"), zone("ample.com")]
    assert [closest(zones, name) for name in ("x.s1.example.com", "s1.example.com", "x.example.com", "x.org")] == [
        zones[1],
        zones[1],
        zones[0],
        None,
    ]


@pytest.mark.parametrize(
    ("parent", "says", "known"),
    [
        (SERVERS, "wrong", "right"),
        (("NS2.example.net.",), "unknown", "right"),
        ((*SERVERS, "ns.elsewhere.example"), "right", "wrong"),
        (("ns.elsewhere.example",), "right", "wrong"),
        ((), "right", "wrong"),
        (None, "right", "right"),
        (None, "wrong", "wrong"),
        (None, "unknown", "unknown"),
    ],
)
def test_what_was_seen_counts_more_than_what_the_vendor_says(
    parent: tuple[str, ...] | None, says: Known, known: Known
) -> None:
    """A parent that names one foreign server sends a part of the world elsewhere; what nobody saw is unknown."""
    assert judged(zone(says=says), parent).known == known


def test_a_zone_without_servers_is_never_right() -> None:
    """Nothing to compare with is unknown."""
    assert judged(zone(served_by=()), SERVERS).known == "unknown"


@given(st.lists(st.sampled_from(["found", "none", "failed"]), max_size=4), st.booleans())
def test_only_all_servers_together_prove_something(statuses: list[str], authoritative: bool) -> None:
    """One that does not answer, answers for others, or says something else is no proof, and nobody is none either."""
    told = [
        Told.model_validate(
            {
                "server": f"ns{number}",
                "status": status,
                "values": ["192.0.2.1"] if status == "found" else [],
                "authoritative": authoritative,
            }
        )
        for number, status in enumerate(statuses)
    ]
    right = bool(told) and authoritative and set(statuses) == {"found"}
    assert agree(told, frozenset({"192.0.2.1"})) == right
    assert agree(told, frozenset()) == (bool(told) and authoritative and set(statuses) == {"none"})
    assert not agree(told, frozenset({"192.0.2.1", "192.0.2.2"}))
