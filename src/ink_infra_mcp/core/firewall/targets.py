"""The sets of rules that carry out a policy, layer by layer: what a provider's and a host's firewall should say."""

from collections.abc import Iterator, Mapping, Sequence

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.cloud import CloudRule
from ink_infra_mcp.core.firewall.exposure import SourceClass
from ink_infra_mcp.core.firewall.policy import Demand, PortPolicy, PortRule, Role
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule
from ink_infra_mcp.core.firewall.ufw import ANYWHERE, UfwRule

INTERNET = "internet"
"""The class that stands for everybody: where it is allowed, so is every source."""
_EPHEMERAL = "32768-65535"
Classes = Mapping[str, SourceClass]


def cloud_rules(policy: PortPolicy, role: Role, classes: Sequence[SourceClass]) -> tuple[CloudRule, ...]:
    """Return the rules in of a Cloud firewall for a role: one for each rule of policy and each span of its ports.

    Only classes that come by a way named `public` are in it: the private network passes no Cloud firewall.
    """
    public = {known.name: known for known in classes if known.way == "public"}
    return tuple(
        CloudRule(direction="in", protocol=rule.protocol, port=span, remote=remote, description=rule.name)
        for rule in _open(policy, role)
        if (remote := tuple(cidr for family in Family for cidr in _cidrs(rule, public, family)))
        for span in _spans(rule)
    )


def robot_firewall(
    policy: PortPolicy, role: Role, classes: Sequence[SourceClass], *, server_number: int, private: Sequence[str]
) -> RobotFirewall:
    """Return the firewall of a dedicated server for a role: both families filtered, everything may go out.

    `private` are the networks of its vSwitch, whose traffic passes this firewall too. Answers to what the server itself
    asks have to be let in by their flags and ports, since no state is kept.
    """
    known = {each.name: each for each in classes}
    wanted = [robot_rule for rule in _open(policy, role) for robot_rule in _robot_rules(rule, known, V4.of(private))]
    return RobotFirewall(
        server_number=server_number,
        status="active",
        filter_ipv6=True,
        whitelist_hos=True,
        input=(
            *(RobotRule(name="private", ip_version="ipv4", src_ip=cidr, action="accept") for cidr in private),
            *_joined(wanted),
            *_answers(),
        ),
        output=(RobotRule(name="everything out", action="accept"),),
    )


def ufw_rules(policy: PortPolicy, role: Role, classes: Sequence[SourceClass], family: Family) -> tuple[UfwRule, ...]:
    """Return ufw's rules in for a role over one family; with `deny (incoming)` they are all that is let in."""
    known = {each.name: each for each in classes}
    return tuple(
        UfwRule(
            family=family,
            action="allow",
            protocol=rule.protocol,
            ports=span.replace("-", ":"),
            to=ANYWHERE[family],
            source=cidr,
            comment=rule.name,
        )
        for rule in _open(policy, role)
        for span in _spans(rule)
        for cidr in _cidrs(rule, known, family)
    )


def _open(policy: PortPolicy, role: Role) -> Iterator[PortRule]:
    forbidden = [rule for rule in policy.rules if rule.role == role and rule.demand is Demand.FORBIDDEN]
    for rule in policy.rules:
        if rule.role != role or rule.demand is Demand.FORBIDDEN:
            continue
        shut = [Ports.parse(other.ports) for other in forbidden if other.protocol == rule.protocol]
        left = Ports.parse(rule.ports)
        for ports in shut:
            left = left - ports
        if left:
            yield rule.model_copy(update={"ports": str(left)})


def _spans(rule: PortRule) -> tuple[str, ...]:
    spans = Ports.parse(rule.ports).spans
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _cidrs(rule: PortRule, classes: Classes, family: Family) -> tuple[str, ...]:
    if family not in rule.families:
        return ()
    if INTERNET in rule.allowed:
        return (ANYWHERE[family],)
    known = [classes[name] for name in rule.allowed if name in classes]
    if family is Family.V4:
        return V4.of_spans(span for each in known for span in each.v4.spans).cidrs()
    return V6.of_spans(span for each in known for span in each.v6.spans).cidrs()


def _robot_rules(rule: PortRule, classes: Classes, private: V4) -> Iterator[RobotRule]:
    """Yield the rules of the Robot, where IPv6 cannot be told by its source: it is for everybody or nobody."""
    for span in _spans(rule):
        far = V4.of(_cidrs(rule, classes, Family.V4))
        for source in (None,) if far.is_all else (far - private).cidrs():
            yield RobotRule(
                name=rule.name,
                ip_version="ipv4",
                src_ip=source,
                dst_port=span,
                protocol=rule.protocol,
                action="accept",
            )
        if Family.V6 in rule.families and INTERNET in rule.allowed:
            yield RobotRule(name=rule.name, ip_version="ipv6", dst_port=span, protocol=rule.protocol, action="accept")


def _joined(rules: Sequence[RobotRule]) -> tuple[RobotRule, ...]:
    """Return the rules with those made one that open a port over both families and both protocols: ten is not many."""
    four = {(family, protocol) for family in ("ipv4", "ipv6") for protocol in ("tcp", "udp")}
    found: list[RobotRule] = []
    for rule in rules:
        same = [other for other in rules if other.dst_port == rule.dst_port and other.src_ip is None]
        if rule.src_ip is None and {(other.ip_version, other.protocol) for other in same} == four:
            joined = RobotRule(name=same[0].name, dst_port=rule.dst_port, action="accept")
            found.extend([] if joined in found else [joined])
        else:
            found.append(rule)
    return tuple(found)


def _answers() -> Iterator[RobotRule]:
    for version in ("ipv4", "ipv6"):
        yield RobotRule(
            name="tcp answers",
            ip_version=version,
            dst_port=_EPHEMERAL,
            protocol="tcp",
            tcp_flags="ack",
            action="accept",
        )
    for name, port in (("dns answers", "53"), ("ntp answers", "123")):
        yield RobotRule(name=name, ip_version="ipv4", src_port=port, protocol="udp", action="accept")
    yield RobotRule(name="icmp", ip_version="ipv4", protocol="icmp", action="accept")
