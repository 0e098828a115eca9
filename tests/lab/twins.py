"""A real server and a pretend one in the same situation, each with a neighbour, both as the product's fleet has it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.host_firewall.model import Manager
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.sandbox.hosts import serve_hosts
from ink_infra_mcp.sandbox.state_hosts import Container, Firewalld, HostFirewall, HostState, Ufw
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed, eventually, meanwhile
from tests.lab.ground.hosts import Server
from tests.lab.ground.site import Machine
from tests.ssh.servers import world_of

NAME, NEIGHBOUR = "muscle-2", "muscle-1"
LABS_DOCKER = "26.1.5"
WEB = "registry.lab:5000/library/web:1"
PORTS = (22, 81, 8000, 8080, 9100, 9101, 9102, 9104)
"""What is knocked at: SSH, published ports, and such that rules speak of, where nobody listens."""
PUBLISHED = ("8000:8080", "8080:8080", "127.0.0.1:81:81", "443:443/udp")
HAND_MADE = """\
table inet own {
  set friends { type ipv4_addr; flags interval; elements = { 192.0.2.7, 203.0.113.0/24 }; }
  chain friendly {
    ip saddr @friends accept
    drop
  }
  chain in {
    type filter hook input priority 0; policy accept;
    ct state established,related accept
    tcp dport { 22, 80 } accept
    tcp dport 9100 jump friendly
    tcp dport 9101 reject with tcp reset
  }
}
"""
UFW = (
    "allow proto tcp from any to any port 22",
    "deny 8000/tcp",
    "limit 9100/tcp",
    "reject 9101/tcp",
    "allow 9102",
    "allow proto tcp from 192.0.2.7 to any port 9103",
    "allow in on eth1 proto tcp from any to any port 9104",
)
UFW_RULES = (
    "allow tcp 22 {any} any {any} in",
    "deny tcp 8000 {any} any {any} in",
    "limit tcp 9100 {any} any {any} in",
    "reject tcp 9101 {any} any {any} in",
    "allow any 9102 {any} any {any} in",
    "allow tcp 9103 {any} any 192.0.2.7 in",
    "allow tcp 9104 {any} any {any} in_eth1",
)


@dataclass(frozen=True, slots=True)
class Situation:
    """A state of a server: the commands that bring a real one into it, and how the pretend one is described."""

    name: str
    script: str
    pretend: Mapping[str, object] = field(default_factory=dict[str, object])
    firewall: HostFirewall = field(default_factory=HostFirewall)
    rejects: bool = False
    """Whether the rest is rejected by ICMP."""

    @property
    def manager(self) -> Manager:
        """Who keeps its firewall."""
        if self.firewall.ufw and self.firewall.ufw.active:
            return "ufw"
        return "firewalld" if self.firewall.firewalld else "nftables"


@dataclass(frozen=True, slots=True)
class Twin:
    """One of both: the product's way to it and its neighbour, and the addresses that are knocked at.

    `alter` puts a rule into our table by hand; `expire` lets the switch of a change fire, or waits until it has.
    """

    pool: HostPool
    addresses: Mapping[str, str]
    alter: Callable[[], Awaitable[object]]
    expire: Callable[[str], Awaitable[object]]


def _ufw_rules(anywhere: str) -> list[str]:
    return [rule.format(any=anywhere) for rule in UFW_RULES if ":" not in anywhere or "192.0.2.7" not in rule]


def _published() -> list[Container]:
    """Docker publishes at every address of both families, unless told one."""
    found: list[Container] = []
    for number, text in enumerate(PUBLISHED):
        outer, _, inner = text.rpartition(":")
        inside = inner if "/" in inner else f"{inner}/tcp"
        at = [outer] if ":" in outer else [f"0.0.0.0:{outer}", f"[::]:{outer}"]
        ports = [f"{where}->{inside}" for where in at]
        found.append(Container(id=f"{number + 1:x}" * 64, name=f"p{number}", image=WEB, ports=ports))
    return found


_NETWORK = "docker network create coolify"
_RUN = f"{_NETWORK}; " + "; ".join(
    f"docker run -d -q --network coolify --name p{n} -p {p} {WEB}" for n, p in enumerate(PUBLISHED)
)
_FIREWALLD = "systemctl start firewalld; firewall-cmd -q --permanent --add-port=9102/tcp; firewall-cmd -q --reload"
NOTHING = Situation("nothing filters", _NETWORK)
SITUATIONS = (
    NOTHING,
    Situation("ports are published", _RUN, {"containers": _published()}),
    Situation(
        "ufw is active, and ports are published",
        f"{_RUN}; {'; '.join(f'ufw {rule}' for rule in UFW)}; ufw --force enable",
        {"containers": _published()},
        HostFirewall(ufw=Ufw(active=True, rules4=_ufw_rules("0.0.0.0/0"), rules6=_ufw_rules("::/0"))),
    ),
    Situation("ufw is absent", f"{_NETWORK}; mv /usr/sbin/ufw /root", firewall=HostFirewall(ufw=None)),
    Situation(
        "a table made by hand", f"{_NETWORK}; nft -f - <<'END'\n{HAND_MADE}END", firewall=HostFirewall(tables=HAND_MADE)
    ),
    Situation("nft is absent", f"{_NETWORK}; mv /usr/sbin/nft /root", {"without": ["nft"]}),
    Situation(
        "firewalld",
        f"{_FIREWALLD}; systemctl restart docker; {_NETWORK}",
        firewall=HostFirewall(firewalld=Firewalld(running=True, ports=["22/tcp", "9102/tcp"])),
        rejects=True,
    ),
    Situation(
        "no private card, no IPv6 and no Docker",
        "systemctl stop docker.socket docker.service; mv /usr/bin/docker /root;"
        " nft flush ruleset; ip link del docker0; ip link del eth1; ip -6 address flush dev eth0 scope global",
        {"docker_version": "", "runtimes": [], "ipv6": "", "private_address": "", "private_ipv6": ""},
    ),
)


def _host(name: str, number: int, **about: object) -> HostState:
    addresses = {
        "address": f"192.0.2.{number}",
        "ipv6": f"2001:db8::{number}",
        "private_address": f"198.51.100.{number}",
        "private_ipv6": f"2001:db8:1::{number}",
    }
    return HostState.model_validate(
        {"name": name, "role": "muscle", "docker_version": LABS_DOCKER, **addresses, **about}
    )


def pretend_of(situation: Situation) -> HostState:
    """Return the pretend server; firewalld is installed in the lab, and off."""
    firewall = situation.firewall.model_copy(deep=True)
    firewall.firewalld = firewall.firewalld or Firewalld()
    return _host(NAME, 12, **situation.pretend, firewall=firewall)


@asynccontextmanager
async def pretend(situation: Situation, folder: Path) -> AsyncGenerator[Twin]:
    """Run the sandbox's server and its neighbour."""
    state = pretend_of(situation)
    world = world_of(folder, state, _host(NEIGHBOUR, 11))

    async def alter() -> None:
        with world.change() as now:
            now.hosts[NAME].firewall.table += "\n"

    async def expire(change: str) -> None:
        with world.change() as now:
            now.hosts[NAME].firewall.changes[change].until = 0.0

    async with await serve_hosts(world) as ssh:
        hosts = [
            Host(name=name, address=address, host_key=ssh.doors[name].host_public_key)
            for name, address in ((NAME, state.address), (NEIGHBOUR, "192.0.2.11"))
        ]
        login = Secret(ssh.login_private_key, source="the sandbox")
        async with HostPool(
            {host.name: host for host in hosts},
            login=lambda: login,
            clock=SystemClock(),
            redact=Redactor(),
            reads=READINGS,
            connect_to=ssh.connect_to,
        ) as pool:
            found = (state.address, state.ipv6, state.private_address, state.private_ipv6)
            yield Twin(pool, _named(found), alter, expire)


@asynccontextmanager
async def real(situation: Situation, bed: Bed) -> AsyncGenerator[Twin]:
    """Bring the lab's server into the situation; its neighbour stays as it is."""
    server = bed.fresh(NAME)
    bed.clean(NEIGHBOUR)
    await meanwhile(partial(_bring, server, situation))

    async def alter() -> None:
        await meanwhile(lambda: server.say("nft", "add", "rule", "inet", "ink", "admitted", "counter"))

    async def expire(change: str) -> None:
        fired = f"/var/lib/ink-infra/firewall/{change}/reverted"
        await eventually(lambda: not server.run("test", "-e", fired).returncode, what="the switch does not fire")

    async with bed.pool(bed.host(NAME), bed.host(NEIGHBOUR)) as pool:
        yield Twin(pool, _named(_addresses(server.machine, situation)), alter, expire)


def _bring(server: Server, situation: Situation) -> None:
    server.say("sh", "-ec", situation.script, limit_s=270)


def _addresses(machine: Machine, situation: Situation) -> tuple[str, ...]:
    state = pretend_of(situation)
    found = (machine.ipv4, machine.ipv6, machine.private_ipv4, machine.private_ipv6)
    there = (state.address, state.ipv6, state.private_address, state.private_ipv6)
    return tuple(address if has else "" for address, has in zip(found, there, strict=True))


def _named(addresses: tuple[str, ...]) -> dict[str, str]:
    names = ("IPv4", "IPv6", "private IPv4", "private IPv6")
    return {name: address for name, address in zip(names, addresses, strict=True) if address}
