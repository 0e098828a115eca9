"""Trouble that strikes a server while a step runs on it: its cable is cut for a while, or its power fails."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import anyio.to_thread

from ink_infra_mcp.app import WrapHandler
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from tests.lab.bed import Bed
from tests.lab.ground.commands import LabError
from tests.lab.ground.hosts import Server

Trouble = Literal["cable", "power"]
TROUBLES: Sequence[Trouble] = get_args(Trouble)
AWAY_S = {"cable": (1.0, 25.0), "power": (0.0, 5.0)}
"""For how long, from the shortest to the longest: a cable is back before TCP gives up, or long after."""
LATEST_S = 3.0
"""How long a step may have run when it is struck."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What happens, how long after a step has begun, and for how long."""

    trouble: Trouble
    after_s: float
    away_s: float

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.trouble} cut after {self.after_s:.1f} s for {self.away_s:.1f} s"


def drawn(chance: random.Random) -> Cut:
    """Return trouble by chance; half of it strikes before the step has done anything."""
    trouble = chance.choice(TROUBLES)
    after_s = chance.choice((0.0, chance.uniform(0, LATEST_S)))
    return Cut(trouble, after_s, chance.uniform(*AWAY_S[trouble]))


@dataclass
class Striking:
    """Strikes a server in each step of a call, once; `told` is what happened in which step."""

    bed: Bed
    server: Server
    draw: Callable[[str], Cut | None]
    told: dict[str, Cut] = field(default_factory=dict[str, Cut])
    _passed: set[str] = field(default_factory=set[str])
    _threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    _failed: list[LabError] = field(default_factory=list[LabError])
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def wrap(self) -> WrapHandler:
        """Return what goes round every handler."""

        def wrap(kind: str, handler: Handler) -> Handler:
            async def run(call: StepCall) -> JsonObject:
                cut = self._cut(call)
                return await (self._struck(handler, call, cut) if cut else handler(call))

            return run

        return wrap

    def _cut(self, call: StepCall) -> Cut | None:
        if call.step_id in self._passed:
            return None
        self._passed.add(call.step_id)
        cut = self.draw(call.step_id)
        if cut is not None:
            self.told[call.step_id] = cut
        return cut

    async def _struck(self, handler: Handler, call: StepCall, cut: Cut) -> JsonObject:
        """The trouble may well outlive the step, and meet what takes it back, or the next one."""
        begun = threading.Event()
        thread = threading.Thread(target=self._strike, args=(cut, begun))
        self._threads.append(thread)
        thread.start()
        if not cut.after_s:
            await anyio.to_thread.run_sync(begun.wait)
        return await handler(call)

    def _strike(self, cut: Cut, begun: threading.Event) -> None:
        """One after the other: what is cut is not cut again."""
        over = threading.Event()
        with self._one_at_a_time:
            over.wait(cut.after_s)
            try:
                _HURT[cut.trouble](self)
                begun.set()
                over.wait(cut.away_s)
                _MENDED[cut.trouble](self)
            except LabError as error:
                self._failed.append(error)
                begun.set()

    def end(self) -> None:
        """Wait until all trouble is over.

        Raises:
            LabError: the lab could not make or mend it.
        """
        for thread in self._threads:
            thread.join()
        for error in self._failed:
            raise error

    def pull(self) -> None:
        """Pull the cable."""
        self.bed.link(self.server.name, "drop")

    def plug(self) -> None:
        """Plug it in again."""
        self.bed.link(self.server.name, "clear")

    def cut_power(self) -> None:
        """Cut the power."""
        self.server.cut_power()

    def power_on(self) -> None:
        """Switch it on, and wait until sshd answers."""
        self.server.power_on()


_HURT: Mapping[Trouble, Callable[[Striking], None]] = {"cable": Striking.pull, "power": Striking.cut_power}
_MENDED: Mapping[Trouble, Callable[[Striking], None]] = {"cable": Striking.plug, "power": Striking.power_on}
