"""More than thirty ways in which the firewall of a server is wrong, each made on a real one."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.lab.ground.hosts import Server
from tests.lab.ground.site import Site

WEB = "registry.lab:5000/library/web:1"
LISTEN_PORT = 9100
"""A listener of the server itself that policy does not know."""
PORTS = (22, 80, 443, 2375, 5432, 6001, 8000, 8080, 8443, LISTEN_PORT)
"""What is knocked at from every place."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One way: what is published, what listens beside it, and what is done to the filters, as lines for a shell.

    `{admin4}` and the like stand for addresses of the lab.
    """

    published: tuple[str, ...] = ("80:8080", "443:8080")
    listens: tuple[str, ...] = ()
    script: str = ""


def _filters(name: str, rules: str) -> str:
    return f"nft -f - <<'END'\ntable {name} {{\n{rules}\n}}\nEND"


UFW = (
    "ufw allow proto tcp from any to any port 22 >/dev/null; ufw allow 80/tcp >/dev/null; ufw allow 443/tcp >/dev/null;"
    " ufw --force enable >/dev/null"
)
MORE = ("80:8080", "443:8080", "8000:8080")
HOST = ("0.0.0.0:9100",)
BOTH = ("0.0.0.0:9100", "[::]:9100")
BROKEN: Mapping[str, Broken] = {
    "nothing filters": Broken(),
    "nothing filters and Coolify's port is published": Broken(published=MORE),
    "a database is published": Broken(published=("80:8080", "443:8080", "5432:8080")),
    "Traefik's dashboard is published": Broken(published=("80:8080", "443:8080", "8080:8080")),
    "published on the public address only": Broken(published=("80:8080", "443:8080", "{public4}:8443:8080")),
    "published on the private address only": Broken(published=("80:8080", "443:8080", "{private4}:8443:8080")),
    "published on loopback only": Broken(published=("80:8080", "443:8080", "127.0.0.1:8443:8080")),
    "published over IPv6 only": Broken(published=("80:8080", "443:8080", "[::]:8443:8080")),
    "a listener on every address": Broken(listens=BOTH),
    "a listener over IPv4 only": Broken(listens=HOST),
    "a listener over IPv6 only": Broken(listens=("[::]:9100",)),
    "a listener on the private address": Broken(listens=("{private4}:9100",)),
    "a listener on loopback": Broken(listens=("127.0.0.1:9100",)),
    "Docker's API over TCP": Broken(listens=("0.0.0.0:2375",)),
    "ufw that Docker goes round": Broken(published=MORE, script=f"{UFW}; ufw deny 8000/tcp >/dev/null"),
    "ufw with SSH for all": Broken(listens=BOTH, script=UFW),
    "ufw with SSH for the admin alone": Broken(
        script="ufw allow proto tcp from {admin4} to any port 22 >/dev/null; ufw --force enable >/dev/null"
    ),
    "ufw with a limit": Broken(listens=HOST, script=f"{UFW}; ufw limit 9100/tcp >/dev/null"),
    "ufw that opens a port of the private card": Broken(
        listens=HOST, script=f"{UFW}; ufw allow in on eth1 to any port 9100 proto tcp >/dev/null"
    ),
    "ufw that is switched off": Broken(listens=HOST, script=f"{UFW}; ufw --force disable >/dev/null"),
    "a rule of DOCKER-USER for the container's port": Broken(
        published=("8000:8080",), script="iptables -I DOCKER-USER -i eth0 -p tcp --dport 8080 -j DROP"
    ),
    "a rule of DOCKER-USER for the published port": Broken(
        published=MORE, script="iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8000 -j DROP"
    ),
    "a rule of DOCKER-USER that lets the private network in": Broken(
        published=MORE,
        script="iptables -I DOCKER-USER -i eth0 -m conntrack --ctorigdstport 8000 -p tcp -j DROP;"
        " iptables -I DOCKER-USER -s 10.0.0.0/8 -j RETURN",
    ),
    "IPv4 closed and IPv6 forgotten": Broken(listens=BOTH, script="iptables -I INPUT -p tcp --dport 9100 -j DROP"),
    "iptables of the old kind": Broken(
        listens=BOTH, script="iptables-legacy -I INPUT -i eth0 -p tcp --dport 9100 -j DROP"
    ),
    "iptables of the old kind and nft": Broken(
        listens=BOTH,
        script="iptables-legacy -I INPUT -p tcp --dport 9100 -j ACCEPT\n"
        + _filters(
            "inet own",
            "chain in { type filter hook input priority 0; policy accept; meta nfproto ipv6 tcp dport 9100 drop; }",
        ),
    ),
    "nft with a policy of drop": Broken(
        listens=BOTH,
        script=_filters(
            "inet own",
            "chain in { type filter hook input priority 0; policy drop; ct state established,related accept;"
            " iif lo accept; meta l4proto { icmp, ipv6-icmp } accept; tcp dport { 22, 80, 443, 9100 } accept; }",
        ),
    ),
    "nft with sets and a jump": Broken(
        listens=BOTH,
        script=_filters(
            "inet own",
            "set friends { type ipv4_addr; flags interval; elements = { {admin4}, 10.250.0.0/16 }; }\n"
            "chain friendly { ip saddr @friends accept; drop; }\n"
            "chain in { type filter hook input priority 0; policy accept; tcp dport 9100 jump friendly; }",
        ),
    ),
    "nft that rejects": Broken(
        listens=BOTH,
        script=_filters(
            "inet own", "chain in { type filter hook input priority 0; policy accept; tcp dport 9100 reject; }"
        ),
    ),
    "nft before Docker's translation": Broken(
        published=MORE,
        script=_filters(
            "ip own",
            "chain early { type filter hook prerouting priority -150; policy accept; iif eth0 tcp dport 8000 drop; }",
        ),
    ),
    "nft in the forward hook": Broken(
        published=MORE,
        script=_filters(
            "inet own",
            "chain on { type filter hook forward priority 10; iif eth0 ct original proto-dst 8000 drop; }",
        ),
    ),
    "firewalld": Broken(
        listens=BOTH,
        script="systemctl start firewalld; systemctl restart docker;"
        " for s in http https; do firewall-cmd -q --permanent --add-service=$s; done; firewall-cmd -q --reload;"
        " systemctl restart docker",
    ),
    "a redirection of the server's own": Broken(
        listens=HOST,
        script=_filters(
            "ip own", "chain pre { type nat hook prerouting priority -100; iif eth0 tcp dport 8443 redirect to :9100; }"
        ),
    ),
}


NO_IPV6 = Broken(
    listens=BOTH, script=f"sed -i s/^IPV6=yes/IPV6=no/ /etc/default/ufw; {UFW}; ufw allow 9100/tcp >/dev/null"
)
"""ufw then drops all of IPv6, and takes no rule for it."""


def break_(site: Site, server: Server, how: Broken) -> None:
    """Make a server wrong in that way, and let everything listen that has to."""
    words = {
        "{public4}": server.machine.ipv4,
        "{private4}": server.machine.private_ipv4,
        "{admin4}": site.admin_ipv4,
    }
    if how.script:
        server.say("sh", "-ec", _filled(how.script, words), limit_s=270)
    for number, published in enumerate(how.published):
        server.say("docker", "run", "-d", "-q", "--name", f"p{number}", "-p", _filled(published, words), WEB)
    for address in how.listens:
        _listen(server, _filled(address, words))


def _listen(server: Server, address: str) -> None:
    """Return once it listens there: a connect that comes before is refused, and looks like a filter."""
    host, _, port = address.rpartition(":")
    is_six = host.startswith("[")
    family = "inet6" if is_six else "inet"
    server.say("systemd-run", "-q", "--collect", "python3", "-c", _LISTENER, family, host.strip("[]"), port)
    seen = f"ss -Hltn {'-6' if is_six else '-4'} sport = :{port} | grep -q ."
    server.say("sh", "-c", f"for i in $(seq 200); do {seen} && exit; sleep 0.1; done; exit 1")


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


_LISTENER = """
import socket, sys, time
six = sys.argv[1] == "inet6"
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((sys.argv[2], int(sys.argv[3])))
s.listen(64)
while True:
    s.accept()[0].close()
"""
