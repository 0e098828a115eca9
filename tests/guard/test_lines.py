"""What a step says is written down in order and in full, and nobody waits for the disk meanwhile."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import StateUnavailable
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.lines import lines
from tests.guard.toy import Toy, toy
from tests.state.stores import file_of, rewrite

pytestmark = pytest.mark.anyio

LIMIT_S = 60
WORDS = tuple(f"line {number}" for number in range(20))


def saying(handler: Handler) -> Handler:
    """Let each step say its lines before it does its work."""

    async def run(call: StepCall) -> JsonObject:
        for words in WORDS:
            call.say(words)
        return await handler(call)

    return run


def remember_words(folder: Path) -> None:
    """Let the store keep everything that an operation ever said."""
    rewrite(folder, "create table said (words text)")
    rewrite(
        folder,
        "create trigger says after update of now_at on ink_operations when new.now_at <> '' "
        "begin insert into said values (new.now_at); end",
    )


def words_of(folder: Path) -> list[str]:
    """Return what was said."""
    with closing(sqlite3.connect(file_of(folder))) as db:
        return [row[0] for row in db.execute("select words from said order by rowid")]


@contextmanager
def busy(folder: Path) -> Generator[None]:
    """Keep everybody from writing into the store, as a long transaction of another process does."""
    with closing(sqlite3.connect(file_of(folder))) as db:
        db.execute("begin immediate")
        yield
        db.rollback()


async def test_everything_a_step_says_is_kept_in_order_before_the_step_ends(tmp_path: Path) -> None:
    """Between the summary of a step and the next one stand all its lines, in the order in which they were said."""
    async with toy(tmp_path, wrap=saying) as it:
        await it.approved()
        remember_words(tmp_path)
        await it.receipt()
    assert words_of(tmp_path) == ["Put 3 boxes on left", *WORDS, "Count left", *WORDS, "verifying"]


async def test_who_says_something_does_not_wait_for_the_store(tmp_path: Path) -> None:
    """While another process holds the store, the step and everything else in this process go on; then it is written."""

    def held(handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            with busy(tmp_path):
                call.say(f"{call.step_id} while it was held")
                for _ in range(50):
                    await anyio.lowlevel.checkpoint()
            return await handler(call)

        return run

    async with toy(tmp_path, wrap=held) as it:
        await it.approved()
        remember_words(tmp_path)
        with anyio.fail_after(LIMIT_S):
            await it.receipt()
    assert words_of(tmp_path)[1::2] == ["fill while it was held", "count while it was held"]


async def test_a_line_that_cannot_be_written_ends_the_step_and_nothing_is_done_on_top_of_it(tmp_path: Path) -> None:
    """A full disk is told to the engine, which runs the step again: the step has no end, and no audit line."""
    async with toy(tmp_path, wrap=saying) as it:
        it.engine.holds = True
        await it.approved()
        operation = (await it.receipt()).operation_id or ""
        rewrite(
            tmp_path,
            "create trigger full before update of now_at on ink_operations when new.now_at = 'line 3' "
            "begin select raise(abort, 'database or disk is full'); end",
        )
        with pytest.raises(StateUnavailable, match="disk is full"):
            await _step(it, operation)
        assert await it.told() == ["proposed", "approved accept", "begin"]


async def _step(it: Toy, operation: str) -> None:
    with anyio.fail_after(LIMIT_S):
        await it.engine.program.step(operation, "fill", {})


async def test_the_next_word_after_a_failure_is_not_said() -> None:
    """Who goes on talking learns of it in the next sentence, not only at the end."""
    came_to: list[str] = []

    async def fail(words: str) -> None:
        raise StateUnavailable(f"{words} was not written.")

    async def talk() -> None:
        async with lines(fail) as say:
            for words in ("one", "two", "three"):
                say(words)
                came_to.append(words)
                await anyio.wait_all_tasks_blocked()

    with pytest.raises(StateUnavailable, match="one was not written"):
        await talk()
    assert came_to == ["one"]


async def test_a_step_that_is_broken_off_leaves_its_words() -> None:
    """What was said before an error, or before the server ended, is written all the same."""
    kept: list[str] = []

    async def keep(words: str) -> None:
        await anyio.lowlevel.checkpoint()
        kept.append(words)

    async def break_off() -> None:
        async with lines(keep) as say:
            say("one")
            say("two")
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await break_off()
    assert kept == ["one", "two"]
