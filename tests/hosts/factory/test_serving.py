"""Whether the Coolify in service is as it shall be: whatever is not known is a fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.hosts.factory.artisan import pending_in
from ink_infra_mcp.hosts.factory.serving import faults, worse
from ink_infra_mcp.hosts.factory.swapping import Seen, Service

ID = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
USERS, TOKENS = "2023_03_20_112410_create_users_table", "2026_04_19_120000_encrypt_webhook_secrets"
TWELVE = f"""
  Migration name .................................................. Batch / Status  
  {USERS} .................................... [1] Ran  
  {TOKENS} ................................. {{}}  

"""
LONG = "2023_08_10_113306_create_scheduled_database_backup_executions_table"
EIGHT = f"""
+------+------------------------------------------------+-------+
| Ran? | Migration                                      | Batch |
+------+------------------------------------------------+-------+
| Yes  | {USERS}           | 1     |
| {{}}  | {TOKENS}      | {{}} |
+------+------------------------------------------------+-------+
"""
GOOD = Service(
    image=ID,
    container="running",
    health="healthy",
    restarts=0,
    migrations_status=0,
    untrusted_migrations=TWELVE.format("[2] Ran"),
    horizon_status=0,
    untrusted_horizon="\n   INFO  Horizon is running.\n",
    auto_update=False,
    failed_jobs=3,
)


@pytest.mark.parametrize(
    ("text", "pending"),
    [
        (TWELVE.format("[2] Ran"), ()),
        (TWELVE.format("Pending"), (TOKENS,)),
        (TWELVE.format("[2] Ran") + f"  {LONG}  [1] Ran  \n", ()),
        (TWELVE.format("[2] Ran") + f"  {LONG}  Pending  \n", (LONG,)),
        (EIGHT.format("Yes", "2    "), ()),
        (EIGHT.format("No ", "     "), (TOKENS,)),
    ],
)
def test_artisans_two_forms_are_read(text: str, pending: tuple[str, ...]) -> None:
    """Lines of dots as Laravel 9 and later print them, without one where a name is long, and the table of 8."""
    assert pending_in(text) == pending


@given(st.one_of(st.text(max_size=80), st.text(min_size=1).map(TWELVE.format("[2] Ran").__add__)))
def test_a_list_with_anything_else_in_it_is_none(text: str) -> None:
    """Noise, a warning, or nothing at all: it never reads as "all ran" unless each line is artisan's own."""
    own = all(not line.strip(" ") or line in TWELVE.format("[2] Ran").splitlines() for line in text.splitlines())
    if own and USERS in text:
        assert pending_in(text) == ()
    else:
        with pytest.raises(ValueError, match=r"a line of another form|no migration"):
            pending_in(text)


def test_a_good_one_has_no_faults() -> None:
    """Its image, healthy, all migrations, its queue, auto-update off."""
    assert tuple(faults(GOOD, ID)) == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image": OTHER}, f"the container runs {OTHER[:19]}, not {ID[:19]}"),
        ({"image": ""}, f"the container runs an unknown image, not {ID[:19]}"),
        ({"container": "restarting"}, "the container is restarting and its health healthy"),
        ({"health": "unhealthy"}, "the container is running and its health unhealthy"),
        ({"health": ""}, "the container is running and its health unknown"),
        ({"migrations_status": 1}, "whether all migrations ran is not known"),
        ({"untrusted_migrations": ""}, "whether all migrations ran is not known"),
        ({"untrusted_migrations": TWELVE.format("Pending")}, f"1 migrations did not run: {TOKENS}"),
        ({"horizon_status": 2, "untrusted_horizon": "Horizon is inactive."}, "its queue (horizon) does not run"),
        ({"horizon_status": None}, "its queue (horizon) does not run"),
        ({"auto_update": True}, "auto-update is on"),
        ({"auto_update": None}, "auto-update is not known to be off"),
    ],
)
def test_each_thing_that_is_not_so_or_not_known_is_a_fault(change: dict[str, object], fault: str) -> None:
    """One at a time, each by its own words."""
    assert tuple(faults(GOOD.model_copy(update=change), ID)) == (fault,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ()),
        ({"failed_jobs": 4}, ("jobs have failed",)),
        ({"failed_jobs": None}, ("jobs have failed",)),
        ({"restarts": 1}, ("its container was started again",)),
        ({"restarts": None}, ("its container was started again",)),
    ],
)
def test_what_has_become_worse_is_told(change: dict[str, object], words: tuple[str, ...]) -> None:
    """A job that had failed before is nobody's fault now; a number that is gone is not fine."""
    assert tuple(worse(GOOD, GOOD.model_copy(update=change))) == words


BESIDE = Seen(image=OTHER, container="running", health="healthy", restarts=0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"realtime": BESIDE.model_copy(update={"image": ID})}, f"realtime runs {ID[:19]}, not {OTHER[:19]}"),
        ({"realtime": Seen()}, f"realtime runs an unknown image, not {OTHER[:19]}"),
        (
            {"realtime": BESIDE.model_copy(update={"health": "unhealthy"})},
            "realtime is running and its health unhealthy",
        ),
        ({"reaches": False}, "Coolify gets no answer from realtime on its ports 6001 and 6002"),
        ({"reaches": None}, "Coolify gets no answer from realtime on its ports 6001 and 6002"),
    ],
)
def test_realtime_is_looked_at_where_it_was_exchanged(change: dict[str, object], fault: str) -> None:
    """By its image, its health, and by Coolify, which has to reach it; where it stayed nobody asks."""
    good = GOOD.model_copy(update={"realtime": BESIDE, "reaches": True})
    bad = good.model_copy(update=change)
    assert tuple(faults(good, ID, realtime_id=OTHER)) == ()
    assert fault in tuple(faults(bad, ID, realtime_id=OTHER))
    assert tuple(faults(bad, ID)) == ()


def test_a_realtime_that_starts_again_has_become_worse_where_it_was_exchanged() -> None:
    """What was not counted at first is no measure of it."""
    first, again = (GOOD.model_copy(update={"realtime": BESIDE.model_copy(update={"restarts": n})}) for n in (0, 1))
    assert [tuple(worse(*both)) for both in ((first, again), (first, first), (GOOD, again))] == [
        ("realtime was started again",),
        (),
        (),
    ]
