"""Rules of nft that do what Hetzner says of its firewalls, made from the emulators' state and from nothing of ours.

Whatever the product thinks of a firewall is held against these rules by real packets, so nothing of `core` is used
here, and nothing is reckoned: each rule of the provider is one rule of the kernel, in its order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state_firewalls import FirewallRule
from ink_infra_mcp.sandbox.state_robot import RobotRule, RobotSet

_FAMILIES = {"ipv4": "ip", "ipv6": "ip6"}
_NUMBERS = {"ipip": "4", "icmp": "icmp", "tcp": "tcp", "udp": "udp", "gre": "gre", "ah": "ah", "esp": "esp"}
_WITH_PORTS = "meta l4proto { tcp, udp }"
_ANSWERS = "ct state established,related accept"
_EVERY_NETWORK = {"0.0.0.0/0": "meta nfproto ipv4", "::/0": "meta nfproto ipv6"}


@dataclass(frozen=True, slots=True)
class Wall:
    """What stands in front of a server: the rules in, the rules out (None: all may leave), what none matches dropped.

    `private`: the private network passes it too.
    """

    inbound: tuple[str, ...]
    outbound: tuple[str, ...] | None
    private: bool = False


NOTHING_PASSES = Wall((), (), private=True)


def robot_wall(held: RobotSet) -> Wall | None:
    """Return what a switch port does: no state, first match, the rest discarded, both directions, the vSwitch too."""
    if held.status == "disabled":
        return None
    unfiltered = [] if held.filter_ipv6 else ["meta nfproto ipv6 accept"]
    always = ["meta l4proto ipv6-icmp accept", *unfiltered]
    inbound, outbound = ((*always, *map(_robot_rule, rules)) for rules in (held.input, held.output))
    return Wall(inbound, outbound, private=True)


def _robot_rule(rule: RobotRule) -> str:
    verdict = "accept" if rule.action == "accept" else "drop"
    return " ".join([*_robot_matches(rule), verdict])


def _robot_matches(rule: RobotRule) -> Iterator[str]:
    """A rule without a protocol that has ports is for both protocols that have some."""
    if rule.ip_version:
        yield f"meta nfproto {rule.ip_version}"
    if rule.protocol:
        yield f"meta l4proto {_NUMBERS[rule.protocol]}"
    elif rule.src_port or rule.dst_port:
        yield _WITH_PORTS
    found = {"ip saddr": rule.src_ip, "ip daddr": rule.dst_ip, "th sport": rule.src_port, "th dport": rule.dst_port}
    yield from (f"{name} {value}" for name, value in found.items() if value)
    if rule.tcp_flags:
        yield _flags(rule.tcp_flags)


def _flags(text: str) -> str:
    """`&` asks for all of the flags, `|` for one of them."""
    every, words = "&" in text, text.replace("&", "|").split("|")
    mask = f"({' | '.join(words)})"
    return f"tcp flags & {mask} == {mask}" if every else f"tcp flags & {mask} != 0x0"


def cloud_wall(attached: Iterable[Iterable[FirewallRule]]) -> Wall | None:
    """Return what Cloud firewalls do together: each allows, answers pass, and one alone denies all that none allows.

    Until one of them has a rule out, all may leave. The private network passes none of them.
    """
    every = [*attached]
    if not every:
        return None
    rules = [rule for each in every for rule in each]
    inbound = (_ANSWERS, *(text for rule in rules if rule.direction == "in" for text in _cloud_rules(rule)))
    outbound = (_ANSWERS, *(text for rule in rules if rule.direction == "out" for text in _cloud_rules(rule)))
    return Wall(inbound, outbound if len(outbound) > 1 else None)


def _cloud_rules(rule: FirewallRule) -> Iterator[str]:
    networks = rule.source_ips if rule.direction == "in" else rule.destination_ips
    end = "saddr" if rule.direction == "in" else "daddr"
    for network in networks:
        known = _EVERY_NETWORK.get(network) or f"{_FAMILIES['ipv6' if ':' in network else 'ipv4']} {end} {network}"
        port = f" th dport {rule.port}" if rule.port else ""
        protocol = "{ icmp, ipv6-icmp }" if rule.protocol == "icmp" else rule.protocol
        yield f"{known} meta l4proto {protocol}{port} accept"
