"""Those who ask at the same time share a reading, and nobody gets one that began before they asked."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest

from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.guard.sharing import Sharing

pytestmark = pytest.mark.anyio

LIMIT_S = 30
CROWD = 500


@dataclass
class Counter:
    """A thing that changes by hand; each reading of it waits until it may go on."""

    value: int = 0
    begun: int = 0
    at_once: int = 0
    most_at_once: int = 0
    may_end: anyio.Event = field(default_factory=anyio.Event)

    async def read(self) -> int:
        """Return the value that it had when the reading began."""
        self.begun += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        seen = self.value
        await self.may_end.wait()
        self.at_once -= 1
        return seen


async def until_begun(counter: Counter, number: int) -> None:
    """Give others their turn until that many readings have begun."""
    while counter.begun < number:
        await anyio.lowlevel.checkpoint()


async def test_a_crowd_costs_two_readings_and_sees_what_was_there_when_it_came() -> None:
    """One goes on already: all who come later wait for the next one, together, and it begins when the first is over."""
    counter, sharing, seen = Counter(), Sharing[int](), list[int]()

    async def ask() -> None:
        seen.append(await sharing.get("op", counter.read))

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until_begun(counter, 1)
            counter.value = 1
            for _ in range(CROWD):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert counter.begun == 1
            counter.may_end.set()
    assert (counter.begun, counter.most_at_once, seen) == (2, 1, [0] + [1] * CROWD)


async def test_each_thing_is_read_for_itself() -> None:
    """What is waited for of one keeps nobody from another."""
    slow, quick, sharing = Counter(value=1), Counter(value=2), Sharing[int]()
    quick.may_end.set()
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(sharing.get, "slow", slow.read)
            await until_begun(slow, 1)
            assert await sharing.get("quick", quick.read) == 2
            slow.may_end.set()


async def test_whoever_leaves_takes_nothing_from_those_who_stay() -> None:
    """The reading goes on without the one for whom it was begun, and the next one is not held up by it."""
    counter, sharing, seen = Counter(value=7), Sharing[int](), list[int]()

    async def ask() -> None:
        seen.append(await sharing.get("op", counter.read))

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as stays, anyio.create_task_group() as leaves:
            leaves.start_soon(ask)
            await until_begun(counter, 1)
            stays.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            leaves.cancel_scope.cancel()
            counter.may_end.set()
    assert seen == [7]
    assert await sharing.get("op", counter.read) == 7


async def test_a_reading_that_is_ended_before_it_began_is_nobodys_answer() -> None:
    """Whoever asks after that gets one of their own, and not the end of the other."""
    counter, sharing = Counter(value=7), Sharing[int]()

    async def ask() -> None:
        with suppress(asyncio.CancelledError):
            await sharing.get("op", counter.read)

    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until_begun(counter, 1)
            known = asyncio.all_tasks()
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            for task in asyncio.all_tasks() - known:
                task.cancel()
            await anyio.wait_all_tasks_blocked()
            counter.may_end.set()
            assert await sharing.get("op", counter.read) == 7


async def test_what_it_raises_is_raised_for_all_and_the_next_reads_anew() -> None:
    """An error is no answer that is kept."""
    sharing, tries = Sharing[int](), list[int]()

    async def read() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise UnknownName("There is no operation.", next="See list_operations.")
        return len(tries)

    async def ask(caught: list[str]) -> None:
        try:
            await sharing.get("op", read)
        except UnknownName as error:
            caught.append(error.failed)

    caught: list[str] = []
    with anyio.fail_after(LIMIT_S):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask, caught)
        assert caught == ["There is no operation."] * 3
        assert await sharing.get("op", read) == 2
