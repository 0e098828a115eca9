"""Ways in which a provider's firewall is set, and a server whose public side nothing but that firewall closes.

In all of them the admin gets in by SSH over IPv4, or the product could not look. `{admin4}` and the like stand for
addresses of the lab.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ink_infra_mcp.sandbox.part import Part
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_firewalls import Arrival, Bond, Firewall, FirewallRule
from ink_infra_mcp.sandbox.state_robot import ALLOW_ALL, RobotRule, RobotSet
from tests.lab.bed import Bed
from tests.lab.broken import BOTH, Broken
from tests.lab.ground.site import OUTSIDE_IPV4
from tests.lab.provider_bed import CLOUD, Front, dedicated, in_cloud

P = TypeVar("P", bound=Part)
WORLD = "SSH for the world"
RANGE = "a range, and UDP where TCP was meant"
PORTS = (22, 80, 443, 8000, 8080, 9100)
"""What is knocked at: SSH, three published ports, one that nobody serves, and a listener of the server itself."""
_OPEN = Broken(
    published=("80:8080", "443:8080", "8000:8080"),
    listens=BOTH,
    script="""cat >/etc/nftables.conf <<'END'
table inet private {
  chain early {
    type filter hook prerouting priority -300; policy accept;
    iif eth1 tcp dport { 8000, 9100 } drop
    iif eth1 tcp dport 22 ip saddr != {factory4} drop
    iif eth1 tcp dport 22 ip6 saddr != {factory6} drop
  }
  chain out {
    type filter hook forward priority 0; policy accept;
    ip daddr 169.254.169.254 drop
  }
}
END
nft -f /etc/nftables.conf; systemctl enable -q nftables""",
)


def words_of(bed: Bed) -> dict[str, str]:
    """Return what the words between braces stand for."""
    site = bed.lab.site
    factory, muscle = bed.lab.server("factory").machine, bed.lab.server("muscle-2").machine
    return {
        "{admin4}": site.admin_ipv4,
        "{admin6}": site.admin_ipv6,
        "{factory4}": factory.private_ipv4,
        "{factory6}": factory.private_ipv6,
        "{muscle4}": muscle.ipv4,
        "{outside4}": OUTSIDE_IPV4,
    }


def _filled(text: str, bed: Bed) -> str:
    for word, value in words_of(bed).items():
        text = text.replace(word, value)
    return text


def filled(part: P, bed: Bed) -> P:
    """Return a part of the world with addresses of the lab in the place of words."""
    return type(part).model_validate_json(_filled(part.model_dump_json(), bed))


def open_server(bed: Bed) -> Broken:
    """Return how a server is made right on its private card, and open on its public one."""
    return replace(_OPEN, script=_filled(_OPEN.script, bed))


def begun(front: Front, way: str) -> None:
    """Let the provider begin in that way."""

    def change(state: WorldState) -> None:
        if front.switch.kind == "robot":
            dedicated(state).firewall = filled(ROBOT_CASES[way], front.bed)
            return
        case = CLOUD_CASES[way]
        state.hetzner.firewalls = [filled(each, front.bed) for each in case.firewalls]
        in_cloud(state).labels["role"] = case.role

    front.begin(change)


def _accept(**fields: str) -> RobotRule:
    return RobotRule.model_validate({**fields, "action": "accept"})


def _discard(**fields: str) -> RobotRule:
    return RobotRule.model_validate({**fields, "action": "discard"})


def _active(
    *rules: RobotRule, six: bool = True, hos: bool = False, out: tuple[RobotRule, ...] = (ALLOW_ALL,)
) -> RobotSet:
    return RobotSet(status="active", filter_ipv6=six, whitelist_hos=hos, input=[*rules], output=[*out])


_TCP4 = {"ip_version": "ipv4", "protocol": "tcp"}
_SSH = _accept(name="ssh", src_ip="{admin4}/32", dst_port="22", **_TCP4)
_FACTORY = _accept(name="private", ip_version="ipv4", src_ip="10.250.0.0/16")
_WEB = (_accept(name="http", dst_port="80"), _accept(name="https", dst_port="443"))
_ANSWERS = _accept(name="tcp established", dst_port="32768-65535", tcp_flags="ack", **_TCP4)
_ALL = _accept(name="all")

ROBOT_CASES: Mapping[str, RobotSet] = {
    "disabled": RobotSet(),
    "IPv6 is not filtered": _active(_SSH, _FACTORY, *_WEB, _ANSWERS, six=False),
    WORLD: _active(_accept(dst_port="22"), *_WEB, _ANSWERS),
    "a rule that an earlier one shadows": _active(
        _SSH,
        _accept(name="broad", dst_port="8000-9100", **_TCP4),
        _discard(name="too late", dst_port="9100", **_TCP4),
        *_WEB,
        _FACTORY,
    ),
    "a discard before an accept": _active(
        _SSH,
        _discard(src_ip="{outside4}/32", dst_port="443", **_TCP4),
        _discard(ip_version="ipv6", dst_port="80"),
        _ALL,
    ),
    "no rule for answers": _active(_SSH, _FACTORY, *_WEB, hos=True),
    "only some answers may leave": _active(
        _ALL, out=(_accept(src_port="22", **_TCP4), _accept(src_port="443", tcp_flags="ack", **_TCP4))
    ),
    "only high ports may be answered": _active(_SSH, *_WEB, out=(_accept(dst_port="32768-65535"),)),
    "rules for flags": _active(
        _discard(dst_port="8000", tcp_flags="syn", **_TCP4),
        _discard(dst_port="9100", tcp_flags="syn&ack", **_TCP4),
        _discard(dst_port="80", tcp_flags="fin|syn", ip_version="ipv6", protocol="tcp"),
        _accept(dst_port="443", tcp_flags="ack", ip_version="ipv6", protocol="tcp"),
        _discard(dst_port="443", ip_version="ipv6", protocol="tcp"),
        _ALL,
    ),
    "the server's own addresses": _active(
        _accept(dst_ip="{muscle4}/32", dst_port="22-80", **_TCP4), _accept(dst_ip="10.250.0.0/16", ip_version="ipv4")
    ),
}


@dataclass(frozen=True, slots=True)
class InCloud:
    """The Cloud firewalls of a project, and the labels of the server."""

    firewalls: tuple[Firewall, ...] = ()
    role: str = "muscle"


def _in(port: str, *sources: str, protocol: str = "tcp") -> FirewallRule:
    return FirewallRule(direction="in", protocol=protocol, port=port, source_ips=[*(sources or _WORLD)])


def _out(port: str, *to: str) -> FirewallRule:
    return FirewallRule(direction="out", protocol="tcp", port=port, destination_ips=[*(to or _WORLD)])


def _firewall(number: int, *rules: FirewallRule, selector: str = "") -> Firewall:
    bond = Bond(selector=selector) if selector else Bond(server=CLOUD)
    return Firewall(
        id=number, name=f"fw-{number}", created=0.0, rules=[*rules], bonds=[bond], at=[Arrival(server=CLOUD)]
    )


_WORLD = ("0.0.0.0/0", "::/0")
_ADMIN = _in("22", "{admin4}/32", "{admin6}/128")

CLOUD_CASES: Mapping[str, InCloud] = {
    "no firewall": InCloud(),
    "two that add up": InCloud(
        (_firewall(1, _ADMIN, _in("80", "0.0.0.0/0")), _firewall(2, _in("443", "::/0"), _in("9100", "{outside4}/32")))
    ),
    "one by a label selector": InCloud((_firewall(1, _ADMIN, _in("80"), selector="role=muscle"),)),
    "one by a selector that does not select": InCloud((_firewall(1, _ADMIN, selector="role in (factory,bastion)"),)),
    WORLD: InCloud((_firewall(1, _in("22"), _in("80"), _in("443"), _in("443", protocol="udp")),)),
    "443 is missing": InCloud((_firewall(1, _ADMIN, _in("80")),)),
    "a rule out": InCloud((_firewall(1, _out("443")), _firewall(2, _ADMIN, _in("80-443")))),
    RANGE: InCloud((_firewall(1, _in("22-8000"), _in("9100", protocol="udp")),)),
}


def broad(front: Front) -> None:
    """Let a firewall that a label selector binds open more than policy."""
    with_selector = _firewall(1, _in("22-443"), selector="role=muscle")
    front.begin(lambda state: state.hetzner.firewalls.append(with_selector))


def half_way(front: Front, *, replaced: bool) -> None:
    """Let a second firewall be on its way to the server: all of it, or the rules that replace its old ones."""
    first, second = _firewall(1, filled(_ADMIN, front.bed), _in("80")), _firewall(2, _in("8000"))

    def change(state: WorldState) -> None:
        state.hetzner.firewalls = [first, second] if replaced else [first]

    front.begin(change)
    with front.world.change() as state:
        later = [Arrival(server=CLOUD, ready_at=front.world.now(state) + 1000)]
        state.hetzner.firewalls = [first, second.model_copy(update={"rules": [_in("443")], "at": later})]
