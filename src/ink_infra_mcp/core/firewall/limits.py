"""What the vendors would refuse, and what would cut a server off, said before anything is sent."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from ink_infra_mcp.core.firewall import cloud, robot
from ink_infra_mcp.core.firewall.cloud import CloudFirewall, CloudRule
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule

_NAME = re.compile(r"[A-Za-z0-9 .\-+_@]*")


def over_cloud_limits(rules: Sequence[CloudRule]) -> tuple[str, ...]:
    """Return why a set of rules would be refused for one firewall; none where it would be taken."""
    found = [f"{len(rules)} rules, {cloud.MAX_RULES} are allowed"] if len(rules) > cloud.MAX_RULES else []
    effective = sum(max(1, len(rule.remote)) for rule in rules)
    if effective > cloud.MAX_EFFECTIVE:
        found.append(f"{effective} rules once each is counted by its CIDRs, {cloud.MAX_EFFECTIVE} are allowed")
    return (*found, *(said for rule in rules for said in _about_cloud(rule)))


def _about_cloud(rule: CloudRule) -> Iterable[str]:
    told = f"{rule.direction} {rule.protocol} {rule.port or ''}".strip()
    if len(rule.remote) > cloud.MAX_CIDRS:
        yield f"{told}: {len(rule.remote)} CIDRs, {cloud.MAX_CIDRS} are allowed"
    if not rule.remote:
        yield f"{told}: no CIDR, so it would match nobody"
    if (rule.protocol in {"tcp", "udp"}) is not bool(rule.port):
        yield f"{told}: " + ("a port is needed" if not rule.port else "has no ports")
    yield from (f"{told}: {cidr} has bits set in its host part" for cidr in rule.remote if _has_host_bits(cidr))


def _has_host_bits(cidr: str) -> bool:
    return ip_network(cidr, strict=False).network_address != ip_address(cidr.partition("/")[0])


def over_server_limits(firewalls: Sequence[CloudFirewall]) -> tuple[str, ...]:
    """Return why these firewalls cannot all be put on one server."""
    too_many = len(firewalls) > cloud.MAX_PER_SERVER
    return (f"{len(firewalls)} firewalls, {cloud.MAX_PER_SERVER} are allowed",) if too_many else ()


def over_robot_limits(firewall: RobotFirewall) -> tuple[str, ...]:
    """Return why a firewall would be refused, or would cut the server off; none where it may be sent."""
    rules = {"input": firewall.input, "output": firewall.output}
    counts = [
        f"{len(each)} {name} rules, {robot.MAX_RULES} are allowed"
        for name, each in rules.items()
        if len(each) > robot.MAX_RULES
    ]
    mute = firewall.status == "active" and not any(rule.action == "accept" for rule in firewall.output)
    cut = ("no output rule accepts anything: the server could not even answer",) if mute else ()
    told = (
        f"{name} rule {at}: {said}"
        for name, each in rules.items()
        for at, rule in enumerate(each, 1)
        for said in _about(rule)
    )
    return (*counts, *cut, *told)


def _about(rule: RobotRule) -> Iterable[str]:
    if (rule.src_ip or rule.dst_ip) and rule.ip_version != "ipv4":
        yield "only an ipv4 rule can name addresses"
    if rule.protocol and not rule.ip_version:
        yield "a protocol needs an ip_version"
    if rule.tcp_flags and rule.protocol != "tcp":
        yield "flags need the protocol tcp"
    if not _NAME.fullmatch(rule.name):
        yield "the name may have letters, digits, spaces and . - + _ @ only"
