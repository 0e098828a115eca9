"""Record sets that are put back later in the same plan: what was there before, from what these steps have set."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.areas.dns.apps import follow
from ink_infra_mcp.areas.dns.steps import is_setting, put_back
from tests.areas.dns.test_names_of_apps import LIMIT_S, OURS, TWO, app, found_in, records

pytestmark = pytest.mark.anyio
BACK = f"{OURS} {TWO}"


async def test_what_is_put_back_is_what_was_there_from_what_was_set(tmp_path: Path) -> None:
    """Each set goes the other way, the last first, and is proved as it was; a type that was not there goes again."""
    with anyio.fail_after(LIMIT_S):
        steps = follow(await found_in(tmp_path, records(("shop", "A", TWO, BACK)), app("shop")))
    back = put_back(steps)
    ways = [(s.params["type"], s.params["before"], s.params["after"]) for s in steps if is_setting(s)]

    assert [type for type, *_ in ways] == ["A", "AAAA"]
    assert [(s.params["type"], s.params["before"], s.params["after"]) for s in back if is_setting(s)] == [
        (type, after, before) for type, before, after in reversed(ways)
    ]
    assert back[-1].params["expected"] == [
        {"name": "shop.example.com", "type": type, "set": before} for type, before, _ in ways
    ]
    assert [step.undo and step.undo.params for step in back[:-1]] == [step.params for step in back[:-1]]
    assert [s.params for s in put_back(back)] == [s.params for s in steps]
