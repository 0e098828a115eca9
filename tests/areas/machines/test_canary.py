"""What the canary of a Muscle is called."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ink_infra_mcp.areas.machines.canary import canary_name
from ink_infra_mcp.core.fleet import Name

NAMES = TypeAdapter[str](Name)
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def is_name(text: str) -> bool:
    """Return whether a Muscle may be called so."""
    try:
        NAMES.validate_python(text)
    except ValidationError:
        return False
    return True


@given(st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True).filter(is_name))
def test_a_canary_is_called_by_a_dns_label_whatever_its_muscle_is_called(muscle: str) -> None:
    """It is the first part of the name that is visited."""
    assert LABEL.fullmatch(canary_name(muscle))


@pytest.mark.parametrize("muscle", ["s3", "muscle-1"])
def test_canaries_are_told_apart_by_their_muscles(muscle: str) -> None:
    """Two at once are two apps."""
    assert canary_name(muscle) == f"canary-{muscle}"
