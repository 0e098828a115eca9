"""Random addresses, routes, bridges, settings of the kernel and listeners, as commands for a shell."""

from collections.abc import Iterator

from tests.lab.wild.dice import SERVED, Dice

_CONF = "/proc/sys/net/ipv4/conf"
_ANY = ("0.0.0.0", "::", "::", "*")  # noqa: S104 - what a server of the lab listens on
_ONE = ("$PUBLIC4", "$PUBLIC6", "127.0.0.1", "127.0.0.2", "::1", "$SECOND4", "$SECOND6", "$INNER4", "$HELD4", "$HELD6")


IN_A_BRIDGE = (
    "mac=$(ip -o link show eth0 | sed 's/.*ether //; s/ .*//') && ip link add br-wan type bridge forward_delay 0"
    " mcast_snooping 0 && ip link set br-wan address $mac && ip link set br-wan up && ip addr flush dev eth0 && ip link"
    " set eth0 master br-wan && ip addr add $PUBLIC4/16 dev br-wan && ip addr add $PUBLIC6/64 dev br-wan nodad && ip"
    " route add default via $GATEWAY4 && ip -6 route flush default && ip -6 route add default via $GATEWAY6"
)
"""The card becomes a port of a bridge, which takes over its addresses and its routes."""
GUEST = (
    "mkdir -p /run/netns && ip netns add guest && ip -n guest link set lo up",
    "ip link add vmbr0 type bridge && ip addr add $GUESTGW4/24 dev vmbr0 && ip link set vmbr0 up",
    "ip link add tap0 type veth peer name eth0 netns guest && ip link set tap0 master vmbr0 up",
    "ip -n guest addr add $GUEST4/24 dev eth0 && ip -n guest link set eth0 up",
    "ip -n guest route add default via $GUESTGW4",
    "echo 1 >/proc/sys/net/ipv4/ip_forward",
    "ip netns exec guest setsid python3 /run/listener.py /run/guest '0.0.0.0 8080 plain' </dev/null >/dev/null 2>&1 &",
)
"""A virtual machine behind a bridge, with a listener on port 8080."""


def listens(dice: Dice) -> list[str]:
    """Return where something listens: an address, a port and how, in words that the listener takes."""
    found: list[str] = []
    for port in dice.some(SERVED, 5, least=2):
        for address in dice.some(_ANY, 2) if dice.chance(70) else dice.some(_ONE, 2):
            how = dice.one(*["plain"] * 8, "mptcp", "device", "transparent", "reuse")
            found.append(f"{address} {port} {how}")
        dice.served.append(port)
    return found


def addresses(dice: Dice) -> Iterator[str]:
    """Yield further addresses, on the card and on what is not one."""
    kinds = (
        ("ip addr add $SECOND4/16 dev eth0", "ip addr add $SECOND6/64 dev eth0 nodad"),
        ("ip addr add $HELD4/32 dev lo", "ip addr add $HELD6/128 dev lo nodad"),
        (
            "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up",
            "ip addr add $INNER4/24 dev v0",
            "ip addr add $INNER6/64 dev v0 nodad",
        ),
        ("ip link add br-in type bridge && ip link set br-in up", "ip addr add $INNER4/24 dev br-in"),
        (
            "ip link add mac0 link eth0 type macvlan mode bridge && ip link set mac0 up",
            "ip addr add $SECOND4/16 dev mac0",
        ),
    )
    for kind in dice.some(kinds, 3):
        yield from kind


def routes(dice: Dice) -> Iterator[str]:
    """Yield routes that make whole networks the server's own, or lead answers away."""
    yield dice.one(
        "ip route add local $ANYNET4 dev lo",
        "ip route add local $ANYNET4 dev lo",
        "ip -6 route add local $ANYNET6 dev lo",
        "ip rule add fwmark 1 table 100; ip route add local default dev lo table 100",
        "ip -6 rule add fwmark 1 table 100; ip -6 route add local default dev lo table 100",
        "ip rule add to $ANYNET4 table 200; ip route add local $ANYNET4 dev lo table 200",
        "ip route add local $ANYNET4 dev eth0",
        "ip route add unreachable $OUTSIDE4/32",
        "ip route add blackhole $FLEET4/32",
    )


def settings(dice: Dice) -> Iterator[str]:
    """Yield settings of the kernel that decide where packets may come from and go."""
    yield from dice.some(
        (
            f"echo 1 >{_CONF}/eth0/route_localnet",
            f"echo 1 >{_CONF}/all/route_localnet",
            f"echo {dice.one(0, 1, 2)} >{_CONF}/all/rp_filter",
            f"echo {dice.one(0, 1, 2)} >{_CONF}/eth0/rp_filter",
            f"echo 1 >{_CONF}/eth0/accept_local",
            "echo 1 >/proc/sys/net/ipv4/ip_forward",
            "echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind",
            f"echo {dice.one(0, 1)} >/proc/sys/net/bridge/bridge-nf-call-iptables",
            f"echo {dice.one(0, 1)} >/proc/sys/net/bridge/bridge-nf-call-ip6tables",
            "echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6",
            f"echo {dice.one(0, 1)} >{_CONF}/all/arp_ignore",
        ),
        4,
    )


def by_shaper(dice: Dice) -> Iterator[str]:
    """Yield rules of the traffic shaper, which packets come by before any filter."""
    yield "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
    yield "tc qdisc add dev eth0 ingress"
    asked = f"u32 match ip protocol 6 0xff match ip dport {dice.door()} 0xffff"
    done = dice.one("mirred ingress redirect dev v0", "mirred egress redirect dev v0", "mirred egress mirror dev v0")
    yield f"tc filter add dev eth0 parent ffff: protocol ip {asked} action {done}"
    yield "echo 1 >/proc/sys/net/ipv4/conf/v0/accept_local; echo 0 >/proc/sys/net/ipv4/conf/v0/rp_filter"


def bridged(dice: Dice) -> Iterator[str]:
    """Yield the card in a bridge that has the addresses, and what may filter there."""
    yield IN_A_BRIDGE
    if dice.chance(50):
        yield "nft add table bridge b"
        hook = dice.one("prerouting", "input", "forward")
        yield f'nft "add chain bridge b c {{ type filter hook {hook} priority 0; }}"'
        done = dice.one("drop", "accept", "meta pkttype set host", "meta broute set 1")
        yield f'nft "add rule bridge b c tcp dport {dice.door()} {done}"'
    if dice.chance(50):
        tool = dice.one("iptables", "ip6tables")
        yield f"{tool} -A INPUT {dice.one('-i br-wan', '-i eth0', '')} -p tcp --dport {dice.door()} -j DROP"


def guest(dice: Dice) -> Iterator[str]:
    """Yield a virtual machine, in a namespace of its own, behind a bridge of the server's."""
    yield from GUEST
    door = dice.door()
    yield f"iptables -t nat -A PREROUTING -i eth0 -p tcp --dport {door} -j DNAT --to-destination $GUEST4:8080"
