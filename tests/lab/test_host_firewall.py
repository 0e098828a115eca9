"""A server's own firewall on real servers: what it lets in, beside whatever else filters there, and that it lasts."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Literal

import anyio
import pytest

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Answer
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.grid import grid
from ink_infra_mcp.core.firewall.netfilter import way
from ink_infra_mcp.core.firewall.nft import read_nft
from ink_infra_mcp.core.firewall.rules import Tables
from ink_infra_mcp.core.firewall.walk import Walk
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, Manager, admitted
from ink_infra_mcp.core.host_firewall.nftables import digest_of, render
from ink_infra_mcp.core.host_firewall.predicted import with_ours
from ink_infra_mcp.hosts.firewall import changes as changes
from tests.lab.bed import Bed, meanwhile
from tests.lab.firewalls import Operation, admin_of, change_of, firewall_of
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.ground.places import Met, open_from
from tests.lab.open_ssh import goes_on, open_ssh

pytestmark = pytest.mark.anyio

LIMIT_S = 300
NAME = "muscle-2"
WEB = "registry.lab:5000/library/web:1"
TINY = "registry.lab:5000/library/tiny:1"
PUBLISHED = {80: "80:8080", 8000: "8000:8080", 8443: "8443:8080"}
HOST_PORT = 9100
"""Of a container on the host's own network."""
ALL_PORTS = (22, *PUBLISHED, HOST_PORT)
PLACES = ("admin", "outside", "factory", "muscle-1")


def with_containers(bed: Bed, server: Server) -> None:
    """Give a server published ports on two networks, one with a bridge of a name of its own, and a listener."""
    server.say("docker", "network", "create", "--opt", "com.docker.network.bridge.name=apps0", "apps")
    for port, published in PUBLISHED.items():
        network = "apps" if port == 8443 else "bridge"
        server.say("docker", "run", "-d", "-q", "--name", f"w{port}", "-p", published, "--network", network, WEB)
    listen = f"cd /tmp && exec httpd -f -p {HOST_PORT}"
    server.say("docker", "run", "-d", "-q", "--name", "own", "--network", "host", WEB, "sh", "-c", listen)
    here = server.machine.ipv4
    until(
        lambda: {bed.connect("admin", here, port) for port in ALL_PORTS} == {"open"}, what="nobody listens", limit_s=10
    )


def met_from_everywhere(bed: Bed, server: Server) -> dict[tuple[str, str, int], Met]:
    """Return what each place meets at each port, by place, way and port."""
    machine = server.machine
    ways = {place: {"v4": machine.ipv4, "v6": machine.ipv6} for place in ("admin", "outside")}
    ways |= {place: {"p4": machine.private_ipv4, "p6": machine.private_ipv6} for place in ("factory", "muscle-1")}
    return {
        (place, way, port): bed.connect(place, address, port, limit_s=0.25)
        for place, by in ways.items()
        for way, address in by.items()
        for port in ALL_PORTS
    }


def wanted_everywhere(open_at: Mapping[str, tuple[int, ...]]) -> dict[tuple[str, str, int], Met]:
    """Return what is to be met: the given ports open from each place, the rest silent."""
    ways = {"admin": ("v4", "v6"), "outside": ("v4", "v6"), "factory": ("p4", "p6"), "muscle-1": ("p4", "p6")}
    return {
        (place, way, port): "open" if port in open_at[place] else "silent"
        for place in PLACES
        for way in ways[place]
        for port in ALL_PORTS
    }


async def apply(bed: Bed, firewall: HostFirewall, *, name: str = NAME) -> Operation:
    """Make a whole change that has to succeed."""
    async with bed.pool() as pool:
        operation = Operation.of(pool, change_of(bed.lab.site, name, firewall))
        with anyio.fail_after(LIMIT_S):
            assert await operation.run() == "applied", operation.problem
        return operation


async def seen(bed: Bed, *, name: str = NAME) -> changes.Seen:
    """Look at a server's firewall over a connection of its own."""
    async with bed.pool() as pool:
        with anyio.fail_after(LIMIT_S):
            return await changes.look(pool, name)


def own_network_of(bed: Bed) -> tuple[str, ...]:
    """Return the Factory's private address of both families."""
    factory = bed.lab.site.machines["factory"]
    return f"{factory.private_ipv4}/32", f"{factory.private_ipv6}/128"


async def test_what_the_rules_say_gets_in_and_nothing_else(bed: Bed) -> None:
    """Published ports, a container on the host's network and sshd, over both families and networks, Docker's IPv6 too.

    Containers reach the world, each other by a published port, and the server itself, as before.
    """
    server = bed.fresh()
    with_containers(bed, server)
    ours = HostRule(protocol="tcp", ports="22,8443", sources=own_network_of(bed), why="the Factory")
    some = HostRule(protocol="tcp", ports="8000", sources=admin_of(bed.lab.site), why="Coolify, for the admin")
    firewall = firewall_of(bed.lab.site, ours, some)
    await apply(bed, firewall)
    open_at = {"admin": (22, 80, 8000), "outside": (80,), "factory": (22, 80, 8443), "muscle-1": (80,)}
    assert met_from_everywhere(bed, server) == wanted_everywhere(open_at)
    for address in ("http://169.254.169.254/hetzner/v1/metadata/region", f"http://{server.machine.ipv4}:8000/"):
        for container in ("w80", "w8443"):
            assert server.run("docker", "exec", container, "wget", "-q", "-T", "3", "-O-", address).returncode == 0
    assert server.run("ping", "-c", "1", "-W", "2", bed.lab.site.machines["factory"].private_ipv6).returncode == 0


async def test_it_lasts_over_reboots_and_a_second_time_nothing_is_left_to_do(bed: Bed) -> None:
    """Loaded before the network is up, before Docker, and by the time that sshd answers."""
    server = bed.fresh()
    server.say("systemctl", "enable", "nftables")
    firewall = firewall_of(bed.lab.site)
    await apply(bed, firewall)
    before = server.boot_id()
    await meanwhile(server.reboot)
    await meanwhile(lambda: server.wait_rebooted(before))
    assert (await seen(bed)).is_already(firewall)
    assert bed.connect("outside", server.machine.ipv4, 22, limit_s=0.3) == "silent"
    times = server.say("systemctl", "show", "--timestamp=unix", "-p", "ActiveEnterTimestampMonotonic", "--value",
                       "ink-infra-firewall.service", "network-pre.target", "docker.service")  # fmt: skip
    loaded, network, docker = [int(line) for line in times.split()]
    assert loaded <= network <= docker


async def test_dockers_restarts_change_nothing(bed: Bed) -> None:
    """Docker makes its chains anew; what is open and what is closed stays so, during the probation and after it."""
    server = bed.fresh()
    with_containers(bed, server)
    firewall = firewall_of(bed.lab.site)

    async def restart() -> None:
        server.say("systemctl", "reset-failed", "docker")
        await meanwhile(lambda: server.say("systemctl", "restart", "docker"))
        await meanwhile(lambda: server.say("docker", "start", "w80", "w8000", "w8443", "own"))

    async with bed.pool() as pool:
        operation = Operation.of(pool, change_of(bed.lab.site, NAME, firewall), set=restart, keep=restart)
        assert await operation.run() == "applied", operation.problem
    await restart()
    open_at = {"admin": (22, 80), "outside": (80,), "factory": (80,), "muscle-1": (80,)}
    met = met_from_everywhere(bed, server)
    factory_ssh: Met = "open"
    assert met == wanted_everywhere(open_at) | {("factory", "p4", 22): factory_ssh}


async def test_connections_that_are_open_stay_open(bed: Bed) -> None:
    """Also those to ports that are closed for new ones now, to a container and to the host."""
    server = bed.fresh()
    with_containers(bed, server)
    site, machine = bed.lab.site, server.machine
    with ExitStack() as stack:
        calls = [stack.enter_context(open_from(site, "outside", machine.ipv4, port)) for port in (8000, HOST_PORT)]
        login = stack.enter_context(open_ssh(site, "outside", machine.ipv4))
        await apply(bed, firewall_of(site))
        assert [answer_of(call) for call in calls] == [b"HTTP/1.", b"HTTP/1."]
        assert goes_on(login)
        assert bed.connect("outside", machine.ipv4, 8000, limit_s=0.3) == "silent"


def answer_of(call: socket.socket) -> bytes:
    """Return the beginning of what a server says over an open connection."""
    call.settimeout(5)
    call.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return call.recv(7)


async def test_where_ufw_is_active_the_hosts_own_ports_are_kept_by_ufw(bed: Bed) -> None:
    """Every form of rule that policy does not want is gone, and published ports are closed all the same."""
    server = bed.fresh()
    with_containers(bed, server)
    for line in (
        "allow 22/tcp", "allow 9100", "limit 23/tcp", "allow in on eth1",
        "allow proto tcp from 0.0.0.0/0 to any port 8000",
        "allow from ::/0 to any port 8443 proto udp", "allow WWW Full", "allow log 25/tcp", "deny from 198.51.100.9",
        "allow from 10.0.0.0/8 port 53 to 10.250.0.12 port 1000:2000 proto udp", "allow in on docker0 to any port 22",
        "route allow proto tcp from any to any port 8000", "reject out 25",
    ):  # fmt: skip
        server.say("ufw", *(("allow", "WWW Full") if line == "allow WWW Full" else line.split()))
    server.say("ufw", "default", "allow", "incoming")
    server.say("ufw", "--force", "enable")
    firewall = firewall_of(bed.lab.site, manager="ufw")
    await apply(bed, firewall)
    kept = {"allow in on docker0 to any port 22", "route allow 8000/tcp", "reject out 25"}
    added = {line.removeprefix("ufw ") for line in server.say("ufw", "show", "added").splitlines()[1:]}
    assert {line for line in added if "comment 'ink: " not in line} == kept
    assert "Default: deny (incoming)" in server.say("ufw", "status", "verbose")
    open_at = {"admin": (22, 80), "outside": (80,), "factory": (80,), "muscle-1": (80,)}
    factory_ssh: Met = "open"
    expected = wanted_everywhere(open_at) | {("factory", "p4", 22): factory_ssh}
    assert met_from_everywhere(bed, server) == expected
    server.say("ufw", "reload")
    assert (await seen(bed)).is_already(firewall)
    assert met_from_everywhere(bed, server) == expected


async def test_beside_firewalld_what_must_be_open_is_opened_there_too(bed: Bed) -> None:
    """Over its reloads and restarts, and when it is stopped, our own table keeps the rest out."""
    server = bed.fresh()
    server.say("systemctl", "start", "firewalld")
    server.say("systemctl", "restart", "docker")
    server.say("docker", "run", "-d", "-q", "--name", "own", "--network", "host", WEB, "httpd", "-f", "-p", "80")
    firewall = firewall_of(bed.lab.site, manager="firewalld")
    await apply(bed, firewall)

    def met() -> list[Met]:
        calls = (("outside", 80), ("outside", 22), ("admin", 22), ("outside", HOST_PORT))
        return [bed.connect(place, server.machine.ipv4, port, limit_s=0.3) for place, port in calls]

    assert met() == ["open", "silent", "open", "silent"]
    for words in (("firewall-cmd", "--reload"), ("systemctl", "restart", "firewalld")):
        server.say(*words)
        assert met() == ["open", "silent", "open", "silent"]
        assert (await seen(bed)).is_already(firewall)
    server.say("systemctl", "stop", "firewalld")
    assert met() == ["open", "silent", "open", "silent"]


async def test_beside_legacy_iptables_and_other_tables_of_nft(bed: Bed) -> None:
    """Whatever stands there stays as it is; both have their say."""
    server = bed.fresh()
    server.say("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP")
    server.say("nft", "add table inet hand; add chain inet hand in { type filter hook input priority 10; }")
    server.say("nft", "add rule inet hand in tcp dport 82 drop")
    before = (
        server.say("iptables-legacy-save", "-t", "filter"),
        server.say("nft", "-s", "list", "table", "inet", "hand"),
    )
    await apply(bed, firewall_of(bed.lab.site))
    after = server.say("iptables-legacy-save", "-t", "filter"), server.say("nft", "-s", "list", "table", "inet", "hand")
    assert after[1] == before[1]
    assert "--dport 81 -j DROP" in after[0]
    assert bed.connect("outside", server.machine.ipv4, 22, limit_s=0.3) == "silent"
    assert bed.connect("admin", server.machine.ipv4, 22) == "open"


async def test_a_flush_of_everything_by_the_nftables_service_does_not_last(bed: Bed) -> None:
    """Debian's /etc/nftables.conf begins with `flush ruleset`: our table is loaded again behind it."""
    server = bed.fresh()
    firewall = firewall_of(bed.lab.site)
    await apply(bed, firewall)
    for verb in ("start", "restart", "reload"):
        server.say("systemctl", verb, "nftables")
        assert (await seen(bed)).is_already(firewall), verb


FIREWALLS: dict[str, list[tuple[Literal["tcp", "udp"], str, tuple[str, ...]]]] = {
    "world and some": [("tcp", "22", ("203.0.113.0/25", "2001:db8:7::/48")), ("tcp", "80,443", ("0.0.0.0/0", "::/0"))],
    "one family": [("udp", "443", ("::/0",)), ("tcp", "22", ("0.0.0.0/0",))],
    "ranges and all ports": [("tcp", "any", ("198.51.100.7/32",)), ("udp", "8000-8100,53", ("203.0.113.0/24",))],
    "overlapping": [("tcp", "20-30", ("203.0.113.0/25",)), ("tcp", "22,25-40", ("203.0.113.64/26", "0.0.0.0/1"))],
}


@pytest.mark.parametrize("manager", ["nftables", "ufw"])
@pytest.mark.parametrize("name", FIREWALLS)
def test_what_nft_makes_of_the_text_admits_what_the_rules_say(bed: Bed, name: str, manager: Manager) -> None:
    """The evaluator that judges every firewall reads the loaded table as the rules were meant, for both hooks, and so
    is the table that a plan foresees.
    """
    rules = tuple(HostRule(protocol=p, ports=ports, sources=sources, why="x") for p, ports, sources in FIREWALLS[name])
    firewall = HostFirewall(manager=manager, rules=rules, outside=("eth0",), inside=("wg0",))
    loaded = bed.clean(NAME).say(
        "unshare", "--net", "sh", "-c", "nft -f - && nft -j list ruleset", stdin=render(firewall)
    )
    assert f"ink-infra {digest_of(firewall)}" in loaded
    v4, v6 = read_nft(Answer(loaded), V4), read_nft(Answer(loaded), V6)
    assert isinstance(v4, tuple)
    assert isinstance(v6, tuple)
    ports = {port for _, text, _ in FIREWALLS[name] for part in text.replace("any", "1").split(",")
             for edge in part.split("-") for port in (int(edge) - 1, int(edge), int(edge) + 1)}  # fmt: skip
    for protocol in ("tcp", "udp"):
        for port in sorted(port for port in ports if 0 < port < 65536):
            wanted = admitted(firewall, protocol, port)
            own = (V4.all(), V6.all()) if manager == "ufw" else wanted
            assert (through(v4, V4, protocol, port, local=True), through(v6, V6, protocol, port, local=True)) == own
            assert (through(v4, V4, protocol, port), through(v6, V6, protocol, port)) == wanted
            for local in (True, False):
                foreseen = [
                    through(with_ours((), firewall, V4), V4, protocol, port, local=local),
                    through(with_ours((), firewall, V6), V6, protocol, port, local=local),
                ]
                assert tuple(foreseen) == wanted


def through(tables: Tables[A], kind: type[A], protocol: str, port: int, *, local: bool = False) -> A:
    """Return who gets to a port from eth0: to the host itself, or on to the container that it is published for."""
    asked = Question(protocol, 1, "eth0", local=local, translated=not local, port=None if local else 8080)
    cells = grid(kind.all(), way(tables).told_apart, ((protocol, port),))
    hung = [(table, base) for table in tables for base in table.bases if base.hook == ("input" if local else "forward")]
    here = cells.whole
    for table, base in hung:
        walk = Walk(asked, cells)
        here = walk.base(table, base, here)
        assert not walk.doubts
    return cells.sources(here, (protocol, port))
