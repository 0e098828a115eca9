"""Server processes that call add_muscle for a server of the lab and die by SIGKILL on the way."""

from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from typing import Any

import anyio

from ink_infra_mcp.app import App
from tests.engine.killing import FORKS, Moment, deadly, served
from tests.lab.joining_bed import Ends, wiring
from tests.lab.killing import Scene


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does: call add_muscle, say yes, and follow it; or go on with what it finds."""

    ends: Ends
    arguments: dict[str, Any]
    calls: bool


@dataclass(slots=True)
class KilledJoining(Scene):
    """A bare server of the lab, and the state folder that one server process leaves to the next."""

    ends: Ends
    arguments: dict[str, Any]

    def _start(self, dies: Moment | None, *, calls: bool, window_s: int | None) -> ForkServerProcess:
        life = Life(self.ends, self.arguments, calls)
        process = FORKS.Process(target=live, args=(life, dies), daemon=True)
        process.start()
        return process


def live(life: Life, dies: Moment | None) -> None:
    """Be a server process."""
    wired = replace(wiring(life.ends), wrap_handler=deadly(dies))
    anyio.run(served, partial(App, wired), "add_muscle" if life.calls else "", life.arguments)
