"""The product over the lab with a provider in front: emulated APIs whose state is put into force with real rules."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ink_infra_mcp.app import App, Places
from ink_infra_mcp.sandbox.hetzner.app import build_hetzner
from ink_infra_mcp.sandbox.hetzner.attaching import firewalls_at
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.physics import settle
from ink_infra_mcp.sandbox.robot import build_robot
from ink_infra_mcp.sandbox.running import LOOPBACK, tokens
from ink_infra_mcp.sandbox.seed import seed
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import Firewall, FirewallRule
from ink_infra_mcp.sandbox.state_hetzner import Server, seed_hetzner
from ink_infra_mcp.sandbox.state_robot import RobotServer, RobotSet, seed_robot
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.settings.secrets import Secrets
from tests.lab.bed import Bed
from tests.lab.ground import provider
from tests.lab.provider_rules import Wall, cloud_wall, robot_wall
from tests.lab.tools_bed import fleet_of, wiring_of

NAME = "muscle-2"
ROBOT, CLOUD = 2_100_322, 4_710_003
"""What the server is called at Robot, and in the Cloud project."""
_LEAP_FROM_S, _PAUSE_S = 0.5, 0.02
Faulty = Callable[[Wall | None], Wall | None]
Change = Callable[[WorldState], object]


class LeapingClock:
    """Real time that leaps over every longer wait: what a provider takes a minute for takes no time of ours."""

    def __init__(self) -> None:
        self.leapt_s = 0.0

    def time(self) -> float:
        """Return the Unix time of the pretend world."""
        return time.time() + self.leapt_s

    def now(self) -> datetime:
        """Return the real instant."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that leap."""
        return time.monotonic() + self.leapt_s

    async def sleep(self, seconds: float) -> None:
        """Leap over a wait, after a moment in which others go on; a short one is waited for."""
        if seconds < _LEAP_FROM_S:
            await asyncio.sleep(seconds)
            return
        self.leapt_s += seconds
        await asyncio.sleep(_PAUSE_S)


@dataclass(slots=True)
class Switch:
    """The port that the server's cable is in: it has the rules that the provider's state says are in force.

    `faulty` makes something else of what is put into force once the first rules are no longer right.
    """

    bed: Bed
    kind: str
    faulty: Faulty | None = None
    walls: list[Wall | None] = field(default_factory=list[Wall | None])
    _arrived: dict[int, list[FirewallRule]] = field(default_factory=dict[int, list[FirewallRule]])

    def enforce(self, state: WorldState, now: float) -> None:
        """Put into force what the state says for this moment."""
        wall = robot_wall(dedicated(state).in_force(now)) if self.kind == "robot" else self._cloud(state, now)
        if self.faulty is not None and self.walls and wall != self.walls[0]:
            wall = self.faulty(wall)
        if not self.walls or wall != self.walls[-1]:
            self.walls.append(wall)
            self._put(wall)

    def _cloud(self, state: WorldState, now: float) -> Wall | None:
        """What is pending at the server is not in force: what had arrived before is, where anything had."""
        at = firewalls_at(state.hetzner, in_cloud(state))
        self._arrived = {
            firewall.id: firewall.rules if arrival.ready_at <= now else self._arrived[firewall.id]
            for firewall, arrival in at
            if arrival.ready_at <= now or firewall.id in self._arrived
        }
        return cloud_wall(self._arrived.values())

    def _put(self, wall: Wall | None) -> None:
        site, machine = self.bed.lab.site, self.bed.lab.server(NAME).machine
        if wall is None:
            provider.remove(site, machine)
        else:
            provider.apply(site, machine, inbound=wall.inbound, outbound=wall.outbound, private=wall.private)


class EnforcedWorld(World):
    """A world whose every look and change puts the provider's rules of that moment into force, before any answer.

    `slow` may change what was written just now, as a provider that takes its time; it is given the journal's line.
    """

    slow: Callable[[WorldState, str], object] | None = None

    def __init__(self, path: Path, clock: LeapingClock, switch: Switch) -> None:
        super().__init__(path, seed=seed, settle=settle, real_now=clock.time)
        self._switch = switch

    @contextmanager
    def change(self) -> Generator[WorldState]:
        """Give the state to change, as the world does."""
        with super().change() as state:
            known = len(state.journal)
            yield state
            for line in state.journal[known:]:
                if self.slow is not None:
                    self.slow(state, line)
            self._switch.enforce(state, self.now(state))


@dataclass(slots=True)
class Front:
    """The product, and the provider in front of the server that is changed."""

    bed: Bed
    app: App
    world: EnforcedWorld
    switch: Switch
    clock: LeapingClock

    def begin(self, first: Change) -> None:
        """Begin anew, with nothing in front of the server but what `first` makes of an empty state."""
        self.world.slow = self.switch.faulty = None
        self.switch.walls.clear()
        with self.world.change() as state:
            now = self.world.now(state)
            state.robot, state.hetzner = seed_robot(), seed_hetzner(now)
            state.hetzner.firewalls.clear()
            nothing = RobotSet()
            bare = RobotServer(number=ROBOT, name=NAME, ipv4=None, ipv6_net="", firewall=nothing, before=nothing)
            state.robot.servers = [bare]
            first(state)
            for server in (dedicated(state), in_cloud(state)):
                server.ipv4 = self.bed.lab.server(NAME).machine.ipv4
            state.journal.clear()

    def hold(self, match: str, seconds: float) -> None:
        """Let the next write that `match` names take that long to come into force."""

        def slow(state: WorldState, line: str) -> None:
            if match not in line:
                return
            self.world.slow = None
            now = self.world.now(state)
            dedicated(state).ready_at = now + seconds
            for action in state.hetzner.actions:
                action.ends = now + seconds if action.ends > now else action.ends
            for firewall in state.hetzner.firewalls:
                _delay(firewall, now, seconds)

        self.world.slow = slow

    @property
    def held(self) -> RobotSet:
        """Return the set that Robot holds."""
        return dedicated(self.world.read()).firewall

    @property
    def attached(self) -> dict[str, list[FirewallRule]]:
        """Return the Cloud firewalls at the server, with their rules, by name."""
        state = self.world.read()
        return {firewall.name: firewall.rules for firewall, _ in firewalls_at(state.hetzner, in_cloud(state))}

    @property
    def written(self) -> list[str]:
        """Return the writes that the providers accepted."""
        return self.world.read().journal

    @property
    def sent(self) -> int:
        """Return how many sets were sent to Robot, whatever came of it."""
        counts = self.world.read().robot.counts
        return sum(count.used for name, count in counts.items() if name.startswith(("POST", "DELETE")))


def _delay(firewall: Firewall, now: float, seconds: float) -> None:
    for arrival in firewall.at:
        arrival.ready_at = now + seconds if arrival.ready_at > now else arrival.ready_at
    for bond in firewall.bonds:
        bond.until = now + seconds if bond.until is not None else None


def dedicated(state: WorldState) -> RobotServer:
    """Return the server as Robot has it."""
    return state.robot.servers[0]


def in_cloud(state: WorldState) -> Server:
    """Return the server as the Cloud project has it."""
    return next(server for server in state.hetzner.servers if server.id == CLOUD)


@asynccontextmanager
async def fronted(bed: Bed, folder: Path, kind: Literal["robot", "cloud"]) -> AsyncGenerator[Front]:
    """Give the product with a provider of that kind in front of the server; it is open until `begin` says more."""
    clock, switch = LeapingClock(), Switch(bed, kind)
    world = EnforcedWorld(folder / "world.db", clock, switch)
    robot_port, close_robot = await listen(build_robot(world))
    cloud_port, close_cloud = await listen(build_hetzner(world))
    number = ROBOT if kind == "robot" else CLOUD
    wiring = wiring_of(bed, folder / "state", fleet_of(bed, provider=f"hetzner_{kind}", provider_id=str(number)))
    environ = {f"INK_{name.upper()}": value for name, value in (tokens() | {"ssh_key": bed.lab.login_key}).items()}
    places = Places(hetzner_cloud=f"http://{LOOPBACK}:{cloud_port}/v1", hetzner_robot=f"http://{LOOPBACK}:{robot_port}")
    secrets = Secrets(environ, redact=wiring.redact)
    # a connect that nothing answers is waited for, again and again
    app = App(replace(wiring, clock=clock, secrets=secrets, places=places, knock_s=1.0))
    try:
        yield Front(bed, app, world, switch, clock)
    finally:
        await app.aclose()
        await asyncio.gather(close_robot(), close_cloud())
        bed.lab.provider_open(NAME)
