"""The names of copies of backups say all that is needed of them, and what is young, new or proved never goes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.copies import Copy, copy_in, in_order, surplus

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LAST = int(NOW.timestamp())
COPIES = st.builds(
    Copy,
    backup=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    made=st.integers(LAST - 100 * 86_400, LAST + 86_400),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
FILE = f"coolify_20261130T201000Z_op-1_{'a' * 64}.tar.age"


@given(COPIES)
def test_a_name_says_what_it_was_made_from(copy: Copy) -> None:
    """Nothing else has to be asked or kept."""
    assert copy_in(copy.file) == copy


@pytest.mark.parametrize(
    "name",
    [
        f".part-{FILE}",
        f"{FILE}.gz",
        f"{FILE}\n",
        FILE.replace("20261130", "20261330"),
        FILE.replace("20261130", "19691231"),
        FILE.replace("op-1", "Op-1"),
        FILE.replace("a" * 64, "a" * 63),
        FILE.replace("20261130T201000Z", "\u0662026-11-30T201000Z"),
        "notes.txt",
    ],
)
def test_what_is_no_copy_of_ours_counts_for_nothing(name: str) -> None:
    """A part, a longer name, a time that is none, digits that are not ours: none of them is ever listed or removed."""
    assert in_order([name, FILE]) == (copy_in(FILE),)


@given(st.lists(COPIES, min_size=1, max_size=30), st.data(), st.integers(1, 10), st.integers(1, 60))
def test_nothing_goes_that_is_proved_young_or_among_the_newest(
    copies: list[Copy], data: st.DataObject, keep: int, keep_days: int
) -> None:
    """However many were made in a hurry, and whatever their times are: what goes is beyond both limits."""
    proved = data.draw(st.sampled_from(copies))
    gone = surplus(copies, keep=keep, keep_days=keep_days, now=NOW, proved=proved)
    last = min(LAST, proved.made)
    oldest = last - keep_days * 86_400
    newest = sorted((copy.file for copy in copies if copy.made <= last), reverse=True)[:keep]
    assert all(copy.made < oldest and copy.file not in newest and copy != proved for copy in gone)
    stays = {copy for copy in map(repr, copies)} - {copy for copy in map(repr, gone)}
    spared = [copy for copy in copies if repr(copy) in stays]
    assert all(copy.made >= oldest or copy.file in newest or copy == proved for copy in spared)


def of_days(*days: int) -> list[Copy]:
    """Return copies that were made so many days ago, negative: that many ahead."""
    return [Copy(backup=f"op-{day % 1000}", made=LAST - day * 86_400, sha256=f"{day % 1000:064x}") for day in days]


def test_a_clock_that_runs_ahead_costs_no_copy() -> None:
    """Ours a year ahead makes all look old; the Factory's, which ran ahead once, fills the places of the newest."""
    years = timedelta(days=365)
    proved, *others = of_days(0, 5, 10, 20)
    assert surplus([proved, *others], keep=1, keep_days=30, now=NOW + years, proved=proved) == ()
    ahead = of_days(-300, -301, -302)
    assert surplus([*ahead, proved, *others], keep=3, keep_days=8, now=NOW, proved=proved) == (others[2],)
    assert surplus([*ahead, proved, *others], keep=4, keep_days=8, now=NOW, proved=proved) == ()
    assert surplus([*ahead, *others], keep=3, keep_days=8, now=NOW, proved=ahead[0]) == ()
