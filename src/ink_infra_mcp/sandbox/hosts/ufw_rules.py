"""ufw's chains of iptables on a pretend server, as iptables-save shows them, and what its own rules say to a packet."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from ink_infra_mcp.sandbox.hosts.nft_text import Packet
from ink_infra_mcp.sandbox.state_hosts import Ufw

_DIRECTIONS = ("forward", "input", "output")
_KINDS = (
    "after",
    "after-logging",
    "before",
    "before-logging",
    "reject",
    "skip-to-policy",
    "track",
    "user",
    "user-logging",
)
_OTHERS = ("logging-allow", "logging-deny", "user-limit", "user-limit-accept")
_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
_RATE = "-m limit --limit 3/min --limit-burst 10"
_LOG = f"{_RATE} -j LOG --log-prefix"
_STATE = "-m conntrack --ctstate"
_TARGETS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT --reject-with icmp-port-unreachable"}
_VERDICTS = {"allow": "accept", "limit": "accept", "deny": "drop", "reject": "reject"}
_ERRORS = (3, 11, 12, 8), (1, 2, 3, 4, 128)


@dataclass(frozen=True, slots=True)
class _Line:
    """One rule as ufw writes it down: what stands behind `### tuple ###`."""

    verdict: str
    protocol: str
    port: str
    source: str
    card: str

    @classmethod
    def of(cls, text: str) -> Iterator["_Line"]:
        """Yield the rules of iptables that it becomes: ports without a protocol are those of both."""
        verdict, protocol, port, _, _, source, direction, *_ = text.split(" ")
        for one in ("tcp", "udp") if protocol == "any" != port else (protocol,):
            yield cls(verdict, one, port, source, direction.partition("_")[2])

    @property
    def asks(self) -> str:
        """Return what it asks of a packet, in iptables' words."""
        card = f"-i {self.card} " if self.card else ""
        source = "" if self.source.endswith("/0") else f"-s {ip_network(self.source)} "
        return f"{card}{source}{self._port}"

    @property
    def _port(self) -> str:
        if self.port == "any":
            return "" if self.protocol == "any" else f"-p {self.protocol}"
        several = set(self.port) & {",", ":"}
        port = f"-m multiport --dports {self.port}" if several else f"-m {self.protocol} --dport {self.port}"
        return f"-p {self.protocol} {port}"

    def meets(self, packet: Packet) -> bool:
        """Return whether it is about the packet."""
        asked = (
            self.protocol in {"any", packet.protocol},
            ip_address(packet.source) in ip_network(self.source),
            self.card in {"", packet.card},
            self._has(packet.port),
        )
        return all(asked)

    def _has(self, port: int) -> bool:
        spans = (part.partition(":") for part in self.port.replace("any", "0:65535").split(","))
        return any(int(first) <= port <= int(last or first) for first, _, last in spans)


def judged_by_ufw(ufw: Ufw, packet: Packet) -> str:
    """Return what becomes of a packet for the server itself: accept, drop or reject; a limit is never reached."""
    met = (line for line in _lines(ufw, v4=":" not in packet.source) if line.meets(packet))
    return next((_VERDICTS[line.verdict] for line in met), ufw.default.lower())


def _lines(ufw: Ufw, *, v4: bool) -> Iterator[_Line]:
    for text in ufw.rules4 if v4 else ufw.rules6:
        yield from _Line.of(text)


def ufw_chains(*, v4: bool) -> Iterator[str]:
    """Yield ufw's own chains of the table filter."""
    name = _name(v4=v4)
    names = [f"{kind}-{direction}" for kind in _KINDS for direction in _DIRECTIONS]
    yield from (f":{name}-{chain} - [0:0]" for chain in sorted((*names, *_OTHERS, *(("not-local",) if v4 else ()))))


def ufw_rules(ufw: Ufw, *, v4: bool) -> Iterator[str]:
    """Yield ufw's rules in the table filter (0.36, with its own before.rules and after.rules)."""
    name = _name(v4=v4)
    yield from _stages(name)
    yield from _after(name, v4=v4)
    yield from _before(name, v4=v4)
    yield from _logging(name)
    yield from _not_local(name) if v4 else ()
    yield f"-A {name}-skip-to-policy-forward -j DROP"
    yield f"-A {name}-skip-to-policy-input -j {ufw.default}"
    yield f"-A {name}-skip-to-policy-output -j ACCEPT"
    yield from (f"-A {name}-track-output -p {protocol} {_STATE} NEW -j ACCEPT" for protocol in ("tcp", "udp"))
    for line in _lines(ufw, v4=v4):
        yield from _user_rule(name, line)
    yield f'-A {name}-user-limit -m limit --limit 3/min -j LOG --log-prefix "[UFW LIMIT BLOCK] "'
    yield f"-A {name}-user-limit -j REJECT --reject-with {'icmp' if v4 else 'icmp6'}-port-unreachable"
    yield f"-A {name}-user-limit-accept -j ACCEPT"


def _stages(name: str) -> Iterator[str]:
    for direction in ("input", "forward", "output"):
        yield from (f"-A {direction.upper()} -j {name}-{stage}-{direction}" for stage in _STAGES)


def _name(*, v4: bool) -> str:
    return "ufw" if v4 else "ufw6"


def _after(name: str, *, v4: bool) -> Iterator[str]:
    quiet = (("udp", 137), ("udp", 138), ("tcp", 139), ("tcp", 445))
    dhcp = (("udp", 67), ("udp", 68)) if v4 else (("udp", 546), ("udp", 547))
    for protocol, port in (*quiet, *dhcp):
        yield f"-A {name}-after-input -p {protocol} -m {protocol} --dport {port} -j {name}-skip-to-policy-input"
    if v4:
        yield f"-A {name}-after-input -m addrtype --dst-type BROADCAST -j {name}-skip-to-policy-input"
    yield from (f'-A {name}-after-logging-{way} {_LOG} "[UFW BLOCK] "' for way in ("forward", "input"))


def _before(name: str, *, v4: bool) -> Iterator[str]:
    going = f"{_STATE} RELATED,ESTABLISHED -j ACCEPT"
    errors = [f"{_icmp(kind, v4=v4)} -j ACCEPT" for kind in _ERRORS[not v4]]
    invalid = [f"{_STATE} INVALID -j {name}-logging-deny", f"{_STATE} INVALID -j DROP"]
    six = _NOTHING if v4 else _six()
    arriving = ("-i lo -j ACCEPT", *six.routed, going, *six.pong, *invalid, *errors, *six.heard, *_services(v4=v4))
    leaving = ("-o lo -j ACCEPT", *six.routed, going, *(() if v4 else errors), *six.pong, *six.said)
    for direction, rules in (
        ("forward", (*six.routed, going, *errors, *six.pong)),
        ("input", arriving),
        ("output", leaving),
    ):
        yield from (f"-A {name}-before-{direction} {rule}" for rule in (*rules, f"-j {name}-user-{direction}"))


@dataclass(frozen=True, slots=True)
class _Six:
    """What ufw lets through of IPv6 beyond what it lets through of IPv4."""

    routed: tuple[str, ...] = ()
    pong: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


_NOTHING = _Six()


def _six() -> _Six:
    routers = tuple(f"{_icmp(kind, v4=False)} -j ACCEPT" for kind in (144, 145, 146, 147))
    return _Six(
        routed=("-m rt --rt-type 0 -j DROP",),
        pong=(f"{_icmp(129, v4=False)} -j ACCEPT",),
        heard=(*_neighbours((133, 134, 135, 136, 141, 142)), *routers),
        said=tuple(_neighbours((133, 136, 135, 134, 141, 142))),
    )


def _icmp(kind: int, *, v4: bool) -> str:
    return f"-p icmp -m icmp --icmp-type {kind}" if v4 else f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind}"


def _neighbours(known: tuple[int, ...]) -> Iterator[str]:
    """Yield what machines of one cable say to each other over IPv6."""
    near = "-s fe80::/10 "
    kinds = (("", known, 255), (near, (130, 131, 132, 143), 0), ("", (148, 149), 255), (near, (151, 152, 153), 1))
    for source, numbers, hops in kinds:
        left = f" -m hl --hl-eq {hops}" if hops else ""
        yield from (f"{source}{_icmp(kind, v4=False)}{left} -j ACCEPT" for kind in numbers)


def _services(*, v4: bool) -> Iterator[str]:
    if v4:
        yield "-p udp -m udp --sport 67 --dport 68 -j ACCEPT"
        yield "-j ufw-not-local"
    else:
        yield "-s fe80::/10 -d fe80::/10 -p udp -m udp --sport 547 --dport 546 -j ACCEPT"
    names, devices = ("224.0.0.251/32", "239.255.255.250/32") if v4 else ("ff02::fb/128", "ff02::f/128")
    yield f"-d {names} -p udp -m udp --dport 5353 -j ACCEPT"
    yield f"-d {devices} -p udp -m udp --dport 1900 -j ACCEPT"


def _logging(name: str) -> Iterator[str]:
    yield f'-A {name}-logging-allow {_LOG} "[UFW ALLOW] "'
    yield f"-A {name}-logging-deny {_STATE} INVALID {_RATE} -j RETURN"
    yield f'-A {name}-logging-deny {_LOG} "[UFW BLOCK] "'


def _not_local(name: str) -> Iterator[str]:
    kinds = ("LOCAL", "MULTICAST", "BROADCAST")
    yield from (f"-A {name}-not-local -m addrtype --dst-type {kind} -j RETURN" for kind in kinds)
    yield f"-A {name}-not-local {_RATE} -j {name}-logging-deny"
    yield f"-A {name}-not-local -j DROP"


def _user_rule(name: str, line: _Line) -> Iterator[str]:
    begin = f"-A {name}-user-input {line.asks}"
    if line.verdict != "limit":
        yield f"{begin} -j {_TARGETS[line.verdict]}"
        return
    recent = "--name DEFAULT --mask 255.255.255.255 --rsource"
    yield f"{begin} {_STATE} NEW -m recent --set {recent}"
    yield f"{begin} {_STATE} NEW -m recent --update --seconds 30 --hitcount 6 {recent} -j {name}-user-limit"
    yield f"{begin} -j {name}-user-limit-accept"
