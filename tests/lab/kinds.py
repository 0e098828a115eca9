"""The kinds of server whose ports were once called closed though they were open, each made on a real one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab.broken import WEB
from tests.lab.wild.network import GUEST, IN_A_BRIDGE
from tests.lab.wild.nft import nft
from tests.lab.wild.worlds import World

NOT_FORESEEN = r"these would not be known to be closed: 8081/tcp"
ALL = ("0.0.0.0 9100 plain", ":: 9100 plain")
_HOOKED = "type filter hook"
_REDIRECTED = "type nat hook prerouting priority"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: what is done to the server, what listens, and the ports of which the product cannot tell.

    `called_open` are those that are taken for open, though nobody listens inside a container. `outcome` is how
    apply_firewall ends there, or a pattern of why it plans nothing.
    """

    steps: tuple[str, ...]
    listens: tuple[str, ...] = ALL
    untold: frozenset[int] = field(default=frozenset[int]())
    called_open: frozenset[int] = field(default=frozenset[int]())
    outcome: str = "^applied$"

    @property
    def world(self) -> World:
        """Return it as random servers are told."""
        return World(0, self.steps, self.listens)


def _table(name: str, *rules: str) -> tuple[str, ...]:
    return (nft(f"add table {name}"), *(nft(f"add {rule}") for rule in rules))


def _publish(*more: str) -> str:
    return f"docker run -d -q --name p0 {' '.join(more)} {WEB}"


_MADE = "iptables -A INPUT -p tcp --dport 6001 -j DROP; ip6tables -A INPUT -p tcp --dport 6001 -j DROP"
_LOCALNET = "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet"
_SECOND = "ip addr add $SECOND4/16 dev eth0"
_LINES = "x\n-A INPUT -p tcp --dport 9100 -j DROP"
_SENT_ON = "iptables -t nat -A PREROUTING -p tcp --dport 8081 -j DNAT --to-destination"

KINDS: Mapping[str, Kind] = {
    "a set of nft in the table of iptables": Kind(
        (
            _MADE,
            nft("add set ip filter bad { type ipv4_addr; }"),
            nft("add element ip filter bad { 192.0.2.7 }"),
            nft("insert rule ip filter INPUT ip saddr @bad drop"),
        ),
        (*ALL, "* 80 plain", "* 443 plain"),
    ),
    "several ports of nft in the table of iptables": Kind(
        (_MADE, nft("insert rule ip filter INPUT tcp dport { 81, 443 } drop")),
        outcome="^applied_unverified$",
    ),
    "a verdict map of nft in the table of iptables": Kind(
        (_MADE, nft("insert rule ip filter INPUT tcp dport vmap { 81 : drop, 9101 : drop }"))
    ),
    "a set of nft in the table of ip6tables": Kind(
        (
            _MADE,
            nft("add set ip6 filter bad { type ipv6_addr; }"),
            nft("add element ip6 filter bad { $FLEET6 }"),
            nft("insert rule ip6 filter INPUT tcp dport 9100 ip6 saddr @bad drop"),
        )
    ),
    "a set of nft in the chain of Docker's users": Kind(
        (
            _publish("-p", "8080:8080"),
            nft("add set ip filter bad { type ipv4_addr; }"),
            nft("add element ip filter bad { $FLEET4 }"),
            nft("insert rule ip filter DOCKER-USER ip saddr @bad drop"),
        ),
        (),
    ),
    "a chain of one's own in the table of translations": Kind(
        (
            "iptables -t nat -A PREROUTING -p tcp --dport 6001 -j REDIRECT --to-ports 6002",
            nft(f"add chain ip nat early {{ {_REDIRECTED} -110; }}"),
            nft("add rule ip nat early tcp dport 8081 redirect to :9100"),
        )
    ),
    "a chain of one's own in the table of filters": Kind(
        (
            _MADE,
            nft(f"add chain ip filter mine {{ {_HOOKED} input priority -5; }}"),
            nft("add rule ip filter mine ip saddr $FLEET4 tcp dport 9100 drop"),
        )
    ),
    "a table that is dormant": Kind(
        (
            nft(
                f"add table inet own {{ flags dormant; chain in {{ {_HOOKED} input priority 0; policy drop;"
                " tcp dport 22 accept; }; }"
            ),
        )
    ),
    "headers that are rewritten": Kind(
        _table(
            "inet own",
            f"chain inet own pre {{ {_HOOKED} prerouting priority -300; }}",
            "rule inet own pre tcp dport 8081 tcp dport set 9100 notrack",
            f"chain inet own out {{ {_HOOKED} output priority -300; }}",
            "rule inet own out tcp sport 9100 tcp sport set 8081 notrack",
        ),
        untold=frozenset({8081, 9100}),
        outcome=NOT_FORESEEN,
    ),
    "a redirect to the first address of the card": Kind(
        (
            _SECOND,
            *_table(
                "inet own",
                f"chain inet own pre {{ {_REDIRECTED} -100; }}",
                "rule inet own pre tcp dport 8081 redirect to :9100",
            ),
        ),
        ("$PUBLIC4 9100 plain",),
    ),
    "sent on to the loopback, which is routed": Kind(
        (f"{_SENT_ON} 127.0.0.2:9100", _LOCALNET), ("127.0.0.2 9100 plain",)
    ),
    "sent on to the loopback, which is not routed": Kind((f"{_SENT_ON} 127.0.0.1:9100",), ("127.0.0.1 9100 plain",)),
    "a transparent proxy": Kind(
        (
            "ip rule add fwmark 1 table 100",
            "ip route add local default dev lo table 100",
            *_table(
                "ip own",
                f"chain ip own pre {{ {_HOOKED} prerouting priority -150; }}",
                "rule ip own pre tcp dport 8081 tproxy to 127.0.0.1:9100 meta mark set 1 accept",
            ),
        ),
        ("127.0.0.1 9100 transparent",),
        untold=frozenset({8081}),
        outcome=NOT_FORESEEN,
    ),
    "an address on the loopback": Kind(
        ("ip addr add $HELD4/32 dev lo", "ip addr add $HELD6/128 dev lo"), ("$HELD4 9100 plain", "$HELD6 9101 plain")
    ),
    "an address on a veth, and rules that name the card": Kind(
        (
            "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up",
            "ip addr add $INNER4/24 dev v0",
            *_table(
                "inet own",
                f"chain inet own in {{ {_HOOKED} input priority 0; }}",
                "rule inet own in iifname eth0 tcp dport 9100 accept",
                "rule inet own in tcp dport { 9100, 9101 } drop",
            ),
        ),
        ("$INNER4 9100 plain",),
    ),
    "a comment that holds a rule": Kind(
        (
            f'iptables -A INPUT -p tcp --dport 9100 -m comment --comment "{_LINES}" -j ACCEPT',
            f'iptables-legacy -A INPUT -p tcp --dport 9100 -m comment --comment "{_LINES}" -j ACCEPT',
        ),
    ),
    "the card in a bridge, and IPv4 filtered alone": Kind(
        (
            IN_A_BRIDGE,
            "iptables -A INPUT -i br-wan -p tcp --dport 9100 -j DROP",
        )
    ),
    "a redirect and a filter of one priority": Kind(
        (
            *_table(
                "ip one",
                f"chain ip one pre {{ {_HOOKED} prerouting priority -100; }}",
                "rule ip one pre tcp dport 8081 drop",
            ),
            *_table(
                "ip two",
                f"chain ip two pre {{ {_REDIRECTED} -100; }}",
                "rule ip two pre tcp dport 8081 redirect to :9100",
            ),
        ),
        untold=frozenset({8081}),
    ),
    "a network of its own by a route": Kind(
        (
            "ip route add local $ANYNET4 dev lo",
            f"{_SENT_ON} $ANYHOST4:9100",
            "iptables -A INPUT -d $PUBLIC4 -p tcp --dport 9100 -j DROP",
        ),
        ("0.0.0.0 9100 plain",),
    ),
    "answers that are dropped": Kind(("iptables -A OUTPUT -p tcp --sport 9100 -j DROP",)),
    "a published range beyond its listener": Kind(
        (_publish("-p", "8080-8081:8080-8081"),), (), called_open=frozenset({8081})
    ),
    "a container that is paused": Kind((_publish("-p", "8080:8080"), "docker pause p0"), ()),
    "a bridge of containers by a name of one's own": Kind(
        (
            "docker network create -o com.docker.network.bridge.name=coolnet coolnet",
            _publish("--network", "coolnet", "-p", "8080:8080"),
        ),
    ),
    "a container with an address of its own beside the server": Kind(
        (
            "docker network create -d macvlan -o parent=eth0 --subnet $NET4 --gateway $GATEWAY4 wan",
            _publish("--network", "wan", "--ip", "$HELD4"),
        ),
        (),
        outcome="^applied_unverified$",
    ),
    "members of ipsets, also with timeouts": Kind(
        (
            "ipset create f2b hash:ip timeout 600; ipset add f2b $FLEET4",
            "ipset create nets hash:net; ipset add nets 192.0.2.0/24",
            "iptables -A INPUT -p tcp --dport 9100 -m set --match-set f2b src -j DROP",
            "iptables -A INPUT -p tcp ! --dport 22 -m set --match-set nets src -j DROP",
        ),
        (*ALL, "* 80 plain", "* 443 plain"),
    ),
    "translation of one family in a table of both": Kind(
        _table(
            "inet own",
            f"chain inet own pre {{ {_REDIRECTED} -100; }}",
            "rule inet own pre tcp dport 8081 dnat ip to $PUBLIC4:9100",
        )
    ),
    "flags, ranges and pairs": Kind(
        (
            *_table(
                "inet own",
                f"chain inet own in {{ {_HOOKED} input priority 0; }}",
                "rule inet own in tcp flags & (fin|syn|rst|ack) == 0x0 drop",
                "rule inet own in ip saddr . tcp dport { $FLEET4 . 9100 } drop",
            ),
            "iptables -A INPUT -p tcp --dport 9101 -m iprange --src-range 10.0.0.1-10.255.255.254 -j DROP",
        ),
        (*ALL, "0.0.0.0 9101 plain"),
    ),
    "marks set and tested on the way": Kind(
        _table(
            "inet own",
            f"chain inet own pre {{ {_HOOKED} prerouting priority -150; }}",
            "rule inet own pre tcp dport 9100 ip saddr $FLEET4 meta mark set 7",
            f"chain inet own in {{ {_HOOKED} input priority 0; }}",
            "rule inet own in meta mark 7 drop",
        )
    ),
    "web ports that are not tracked": Kind(
        _table(
            "inet own",
            f"chain inet own pre {{ {_HOOKED} prerouting priority -300; }}",
            "rule inet own pre tcp dport { 80, 443 } notrack",
            f"chain inet own out {{ {_HOOKED} output priority -300; }}",
            "rule inet own out tcp sport { 80, 443 } notrack",
        ),
        ("0.0.0.0 80 plain", ":: 80 plain"),
    ),
    "a queue with bypass, and one without": Kind(
        (
            "iptables -A INPUT -p tcp --dport 9100 -j NFQUEUE --queue-num 7 --queue-bypass",
            "iptables -A INPUT -p tcp --dport 9101 -j NFQUEUE --queue-num 7",
        ),
        (*ALL, "0.0.0.0 9101 plain"),
    ),
    "a guest behind a bridge": Kind(
        (
            *GUEST,
            "iptables -P FORWARD ACCEPT",
            f"{_SENT_ON} $GUEST4:8080",
        ),
        untold=frozenset({8081}),
    ),
    "a listener whose name has a line break": Kind(
        (
            "cp /usr/bin/sleep /run/odd; setsid python3 -c 'import ctypes, socket, time;"
            ' ctypes.CDLL(None).prctl(15, b"a\\nb", 0, 0, 0);'
            ' s = socket.create_server(("0.0.0.0", 9101)); time.sleep(9999)\' </dev/null >/dev/null 2>&1 &',
        ),
    ),
}
