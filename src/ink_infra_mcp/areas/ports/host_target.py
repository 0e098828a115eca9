"""What a server's own firewall should be: policy turned into its rules, and the ways in that no change may close."""

from collections.abc import Iterable, Iterator, Sequence

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.ways_in import DOCKER
from ink_infra_mcp.core.firewall.addresses import Family, family_of
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.exposure import SourceClass
from ink_infra_mcp.core.firewall.policy import PortPolicy, Role
from ink_infra_mcp.core.firewall.targets import opened, sources_of
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, WayIn
from ink_infra_mcp.core.host_firewall.steps import Knock
from ink_infra_mcp.hosts.firewall.changes import Seen

_WORLD = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}


def host_firewall(ground: Ground, seen: Seen) -> HostFirewall:
    """Return the firewall that carries out policy on a server, kept by whoever keeps its rules now."""
    return HostFirewall(
        manager=seen.manager,
        rules=(*host_rules(ground.policy, ground.role, ground.classes), *_own_containers(ground, seen)),
        outside=_outside(ground, seen),
        inside=_inside(ground, seen),
        ufw_ipv6=seen.ufw_ipv6,
        no_metadata=ground.metadata,
    )


def _own_containers(ground: Ground, seen: Seen) -> Iterator[HostRule]:
    """Coolify's container logs in to its own host, from Docker's networks, which ufw takes for strangers."""
    interfaces = ground.facts.interfaces
    if seen.manager != "ufw" or ground.role != "factory" or isinstance(interfaces, Unreadable):
        return
    bridges = [own for own in interfaces.addresses if own.interface.startswith(DOCKER) or own.interface in seen.bridges]
    networks = tuple(
        dict.fromkeys(cidr for own in bridges for cidr in own.network.cidrs() if not cidr.startswith("fe80"))
    )
    if networks:
        yield HostRule(protocol="tcp", ports=str(ground.ssh_port), sources=networks, why="Coolify to its own host")


def _outside(ground: Ground, seen: Seen) -> tuple[str, ...]:
    """The interfaces that others come in by: those that have our addresses, and those that lead to default routes."""
    named = {way.interface for way in ground.facts.ways if way.interface}
    return tuple(sorted(named | set(seen.uplinks)))


def _inside(ground: Ground, seen: Seen) -> tuple[str, ...]:
    """Bridges of containers, whatever they are called: no card of the server is plugged into them."""
    outside, cards = set(_outside(ground, seen)), _real_cards(seen)
    return tuple(
        name for name, plugged in sorted(seen.bridges.items()) if name not in outside and not cards & set(plugged)
    )


def _real_cards(seen: Seen) -> set[str]:
    return {card for card in seen.cards if not card.startswith("veth")}


def host_rules(policy: PortPolicy, role: Role, classes: Sequence[SourceClass]) -> Iterable[HostRule]:
    """Yield a rule for each rule of policy that lets somebody in; a forbidden port is in none of them."""
    for rule in opened(policy, role):
        sources = tuple(cidr for family in Family for cidr in sources_of(rule, classes, family))
        if sources:
            yield HostRule(protocol=rule.protocol, ports=rule.ports, sources=sources, why=rule.name)


def ways_to_keep(fleet: Fleet, ground: Ground) -> tuple[WayIn, ...]:
    """Return who must still get in by SSH, whatever the rules say: the admins, and the Factory where it deploys."""
    port = ground.ssh_port
    admin = _admin_networks(ground)
    found = [WayIn(name="the admins", networks=admin, port=port)] if admin else []
    reached = factory_address(fleet, ground.facts.name)
    if reached and _is_address(reached):
        found.append(WayIn(name="the Factory", networks=(reached,), port=port))
    return tuple(found)


def _admin_networks(ground: Ground) -> tuple[str, ...]:
    return tuple(cidr for known in ground.classes if known.name == "admin" for cidr in _cidrs(known))


def _cidrs(known: SourceClass) -> tuple[str, ...]:
    return (*known.v4.cidrs(), *known.v6.cidrs())


def _is_address(text: str) -> bool:
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
    return f"let in {'; '.join(parts)}; everything else from outside is dropped"


def _who(rule: HostRule) -> str:
    named = {_WORLD[Family.V4]: "all of IPv4", _WORLD[Family.V6]: "all of IPv6"}
    if set(rule.sources) == set(named):
        return "anywhere"
    return ", ".join(named.get(source, source) for source in rule.sources)
