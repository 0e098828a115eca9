"""Whatever a step writes at a vendor: a lost answer is settled by a look or left unknown, never failed or repeated."""

from collections.abc import Generator
from itertools import product
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.policy import Risk
from ink_infra_mcp.settings.policy_files import load_policy
from tests.clients.lost import SYSTEMS, Door, Lane, Row, Stage, is_unknown, is_write, real_door
from tests.clients.lost_coolify import COOLIFY
from tests.clients.lost_vendors import VENDORS

pytestmark = pytest.mark.anyio
ROWS = (*COOLIFY, *VENDORS)
LIMIT_S = 180
ALWAYS = 99


def test_every_kind_that_writes_over_http_has_a_row() -> None:
    """The policy says which there are: a new one without a row fails here."""
    kinds = load_policy(None).kinds
    writing = {kind for kind, risk in kinds.items() if risk is not Risk.READ and kind.partition(".")[0] in SYSTEMS}
    assert {row.kind for row in ROWS} == writing


@pytest.fixture(scope="module")
def door() -> Generator[Door]:
    """Give one door for all rows."""
    with real_door() as opened:
        yield opened


async def _cut_once(here: Lane, sent: list[str], number: int, loss: str) -> bool:
    """Run the step with one request cut, and once more; return whether the first run left it open."""
    here.cut(sent, number, loss)
    first = await here.run()
    assert here.is_cut, "no request like it was sent"
    assert first is None or is_unknown(first), f"called failed: {first!r}"
    _looked_next(here.wire.asked, number)
    before = len(here.wire.asked)
    second = await here.run()
    assert second is None, f"the second run failed: {second!r}"
    begun = here.wire.asked[before]
    assert not is_write(begun) or begun.startswith(here.row.often or " "), f"the second run sent blindly: {begun}"
    return first is not None


def _looked_next(asked: list[str], number: int) -> None:
    """Nothing was sent after the write of that number before something was read."""
    places = [place for place, line in enumerate(asked) if is_write(line)]
    rest = asked[places[number] + 1 :]
    assert not rest or not is_write(rest[0]), f"sent blindly: {rest}"


async def _never_arrives(here: Lane, sent: list[str]) -> None:
    """However often a step looks and asks anew, with each request lost nobody can say that the last one did nothing."""
    here.cut(sent, 0, "drop", times=ALWAYS)
    error = await here.run()
    assert is_unknown(error) or (error is None and here.row.by_itself), f"called failed: {error!r}"
    assert sent[0] not in here.taken


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
async def test_a_lost_answer_is_neither_a_failure_nor_a_second_write(tmp_path: Path, row: Row, door: Door) -> None:
    """The connection is cut at each write in turn, after or before the vendor acts: the step is done because a look
    shows it, or unknown; run again it is done, the world is what it is without the cut, and no write was taken twice.
    What never arrives is unknown, too.
    """
    with anyio.fail_after(LIMIT_S):
        on = Stage(tmp_path, row, door)
        begin = await on.prepared()
        async with on.lane(begin) as here:
            assert await here.run() is None
            sent, once, end = [line for line in here.wire.asked if is_write(line)], here.once, here.end()
        assert sent, "it writes nothing"
        opened: set[int] = set()
        for loss, number in product(("drop_after", "drop"), range(len(sent))):
            async with on.lane(begin) as here:
                if await _cut_once(here, sent, number, loss) and loss == "drop_after":
                    opened.add(number)
                assert here.once == once
                assert here.end() == end
        assert opened == row.open
        async with on.lane(begin) as here:
            await _never_arrives(here, sent)
