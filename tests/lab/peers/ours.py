"""Measures our own client in a process of its own: `python -m tests.lab.peers.ours`, asked and answering in JSON."""

import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.facts.gathering import HostFacts, ask_all, gather
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import host_of
from tests.lab.ground.hosts import Server
from tests.lab.ground.lab import Lab
from tests.lab.peers.meter import Cost, own_s, usage_file, used_s, wait_still

AREAS = ("system",)
"""What a light server can tell: it has no Docker."""
FAN_OUT = 32
ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 300.0
CONNECT_S = 30.0


class Failed(Exception):
    """A server did not answer as it should; the message says which, and why."""


@dataclass(frozen=True)
class Measured:
    """What the first and the second round of facts cost, over new and over kept connections, and what these hold."""

    cold: Cost
    warm: Cost
    memory_mib: float


def measured(lab: Lab, servers: Sequence[Server]) -> Measured:
    """Return what our client costs for these servers.

    Raises:
        Failed: one of them did not answer.
    """
    asked = {
        "hosts": [host_of(server).model_dump(mode="json") for server in servers],
        "key": lab.login_key,
        "usage": [str(usage_file(lab.site.prefix, server.name)) for server in servers],
    }
    done = subprocess.run(
        (sys.executable, "-m", "tests.lab.peers.ours"),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        cwd=ROOT,
    )
    if done.returncode:
        raise Failed(done.stderr.strip().rsplit("\n", 1)[-1])
    said = json.loads(done.stdout)
    return Measured(Cost(**said["cold"]), Cost(**said["warm"]), said["memory_mib"])


async def _measure(hosts: Sequence[Host], key: str, usage: Sequence[Path]) -> Measured:
    async with _pool(hosts[:1], key) as pool:
        # what is loaded with the first connection of a process is no cost of a host
        await _all_facts(pool, hosts[:1])
    gc.collect()
    before = resident_mib()
    async with _pool(hosts, key) as pool:
        facts = partial(_all_facts, pool, hosts)
        cold = await _cost(len(hosts), usage, facts)
        warm = await _cost(len(hosts), usage, facts)
        gc.collect()
        return Measured(cold, warm, resident_mib() - before)


async def _cost(count: int, usage: Sequence[Path], action: Callable[[], Awaitable[None]]) -> Cost:
    wait_still(usage)
    client, server, began = own_s(), used_s(usage), time.monotonic()
    await action()
    wall, client = time.monotonic() - began, own_s() - client
    wait_still(usage)
    return Cost(count, wall, client, used_s(usage) - server)


async def _all_facts(pool: HostPool, hosts: Sequence[Host]) -> None:
    found = await ask_all([host.name for host in hosts], partial(gather, pool, areas=AREAS))
    for name, facts in found.items():
        if not isinstance(facts, HostFacts) or facts.kernel != os.uname().release:
            raise Failed(f"{name}: {facts}")


def _pool(hosts: Sequence[Host], key: str) -> HostPool:
    return HostPool(
        {host.name: host for host in hosts},
        login=lambda: Secret(key, source="the lab"),
        clock=SystemClock(),
        redact=Redactor(),
        reads=READINGS,
        connect_timeout_s=CONNECT_S,
        fan_out=FAN_OUT,
    )


def resident_mib() -> float:
    """Return how much memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Measure what standard input names."""
    asked = json.load(sys.stdin)
    hosts = [Host.model_validate(host) for host in asked["hosts"]]
    found = asyncio.run(_measure(hosts, asked["key"], [Path(file) for file in asked["usage"]]))
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
