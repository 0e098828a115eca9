"""What check_firewall says of the next boot is what the next boot brings: servers are really rebooted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.core.firewall.boot import NextBoot
from ink_infra_mcp.tools.check_firewall import Args, CheckFirewall
from tests.lab.bed import Bed, meanwhile
from tests.lab.connects import differing, judged, knocks, observed
from tests.lab.ground.commands import until
from tests.lab.ground.hosts import Server
from tests.lab.ground.site import Site
from tests.lab.tools_bed import app_of

pytestmark = pytest.mark.anyio

NAME = "muscle-2"
WEB = "registry.lab:5000/library/web:1"
LIMIT_S = 330
PORTS = (22, 8000, 9100)
OF_BOOT = {"will_lock_out", "closed_at_boot", "lost_at_boot", "boot_unknown", "ufw_would_lock_out"}
LISTENER = """[Service]
ExecStart=/usr/bin/python3 -m http.server 9100 --bind :: --directory /var/empty
[Install]
WantedBy=multi-user.target
"""
PERSISTENT = """[Unit]
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'iptables-restore </etc/iptables/rules.v4; ip6tables-restore </etc/iptables/rules.v6'
[Install]
WantedBy=multi-user.target
"""
"""What the package netfilter-persistent does, which the lab has not."""
HANDS = """[Service]
Type=oneshot
ExecStart=/usr/local/sbin/rules
[Install]
WantedBy=multi-user.target
"""
UFW = "ufw allow 22/tcp >/dev/null; ufw --force enable >/dev/null"
DROP = "iptables -I INPUT -p tcp --dport 9100 -j DROP; ip6tables -I INPUT -p tcp --dport 9100 -j DROP"
FIREWALLD = (
    "systemctl enable -q --now firewalld; systemctl restart docker; until firewall-cmd -q --state; do sleep 0.1; done"
)
CLOSED = (
    "flush ruleset\ntable inet own { chain in { type filter hook input priority 0; policy drop;"
    ' iif "lo" accept; ct state established,related accept; meta l4proto ipv6-icmp accept;'
    ' iif "eth0" ip saddr {admin4} tcp dport 22 accept; }; }'
)


@dataclass(frozen=True, slots=True)
class Written:
    """A server: what is done to it, what is said of its next boot, and whether all of that boot is foreseen."""

    script: str
    said: frozenset[str] = frozenset()
    foreseen: bool = True
    published: bool = False


def _file(path: str, text: str) -> str:
    return f"mkdir -p $(dirname {path}); cat >{path} <<'END'\n{text}\nEND\n"


def _saved(rules: str) -> str:
    unit = _file("/etc/systemd/system/netfilter-persistent.service", PERSISTENT)
    return f"{unit}mkdir -p /etc/iptables\n{rules}\nsystemctl enable -q netfilter-persistent"


WRITTEN: Mapping[str, Written] = {
    "ufw is off, and on after a boot": Written(
        "ufw allow from {admin4} to any port 22 proto tcp >/dev/null;"
        " sed -i s/ENABLED=no/ENABLED=yes/ /etc/ufw/ufw.conf",
        frozenset({"will_lock_out"}),
    ),
    "ufw's rules are edited and not loaded": Written(
        f"{UFW}; sed -i '/dport 22/d' /etc/ufw/user.rules /etc/ufw/user6.rules", frozenset({"will_lock_out"})
    ),
    "ufw is on, and its service is not": Written(f"{UFW}; systemctl disable -q ufw", frozenset({"lost_at_boot"})),
    "saved rules of iptables shut the Factory out": Written(
        _saved(
            "printf '%s\\n' '*filter' ':INPUT ACCEPT [0:0]' '-A INPUT -s 10.250.0.0/16 -p tcp --dport 22 -j DROP'"
            " COMMIT"
            " >/etc/iptables/rules.v4; : >/etc/iptables/rules.v6"
        ),
        frozenset({"will_lock_out"}),
    ),
    "rules by hand are saved with Docker's beside them": Written(
        f"{DROP}; iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8000 -j DROP\n"
        + _saved("iptables-save >/etc/iptables/rules.v4; ip6tables-save >/etc/iptables/rules.v6"),
        published=True,
    ),
    "rules by hand are written down nowhere": Written(
        f"{DROP}; iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8000 -j DROP",
        frozenset({"lost_at_boot"}),
        published=True,
    ),
    "nftables.service is enabled and not started": Written(
        _file("/etc/nftables.conf", CLOSED) + "systemctl enable -q nftables", frozenset({"will_lock_out"})
    ),
    "nftables.conf was loaded by hand": Written(
        _file("/etc/nftables.conf", CLOSED.replace("ip saddr {admin4} ", "")) + "nft -f /etc/nftables.conf",
        frozenset({"lost_at_boot"}),
    ),
    "nftables.conf does not load": Written(
        f"{DROP}\n" + _file("/etc/nftables.conf", "table inet own {") + "systemctl enable -q nftables",
        frozenset({"boot_unknown"}),
        foreseen=False,
    ),
    "a script of the administrator loads rules": Written(
        f"{DROP}\n"
        + _file("/usr/local/sbin/rules", f"#!/bin/sh\n{DROP}")
        + "chmod +x /usr/local/sbin/rules\n"
        + _file("/etc/systemd/system/rules.service", HANDS)
        + "systemctl enable -q rules",
        frozenset({"boot_unknown"}),
        foreseen=False,
    ),
    "firewalld lasts": Written(FIREWALLD),
    "firewalld lasts with zones of sources and rich rules": Written(
        f"""{FIREWALLD}
        lasting() {{ firewall-cmd -q --permanent "$@"; }}
        lasting --zone=trusted --add-source={{admin4}}
        lasting --zone=drop --add-source=198.51.100.0/24
        lasting --zone=drop --add-source=192.0.2.0/24
        lasting --add-rich-rule='rule family="ipv4" source address="203.0.113.0/24" service name="http" drop'
        lasting --add-rich-rule='rule family="ipv4" source address="198.51.100.7" accept'
        lasting --add-rich-rule='rule priority="-5" family="ipv6" source address="2001:db8:1::/48" drop'
        firewall-cmd -q --reload"""
    ),
}


def write_down(site: Site, server: Server, how: Written) -> None:
    """Bring a server into that state, with a listener that starts at boot and is closed to all by policy."""
    words = how.script.replace("{admin4}", site.admin_ipv4)
    server.write("/etc/systemd/system/listener.service", LISTENER)
    server.say("sh", "-ec", f"mkdir -p /var/empty; systemctl enable -q --now listener\n{words}", limit_s=270)
    if how.published:
        server.say("docker", "run", "-d", "-q", "--restart=always", "--name=web", "-p", "8000:8080", WEB)
    until(lambda: ":9100" in server.say("ss", "-Hltn"), what="the listener does not listen", limit_s=20)


def rebooted(server: Server, how: Written) -> None:
    """Let it reboot, and wait until all is up that starts by itself; perhaps nobody gets in by SSH any more."""
    before = server.boot_id()
    server.reboot()
    until(lambda: server.rebooted_since(before), what=f"{server.name} does not come back", limit_s=180)
    listening = [":22 ", ":9100 ", *([":8000 "] if how.published else [])]
    until(
        lambda: all(port in server.run("ss", "-Hltn").stdout for port in listening),
        what=f"not all listens on {server.name} after the boot",
        limit_s=180,
    )
    server.run("systemctl", "is-system-running", "--wait", limit_s=180)


def after_boot(ground: Ground) -> Ground:
    """Return what the server will be judged by after its next boot."""
    assert isinstance(ground.boot, NextBoot)
    return replace(ground, facts=replace(ground.facts, v4=ground.boot.v4, v6=ground.boot.v6))


@pytest.mark.parametrize("how", WRITTEN.values(), ids=WRITTEN)
async def test_what_is_said_of_the_next_boot_is_what_it_brings(bed: Bed, tmp_path: Path, how: Written) -> None:
    """The finding is there and no other of its kind, and after a real boot each connect comes to what was computed."""
    server = bed.fresh(NAME)
    await meanwhile(partial(write_down, bed.lab.site, server, how))
    app = app_of(bed, tmp_path / "state")
    try:
        with anyio.fail_after(LIMIT_S):
            report = await CheckFirewall().observe(Args(server=NAME), app.look)
            assert {found.code for found in report.findings if found.code in OF_BOOT} == how.said
            ground = await judged(app, NAME)
            now = await anyio.to_thread.run_sync(observed, bed, knocks(bed, NAME, PORTS))
            assert differing(bed, ground, now) == []
            if how.foreseen:
                await meanwhile(partial(rebooted, server, how))
                then = await anyio.to_thread.run_sync(observed, bed, knocks(bed, NAME, PORTS))
                assert differing(bed, after_boot(ground), then) == []
    finally:
        await app.aclose()


def untouched(server: Server) -> str:
    """Return what trying the next boot could change: rules, settings of the network, cards."""
    return server.say(
        "sh", "-c", r"nft -s list ruleset; sysctl -a -r '^net\.ipv[46]\.(conf|ip_forward)'; ls /sys/class/net"
    )


async def test_what_a_switched_off_ufw_holds_is_what_it_does_when_it_is_switched_on(bed: Bed, tmp_path: Path) -> None:
    """Rules that leave the Factory out are told while ufw is off, and nothing is changed by it; switched on, each
    connect comes to that.
    """
    server = bed.fresh(NAME)
    off = Written("ufw allow from {admin4} to any port 22 proto tcp >/dev/null")
    await meanwhile(partial(write_down, bed.lab.site, server, off))
    app = app_of(bed, tmp_path / "state")
    try:
        with anyio.fail_after(LIMIT_S):
            before = await anyio.to_thread.run_sync(untouched, server)
            report = await CheckFirewall().observe(Args(server=NAME), app.look)
            assert {found.code for found in report.findings if found.code in OF_BOOT} == {"ufw_would_lock_out"}
            assert await anyio.to_thread.run_sync(untouched, server) == before
            ground = await judged(app, NAME)
            await meanwhile(lambda: server.say("ufw", "--force", "enable"))
            then = await anyio.to_thread.run_sync(observed, bed, knocks(bed, NAME, PORTS))
            assert isinstance(ground.boot, NextBoot)
            assert ground.boot.stored is not None
            stored = replace(ground.facts, v4=ground.boot.stored.v4, v6=ground.boot.stored.v6)
            assert differing(bed, replace(ground, facts=stored), then) == []
    finally:
        await app.aclose()
