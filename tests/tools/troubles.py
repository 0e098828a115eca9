"""What goes wrong with the pretend shop, and what diagnose_app says of it in a world of which that is taken back."""

import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from mcp import Client

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Deployment, DeploymentStatus, LogEntry
from ink_infra_mcp.sandbox.state_hetzner import Record, RRset
from ink_infra_mcp.sandbox.state_hosts import Container, HostState
from tests.ink import Ink
from tests.tools.calls import Said, app_named, call

LATER_S = 86_400.0
"""The pretend world is ahead of ours by less: what was started then was started just now."""
HOST = "shop.s1.example.com"
Change = Callable[[WorldState], object]


async def diagnosed(it: Ink, client: Client, *changes: Change, app: str = "shop") -> Said:
    """Return what is said of an app in a world with these troubles, and leave the world as it was."""
    async with in_world(it, *changes):
        return await call(client, "diagnose_app", app=app)


@asynccontextmanager
async def in_world(it: Ink, *changes: Change) -> AsyncGenerator[None]:
    """Let the world have these troubles, and leave it as it was."""
    before = it.state
    with it.world.change() as state:
        for server in state.coolify.servers:
            # Coolify looks at no server meanwhile, so that what it says stays what the trouble made of it
            server.next_check_at += 1e9
        for change in changes:
            change(state)
    try:
        yield
    finally:
        with it.world.change() as state:
            for name in WorldState.model_fields:
                setattr(state, name, getattr(before, name))


def first(said: Said) -> str:
    """Return the code of the likeliest cause, else of what stands beside, else the verdict."""
    found = [*said.data.get("causes", ()), *said.data.get("beside", ())]
    return str(found[0]["code"]) if found else str(said.data.get("verdict", said.text))


def muscle(state: WorldState, name: str = "muscle-1") -> HostState:
    """Return a pretend server."""
    return state.hosts[name]


def own(state: WorldState) -> list[Container]:
    """Return the containers of the shop."""
    return [container for container in muscle(state).containers if container.name.startswith(SHOP)]


def container(**fields: object) -> Change:
    """Let the shop's container be otherwise."""

    def change(state: WorldState) -> None:
        for each in own(state):
            for name, value in fields.items():
                setattr(each, name, value)

    return change


def started_again(times: int) -> Change:
    """Let Docker have started the shop's container that often again, the last time just now."""
    return container(restart_count=times, started_at=time.time() + LATER_S)


def urls(*given: str) -> Change:
    """Let Coolify have these URLs for the shop."""

    def change(state: WorldState) -> None:
        app_named(state, "shop").columns["fqdn"] = ",".join(given)

    return change


def gone(state: WorldState) -> None:
    """Take the shop's container away."""
    muscle(state).containers = [each for each in muscle(state).containers if each not in own(state)]


def says(status: str) -> Change:
    """Let Coolify say that of the shop."""

    def change(state: WorldState) -> None:
        app_named(state, "shop").status = status

    return change


def server(**fields: object) -> Change:
    """Let the shop's server be otherwise."""

    def change(state: WorldState) -> None:
        for name, value in fields.items():
            setattr(muscle(state), name, value)

    return change


def last(state: WorldState) -> Deployment:
    """Return the shop's last deployment."""
    return [each for each in state.coolify.deployments if each.application_uuid == SHOP][-1]


def deployment(status: DeploymentStatus, *lines: str, since_s: float = 0.0) -> Change:
    """Let the last deployment of the shop have come to that, with these lines at the end of its log; one that runs has
    begun that long ago."""

    def change(state: WorldState) -> None:
        row = last(state)
        row.status = status
        if status == "in_progress":
            row.finished_at = row.ends_at = None
            row.created_at = time.time() - since_s
        row.logs += [
            LogEntry(command=None, output=line, type="stderr", timestamp=0, hidden=False, order=900 + number)
            for number, line in enumerate(lines)
        ]

    return change


def undeployed(state: WorldState) -> None:
    """Let Coolify have no deployment of the shop."""
    state.coolify.deployments = [d for d in state.coolify.deployments if d.application_uuid != SHOP]


def crashes(state: WorldState) -> None:
    """Let Coolify have counted the starts of the shop after crashes."""
    app_named(state, "shop").columns |= {"restart_count": 10, "last_restart_type": "crash"}


def proxy(state: WorldState) -> None:
    """Let the proxy not run."""
    for each in muscle(state).containers:
        if each.name == "coolify-proxy":
            each.state, each.exit_code = "exited", 1


def proxy_ails(health: str) -> Change:
    """Let the proxy run, and its health check say that."""

    def change(state: WorldState) -> None:
        for each in muscle(state).containers:
            if each.name == "coolify-proxy":
                each.health = health

    return change


def unlabelled(state: WorldState) -> None:
    """Let the container's labels name another host than the app has now."""
    for each in own(state):
        each.labels = {name: text.replace(HOST, "old.example.com") for name, text in each.labels.items()}


def page(kind: str = "status", status: int = 200, body: str = "", *, to: str = "", times: int = 99) -> Change:
    """Let what answers for the shop's name be that, so often; a redirect leads `to` somewhere."""
    headers = {"location": to} if to else {}
    return lambda state: state.faults.append(
        Fault(system="edge", match=HOST, kind=kind, status=status, body=body, headers=headers, times=times)
    )


def itself(kind: str = "status", status: int = 200, *, to: str = "") -> Change:
    """Let the shop's container answer so where it is asked without the proxy."""
    headers = {"location": to} if to else {}
    fault = Fault(system="app", match=HOST, kind=kind, status=status, headers=headers, times=99)
    return lambda state: state.faults.append(fault.model_copy())


def plain(text: str) -> str:
    """Return words without the address of a container, which is another one in each world."""
    return re.sub(r"10\.0\.\d+\.\d+:", "its port ", text)


def record(name: str, value: str) -> Change:
    """Let a name of the zone lead there."""
    row = RRset(name=name, type="A", records=[Record(value=value)], ttl=60)
    return lambda state: state.hetzner.zones[0].rrsets.append(row)


def aaaa(address: str = "2001:db8:dead::1") -> Change:
    """Give the shop's name an IPv6 address beside the IPv4 address of its server."""

    def change(state: WorldState) -> None:
        record("shop.s1", "192.0.2.11")(state)
        row = RRset(name="shop.s1", type="AAAA", records=[Record(value=address)], ttl=60)
        state.hetzner.zones[0].rrsets.append(row)

    return change


def nameless(state: WorldState) -> None:
    """Let the wildcard of the shop's server not be there."""
    zone = state.hetzner.zones[0]
    zone.rrsets = [rrset for rrset in zone.rrsets if rrset.name != "*.s1"]


def undelegated(state: WorldState) -> None:
    """Let the world not ask the zone's servers."""
    zone = state.hetzner.zones[0]
    zone.delegated, zone.delegation_status = ["ns1.example.net."], "invalid"


def deeper(state: WorldState) -> None:
    """Give the shop a name that its proxy has no certificate for."""
    app_named(state, "shop").columns["fqdn"] = "https://b.a.shop.s1.example.com"
    for each in own(state):
        each.labels = {name: text.replace(HOST, "b.a.shop.s1.example.com") for name, text in each.labels.items()}


many = urls(f"https://{HOST}", *(f"https://{HOST}/{number}" for number in range(11)))
"""So many URLs that some are not visited."""


def closed(state: WorldState) -> None:
    """Let the firewall in front of all servers let no web in."""
    for firewall in state.hetzner.firewalls:
        firewall.rules = [rule for rule in firewall.rules if rule.port not in ("80", "443")]


def failing(system: str, **more: object) -> Change:
    """Let a system fail for everybody."""
    fields = {"system": system, "match": "", "kind": "status", "times": 999, **more}
    return lambda state: state.faults.append(Fault.model_validate(fields))
