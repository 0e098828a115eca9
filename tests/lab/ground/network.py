"""The lab's network: a switch, this machine's cable into it, the internet outside, and the cards of each server."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.lab.ground.commands import ip, nft, said, tried
from tests.lab.ground.site import METADATA, OUTSIDE_IPV4, OUTSIDE_IPV6, PRIVATE_IPV4, PRIVATE_IPV6, Machine, Site

NAMESPACES = Path("/run/netns")
PUBLIC_BRIDGE, PRIVATE_BRIDGE = "br0", "br1"
LAST_RESORT = 4_200_000
"""The metric of the routes that nothing else is worse than."""

_TABLES = """
table bridge faults {
  chain passing { type filter hook forward priority 0; policy accept; }
}
table inet provider {
  chain passing { type filter hook forward priority 0; policy accept; }
}
"""


def exists(namespace: str) -> bool:
    """Return whether there is a network namespace of that name."""
    return (NAMESPACES / namespace).exists()


def namespaces_of(site: Site) -> list[str]:
    """Return the namespaces of a lab, known or left over."""
    found = NAMESPACES.glob(f"{site.prefix}-*") if NAMESPACES.exists() else ()
    return sorted(path.name for path in found)


def up(site: Site) -> None:
    """Make the switch, the internet, and this machine's cable; nothing is done when all of them are there.

    The switch has a namespace of its own: in this machine's, its Docker's rules would apply to what passes a bridge.
    """
    whole = site.folder / "network"
    if whole.exists() and exists(site.switch):
        return
    down(site)
    said("ip", "netns", "add", site.switch)
    ip(_switch_lines(), namespace=site.switch)
    ip(_admin_lines(site))
    ip([f"link set up0 master {PUBLIC_BRIDGE} up"], namespace=site.switch)
    # Frames that pass the bridge go by the rules of the inet family too, where connections are tracked: kernels
    # need not have tracking for bridges themselves.
    calls = [f"net.bridge.bridge-nf-call-{family}=1" for family in ("iptables", "ip6tables")]
    _set(site.switch, *calls)
    nft(_TABLES, namespace=site.switch)
    said("ip", "netns", "add", site.internet)
    # a card that first looks for others with its address is deaf for a second
    _set(site.internet, "net.ipv6.conf.default.accept_dad=0")
    ip([f"link add internet type veth peer name eth0 netns {site.internet}"], namespace=site.switch)
    ip([f"link set internet master {PUBLIC_BRIDGE} up"], namespace=site.switch)
    ip(_internet_lines(site), namespace=site.internet)
    whole.touch()


def down(site: Site) -> None:
    """Remove every namespace, cable and route of the lab, also of one that was never wholly up."""
    for namespace in namespaces_of(site):
        said("ip", "netns", "delete", namespace)
    tried("ip", "link", "delete", site.uplink)
    for line in _dead_ends(site):
        tried("ip", "route", "delete", *line.split())


def plug_lines(site: Site, machine: Machine) -> tuple[list[str], list[str]]:
    """Return the lines of `ip` that give a server its cards: those for the switch, and those for the server's side.

    They are carried out at each boot, in a fresh namespace: what a firewall has loaded does not outlive a boot.
    """
    inner = site.namespace(machine.name)
    cards = [(machine.port, "eth0", machine.mac, PUBLIC_BRIDGE, (f"{machine.ipv4}/16", f"{machine.ipv6}/64"))]
    if not machine.light:
        private = (f"{machine.private_ipv4}/16", f"{machine.private_ipv6}/64")
        cards.append((machine.private_port, "eth1", machine.private_mac, PRIVATE_BRIDGE, private))
    switch: list[str] = []
    server = ["link set lo up"]
    for port, card, mac, bridge, (ipv4, ipv6) in cards:
        switch += [f"link add {port} type veth peer name {card} address {mac} netns {inner}"]
        switch += [f"link set {port} master {bridge} up"]
        server += [f"addr add {ipv4} dev {card}", f"addr add {ipv6} dev {card} nodad", f"link set {card} up"]
    server += [f"route add default via {site.gateway_ipv4}", f"route add ::/0 via {site.gateway_ipv6}"]
    return switch, server


def port_exists(site: Site, port: str) -> bool:
    """Return whether the switch has that port now."""
    return bool(tried("ip", "-n", site.switch, "link", "show", port).stdout)


def rules_of(site: Site, table: str) -> list[dict[str, object]]:
    """Return the rules of the chain that all passing traffic goes through: of `faults`, or of `provider`."""
    family = "bridge" if table == "faults" else "inet"
    where = f"--net={NAMESPACES / site.switch}"
    listed = said("nsenter", where, "nft", "-j", "-a", "list", "chain", family, table, "passing")
    entries: list[dict[str, dict[str, object]]] = json.loads(listed)["nftables"]
    return [entry["rule"] for entry in entries if "rule" in entry]


def _set(namespace: str, *settings: str) -> None:
    said("nsenter", f"--net={NAMESPACES / namespace}", "sysctl", "-q", "-w", *settings)


def _switch_lines() -> Iterator[str]:
    yield "link set lo up"
    for bridge in (PUBLIC_BRIDGE, PRIVATE_BRIDGE):
        yield f"link add {bridge} type bridge"
        yield f"link set {bridge} up"


def _admin_lines(site: Site) -> Iterator[str]:
    cable = site.uplink
    yield f"link add {cable} type veth peer name up0 netns {site.switch}"
    yield f"link set {cable} address 02:4c:42:00:00:01"
    yield f"addr add {site.admin_ipv4}/16 dev {cable}"
    yield f"addr add {site.admin_ipv6}/64 dev {cable} nodad"
    yield f"link set {cable} up"
    yield from (f"route add {line}" for line in _dead_ends(site))


def _dead_ends(site: Site) -> Iterator[str]:
    """What is meant for the lab never leaves this machine by its own card, whatever of the lab is up at the moment.

    The private network and the outside are the same in every lab, but each lab has dead ends of its own.
    """
    outside = (f"{OUTSIDE_IPV4}/32", f"{OUTSIDE_IPV6}/128", PRIVATE_IPV4, PRIVATE_IPV6)
    for network in (f"{site.block}.0.0/16", f"{site.ipv6_prefix}/64", *outside):
        yield f"unreachable {network} metric {LAST_RESORT + int(site.block.split('.')[1])}"


def _internet_lines(site: Site) -> Iterator[str]:
    """The gateway leads nowhere: all that it knows is itself, a client, and the provider's metadata service."""
    yield "link set lo up"
    yield f"addr add {OUTSIDE_IPV4}/32 dev lo"
    yield f"addr add {OUTSIDE_IPV6}/128 dev lo nodad"
    yield f"addr add {METADATA}/32 dev lo"
    yield f"addr add {site.gateway_ipv4}/16 dev eth0 noprefixroute"
    yield f"addr add {site.gateway_ipv6}/64 dev eth0 nodad noprefixroute"
    yield "link set eth0 up"
    yield f"route add {site.block}.0.0/16 dev eth0 src {OUTSIDE_IPV4}"
    yield f"route add {site.ipv6_prefix}/64 dev eth0 src {OUTSIDE_IPV6}"
