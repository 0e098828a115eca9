"""Server processes over the lab that die by SIGKILL, also while their script on a server is held where it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL

import anyio

from ink_infra_mcp.app import App, Wiring, WrapHandler
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.ssh.command import CommandResult, HostCommand
from tests.engine.killing import FORKS, Moment, deadly, die, ended, served
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.ground.site import Site
from tests.lab.tools_bed import fleet_of, wiring_of

LIFE_S = 120.0
"""More than a server process takes for a whole operation, on a machine that is busy."""
HELD, GO = "/run/held", "/run/go"
_HOLDER = f"""#!/bin/sh
# the first run with such words is held, before or after its work, until it is let go
held() {{ case "$*" in %s) mkdir {HELD} 2>/dev/null ;; *) return 1 ;; esac; }}
wait_for_go() {{ until [ -e {GO} ]; do sleep 0.02; done; }}
for place in /usr/sbin /usr/bin; do [ ! -x "$place/${{0##*/}}" ] || real=$place/${{0##*/}}; done
held "$@" || exec "$real" "$@"
[ %s = after ] || wait_for_go
"$real" "$@"
status=$?
[ %s = before ] || wait_for_go
exit "$status"
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A moment inside a step: the script on the server is held before or after a program it starts, then we die.

    `words` is what the program is given, as a pattern of the shell's `case`.
    """

    program: str
    words: str
    after: bool = False

    def __str__(self) -> str:
        """Return the moment in words."""
        return f"{'after' if self.after else 'before'} {self.program} {self.words}"

    @property
    def text(self) -> str:
        """Return the program that stands in for the held one."""
        when = "after" if self.after else "before"
        return _HOLDER % (self.words, when, when)


Death = Moment | Hold


@dataclass(frozen=True, slots=True)
class Life:
    """What a process does: call apply_firewall for a server, say yes, and follow it; or go on with what it finds."""

    site: Site
    folder: Path
    server: str
    calls: bool
    window_s: int | None


@dataclass(slots=True)
class Scene:
    """A server of the lab, and the state folder that one server process leaves to the next."""

    bed: Bed
    server: Server
    folder: Path
    held: Hold | None = field(default=None, init=False)

    @property
    def call(self) -> Mapping[str, object]:
        """What apply_firewall is called with."""
        return {"server": self.server.name}

    async def kill(self, death: Death, *, calls: bool, window_s: int | None = None) -> None:
        """Let a server process call apply_firewall, or go on with what it finds, until it dies at that moment."""
        if isinstance(death, Moment):
            process = self._start(death, calls=calls, window_s=window_s)
            await self._relieve()
        else:
            await meanwhile(partial(self._plant, death))
            process = self._start(None, calls=calls, window_s=window_s)
            await eventually(lambda: self._there(HELD), what=f"the script never came to {death}", limit_s=LIFE_S)
            process.kill()
        assert (str(death), await ended(process, within_s=LIFE_S)) == (str(death), -SIGKILL)

    async def succeed(self) -> None:
        """Let a server process go on with what it finds, to the end.

        The script of the one before, if it is held on the server, is let go when the new one's waits for it.
        """
        process = self._start(None, calls=False, window_s=None)
        await self._relieve()
        assert await ended(process, within_s=LIFE_S) == 0

    async def _relieve(self) -> None:
        if self.held:
            await meanwhile(self._wait_for_heir)
            await meanwhile(self._let_go)

    def reverted(self) -> bool:
        """Return whether a change of the server's firewall is called reverted, by the server's own files."""
        return any(self._path("/var/lib/ink-infra/firewall").glob("*/reverted"))

    def open(self) -> App:
        """Return a server of this process, on the same state."""
        return App(wiring_with(self.bed, self.folder, self.server.name))

    def _start(self, dies: Moment | None, *, calls: bool, window_s: int | None) -> ForkServerProcess:
        life = Life(self.bed.lab.site, self.folder, self.server.name, calls, window_s)
        process = FORKS.Process(target=live, args=(life, dies), daemon=True)
        process.start()
        return process

    def _plant(self, hold: Hold) -> None:
        self.held = hold
        self.server.say("rm", "-rf", HELD, GO)
        self.server.write(f"/usr/local/bin/{hold.program}", hold.text)
        self.server.say("chmod", "755", f"/usr/local/bin/{hold.program}")

    def _wait_for_heir(self) -> None:
        def waits() -> bool:
            return self.server.run("pgrep", "-x", "flock").returncode == 0

        until(waits, what="the next process does not wait for the dead one's script", limit_s=LIFE_S, pause_s=0.1)

    def _let_go(self) -> None:
        assert self.held
        self.server.write(GO, "")
        self.server.say("rm", f"/usr/local/bin/{self.held.program}")
        self.held = None

    def _there(self, path: str) -> bool:
        return self._path(path).exists()

    def _path(self, path: str) -> Path:
        return Path(f"/proc/{self.server.init}/root{path}")


def wiring_with(bed: Bed, folder: Path, name: str) -> Wiring:
    """Return what the product is made of, with a fleet of the Factory and one Muscle."""
    fleet = fleet_of(bed)
    muscles = tuple(muscle for muscle in fleet.muscles if muscle.name == name)
    return wiring_of(bed, folder / "state", fleet.model_copy(update={"muscles": muscles}))


def live(life: Life, dies: Moment | None) -> None:
    """Be a server process."""
    wrap = _shortened(life.window_s, deadly(dies))
    wiring = replace(wiring_with(Bed(Lab(life.site)), life.folder, life.server), wrap_handler=wrap)
    sends = dies.what if dies is not None and dies.when == "sends" else None

    def opened() -> App:
        app = App(wiring)
        if sends:
            _die_sending(app, sends)
        return app

    anyio.run(served, opened, "apply_firewall" if life.calls else "", {"server": life.server})


def _shortened(window_s: int | None, then: WrapHandler | None) -> WrapHandler | None:
    """A test that waits for the end of the probation has a shorter one than apply_firewall plans."""
    if window_s is None:
        return then

    def wrap(kind: str, handler: Handler) -> Handler:
        inner = then(kind, handler) if then else handler

        async def run(call: StepCall) -> JsonObject:
            return await inner(replace(call, params={**call.params, "window_s": window_s}))

        return run if kind == "hosts.set_firewall" else inner

    return wrap


def _die_sending(app: App, word: str) -> None:
    send = app.hosts.run

    async def run(
        host_name: str, command: HostCommand, *, permit: Permit | None = None, check: bool = False
    ) -> CommandResult:
        if word in command.words:
            die()
        return await send(host_name, command, permit=permit, check=check)

    app.hosts.run = run
