"""The private way on real servers: whole packets prove it, and a link that nobody keeps goes by itself.

The kernel of the lab has no VLANs: an `ip` in front of the real one makes a cable in place of each. So what is shown
is the switch, the managers' own judgement of what is written, and the proof; not a VLAN's packets or its next boot.
"""

from functools import partial

import anyio
import pytest

from ink_infra_mcp.core.errors import StepFailed
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.machine.private_way import PrivateWaySteps
from ink_infra_mcp.hosts.machine.vlans import VlanSteps, command, manager_of
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

pytestmark = pytest.mark.anyio

LIMIT_S = 300
NAME, OTHER = "muscle-2", "factory"
AT, GATEWAY, MTU = "10.251.1.10", "10.251.1.1", 1400
LINK: JsonObject = {
    "host": NAME,
    "vlan": 4000,
    "address": f"{AT}/24",
    "network": "10.251.0.0/16",
    "gateway": GATEWAY,
}
CABLE = """#!/bin/sh
case $* in
  "link add link eth0 name "*" type vlan id 4000") exec /usr/sbin/ip link add name "$6" type veth peer name far ;;
esac
exec /usr/sbin/ip "$@"
"""


def with_cables(server: Server) -> None:
    """Let `ip` make a cable in place of a VLAN."""
    server.write("/usr/local/bin/ip", CABLE)
    server.say("chmod", "755", "/usr/local/bin/ip")


async def step(pool: HostPool, kind: str, params: JsonObject) -> JsonObject:
    """Run a step."""
    call = StepCall("op-1", "x", kind, NAME, params, {}, permit_here("op-1", kind), SystemClock(), lambda _: None)
    return await {**VlanSteps(pool).handlers(), **PrivateWaySteps(pool).handlers()}[kind](call)


def link_of(server: Server) -> str:
    """Return what the kernel says of the link, empty where there is none."""
    return server.run("/usr/sbin/ip", "-4", "address", "show", "dev", "ink-v4000").stdout


async def linked(server: Server) -> bool:
    """Return whether the link is there with its address."""
    return f"inet {AT}/24" in await anyio.to_thread.run_sync(partial(link_of, server))


async def test_a_link_is_written_so_that_netplan_takes_it(bed: Bed) -> None:
    """Who rules the card is found by asking; what is kept is written, and wholly gone after the undo."""
    server = bed.fresh(NAME)
    await meanwhile(partial(with_cables, server))
    find = partial(server.say, "find", "/etc/netplan", "/etc/systemd/network", "-name", "*ink*", "-type", "f")
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            assert await manager_of(pool, NAME) == ("netplan", "")
            made = await step(pool, "hosts.set_vlan", LINK)
            kept = await step(pool, "hosts.keep_vlan", LINK)
            files = await anyio.to_thread.run_sync(find)
            there = await linked(server)
            await step(pool, "hosts.revert_vlan", LINK)
            left = await anyio.to_thread.run_sync(find)
            assert made == kept == {"host": NAME, "link": "ink-v4000", "manager": "netplan"}
            assert (len(files.split()), there) == (1, True)
            assert (left, await linked(server)) == ("", False)


async def test_a_link_that_nobody_keeps_goes_by_itself(bed: Bed) -> None:
    """Nothing that we do takes it back: the server does, when its time has come, and with a boot before that."""
    server = bed.fresh(NAME)
    await meanwhile(partial(with_cables, server))
    words = ("4000", f"{AT}/24", "10.251.0.0/16", GATEWAY)
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            for name, window in (("op-1", "3"), ("op-2", "600")):
                asked = command(("set", name, *words, window), as_root=True, changes=True)
                await pool.run(NAME, asked, permit=permit_here("op-1", "hosts.set_vlan"), check=True)
                assert await linked(server)
                if name == "op-2":
                    before = server.boot_id()
                    await meanwhile(server.reboot)
                    await meanwhile(partial(server.wait_rebooted, before))
                await eventually(lambda: link_of(server) == "", what="the link to be gone")


async def test_a_kernel_without_vlans_is_said_and_nothing_is_left(bed: Bed) -> None:
    """The lab's own: what the kernel says stands in the refusal, and neither link nor switch stays."""
    server = bed.fresh(NAME)
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            with pytest.raises(StepFailed, match="Unknown device type") as refused:
                await step(pool, "hosts.set_vlan", LINK)
            timers = await anyio.to_thread.run_sync(
                partial(server.say, "systemctl", "list-timers", "--all", "ink-vlan-*")
            )
            assert (refused.value.done, await linked(server)) == ("What was made is gone again.", False)
            assert "0 timers listed" in timers


async def test_the_private_way_is_proved_by_packets_of_exactly_that_size(bed: Bed) -> None:
    """Over a card that carries 1400 bytes packets of 1400 come back, larger ones do not, and then nothing is proved."""
    server = bed.fresh(NAME)
    await meanwhile(partial(server.say, "ip", "link", "set", "dev", "eth1", "mtu", str(MTU)))
    at, own = str(bed.host(NAME).private_address), str(bed.host(OTHER).private_address)
    way: JsonObject = {"host": NAME, "of": OTHER, "from": own, "address": at, "mtu": MTU, "port": 22}
    with anyio.fail_after(LIMIT_S):
        async with bed.pool() as pool:
            assert await step(pool, "hosts.await_private_card", {"host": NAME, "address": at}) == {
                "card": "eth1",
                "address": at,
            }
            assert await step(pool, "hosts.prove_private_way", way) == {"address": at, "mtu": str(MTU)}
            with pytest.raises(StepFailed, match="no packet of 1401 bytes came back to muscle-2"):
                await step(pool, "hosts.prove_private_way", {**way, "mtu": MTU + 1})
