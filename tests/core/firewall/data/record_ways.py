"""Records what a Linux host says of its addresses, routes, listeners and nft rules, and what connects to it come to.

Needs root, nft, ip and ss. It makes two namespaces, a host and a client, and removes them: `python record_ways.py`
records all worlds, `python record_ways.py NAME...` some.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent / "ways"
HOST, CLIENT = "inkwayhost", "inkwayclient"
FOUR, SIX = "203.0.113.11", "2001:db8::11"
ANY = ("0.0.0.0", "::")  # noqa: S104 - what a listener in a throw-away namespace is bound to
COMMANDS = {
    "addresses": "ip -j -d address show",
    "routes4": "ip -j -4 route show table all",
    "routes6": "ip -j -6 route show table all",
    "localnet": "grep -rs --include=route_localnet . /proc/sys/net/ipv4/conf",
    "shapers": "for card in eth0 v0; do tc filter show dev $card ingress 2>&1 | grep -q u32 && echo $card; done; true",
    "nft": "nft -j list ruleset",
    "sockets": "ss -H -l -n -t -u -p",
}
LISTENER = """
import socket, sys
six = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
if sys.argv[3:]:
    s.setsockopt(socket.SOL_IP, 19, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen(64)
print("ready", flush=True)
while True:
    s.accept()[0].close()
"""


@dataclass(frozen=True)
class World:
    """What is done to the host, what listens there, what the client's routes are, and what it connects to."""

    host: tuple[str, ...] = ()
    listens: tuple[tuple[str, int], ...] = ()
    client: tuple[str, ...] = ()
    tries: tuple[tuple[str, int], ...] = ()
    transparent: bool = False


def nft(*tables: str) -> tuple[str, ...]:
    """Return the commands that load some tables, one after the other."""
    return tuple(f"nft {shlex.quote(table)}" for table in tables)


def chain(name: str, hook: str, rules: str, priority: int = 0, kind: str = "filter") -> str:
    """Return a base chain."""
    return f"chain {name} {{ type {kind} hook {hook} priority {priority}; {rules}; }} ;"


REDIRECTS = nft(
    "table inet n {"
    + chain(
        "p",
        "prerouting",
        "tcp dport 8001 redirect to :9100; tcp dport 8002 redirect to :9101;"
        " tcp dport 8006 redirect to :9106; tcp dport 8007 redirect to :9107",
        -100,
        "nat",
    )
    + "}"
)
SECOND = ("ip addr add 203.0.113.12/24 dev eth0", "ip -6 addr add 2001:db8::12/64 dev eth0 nodad")
TO_LOOPBACK = nft(
    "table ip n {"
    + chain(
        "p", "prerouting", "tcp dport 8003 dnat to 127.0.0.2:9103; tcp dport 8004 dnat to 127.0.0.1:9104", -100, "nat"
    )
    + "}",
    "table ip6 n {" + chain("p", "prerouting", "tcp dport 8005 dnat to [::1]:9105", -100, "nat") + "}",
)
ON_LOOPBACK = (("127.0.0.2", 9103), ("127.0.0.1", 9104), ("::1", 9105))
TRIES_LOOPBACK = ((FOUR, 8003), (FOUR, 8004), (SIX, 8005), (FOUR, 9103))
FILTER_8090 = "table ip b {" + chain("p", "prerouting", "tcp dport 8090 drop", -100) + "}"
NAT_8090 = "table ip a {" + chain("p", "prerouting", "tcp dport 8090 redirect to :9200", -100, "nat") + "}"
HEADERS = (
    "table inet h {"
    + chain("p", "prerouting", "tcp dport 8081 tcp dport set 9100 notrack", -300)
    + chain("o", "output", "tcp sport 9100 tcp sport set 8081 notrack", -300)
    + chain("i", "input", "tcp dport 8081 drop")
    + "}"
)
BRIDGE = (
    "ip link add br-wan type bridge forward_delay 0",
    "ip link set br-wan up",
    "ip -6 route flush default",
    "ip addr flush dev eth0",
    "ip link set eth0 master br-wan",
    f"ip addr add {FOUR}/24 dev br-wan",
    f"ip -6 addr add {SIX}/64 dev br-wan nodad",
    "ip route add default via 203.0.113.66",
    "ip -6 route add default via 2001:db8::66",
)


def ingress(rules: str) -> str:
    """Return a table that filters what comes in by the card, before all else."""
    return f"table netdev d {{ chain n {{ type filter hook ingress device eth0 priority 0; {rules}; }} ; }}"


WORLDS = {
    "redirect to the first address": World(
        (*SECOND, *REDIRECTS),
        ((FOUR, 9100), ("203.0.113.12", 9101), (SIX, 9106), ("2001:db8::12", 9107)),
        tries=tuple((a, p) for a in (FOUR, "203.0.113.12") for p in (8001, 8002))
        + tuple((a, p) for a in (SIX, "2001:db8::12") for p in (8006, 8007)),
    ),
    "sent on to the loopback": World(TO_LOOPBACK, ON_LOOPBACK, tries=TRIES_LOOPBACK),
    "sent on to the loopback that is routed": World(
        (*TO_LOOPBACK, "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet"), ON_LOOPBACK, tries=TRIES_LOOPBACK
    ),
    "sent on to the loopback that is routed on all": World(
        (*TO_LOOPBACK, "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet"), ON_LOOPBACK, tries=TRIES_LOOPBACK
    ),
    "a network of its own by a route": World(
        (
            "ip route add local 198.51.100.0/28 dev lo",
            *nft(
                "table ip n {"
                + chain("p", "prerouting", "tcp dport 8006 dnat to 198.51.100.9:9102", -100, "nat")
                + chain("i", "input", "ip daddr 198.51.100.4 drop")
                + "}"
            ),
        ),
        ((ANY[0], 9102),),
        ("ip route add 198.51.100.0/28 via 203.0.113.11",),
        ((FOUR, 8006), ("198.51.100.3", 9102), ("198.51.100.4", 9102), ("198.51.100.12", 9102)),
    ),
    "an address on the loopback": World(
        ("ip addr add 192.0.2.9/32 dev lo",),
        (("192.0.2.9", 9302),),
        ("ip route add 192.0.2.9 via 203.0.113.11",),
        (("192.0.2.9", 9302), (FOUR, 9302)),
    ),
    "an address on a veth": World(
        (
            "ip link add v0 type veth peer name v1",
            "ip link set v0 up",
            "ip link set v1 up",
            "ip addr add 192.0.2.129/25 dev v0",
            *nft(
                "table inet f {"
                + chain("i", "input", "ct state established accept; iifname eth0 tcp dport 9301 accept; drop")
                + "}"
            ),
        ),
        (("192.0.2.129", 9301), (FOUR, 9303)),
        ("ip route add 192.0.2.128/25 via 203.0.113.11",),
        (("192.0.2.129", 9301), (FOUR, 9301), (FOUR, 9303)),
    ),
    "a card in a bridge": World(
        (
            *BRIDGE,
            *nft(
                "table ip f {" + chain("i", "input", "tcp dport 9100 drop") + "}",
                ingress("tcp dport 9101 drop"),
            ),
        ),
        (*((a, 9100) for a in ANY), *((a, 9101) for a in ANY)),
        tries=tuple((a, p) for a in (FOUR, SIX) for p in (9100, 9101)),
    ),
    "translation first at one priority": World(nft(FILTER_8090, NAT_8090), ((ANY[0], 9200),), tries=((FOUR, 8090),)),
    "a filter first at one priority": World(nft(NAT_8090, FILTER_8090), ((ANY[0], 9200),), tries=((FOUR, 8090),)),
    "two translations of one priority": World(
        nft(NAT_8090, "table ip c {" + chain("p", "prerouting", "tcp dport 8090 redirect to :9999", -100, "nat") + "}"),
        ((ANY[0], 9200),),
        tries=((FOUR, 8090),),
    ),
    "translation has its own place": World(
        nft(
            "table ip b {"
            + chain("p", "prerouting", "tcp dport 8090 drop", -105)
            + chain("q", "prerouting", "tcp dport 8091 drop", -95)
            + "}",
            "table ip a {"
            + chain("p", "prerouting", "tcp dport 8090 redirect to :9200", -110, "nat")
            + chain("q", "prerouting", "tcp dport 8091 redirect to :9200", -90, "nat")
            + "}",
        ),
        ((ANY[0], 9200),),
        tries=((FOUR, 8090), (FOUR, 8091)),
    ),
    "headers that are rewritten": World(
        nft(HEADERS), ((ANY[0], 9100), (ANY[0], 9104)), tries=((FOUR, 8081), (FOUR, 9100), (FOUR, 9104))
    ),
    "answers that are dropped": World(
        nft(
            "table inet o {"
            + chain(
                "o",
                "output",
                "tcp sport 9200 drop; tcp sport 9201 ip daddr 198.51.100.0/24 drop;"
                " tcp sport 9202 ct state new drop; oifname lo accept; tcp sport 9203 ct state established drop",
            )
            + "}"
        ),
        tuple((a, p) for a in ANY for p in (9200, 9201, 9202, 9203)),
        tries=tuple((a, p) for a in (FOUR, SIX) for p in (9200, 9201, 9202, 9203)),
    ),
    "states before there are any": World(
        nft(
            "table inet s {"
            + chain(
                "p",
                "prerouting",
                "tcp dport 9200 ct state new drop; tcp dport 9201 ct original proto-dst 9201 drop",
                -300,
            )
            + chain("q", "prerouting", "tcp dport 9202 notrack", -150)
            + chain("i", "input", "tcp dport 9202 ct state untracked drop")
            + "}"
        ),
        tuple((ANY[0], p) for p in (9200, 9201, 9202)),
        tries=tuple((FOUR, p) for p in (9200, 9201, 9202)),
    ),
    "not tracked and translated": World(
        nft(
            "table inet s {"
            + chain("r", "prerouting", "tcp dport 8090 notrack", -300)
            + chain("p", "prerouting", "tcp dport { 8090, 8091 } redirect to :9200", -100, "nat")
            + "}"
        ),
        ((ANY[0], 9200),),
        tries=((FOUR, 8090), (FOUR, 8091)),
    ),
    "a transparent proxy": World(
        (
            "ip rule add fwmark 1 table 100",
            "ip route add local default dev lo table 100",
            *nft(
                "table ip t {"
                + chain("p", "prerouting", "tcp dport 8095 tproxy to 127.0.0.1:9500 meta mark set 1 accept", -150)
                + "}"
            ),
        ),
        (("127.0.0.1", 9500), (ANY[0], 9501)),
        tries=((FOUR, 8095), (FOUR, 9500), (FOUR, 9501)),
        transparent=True,
    ),
    "taken in by another card": World(
        (
            "ip link add v0 type veth peer name v1",
            "ip link set v0 up",
            "ip link set v1 up",
            "echo 1 >/proc/sys/net/ipv4/conf/v0/accept_local; echo 0 >/proc/sys/net/ipv4/conf/v0/rp_filter",
            "tc qdisc add dev eth0 ingress",
            "tc filter add dev eth0 parent ffff: protocol ip u32 match ip protocol 6 0xff match ip dport 9100 0xffff"
            " action mirred ingress redirect dev v0",
            *nft("table inet t {" + chain("i", "input", "iifname eth0 tcp dport { 9100, 9101 } drop") + "}"),
        ),
        ((ANY[0], 9100), (ANY[0], 9101)),
        tries=((FOUR, 9100), (FOUR, 9101)),
    ),
    "entries of a verdict map": World(
        nft(
            "table inet m { chain web { ip saddr 10.0.0.0/8 drop; } ;"
            + chain("i", "input", "tcp dport vmap { 9100 : jump web, 9101 : continue, 9102 : drop, * : drop }")
            + chain(
                "j", "input", "ct state vmap { new : jump web, established : accept, untracked : accept, * : drop }"
            )
            + chain("k", "input", "ip saddr vmap { 192.0.2.1 : drop, * : accept }; tcp dport 9104 drop")
            + "}"
        ),
        tuple((a, p) for a in ANY for p in (9100, 9101, 9102, 9103)),
        tries=tuple((a, p) for a in (FOUR, SIX) for p in (9100, 9101, 9102, 9103)),
    ),
    "what a sender chooses": World(
        nft(
            "table inet c {"
            + chain(
                "i",
                "input",
                "tcp dport 9100 tcp flags == syn drop; tcp dport 9101 tcp flags & (fin|syn|rst|ack) == syn drop;"
                " tcp dport 9102 ip saddr { 203.0.113.66 limit rate over 1/second, 192.0.2.9 limit rate over 1/second }"
                " drop",
            )
            + "}"
        ),
        tuple((ANY[0], p) for p in (9100, 9101, 9102)),
        ("echo 1 >/proc/sys/net/ipv4/tcp_ecn",),
        tuple((FOUR, p) for p in (9100, 9101, 9102)),
    ),
    "a status compared as a whole": World(
        nft(
            "table inet d {"
            + chain(
                "p", "prerouting", "tcp dport 8001 redirect to :9100; tcp dport 8002 redirect to :9101", -100, "nat"
            )
            + chain("i", "input", "tcp dport 9100 ct status == dnat drop; tcp dport 9101 ct status dnat drop")
            + "}"
        ),
        ((ANY[0], 9100), (ANY[0], 9101)),
        tries=tuple((FOUR, p) for p in (8001, 8002, 9100, 9101)),
    ),
    "a helper that expects connections": World(
        nft(
            'table inet x { ct helper ftp-standard { type "ftp" protocol tcp; l3proto ip; } ;'
            + chain(
                "i",
                "input",
                'ct state related accept; tcp dport 21 ct helper set "ftp-standard" accept;'
                " tcp dport 9101 accept; tcp dport 9100 drop",
            )
            + "}"
        ),
        ((ANY[0], 9100), (ANY[0], 9101)),
        tries=((FOUR, 9100), (FOUR, 9101)),
    ),
    "sent to another device": World(
        (
            "ip link add v0 type veth peer name v1",
            "ip link set v0 up",
            "ip link set v1 up",
            *nft(ingress("tcp dport 9200 fwd to v0")),
        ),
        ((ANY[0], 9200), (ANY[0], 9201)),
        tries=((FOUR, 9200), (FOUR, 9201)),
    ),
}


def inside(name: str, command: str, *, check: bool = True) -> str:
    """Run a shell command in a namespace; return what it printed."""
    done = subprocess.run(
        ["ip", "netns", "exec", name, "sh", "-c", command], capture_output=True, text=True, timeout=30
    )
    if check and done.returncode:
        sys.exit(f"{name}: {command}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def two_namespaces() -> Generator[None]:
    """Make the host and the client, joined by a cable, with documentation addresses."""
    for name in (HOST, CLIENT):
        subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(
            ["ip", "link", "add", "eth0", "netns", HOST, "type", "veth", "peer", "name", "eth0", "netns", CLIENT],
            check=True,
        )
        for name, last in ((HOST, "11"), (CLIENT, "66")):
            inside(name, "ip link set lo up; ip link set eth0 up")
            inside(name, f"ip addr add 203.0.113.{last}/24 dev eth0; ip -6 addr add 2001:db8::{last}/64 dev eth0 nodad")
        inside(HOST, "ip route add default via 203.0.113.66; ip -6 route add default via 2001:db8::66")
        yield
    finally:
        for name in (HOST, CLIENT):
            subprocess.run(["ip", "netns", "del", name], check=True)


def connect(address: str, port: int) -> str:
    """Return what a connect from the client sees."""
    script = (
        "import socket\ntry:\n    socket.create_connection(({!r}, {}), timeout=0.7)\n    print('open')\n"
        "except TimeoutError:\n    print('silent')\nexcept OSError:\n    print('refused')"
    )
    return inside(CLIENT, f"python3 -c {shlex.quote(script.format(address, port))}").strip()


def record(name: str, world: World) -> None:
    """Make a world, and write down what its host says and what each connect came to."""
    listeners: list[subprocess.Popen[str]] = []
    with two_namespaces():
        try:
            for command in world.host:
                inside(HOST, command)
            for command in world.client:
                inside(CLIENT, command)
            for address, port in world.listens:
                words = ["ip", "netns", "exec", HOST, "python3", "-c", LISTENER, address, str(port)]
                more = ["transparent"] if world.transparent else []
                listeners.append(subprocess.Popen([*words, *more], stdout=subprocess.PIPE, text=True))
            for each in listeners:
                assert each.stdout is not None
                each.stdout.readline()
            seen = [{"address": a, "port": p, "saw": connect(a, p)} for a, p in world.tries]
            answers = {key: inside(HOST, command, check=False) for key, command in COMMANDS.items()}
        finally:
            for each in listeners:
                each.kill()
                each.wait()
    found = {"setup": world.host, "answers": answers, "observed": seen}
    (HERE / f"{name.replace(' ', '_')}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{name}: {[(each['address'], each['port'], each['saw']) for each in seen]}\n")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for chosen in sys.argv[1:] or WORLDS:
        record(chosen, WORLDS[chosen])
