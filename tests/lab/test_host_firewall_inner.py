"""What apply_firewall leaves alone on real servers: networks of containers and guests, and untracked ports."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.app import App
from ink_infra_mcp.core.host_firewall.model import HostFirewall
from ink_infra_mcp.core.host_firewall.steps import Try
from tests.ink import Person, data, says_yes
from tests.lab.bed import Bed, meanwhile
from tests.lab.broken import Broken, break_
from tests.lab.firewalls import Operation, change_of, firewall_of
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.tools_bed import app_of, client_of

pytestmark = pytest.mark.anyio

T = TypeVar("T")
NAME = "muscle-2"
LIMIT_S = 345
WEB = "registry.lab:5000/library/web:1"
GUEST_GATEWAY = "10.10.10.1"
COOLNET = "172.30.0.1"
MADE = f"""
docker network create --subnet 172.30.0.0/24 --gateway {COOLNET} -o com.docker.network.bridge.name=coolnet coolnet
docker run -d -q --name app --network coolnet --restart always {WEB}
"""
GUEST = f"""
for i in $(seq 100); do iptables -n -L DOCKER-USER >/dev/null 2>&1 && break; sleep 0.2; done
ip tuntap add dev wg0 mode tun
ip address add 10.66.0.1/24 dev wg0
ip link set wg0 up
sysctl -qw net.ipv4.ip_forward=1
ip link add vmbr0 type bridge
ip address add {GUEST_GATEWAY}/24 dev vmbr0
ip link set vmbr0 up
ip netns add guest
ip link add tap100 type veth peer name ens18 netns guest
ip link set tap100 master vmbr0 up
ip -n guest address add 10.10.10.2/24 dev ens18
ip -n guest link set ens18 up
ip -n guest route add default via {GUEST_GATEWAY}
iptables -t nat -A POSTROUTING -s 10.10.10.0/24 -o eth0 -j MASQUERADE
iptables -I DOCKER-USER -i vmbr0 -j ACCEPT
iptables -I DOCKER-USER -o vmbr0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"""
"""A bridge whose guest goes out by the server's address, as Proxmox has it; none of it lasts over a boot."""
NOTRACK = """
nft -f - <<'END'
table inet tuned {
  chain pre { type filter hook prerouting priority raw; policy accept; tcp dport { 80, 443 } notrack; }
  chain out { type filter hook output priority raw; policy accept; tcp sport { 80, 443 } notrack; }
}
END
"""


def reaches(server: Server, who: str, address: str, port: int) -> bool:
    """Return whether the container or the guest gets an answer of an sshd there."""
    if who == "app":
        script = f"nc -w 3 {address} {port} </dev/null | head -c 4"
        done = server.run("docker", "exec", "app", "sh", "-c", script)
    else:
        script = f"exec 3<>/dev/tcp/{address}/{port} && head -c 4 <&3"
        done = server.run("ip", "netns", "exec", "guest", "timeout", "3", "bash", "-c", script)
    return done.stdout == "SSH-"


def all_reached(bed: Bed, server: Server) -> dict[tuple[str, str], bool]:
    """Return whether each of both gets out to another server, and to its own one."""
    out = bed.lab.site.machines["factory"].ipv4
    gateways = {"app": COOLNET, "guest": GUEST_GATEWAY}
    return {(who, at): reaches(server, who, at, 22) for who, own in gateways.items() for at in (out, own)}


async def applied(app: App, person: Person) -> dict[str, Any]:
    """Return the receipt of apply_firewall."""
    async with client_of(app, person) as client:
        return data(await client.call_tool("apply_firewall", {"server": NAME, "wait_s": 100}))


async def in_a_thread(look: Callable[[], T]) -> T:
    """Look at the lab while the event loop goes on."""
    return await anyio.to_thread.run_sync(look)


async def rebooted(server: Server) -> None:
    """Reboot a server and wait for it."""
    before = server.boot_id()
    await meanwhile(server.reboot)
    await meanwhile(lambda: server.wait_rebooted(before))


@pytest.mark.timeout(720)
async def test_containers_and_guests_keep_their_networks_whatever_these_are_called(bed: Bed, tmp_path: Path) -> None:
    """A Docker network with a bridge called coolnet, and vmbr0 with a guest behind MASQUERADE, reach the world and the
    server as before, also after a reboot; the plan names both, and wg0, which nobody can try; twice nothing changes.
    """
    server = bed.fresh(NAME)
    await meanwhile(partial(server.say, "sh", "-ec", MADE + GUEST, limit_s=270))
    app = app_of(bed, tmp_path / "state")
    person = says_yes()
    try:
        with anyio.fail_after(LIMIT_S):
            before = await in_a_thread(partial(all_reached, bed, server))
            first = await applied(app, person)
            after = await in_a_thread(partial(all_reached, bed, server))
            again = await applied(app, person)
        with anyio.fail_after(LIMIT_S):
            await rebooted(server)
            await meanwhile(partial(server.say, "sh", "-ec", GUEST, limit_s=270))
            await meanwhile(lambda: until(lambda: reaches(server, "app", COOLNET, 22), what="it is off", limit_s=120))
            at_last = await in_a_thread(partial(all_reached, bed, server))
            once_more = await applied(app, person)
    finally:
        await app.aclose()
    assert (set(before.values()), after, at_last) == ({True}, before, before)
    outcomes = (first["outcome"], again["outcome"], once_more["outcome"])
    assert outcomes == ("applied", "already_so", "already_so"), first
    asked = " ".join(person.asked[0].replace("... ", "").split())
    named = "coolnet (172.30.0.0/24), docker0 (172.17.0.0/16), vmbr0 (10.10.10.0/24), wg0 (10.66.0.0/24)"
    assert f"what comes from the networks inside it, and what that may reach: {named}" in asked, asked
    assert "tried before and after from inside each but docker0, wg0: no container or guest" in asked, asked
    kept = next(check for check in first["checks"] if check["name"] == "kept ways")
    assert kept["status"] == "passed", kept
    assert bed.connect("outside", server.machine.ipv4, 22, limit_s=0.4) == "silent"


async def test_a_network_that_loses_its_way_is_given_it_back(bed: Bed) -> None:
    """Rules that take a bridge for the outside cut its guest off: the proof sees it, names it, and all is undone."""
    server = bed.fresh(NAME)
    await meanwhile(partial(server.say, "sh", "-ec", GUEST, limit_s=180))
    factory = bed.lab.site.machines["factory"].ipv4
    tries = tuple(Try(of=NAME, network="vmbr0", address=at, port=22) for at in (factory, GUEST_GATEWAY))
    wrong = HostFirewall.model_validate(firewall_of(bed.lab.site).model_dump() | {"outside": ("eth0", "eth1", "vmbr0")})
    change = change_of(bed.lab.site, NAME, wrong, window_s=90).model_copy(update={"tries": tries})
    async with bed.pool() as pool:
        operation = Operation.of(pool, change)
        with anyio.fail_after(LIMIT_S):
            await operation.run()
    assert operation.outcome == "undone"
    lost = f"vmbr0 of {NAME} to {factory} port 22, vmbr0 of {NAME} to {GUEST_GATEWAY} port 22"
    assert f"do not get through any more, and did before: {lost}." in operation.problem
    assert await in_a_thread(lambda: reaches(server, "guest", factory, 22))
    assert server.run("nft", "list", "table", "inet", "ink").returncode != 0


@pytest.mark.timeout(720)
async def test_a_website_whose_packets_are_not_tracked_stays_open(bed: Bed, tmp_path: Path) -> None:
    """With notrack for 80 and 443, a known tuning, port 80 answers afterwards as before, which was tried; the others
    are closed, and twice nothing changes.
    """
    server = bed.fresh(NAME)
    listens = ("0.0.0.0:80", "[::]:80", "0.0.0.0:443", "[::]:443", "0.0.0.0:9100")
    await meanwhile(partial(break_, bed.lab.site, server, Broken(published=(), listens=listens, script=NOTRACK)))
    app = app_of(bed, tmp_path / "state")

    def met() -> dict[tuple[str, int], str]:
        machine = server.machine
        return {(at, port): bed.connect("outside", at, port) for at in (machine.ipv4, machine.ipv6)
                for port in (80, 443, 9100)}  # fmt: skip

    try:
        with anyio.fail_after(LIMIT_S):
            before = await in_a_thread(met)
            first = await applied(app, says_yes())
            after = await in_a_thread(met)
            again = await applied(app, says_yes())
    finally:
        await app.aclose()
    four, six = server.machine.ipv4, server.machine.ipv6
    web = {(at, port): "open" for at in (four, six) for port in (80, 443)}
    assert before == {**web, (four, 9100): "open", (six, 9100): "refused"}
    assert after == {**web, (four, 9100): "silent", (six, 9100): "silent"}
    assert (first["outcome"], again["outcome"]) == ("applied", "already_so"), first


async def test_what_ufw_lets_containers_reach_they_reach_when_the_rule_goes(bed: Bed) -> None:
    """SSH for everybody, refused to one and limited: closed to the world, and a container still reaches its server."""
    server = bed.fresh(NAME)
    await meanwhile(partial(server.say, "sh", "-ec", MADE, limit_s=180))
    for rule in ("deny from 198.51.100.9", "reject 8000/tcp", "limit 22/tcp", "allow 23/tcp"):
        server.say("ufw", *rule.split())
    server.say("ufw", "--force", "enable")
    firewall = firewall_of(bed.lab.site, manager="ufw").model_copy(update={"behind": ("coolnet", "docker0")})
    assert reaches(server, "app", COOLNET, 22)
    async with bed.pool() as pool:
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall))
        with anyio.fail_after(LIMIT_S):
            assert await operation.run() == "applied", operation.problem
    assert reaches(server, "app", COOLNET, 22)
    assert bed.connect("outside", server.machine.ipv4, 22, limit_s=0.4) == "silent"
