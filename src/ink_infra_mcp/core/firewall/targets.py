"""The sets of rules that carry out a policy, layer by layer: what a provider's and a host's firewall should say."""

from collections.abc import Iterable, Iterator, Sequence

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, union
from ink_infra_mcp.core.firewall.cloud import CloudRule
from ink_infra_mcp.core.firewall.exposure import SourceClass
from ink_infra_mcp.core.firewall.policy import Demand, PortPolicy, PortRule, Role
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.robot import RobotFirewall, RobotRule
from ink_infra_mcp.core.firewall.ufw import ANYWHERE

INTERNET = "internet"
"""The class that stands for everybody: where it is allowed, so is every source."""
_EPHEMERAL = "32768-65535"
_EVERY_WAY = {(family, protocol) for family in ("ipv4", "ipv6") for protocol in ("tcp", "udp")}
Classes = Sequence[SourceClass]
"""A class that comes by two ways is in it twice."""


def cloud_rules(policy: PortPolicy, role: Role, classes: Sequence[SourceClass]) -> tuple[CloudRule, ...]:
    """Return the rules in of a Cloud firewall for a role: one for each rule of policy and each span of its ports.

    Only classes that come by a way named `public` are in it: the private network passes no Cloud firewall.
    """
    public = [known for known in classes if known.way == "public"]
    return tuple(found for rule in opened(policy, role) for found in _cloud_rules(rule, public))


def _cloud_rules(rule: PortRule, classes: Classes) -> Iterator[CloudRule]:
    remote = tuple(cidr for family in Family for cidr in sources_of(rule, classes, family))
    for span in _spans(rule) if remote else ():
        yield CloudRule(direction="in", protocol=rule.protocol, port=span, remote=remote, description=rule.name)


def robot_firewall(
    policy: PortPolicy, role: Role, classes: Sequence[SourceClass], *, server_number: int, private: Sequence[str]
) -> RobotFirewall:
    """Return the firewall of a dedicated server for a role: both families filtered, everything may go out.

    `private` are the networks of its vSwitch, whose traffic passes this firewall too. Answers to what the server itself
    asks have to be let in by their flags and ports, since no state is kept.
    """
    wanted = [robot_rule for rule in opened(policy, role) for robot_rule in _robot_rules(rule, classes, V4.of(private))]
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


def opened(policy: PortPolicy, role: Role) -> Iterator[PortRule]:
    """Yield the rules that open ports, without those of their ports that another rule forbids."""
    mine = [rule for rule in policy.rules if rule.role == role]
    for rule in mine:
        left = Ports.parse(rule.ports) - _forbidden(mine, rule.protocol)
        if left and rule.demand is not Demand.FORBIDDEN:
            yield rule.model_copy(update={"ports": str(left)})


def _forbidden(rules: Iterable[PortRule], protocol: str) -> Ports:
    shut = (rule for rule in rules if rule.protocol == protocol and rule.demand is Demand.FORBIDDEN)
    return Ports.of_spans(span for rule in shut for span in Ports.parse(rule.ports).spans)


def _spans(rule: PortRule) -> tuple[str, ...]:
    spans = Ports.parse(rule.ports).spans
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def sources_of(rule: PortRule, classes: Classes, family: Family) -> tuple[str, ...]:
    """Return the networks of one family that a rule lets in: all of it where the rule is for everybody."""
    if family not in rule.families:
        return ()
    if INTERNET in rule.allowed:
        return (ANYWHERE[family],)
    known = [each for each in classes if each.name in rule.allowed]
    return _four(known) if family is Family.V4 else _six(known)


def _four(classes: Iterable[SourceClass]) -> tuple[str, ...]:
    return union((each.v4 for each in classes), V4()).cidrs()


def _six(classes: Iterable[SourceClass]) -> tuple[str, ...]:
    return union((each.v6 for each in classes), V6()).cidrs()


def _robot_rules(rule: PortRule, classes: Classes, private: V4) -> Iterator[RobotRule]:
    """Yield the rules of the Robot, where IPv6 cannot be told by its source: it is for everybody or nobody."""
    far = V4.of(sources_of(rule, classes, Family.V4))
    sources = (None,) if far.is_all else (far - private).cidrs()
    for_all = Family.V6 in rule.families and INTERNET in rule.allowed
    for span in _spans(rule):
        asked = RobotRule(name=rule.name, dst_port=span, protocol=rule.protocol, action="accept")
        yield from (asked.model_copy(update={"ip_version": "ipv4", "src_ip": source}) for source in sources)
        yield from (asked.model_copy(update={"ip_version": "ipv6"}) for _ in range(for_all))


def _joined(rules: Sequence[RobotRule]) -> tuple[RobotRule, ...]:
    """Return the rules with those made one that open a port over both families and both protocols: ten is not many."""
    return tuple(dict.fromkeys(_for_all(rule, rules) or rule for rule in rules))


def _for_all(rule: RobotRule, rules: Sequence[RobotRule]) -> RobotRule | None:
    """Return one rule for what a rule opens to everybody, where others open the same in every other way."""
    same = {(other.ip_version, other.protocol): other for other in rules if _port_for_all(other) == rule.dst_port}
    if rule.src_ip or same.keys() != _EVERY_WAY:
        return None
    return RobotRule(name=next(iter(same.values())).name, dst_port=rule.dst_port, action="accept")


def _port_for_all(rule: RobotRule) -> str | None:
    return None if rule.src_ip else rule.dst_port


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
    # one rule of ten for DNS (53) and NTP (123): whoever sends chooses the port that it sends from
    yield RobotRule(name="dns and ntp answers", ip_version="ipv4", src_port="53-123", protocol="udp", action="accept")
    yield RobotRule(name="icmp", ip_version="ipv4", protocol="icmp", action="accept")
