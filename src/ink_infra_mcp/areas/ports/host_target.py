"""What a server's own firewall should be: policy turned into its rules, and the ways in that no change may close."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.core.firewall.addresses import V4, V6, Family, family_of
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import SourceClass
from ink_infra_mcp.core.firewall.outside import (
    BRIDGE,
    Known,
)
from ink_infra_mcp.core.firewall.policy import PortPolicy, Role
from ink_infra_mcp.core.firewall.targets import opened, sources_of
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.host_firewall.lies import Lies, lies_in
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, WayIn
from ink_infra_mcp.core.host_firewall.predicted import with_ours
from ink_infra_mcp.core.host_firewall.steps import Knock
from ink_infra_mcp.hosts.firewall.changes import Seen

_WORLD = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}


def lies_of(ground: Ground, known: Known) -> Lies:
    """Return what lies outside a server and what inside.

    Raises:
        RefusedByPolicy: nothing leads outside, or a link has a name that cannot stand in a rule.
    """
    return lies_in(ground.facts.name, ground.facts.interfaces, known)


def host_firewall(ground: Ground, seen: Seen, lies: Lies) -> HostFirewall:
    """Return the firewall that carries out policy on a server, kept by whoever keeps its rules now."""
    return HostFirewall(
        manager=seen.manager,
        rules=(*host_rules(ground.policy, ground.role, ground.classes), *_own_containers(ground, seen, lies)),
        outside=lies.outside,
        inside=lies.inside,
        bridged=lies.bridged,
        behind=lies.behind(seen.manager),
        ufw_ipv6=seen.ufw_ipv6,
        no_metadata=ground.metadata,
    )


def _own_containers(ground: Ground, seen: Seen, lies: Lies) -> Iterator[HostRule]:
    """Coolify's container logs in to its own host, from Docker's networks, which ufw takes for strangers."""
    if seen.manager != "ufw" or ground.role != "factory":
        return
    bridges = [each for each in lies.inner if each.kind == BRIDGE]
    networks = tuple(dict.fromkeys(cidr for each in bridges for cidr in each.networks))
    if networks:
        yield HostRule(protocol="tcp", ports=str(ground.ssh_port), sources=networks, why="Coolify to its own host")


def seen_from_outside(ground: Ground, lies: Lies) -> Ground:
    """Return the ground with those ways in alone that lead in from outside: what is inside is no way for others."""
    ways = tuple(way for way in ground.facts.ways if not way.interface or way.interface in lies.outside)
    return replace(ground, facts=replace(ground.facts, ways=ways))


def cut_off_inside(lies: Lies) -> tuple[str, ...]:
    """Return in words which inner networks have addresses of the internet: nobody outside gets to them any more."""
    routed = [str(each) for each in lies.inner if each.routed]
    if not routed:
        return ()
    return (
        f"new connections from outside to the addresses of {', '.join(routed)} are dropped: these rules let nobody "
        "further in than to the server's own ports",
    )


def foreseen(ground: Ground, wanted: HostFirewall) -> Ground:
    """Return the ground as it will be with these rules in force on the server. What ufw is told is judged as if our own
    table said it: both drop what they do not know.
    """
    v4, v6 = ground.facts.v4, ground.facts.v6
    facts = replace(
        ground.facts,
        v4=v4 if isinstance(v4, Unreadable) else with_ours(v4, wanted, V4),
        v6=v6 if isinstance(v6, Unreadable) else with_ours(v6, wanted, V6),
    )
    return replace(ground, facts=facts)


def host_rules(policy: PortPolicy, role: Role, classes: Sequence[SourceClass]) -> Iterable[HostRule]:
    """Yield a rule for each rule of policy that lets somebody in; a forbidden port is in none of them."""
    for rule in opened(policy, role):
        sources = tuple(cidr for family in Family for cidr in sources_of(rule, classes, family))
        if sources:
            yield HostRule(protocol=rule.protocol, ports=rule.ports, sources=sources, why=rule.name)


def ways_to_keep(fleet: Fleet, ground: Ground) -> tuple[WayIn, ...]:
    """Return who must still get in by SSH, whatever the rules say: the admins, and the Factory where it deploys."""
    port = ground.ssh_port
    found = admin_ways(ground.classes, port)
    reached = factory_address(fleet, ground.facts.name)
    if reached and is_address(reached):
        found = (*found, WayIn(name="the Factory", networks=(reached,), port=port))
    return found


def admin_ways(classes: Sequence[SourceClass], port: int) -> tuple[WayIn, ...]:
    """Return the way in of the admins, none where nobody counts as one."""
    networks = tuple(cidr for known in classes if known.name == "admin" for cidr in _cidrs(known))
    return (WayIn(name="the admins", networks=networks, port=port),) if networks else ()


def _cidrs(known: SourceClass) -> tuple[str, ...]:
    return (*known.v4.cidrs(), *known.v6.cidrs())


def is_address(text: str) -> bool:
    """Return whether a text is an address, and not a name."""
    try:
        family_of(text)
    except ValueError:
        return False
    return True


def factory_address(fleet: Fleet, server: str) -> str:
    """Return the address from which the Factory reaches a server, the private one where both have one."""
    if server == fleet.factory.name or server in {bastion.name for bastion in fleet.bastions}:
        return ""
    both = fleet.factory.private_address and fleet.host(server).private_address
    return (fleet.factory.private_address or "") if both else fleet.factory.address


def knocks_of(fleet: Fleet, host: Host) -> tuple[Knock, ...]:
    """Return the connects that must succeed before a new firewall is kept: the Factory's own to a server's SSH."""
    if not factory_address(fleet, host.name):
        return ()
    both = fleet.factory.private_address and host.private_address
    address = (host.private_address or "") if both else host.address
    return (Knock(of=fleet.factory.name, address=address, port=host.ssh_port),)


def told(firewall: HostFirewall) -> str:
    """Return the rules on one line that a person reads."""
    parts = [f"{rule.ports}/{rule.protocol} from {_who(rule)} ({rule.why})" for rule in firewall.rules]
    cards = f"outside ({', '.join(firewall.outside)})" if firewall.outside else "outside"
    return f"let in {'; '.join(parts)}; everything else from {cards} is dropped"


def _who(rule: HostRule) -> str:
    named = {_WORLD[Family.V4]: "all of IPv4", _WORLD[Family.V6]: "all of IPv6"}
    if set(rule.sources) == set(named):
        return "anywhere"
    return ", ".join(named.get(source, source) for source in rule.sources)
