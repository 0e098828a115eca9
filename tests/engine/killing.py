"""Server processes that die at a chosen moment by SIGKILL, over a pretend world that outlives them."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import Any, Literal

import anyio
from pydantic import JsonValue
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ink_infra_mcp.app import App
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.receipt import Receipt
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.caller import Answer, Asked, Caller
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox
from ink_infra_mcp.sandbox.seed import seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.world import World
from tests.ink import PRINCIPAL, SPEED, wired

PATIENCE_S = 30.0
CALLER = Caller(principal=PRINCIPAL, channel="elicitation", can_ask=True)
_FORKS = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a process dies, at the `nth` such event of its life.

    `before` and `after` a step handler (`what` is its kind); at the time that an emulator has done a write and has not
    answered it yet (`reached`, a part of the journal's line); or just before a statement is executed in the state store
    (`statement`, a beginning of it, with `about` among its parameters).
    """

    when: Literal["before", "after", "reached", "statement"]
    what: str
    about: str = ""
    nth: int = 1

    def __str__(self) -> str:
        """Return the name of the test case."""
        words = [self.when, self.what.removeprefix("coolify ").removeprefix("INSERT INTO "), self.about]
        return "-".join([*filter(None, words), *([str(self.nth)] if self.nth > 1 else [])]).replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does: call a tool and follow it, or only go on with what it finds."""

    folder: Path
    ends: Endpoints
    project: str
    environment: str
    tool: str = ""
    arguments: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


def start_forking() -> None:
    """Start the process that others are forked from, with everything imported; it ends with this one."""
    _FORKS.set_forkserver_preload([__name__, "ink_infra_mcp.engine.durable"])
    forkserver.ensure_running()
