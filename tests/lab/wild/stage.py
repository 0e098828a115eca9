"""Makes random servers of a server of the lab, one after the other, and holds each against connects from everywhere."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ink_infra_mcp.app import App
from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.knocks import Knocked
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.firewall.exposure import State
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from tests.lab.bed import Bed, meanwhile
from tests.lab.ground.commands import ip
from tests.lab.ground.hosts import Server
from tests.lab.ground.places import ADMIN, OUTSIDE
from tests.lab.ground.site import OUTSIDE_IPV4, OUTSIDE_IPV6
from tests.lab.wild import trying
from tests.lab.wild.dice import DOORS, SSH
from tests.lab.wild.judging import Judged, Tally, report, shrunk, told
from tests.lab.wild.worlds import World

LISTENER = Path(__file__).with_name("listener.py")
REACHED = ("PUBLIC", "PRIVATE", "SECOND", "INNER", "HELD", "ANYHOST")
"""The words for addresses that are knocked at where the server has them."""
SEEN_S, AT_LEISURE_S = 0.4, 2.0
TRIES = 60
"""How often a server is made again to find the least that shows a wrong `closed`."""


@dataclass(frozen=True)
class Stage:
    """A server to be used up and the two that connect to it, as `factory` and as a neighbour of the fleet."""

    bed: Bed
    app: App
    name: str
    factory: str
    fleet: str

    @property
    def server(self) -> Server:
        """The server that is made and made again."""
        return self.bed.lab.server(self.name)

    @property
    def words(self) -> Mapping[str, str]:
        """What the steps call addresses by; all but its own are derived from the server's number."""
        site, me = self.bed.lab.site, self.server.machine
        low = me.number & 255
        factory, fleet = (self.bed.lab.server(name).machine for name in (self.factory, self.fleet))
        six = site.ipv6_prefix.removesuffix("::")
        private = {} if me.light else {"PRIVATE4": me.private_ipv4, "PRIVATE6": me.private_ipv6}
        return {
            **{"PUBLIC4": me.ipv4, "PUBLIC6": me.ipv6, **private},
            **{"SECOND4": f"{site.block}.200.{low}", "SECOND6": f"{six}::{0xC800 + low:x}"},
            **{"INNER4": f"{site.block}.201.{low}", "INNER6": f"{six}:{low:x}01::1"},
            **{"HELD4": f"{site.block}.202.{low}", "HELD6": f"{six}:{low:x}02::1"},
            **{"ANYNET4": f"{site.block}.203.{low & 240}/28", "ANYHOST4": f"{site.block}.203.{(low & 240) + 9}"},
            **{"ANYNET6": f"{six}:{low:x}03::/124", "ANYHOST6": f"{six}:{low:x}03::9"},
            **{"GUEST4": f"{site.block}.204.2", "GUESTGW4": f"{site.block}.204.1"},
            **{"GATEWAY4": site.gateway_ipv4, "GATEWAY6": site.gateway_ipv6},
            **{"NET4": f"{site.block}.0.0/16", "NET6": f"{site.ipv6_prefix}/64"},
            **{"OUTSIDE4": OUTSIDE_IPV4, "OUTSIDE6": OUTSIDE_IPV6},
            **{"ADMIN4": site.admin_ipv4, "ADMIN6": site.admin_ipv6},
            **{"FACTORY4": factory.ipv4, "FACTORY6": factory.ipv6},
            **{"FLEET4": fleet.ipv4, "FLEET6": fleet.ipv6},
        }

    def lead(self) -> None:
        """Lead what is for the server's further IPv6 networks to it, from everywhere: nobody announces them."""
        words = self.words
        site = self.bed.lab.site
        networks = [words[name].partition("::")[0] + "::/64" for name in ("INNER6", "HELD6", "ANYNET6")]
        for namespace in (None, site.internet, *(site.namespace(each) for each in (self.factory, self.fleet))):
            ip((f"route replace {each} via {words['PUBLIC6']}" for each in networks), namespace=namespace)

    def make(self, world: World) -> tuple[str, ...]:
        """Set the server up anew and make it that world; return the steps that its tools refused."""
        server = self.bed.fresh(self.name)
        self.lead()
        words = self.words
        variables = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
        steps = (f"{{\n{step}\n}} </dev/null >/dev/null 2>&1 || echo {at}\n" for at, step in enumerate(world.steps))
        server.write("/run/listener.py", LISTENER.read_text(encoding="utf-8"))
        server.write("/run/steps", variables + "".join(steps))
        refused = server.run("sh", "/run/steps", limit_s=120).stdout.split()
        self._listen(server, [_filled(each, words) for each in world.listens])
        return tuple(world.steps[int(at)] for at in refused)

    def _listen(self, server: Server, wanted: Sequence[str]) -> None:
        begun = 'setsid python3 /run/listener.py /run/ready "$@" </dev/null >/run/listener.log 2>&1 &'
        there = "for i in $(seq 500); do [ -e /run/ready ] && exit; sleep 0.02; done; cat /run/listener.log; exit 1"
        server.say("sh", "-c", f"{begun}\n{there}", "sh", *wanted)

    def wanted(self) -> list[Knocked]:
        """Return every connect to an address that the server's kernel takes for its own now."""
        words = self.words
        known = {each: words[each] for name in REACHED for each in (f"{name}4", f"{name}6") if each in words}
        script = 'for a; do echo "$a $(ip -o route get "$a")"; done'
        said = self.server.run("sh", "-c", script, "sh", *known.values()).stdout.splitlines()
        own = {line.split()[0] for line in said if line.split()[1:2] == ["local"]}
        return [
            Knocked(server=self.name, origin=origin, source=source, address=address, port=port, answer="silent")
            for name, address in known.items()
            if address in own
            for origin, source in self._sources(private=name.startswith("PRIVATE"), six=name.endswith("6"))
            for port in (SSH, *DOORS)
        ]

    def _sources(self, *, private: bool, six: bool) -> Iterator[tuple[str, str]]:
        words, family = self.words, "6" if six else "4"
        if not private:
            yield OUTSIDE, words[f"OUTSIDE{family}"]
            yield ADMIN, words[f"ADMIN{family}"]
        for name, word in ((self.factory, "FACTORY"), (self.fleet, "FLEET")):
            machine = self.bed.lab.server(name).machine
            inner = machine.private_ipv6 if six else machine.private_ipv4
            yield name, inner if private else words[f"{word}{family}"]

    async def ground(self) -> Ground:
        """Return what the product judges the server by now, over a login of its own."""
        look = self.app.look
        async with self.bed.pool(*look.fleet.hosts, connect_timeout_s=20) as pool:
            facts = await gather_network(pool, self.name)
        host = look.fleet.host(self.name)
        front = await in_front_of(look, (host,))
        return ground_of(look, host, facts, front[self.name], neighbours_of(look.fleet, {self.name: facts}))

    async def judged(self, world: World) -> Judged:
        """Return a world as it was made, with what was computed and what was seen of every connect."""
        made: list[tuple[str, ...]] = []
        await meanwhile(lambda: made.append(self.make(world)))
        return Judged(world, await self.seen(), made[0])

    async def seen(self) -> tuple[tuple[Knocked, State | None], ...]:
        """Return every connect to the server as it is now, with what is computed of it."""
        ground = await self.ground()
        states = [(each, told(ground, each)) for each in await self._tried(self.wanted, SEEN_S)]
        # a busy machine is late
        late = [each for each, state in states if state is State.OPEN and each.answer == "silent"]
        met = {_place(each): each for each in await self._tried(lambda: late, AT_LEISURE_S)}
        return tuple((met.get(_place(each), each), state) for each, state in states)

    async def _tried(self, wanted: Callable[[], list[Knocked]], limit_s: float) -> list[Knocked]:
        seen: list[Knocked] = []
        await meanwhile(lambda: seen.extend(trying.tried(self.bed.lab.site, wanted(), limit_s=limit_s)))
        return seen

    async def held(self, world: World, tally: Tally) -> None:
        """Count a world in; of one with a wrong `closed`, find the least that shows it."""
        judged = await self.judged(world)
        tally.add(judged)
        if judged.of("wrong closed"):

            async def shows(candidate: World) -> bool:
                return bool((await self.judged(candidate)).of("wrong closed"))

            least = await shrunk(world, shows, most=TRIES)
            tally.wrong.append(report(judged.of("wrong closed")[:4], least))


def _place(knocked: Knocked) -> tuple[str, str, int]:
    return knocked.origin, knocked.address, knocked.port


def _filled(text: str, words: Mapping[str, str]) -> str:
    for name in sorted(words, key=len, reverse=True):
        text = text.replace(f"${name}", words[name])
    return text
