"""Server processes that die at a chosen moment by SIGKILL, over a pretend world that outlives them."""

import multiprocessing
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ink_infra_mcp.app import App, Wiring, WrapHandler
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.caller import Answer, Asked, Caller, Reply
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox
from ink_infra_mcp.sandbox.seed import seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.state import approvals
from tests.ink import CLOSED_WITHIN_S, PRINCIPAL, SPEED, wired

PATIENCE_S = 90.0
PROJECT, ENVIRONMENT = "tenant-7", "staging"
"""Where apps go; the world has neither at first, so that they are created too."""
PRIVATE = "10.250.0.0/16"
"""The fleet's private network, which a world has where a test makes it."""
CALLER = Caller(principal=PRINCIPAL, channel="elicitation", can_ask=True)
CHECKPOINT = "INSERT INTO main.operation_outputs"
Change = Callable[[WorldState], object]
FORKS = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a process dies: at the `nth` such event of its life.

    `before` and `after` a step handler (`what` is its kind); when an emulator has done a write and not yet answered
    (`reached`, a part of the journal's line); just before a statement is executed in the state store (`statement`,
    its beginning, with `about` at the start of one of its parameters); or just before a command that has a certain word
    is sent to a server (`sends`).
    """

    when: Literal["before", "after", "reached", "statement", "sends"]
    what: str
    about: str = ""
    nth: int = 1

    def __str__(self) -> str:
        """Return the name of the test case."""
        words = (self.when, self.what, self.about, str(self.nth) if self.nth > 1 else "")
        return " ".join(filter(None, words)).replace("/", ".")


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does: call a tool, say yes, and follow it; without a tool, go on with what it finds."""

    folder: Path
    ends: Endpoints
    tool: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])


class WatchedWorld(World):
    """A world that tells of each line that its journal gets, before the one who wrote has an answer."""

    watchers: tuple[Callable[[str], None], ...] = ()

    @contextmanager
    def change(self) -> Generator[WorldState]:
        """Give the state to change, as the world does."""
        with super().change() as state:
            known = len(state.journal)
            yield state
            fresh = state.journal[known:]
        for line in fresh:
            for tell in self.watchers:
                tell(line)


@dataclass(slots=True)
class Scene:
    """A world whose emulators answer in this process, and the state folder that one server leaves to the next."""

    folder: Path
    world: WatchedWorld
    ends: Endpoints

    def start(
        self, tool: str = "", arguments: Mapping[str, object] | None = None, *, dies: Moment | None = None
    ) -> ForkServerProcess:
        """Start a server process; without a tool it goes on with what it finds."""
        life = Life(self.folder, self.ends, tool, dict(arguments or {}))
        process = FORKS.Process(target=live, args=(life, dies), daemon=True)
        if dies is not None and dies.when == "reached":
            self.world.watchers += (_killer(process, dies),)
        process.start()
        return process

    async def kill(self, tool: str, arguments: Mapping[str, object], *, dies: Moment) -> None:
        """Let a server process call the tool until it dies at that moment."""
        assert (dies, await ended(self.start(tool, arguments, dies=dies))) == (dies, -signal.SIGKILL)

    async def kill_successor(self, dies: Moment) -> None:
        """Let a server process go on with what it finds until it dies at that moment."""
        assert (dies, await ended(self.start(dies=dies))) == (dies, -signal.SIGKILL)

    async def succeed(self) -> None:
        """Let a server process go on with what it finds, to the end."""
        assert await ended(self.start()) == 0

    @asynccontextmanager
    async def server(self, wrap_handler: WrapHandler | None = None) -> AsyncGenerator[App]:
        """Give a server in this process."""
        app = App(_wiring(self.folder, self.world, self.ends, wrap_handler))
        try:
            yield app
        finally:
            with anyio.move_on_after(CLOSED_WITHIN_S, shield=True):
                await app.aclose()


@contextmanager
def scene(folder: Path, change_world: Change | None = None) -> Generator[Scene]:
    """Give a fresh world, changed before anything answers in it, and its running emulators."""
    world = WatchedWorld(folder / "world.db", seed=seed, settle=settle, speed=SPEED)
    if change_world is not None:
        with world.change() as state:
            change_world(state)
    with Sandbox(world) as sandbox:
        yield Scene(folder=folder, world=world, ends=sandbox.start())


async def at_once(
    folder: Path,
    moments: Iterable[Moment],
    work: Callable[[Scene, Moment], Awaitable[None]],
    change_world: Change | None = None,
) -> None:
    """Do the work once for each moment, each in a scene of its own, all at the same time."""

    async def do(dies: Moment) -> None:
        with scene(folder / str(dies), change_world) as it:
            await work(it, dies)

    with anyio.fail_after(150):
        async with anyio.create_task_group() as group:
            for dies in moments:
                group.start_soon(do, dies)


def begin_forking(*more: str) -> None:
    """Start the process that all others are forked from, with everything imported; it ends with this one."""
    FORKS.set_forkserver_preload([__name__, "ink_infra_mcp.app.guarded", "ink_infra_mcp.engine.durable", *more])
    forkserver.ensure_running()


async def ended(process: ForkServerProcess, *, within_s: float = PATIENCE_S) -> int | None:
    """Return the exit code, once the process has ended; it is -9 after SIGKILL."""
    await anyio.to_thread.run_sync(process.join, within_s)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"the process neither died nor ended within {within_s:.0f} s")
    return process.exitcode


def live(life: Life, dies: Moment | None) -> None:
    """Be a server process."""
    wrap_handler = deadly(dies)
    world = World(life.folder / "world.db", seed=seed, settle=settle)
    opened = partial(_opened, life, world, wrap_handler)
    anyio.run(served, opened, life.tool, life.arguments)


def deadly(dies: Moment | None) -> WrapHandler | None:
    """Let this process die before or after a handler, by what is returned, or before a statement, from now on."""
    if dies is None:
        return None
    if dies.when == "statement":
        _die_at_statement(dies)
    return _deadly_handlers(dies)


async def called(app: App, tool: str, arguments: Mapping[str, object]) -> Receipt:
    """Call a tool as a client whose person says yes; return the receipt of the begun operation."""
    mutation = app.mutations[tool]
    args = mutation.args.model_validate(dict(arguments))
    said = await app.change(mutation, args, CALLER)
    if isinstance(said, Receipt) and said.outcome == "approval_required" and said.approval_id:
        said = await _after_yes_at_terminal(app, said.approval_id, lambda: app.change(mutation, args, CALLER))
    if isinstance(said, Asked):
        yes = Reply(said.approval.id, Answer("accept", typed=said.approval.phrase))
        said = await app.reply(mutation, args, yes, CALLER)
    assert isinstance(said, Receipt), said
    return said


async def _after_yes_at_terminal(
    app: App, approval_id: str, again: Callable[[], Awaitable[Receipt | Asked]]
) -> Receipt | Asked:
    """A plan that is too long for a client is read at a terminal; then the same call begins it."""
    waiting = await app.store.run(lambda connection: approvals.get(connection, approval_id))
    assert waiting is not None
    yes = Answer("accept", typed=waiting.phrase)
    await app.guarded.approvals.decide(approval_id, yes, by="terminal:tester", channel="ticket")
    return await again()


async def served(opened: Callable[[], App], tool: str, arguments: Mapping[str, object]) -> None:
    """Call a tool and follow it to its end; without a tool, go on with what is found."""
    app = opened()
    if tool:
        begun = (await called(app, tool, arguments)).operation_id
        operations = (begun,) if begun else ()
    else:
        operations = await app.take_over_orphans()
    for operation in operations:
        await app.follow(operation, PATIENCE_S, None)
    await app.drain()
    await app.aclose()


def _opened(life: Life, world: World, wrap_handler: WrapHandler | None) -> App:
    return App(_wiring(life.folder, world, life.ends, wrap_handler))


def _wiring(folder: Path, world: World, ends: Endpoints, wrap_handler: WrapHandler | None) -> Wiring:
    return wired(folder, world, ends, change_fleet=_in_a_new_project, wrap_handler=wrap_handler)


def _in_a_new_project(fleet: Fleet) -> Fleet:
    coolify = fleet.coolify.model_copy(update={"project": PROJECT, "environment": ENVIRONMENT})
    access = fleet.access.model_copy(update={"private": (PRIVATE,)})
    return fleet.model_copy(update={"coolify": coolify, "access": access})


def die() -> None:
    """End this process as SIGKILL does."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Countdown:
    """Says yes once: at the `nth` time that it is asked."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def over(self) -> bool:
        self._left -= 1
        return self._left == 0


def _deadly_handlers(dies: Moment) -> WrapHandler:
    countdown = _Countdown(dies.nth)

    def wrap(kind: str, handler: Handler) -> Handler:
        async def run(call: StepCall) -> JsonObject:
            if dies.when == "before" and countdown.over():
                die()
            result = await handler(call)
            if dies.when == "after" and countdown.over():
                die()
            return result

        return run if kind == dies.what else handler

    return wrap


def _die_at_statement(dies: Moment) -> None:
    countdown = _Countdown(dies.nth)

    def before_execute(_: object, __: object, statement: str, parameters: tuple[object, ...], *___: object) -> None:
        about = not dies.about or any(str(value).startswith(dies.about) for value in parameters)
        if " ".join(statement.split()).startswith(dies.what) and about and countdown.over():
            die()

    event.listen(Engine, "before_cursor_execute", before_execute)


def _killer(process: ForkServerProcess, dies: Moment) -> Callable[[str], None]:
    """Kills from outside, and lets the emulator go on only when the process is surely dead."""
    countdown = _Countdown(dies.nth)

    def kill(line: str) -> None:
        if dies.what in line and countdown.over():
            process.kill()
            connection.wait([process.sentinel], PATIENCE_S)

    return kill
