"""Zones at both providers for tests of what changes them: emulators on real sockets, and what they hold."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from ink_infra_mcp.clients import cloudflare, hetzner_dns
from ink_infra_mcp.clients.cloudflare import CloudflareLook
from ink_infra_mcp.clients.cloudflare.steps import CloudflareSteps
from ink_infra_mcp.clients.hetzner_dns import HetznerDnsLook
from ink_infra_mcp.clients.hetzner_dns.steps import HetznerDnsSteps
from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.core.dns.records import Record, RecordSet, as_param
from ink_infra_mcp.core.dns.zones import Zone
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.cloudflare import build_cloudflare
from ink_infra_mcp.sandbox.hetzner import build_hetzner
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_TOKEN, CloudflareRecord
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN, RRset
from ink_infra_mcp.sandbox.state_hetzner import Record as Held
from ink_infra_mcp.sandbox.world import World
from tests.clients.steps import Steps
from tests.clock import FakeClock
from tests.sandbox.pretend import pretend_world

PROVIDERS = ("hetzner", "cloudflare")
ZONES = {"hetzner": ("4710300", "example.com"), "cloudflare": ("5a" * 16, "example.org")}
KINDS = {"hetzner": "hetzner_dns", "cloudflare": "cloudflare"}
Watched = Callable[[ASGIApp], ASGIApp]
Sets = dict[str, tuple[int | None, tuple[str, ...]]]


@dataclass(frozen=True)
class Bed:
    """One provider's zone, and the steps that change it."""

    provider: str
    world: World
    clock: FakeClock
    steps: Steps
    look: HetznerDnsLook | CloudflareLook

    @property
    def domain(self) -> str:
        """Return the zone's name."""
        return ZONES[self.provider][1]

    async def zone(self) -> Zone:
        """Return the zone as the client tells it."""
        (zone,) = await self.look.zones()
        return zone

    def params(self, before: RecordSet | None, after: RecordSet | None) -> JsonObject:
        """Return the parameters of a step that changes one set into another."""
        one = before or after
        assert one is not None
        id, name = ZONES[self.provider]
        zone: JsonObject = {"id": id, "name": name}
        return {"zone": zone, "name": one.name, "type": one.type, "before": as_param(before), "after": as_param(after)}

    async def set(self, before: RecordSet | None, after: RecordSet | None) -> JsonObject:
        """Set the records."""
        return await self.steps.run(f"{KINDS[self.provider]}.set_records", self.params(before, after))

    async def restore(self, before: RecordSet | None, after: RecordSet | None) -> JsonObject:
        """Put the records back."""
        return await self.steps.run(f"{KINDS[self.provider]}.restore_records", self.params(before, after))

    def records(self, *values: str, ttl: int | None = 300, at: str = "*.s9", type: str = "A") -> RecordSet:
        """Return a set of the zone."""
        records = tuple(Record(value=value) for value in values)
        return RecordSet(name=f"{at}.{self.domain}", type=type, ttl=ttl, records=records)

    def put(self, given: RecordSet, *, comment: str = "somebody's") -> RecordSet:
        """Let somebody else put a set there; return it as the client tells it."""
        self.arrange(lambda state: _put(state, self.provider, given, comment))
        kept: JsonObject = {"ttl": given.ttl or 1} if self.provider == "cloudflare" else {}
        records = (Record(value=r.value, comment=comment, proxied=r.proxied, kept=kept) for r in given.records)
        return given.model_copy(update={"records": tuple(sorted(records, key=lambda r: r.value))})

    def held(self) -> Sets:
        """Return what the provider holds besides what was there from the beginning: TTL and values with comments."""
        state = self.world.read()
        found = _hetzner(state) if self.provider == "hetzner" else _cloudflare(state)
        return {name: (ttl, tuple(sorted(values))) for name, (ttl, values) in found.items() if "s9" in name}

    @property
    def writes(self) -> list[str]:
        """Return the ends of the paths of what was accepted."""
        return [line.rpartition("/")[2] for line in self.world.read().journal]

    def arrange(self, change: Callable[[WorldState], object]) -> None:
        """Change the world."""
        with self.world.change() as state:
            change(state)

    def trouble(self, kind: str, match: str = "POST", **more: Any) -> None:
        """Script a fault of the provider."""
        self.arrange(lambda state: state.faults.append(Fault(system=self.provider, match=match, kind=kind, **more)))


@asynccontextmanager
async def bed(folder: Path, provider: str, *, watched: Watched | None = None) -> AsyncGenerator[Bed]:
    """Give a provider's zone behind a real socket, whose time is the clock's; `watched` stands in front of it."""
    clock = FakeClock()
    world = pretend_world(folder, lambda: clock.now().timestamp())
    build, path = (build_hetzner, "v1") if provider == "hetzner" else (build_cloudflare, "client/v4")
    port, close = await listen(watched(build(world)) if watched else build(world))
    async with _http(provider, f"http://127.0.0.1:{port}/{path}/", clock) as http:
        if provider == "hetzner":
            handlers, look = HetznerDnsSteps(lambda: http).handlers(), HetznerDnsLook(http)
        else:
            handlers, look = CloudflareSteps(lambda: http).handlers(), CloudflareLook(http)
        yield Bed(provider, world, clock, Steps(handlers, clock), look)
    await close()


def _http(provider: str, url: str, clock: FakeClock) -> Http:
    hetzner = provider == "hetzner"
    token = Secret(HETZNER_TOKEN if hetzner else CLOUDFLARE_TOKEN)
    client = hetzner_dns if hetzner else cloudflare
    settings = HttpSettings(service=provider, base_url=url, reads=client.READS, token=token)
    return Http(settings, clock=clock, redact=Redactor([token]), classify=client.classify)


def _put(state: WorldState, provider: str, given: RecordSet, comment: str) -> None:
    if provider == "hetzner":
        zone = state.hetzner.zones[0]
        name = given.name.removesuffix(f".{zone.name}")
        zone.rrsets = [r for r in zone.rrsets if (r.name, r.type) != (name, given.type)]
        records = [Held(value=r.value, comment=comment) for r in given.records]
        zone.rrsets.append(RRset(name=name, type=given.type, ttl=given.ttl, records=records))
        return
    account, zone = state.cloudflare, state.cloudflare.zones[0]
    zone.records = [r for r in zone.records if (r.name, r.type) != (given.name, given.type)]
    for r in given.records:
        one = CloudflareRecord(id=account.new_id(), name=given.name, type=given.type, content=r.value)
        one.ttl, one.comment, one.proxied = given.ttl or 1, comment, r.proxied
        zone.records.append(one)


def _hetzner(state: WorldState) -> dict[str, tuple[int | None, list[str]]]:
    (zone,) = state.hetzner.zones
    return {f"{r.name} {r.type}": (r.ttl, [_told(v.value, v.comment) for v in r.records]) for r in zone.rrsets}


def _cloudflare(state: WorldState) -> dict[str, tuple[int | None, list[str]]]:
    (zone,) = state.cloudflare.zones
    found: dict[str, tuple[int | None, list[str]]] = {}
    for record in zone.records:
        at = f"{record.name.removesuffix(f'.{zone.name}')} {record.type}"
        found.setdefault(at, (record.ttl, []))[1].append(_told(record.content, record.comment or ""))
    return found


def _told(value: str, comment: str) -> str:
    return f"{value} ({comment})" if comment else value


def told(values: Iterable[str], comment: str) -> tuple[str, ...]:
    """Return values as `held` tells them."""
    return tuple(_told(value, comment) for value in sorted(values))
