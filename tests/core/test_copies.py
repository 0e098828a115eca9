"""Names of copies say all that is needed of them; what is young, new, proved, whole or another fleet's never goes."""

from collections.abc import Set
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.copies import DAMAGED, OWNER, Copy, Lying, Thinning, copy_in, in_order

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LAST = int(NOW.timestamp())
DAY_S = 86_400
FLEET = "coolify.example.com"
BACKUPS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
SUMS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
TIMES = st.integers(LAST - 100 * DAY_S, LAST + DAY_S)
NAMED = st.builds(
    Copy,
    fleet=st.from_regex(OWNER, fullmatch=True),
    backup=BACKUPS,
    made=TIMES,
    bytes=st.integers(1, 10**15 - 1),
    sha256=SUMS,
)
UNNAMED = st.builds(Copy, fleet=st.just(""), backup=BACKUPS, made=TIMES, bytes=st.just(0), sha256=SUMS)
FEW = st.builds(
    Copy,
    fleet=st.sampled_from([FLEET, FLEET, FLEET, "other.example.com", ""]),
    backup=st.sampled_from(["op-1", "op-2", "op-3", "op-4", "op-5", "op-6"]),
    made=st.integers(-60, 1).map(lambda day: LAST + day * DAY_S),
    bytes=st.just(0),
    sha256=SUMS,
).map(lambda copy: copy.model_copy(update={"bytes": 7 if copy.fleet else 0}))
THERE = st.lists(FEW, min_size=1, max_size=25, unique_by=lambda copy: copy.file)
TAIL = f"op-1_{'a' * 64}.tar.age"
OLD = f"coolify_20261130T201000Z_{TAIL}"
FILE = f"coolify_20261130T201000Z_{FLEET}_op-1_1024_{'a' * 64}.tar.age"


@given(NAMED | UNNAMED)
def test_a_name_says_what_it_was_made_from(copy: Copy) -> None:
    """Nothing else has to be asked or kept, and every disk takes such a name; those of before are read as well."""
    assert (copy_in(copy.file), len(f"{DAMAGED}{copy.file}") <= 255) == (copy, True)


@pytest.mark.parametrize(
    "name",
    [
        f".part-{FILE}",
        f"{DAMAGED}{FILE}",
        f"{FILE}.gz",
        f"{FILE}\n",
        FILE.replace("20261130", "20261330"),
        FILE.replace("20261130", "19691231"),
        FILE.replace("op-1", "Op-1"),
        FILE.replace("a" * 64, "a" * 63),
        FILE.replace("_1024_", "_"),
        FILE.replace("_1024_", "_01024_"),
        FILE.replace(f"{FLEET}_", ""),
        FILE.replace(FLEET, f".{FLEET}"),
        FILE.replace("20261130T201000Z", "\u0662026-11-30T201000Z"),
        "notes.txt",
    ],
)
def test_what_is_no_copy_of_ours_counts_for_nothing(name: str) -> None:
    """A part, half a name, a time that is none, digits that are not ours: none of them is ever listed or removed."""
    assert in_order([name, FILE]) == (copy_in(FILE),)


def test_each_fleet_sees_its_own_whole_copies_and_what_else_lies_there() -> None:
    """By name and size alone: a copy of another size is damaged, and so is one that was read and said to be."""
    other, short = FILE.replace(FLEET, "other.example.com"), FILE.replace("op-1", "op-2").replace("1130T", "1129T")
    marked = f"{DAMAGED}{FILE.replace('op-1', 'op-3').replace('1130T', '1128T')}"
    files = {FILE: 1024, short: 1023, marked: 1024, f"{DAMAGED}{other}": 1024, other: 1024, OLD: 9, "notes.txt": 1}
    there = Lying(fleet=FLEET, files=files)
    made = int(datetime(2026, 11, 29, 20, 10, tzinfo=UTC).timestamp())
    assert (there.own, there.damaged, there.damaged_last) == ((copy_in(FILE),), (short, marked), made)
    assert (there.others, there.unnamed) == ((copy_in(other),), (copy_in(OLD),))
    assert Lying(fleet="other.example.com", files=files).own == (copy_in(other),)


def gone(
    there: list[Copy], thinning: Thinning, whole: Set[str], *, reads: int | None = None
) -> tuple[tuple[Copy, ...], list[str]]:
    """Return what goes when copies are read as they are asked for, at most so many, and which were read."""
    read: list[str] = []
    good: set[str] = set()
    bad: set[str] = set()
    while copy := thinning.unread(there, damaged=bad, whole=good):
        if len(read) == reads:
            break
        read.append(copy.file)
        (good if copy.file in whole else bad).add(copy.file)
    return thinning.surplus(there, whole=good), read


@given(THERE, st.data(), st.integers(1, 6), st.integers(1, 30), st.integers(-400, 400))
def test_nothing_goes_that_is_proved_young_another_fleets_or_has_too_few_whole_ones_before_it(
    there: list[Copy], data: st.DataObject, keep: int, keep_days: int, ahead: int
) -> None:
    """Whatever is damaged, however many were made in a hurry, and whatever the clocks say."""
    proved = data.draw(st.sampled_from(there))
    whole = {copy.file for copy in data.draw(st.lists(st.sampled_from(there)))} | {proved.file}
    now = NOW + timedelta(days=ahead)
    thinning = Thinning(proved=proved, keep=keep, keep_days=keep_days, now=now)
    going, read = gone(there, thinning, whole)
    last = min(int(now.timestamp()), proved.made)
    stays = [copy for copy in there if copy not in going]
    for copy in going:
        assert (copy.fleet, copy.made < last - keep_days * DAY_S, copy != proved) == (proved.fleet, True, True)
        before = {(one.backup, one.made) for one in stays if one.file in whole and copy.made <= one.made <= last}
        assert len(before) >= keep
    good = [copy for copy in there if copy.file in whole and copy.fleet == proved.fleet]
    newest = max((copy for copy in good if copy.made <= last), key=lambda copy: copy.made, default=proved)
    assert newest.made in [copy.made for copy in stays if copy in good]
    assert len(read) == len({*read})
    assert {*read} & {copy.file for copy in going} == set()


@given(THERE, st.data(), st.integers(1, 6), st.integers(1, 30))
def test_what_is_read_is_enough_to_know_and_what_is_not_read_only_spares(
    there: list[Copy], data: st.DataObject, keep: int, keep_days: int
) -> None:
    """Reading all would let go no more and no less; a place that is read too slowly loses no copy for it."""
    proved = data.draw(st.sampled_from(there))
    whole = {copy.file for copy in data.draw(st.lists(st.sampled_from(there)))} | {proved.file}
    thinning = Thinning(proved=proved, keep=keep, keep_days=keep_days, now=NOW)
    going, read = gone(there, thinning, whole)
    assert going == thinning.surplus(there, whole=whole)
    some = gone(there, thinning, whole, reads=data.draw(st.integers(0, len(read))))[0]
    assert {copy.file for copy in some} <= {copy.file for copy in going}


@given(THERE, st.data(), st.integers(1, 6))
def test_nothing_is_read_where_nothing_is_old_enough_to_go(there: list[Copy], data: st.DataObject, keep: int) -> None:
    """A backup costs no more than its own copy then."""
    proved = data.draw(st.sampled_from(there))
    thinning = Thinning(proved=proved, keep=keep, keep_days=100, now=NOW)
    assert gone(there, thinning, {copy.file for copy in there}) == ((), [])


def of_days(*days: int) -> list[Copy]:
    """Return copies that were made so many days ago, negative: that many ahead."""
    return [
        Copy(fleet=FLEET, backup=f"op-{day % 1000}", made=LAST - day * DAY_S, bytes=7, sha256=f"{day % 1000:064x}")
        for day in days
    ]


def going(there: list[Copy], proved: Copy, *, keep: int, keep_days: int, now: datetime = NOW) -> tuple[Copy, ...]:
    """Return what goes where all are whole."""
    thinning = Thinning(proved=proved, keep=keep, keep_days=keep_days, now=now)
    return gone(there, thinning, {copy.file for copy in there})[0]


def test_a_clock_that_runs_ahead_costs_no_copy() -> None:
    """Ours a year ahead makes all look old; the Factory's, which ran ahead once, fills the places of the newest."""
    years = timedelta(days=365)
    proved, *others = of_days(0, 5, 10, 20)
    assert going([proved, *others], proved, keep=1, keep_days=30, now=NOW + years) == ()
    ahead = of_days(-300, -301, -302)
    assert going([*ahead, proved, *others], proved, keep=3, keep_days=8) == (others[2],)
    assert going([*ahead, proved, *others], proved, keep=4, keep_days=8) == ()
    assert going([*ahead, *others], ahead[0], keep=3, keep_days=8) == ()


def test_damaged_copies_drive_out_no_good_one() -> None:
    """Thirteen that rot beside the newest would have cost every good one, and the company with the next fire."""
    proved, *rotten = of_days(*range(14))
    good, gone_anyway = of_days(40), of_days(50)
    thinning = Thinning(proved=proved, keep=2, keep_days=30, now=NOW)
    there = [proved, *rotten, *good, *gone_anyway]
    assert gone(there, thinning, {proved.file, good[0].file}) == (
        tuple(gone_anyway),
        [copy.file for copy in (*rotten, *good)],
    )


def test_a_second_copy_of_one_backup_counts_once() -> None:
    """Two of one backup are lost by the same fault in it."""
    proved, old, oldest = of_days(0, 40, 50)
    twin = proved.model_copy(update={"sha256": "f" * 64})
    assert going([proved, twin, old, oldest], proved, keep=2, keep_days=30) == (oldest,)
