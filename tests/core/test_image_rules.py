"""How old an image of Coolify is: what its builder wrote is believed only where it can be an age at all."""

from datetime import UTC, datetime

import pytest

from ink_infra_mcp.core.image_rules import too_young

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "why"),
    [
        ("2026-11-28T12:00:00Z", ""),
        ("2026-11-28T13:59:59.123456789+02:00", ""),
        ("2026-11-28T12:00:01Z", "it is 47 h old, and policy wants 48 h"),
        ("2026-12-01T00:00:00Z", "2026-12-01 is no date to tell its age by"),
        ("0001-01-01T00:00:00Z", "0001-01-01 is no date to tell its age by"),
        ("1970-01-01T00:00:00Z", "1970-01-01 is no date to tell its age by"),
        ("2026-11-01T00:00:00", "when it was made is not known"),
        ("", "when it was made is not known"),
    ],
)
def test_an_image_is_old_enough_only_by_a_date_that_can_be_one(created: str, why: str) -> None:
    """No date, one without a zone, one of a reproducible build, or one that lies ahead is no age."""
    assert too_young(created, NOW, 48) == why


def test_where_policy_wants_no_age_no_date_is_needed() -> None:
    """An image without a date is as good as before."""
    assert too_young("", NOW, 0) == ""
