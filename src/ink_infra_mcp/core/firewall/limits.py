"""What the vendors would refuse, and what would cut a server off, said before anything is sent."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network

from ink_infra_mcp.core.firewall import cloud, robot
from ink_infra_mcp.core.firewall.cloud import CloudFirewall, CloudRule
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule

_NAME = re.compile(r"[A-Za-z0-9 .\-+_@]*")


def over_cloud_limits(rules: Sequence[CloudRule]) -> tuple[str, ...]:
    """Return why a set of rules would be refused for one firewall; none where it would be taken."""
    effective = sum(max(1, len(rule.remote)) for rule in rules)
    return (
        *_over(len(rules), cloud.MAX_RULES, "rules"),
        *_over(effective, cloud.MAX_EFFECTIVE, "rules once each is counted by its CIDRs"),
        *(said for rule in rules for said in _about_cloud(rule)),
    )


def _over(count: int, limit: int, what: str) -> tuple[str, ...]:
    return (f"{count} {what}, {limit} are allowed",) if count > limit else ()


def _about_cloud(rule: CloudRule) -> Iterator[str]:
    told = f"{rule.direction} {rule.protocol} {rule.port or ''}".strip()
    wrong = (
        *_over(len(rule.remote), cloud.MAX_CIDRS, "CIDRs"),
        *(() if rule.remote else ("no CIDR, so it would match nobody",)),
        *_about_ports(rule),
        *(f"{cidr} has bits set in its host part" for cidr in rule.remote if _has_host_bits(cidr)),
    )
    yield from (f"{told}: {said}" for said in wrong)


def _about_ports(rule: CloudRule) -> tuple[str, ...]:
    if rule.protocol in {"tcp", "udp"}:
        return () if rule.port else ("a port is needed",)
    return ("has no ports",) if rule.port else ()


def _has_host_bits(cidr: str) -> bool:
    return ip_network(cidr, strict=False).network_address != ip_address(cidr.partition("/")[0])


def over_server_limits(firewalls: Sequence[CloudFirewall]) -> tuple[str, ...]:
    """Return why these firewalls cannot all be put on one server."""
    return _over(len(firewalls), cloud.MAX_PER_SERVER, "firewalls")


def over_robot_limits(firewall: RobotFirewall) -> tuple[str, ...]:
    """Return why a firewall would be refused, or would cut the server off; none where it may be sent."""
    rules = {"input": firewall.input, "output": firewall.output}
    return (
        *(said for name, each in rules.items() for said in _over(len(each), robot.MAX_RULES, f"{name} rules")),
        *_mute(firewall),
        *(said for name, each in rules.items() for said in _about_rules(name, each)),
    )


def _mute(firewall: RobotFirewall) -> tuple[str, ...]:
    answers = any(rule.action == "accept" for rule in firewall.output)
    cut_off = firewall.status == "active" and not answers
    return ("no output rule accepts anything: the server could not even answer",) if cut_off else ()


def _about_rules(name: str, rules: Iterable[RobotRule]) -> Iterator[str]:
    for at, rule in enumerate(rules, 1):
        yield from (f"{name} rule {at}: {said}" for wrong, said in _WRONG if wrong(rule))


_WRONG: tuple[tuple[Callable[[RobotRule], bool], str], ...] = (
    (
        lambda rule: bool(rule.src_ip or rule.dst_ip) and rule.ip_version != "ipv4",
        "only an ipv4 rule can name addresses",
    ),
    (lambda rule: bool(rule.protocol) and not rule.ip_version, "a protocol needs an ip_version"),
    (lambda rule: bool(rule.tcp_flags) and rule.protocol != "tcp", "flags need the protocol tcp"),
    (
        lambda rule: not _NAME.fullmatch(rule.name),
        "the name may have letters, digits, spaces and . - + _ @ only",
    ),
)
