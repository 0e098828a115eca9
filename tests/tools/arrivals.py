"""Machines that are to be Muscles, calls that a person says yes to at a terminal, and what all of it leaves behind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mcp import Client

from ink_infra_mcp.app import App
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.guard.caller import Answer
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_hosts import HostState
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.state import approvals
from tests.ink import Ink
from tests.tools.calls import Said, call

GIB = 2**30
NAME = "s3"
ADDRESS = "198.51.100.40"
PROVED = ("fleet", "baseline", "sshd", "coolify", "closed ports", "required ports", "canary", "web")
Change = Callable[[WorldState], None]


def bare(name: str = NAME, address: str = ADDRESS, **more: Any) -> Change:
    """Return a change that lets a server be there as its provider gives it: a system, and nothing of ours."""
    fields: dict[str, Any] = {
        "role": "muscle",
        "docker_version": "",
        "runtimes": [],
        "runsc_version": "",
        "without": ["docker", "runsc"],
        "memory_bytes": 64 * GIB,
        "authorized_keys": [],
        **more,
    }

    def there(state: WorldState) -> None:
        state.hosts[f"spare-{name}"] = HostState(name=f"spare-{name}", address=address, **fields)

    return there


def all_of(*changes: Change) -> Change:
    """Return one change that is several."""

    def changed(state: WorldState) -> None:
        for change in changes:
            change(state)

    return changed


def trouble(system: str, match: str, kind: str = "status", **more: object) -> Change:
    """Return a change that scripts a fault."""
    fault = Fault.model_validate({"system": system, "match": match, "kind": kind, **more})

    def broken(state: WorldState) -> None:
        state.faults.append(fault)

    return broken


def existing(it: Ink, *names: str, **machine: object) -> dict[str, Any]:
    """Return the arguments that take in the bare servers of these names, by the host keys that they really show."""
    hosts = it.state.hosts
    machines = [
        {"address": hosts[f"spare-{name}"].address, "host_key": it.ends.host_keys[f"spare-{name}"], **machine}
        for name in names
    ]
    return {"names": list(names), "source": {"kind": "existing", "machines": machines}, "wait_s": 3600}


def bought(*names: str, **source: object) -> dict[str, Any]:
    """Return the arguments that buy servers."""
    return {
        "names": list(names),
        "source": {"kind": "hetzner_cloud", "server_type": "cx53", "location": "fsn1", **source},
        "wait_s": 3600,
    }


async def approved(it: Ink, client: Client, tool: str, /, **arguments: Any) -> Said:
    """Call a tool; where it wants a person's yes, say it as at a terminal, and call again."""
    return await approved_in(it.app, client, tool, **arguments)


async def approved_in(app: App, client: Client, tool: str, /, **arguments: Any) -> Said:
    """Call a tool of a product that is open, as `approved` does."""
    said = await call(client, tool, **arguments)
    if said.outcome != "approval_required":
        return said
    await say_yes(app, str(said.data["approval_id"]))
    return await call(client, tool, **arguments)


async def say_yes(app: App, approval: str) -> None:
    """Say yes to a ticket, as a person at a terminal does."""
    waiting = await app.store.run(lambda connection: approvals.get(connection, approval))
    assert waiting is not None
    yes = Answer("accept", typed=waiting.phrase)
    await app.guarded.approvals.decide(approval, yes, by="terminal:tester", channel="ticket")


def all_proved(*names: str) -> dict[str, str]:
    """Return the proofs of Muscles of which nothing is left open, where no auditor is installed."""
    passed = {f"{name} {proof}": "passed" for name in names for proof in PROVED}
    return passed | {f"{name} auditors": "skipped" for name in names}


def written(it: Ink) -> dict[str, Muscle]:
    """Return the Muscles of fleet.toml as it lies on the disk; of a sandbox that has none yet, those in force."""
    path = it.app.settings.fleet_path
    muscles = load_fleet(path).muscles if path.exists() else it.app.look.fleet.muscles
    return {muscle.name: muscle for muscle in muscles}


@dataclass(frozen=True, slots=True)
class Vendors:
    """All that vendors hold and that somebody pays for, trusts or is led by."""

    servers: dict[str, str]
    firewalls: dict[str, tuple[int, ...]]
    keys: tuple[str, ...]
    records: dict[str, tuple[str, ...]]
    coolify_servers: dict[str, str]
    coolify_keys: tuple[str, ...]
    apps: tuple[str, ...]


def vendors(state: WorldState) -> Vendors:
    """Return what the world's vendors hold now."""
    cloud, coolify = state.hetzner, state.coolify
    return Vendors(
        servers={s.name: s.ipv4 or "" for s in cloud.servers},
        firewalls={f.name: tuple(b.server for b in f.bonds if b.server is not None) for f in cloud.firewalls},
        keys=tuple(key.name for key in cloud.ssh_keys),
        records={
            f"{r.name} {r.type}": tuple(record.value for record in r.records)
            for zone in cloud.zones
            for r in zone.rrsets
            if r.type != "SOA"
        },
        coolify_servers={s.name: s.ip for s in coolify.servers},
        coolify_keys=tuple(key.name for key in coolify.keys),
        apps=tuple(sorted((*(str(a.text("name")) for a in coolify.applications), *(s.name for s in coolify.services)))),
    )


def fleet_members(state: WorldState) -> dict[str, object]:
    """Return the servers that were there before anybody was added, with Coolify's rows of them, but for its checks."""
    hosts = {name: state.hosts[name].model_dump() for name in ("factory", "muscle-1", "muscle-2")}
    passing = {"next_check_at", "updated_at"}
    checked = {"settings": {"docker_version_checked_at"}}
    rows = {
        s.name: s.model_dump(exclude={**dict.fromkeys(passing, True), **checked})
        for s in state.coolify.servers
        if s.name in hosts
    }
    return {"hosts": hosts, "rows": rows}


def posts(journal: Iterable[str], path: str) -> int:
    """Return how often something was created under a path."""
    return sum(line.endswith(f" POST {path}") for line in journal)


class Meanwhile:
    """Changes the world once, just after a step of that kind has run: what nobody could foresee. `it` comes later."""

    def __init__(self, kind: str, change: Change) -> None:
        self._kind = kind
        self._change = change
        self.it: Ink | None = None

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def changed(call: StepCall) -> JsonObject:
            result = await handler(call)
            if self.it is not None:
                with self.it.world.change() as state:
                    self._change(state)
                self.it = None
            return result

        return changed if kind == self._kind else handler
