"""The ordered vendor itself can fail a test: what it does not expect, and what never came."""

import pytest

from ink_infra_mcp.clients.reading import Reads
from tests.clients.ordered import Call, ordered, permit
from tests.clock import FakeClock

pytestmark = pytest.mark.anyio

LISTED = Reads("/a?n")


async def test_expected_calls_are_answered_in_order() -> None:
    """Each call gets its own answer, with query and body compared."""
    with ordered(Call("GET", "/a?n=1", answer=[1]), Call("POST", "/b", body={"x": 1}, answer={}), reads=LISTED) as wire:
        assert (await wire.http.get("/a", {"n": 1})).json == [1]
        assert (await wire.http.send("POST", "/b", permit=permit(), body={"x": 1})).json == {}


@pytest.mark.parametrize(
    "calls",
    [(), (Call("GET", "/b"),), (Call("HEAD", "/a"),), (Call("GET", "/a?n=1"),), (Call("GET", "/a", body={}),)],
)
async def test_an_unexpected_call_fails_at_once(calls: tuple[Call, ...]) -> None:
    """Another path, method, query or body than expected, or one call too many, fails where it happens."""
    with pytest.raises(AssertionError), ordered(*calls, reads=LISTED) as wire:
        await wire.http.get("/a")


async def test_a_call_that_never_came_fails_at_the_end() -> None:
    """An expected call that was not made fails when the vendor is closed."""
    with pytest.raises(AssertionError, match="never made"), ordered(Call("GET", "/a")):
        pass


async def test_the_fake_clock_moves_only_when_told() -> None:
    """Sleeping takes no time, moves both clocks, and is on record; time does not run backwards."""
    clock = FakeClock()
    before = clock.now()
    await clock.sleep(90)
    clock.advance(0.5)
    assert (clock.monotonic(), (clock.now() - before).total_seconds(), clock.slept) == (90.5, 90.5, [90])
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
