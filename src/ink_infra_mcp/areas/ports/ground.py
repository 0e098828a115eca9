"""Puts together all that a server's ports are judged by: its facts, its ways in, who comes by them, and policy."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.findings import SSH, Ground
from ink_infra_mcp.areas.ports.providers import InFront
from ink_infra_mcp.areas.ports.ways_in import OUTSIDE, Neighbours, classes_of, factory_way, is_private, ways_of
from ink_infra_mcp.core.firewall.exposure import HostFacts
from ink_infra_mcp.core.firewall.policy import PortPolicy, PortRule, Role
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.fleet import Fleet, Host, Muscle
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts


def ground_of(look: Look, host: Host, facts: NetworkFacts, front: InFront, neighbours: Neighbours) -> Ground:
    """Return what one server is judged by; nothing is asked of anybody."""
    classes, way = classes_of(host, look.fleet, neighbours), factory_way(look.fleet, host)
    return Ground(
        facts=HostFacts(
            name=host.name,
            provider=front.gates,
            v4=facts.v4,
            v6=facts.v6,
            interfaces=facts.interfaces,
            sockets=facts.sockets,
            containers=facts.containers,
            ways=ways_of(host, facts, neighbours),
        ),
        classes=classes,
        role=role_of(look.fleet, host),
        policy=policy_for(look, host),
        front=front,
        ssh_port=host.ssh_port,
        ufw=facts.ufw,
        metadata=host.provider == "hetzner_cloud",
        boot=facts.boot,
        factory=tuple(known for known in classes if (known.name, known.way) == ("factory", way)),
    )


def role_of(fleet: Fleet, host: Host) -> Role:
    """Return what a server is for."""
    if host.name == fleet.factory.name:
        return "factory"
    return "muscle" if isinstance(host, Muscle) else "bastion"


def policy_for(look: Look, host: Host) -> PortPolicy:
    """Return the rules for a server: SSH is where it has it; Coolify has a domain of its own where its URL is https."""
    policy = look.ports().with_domain(has_domain=look.fleet.coolify.url.startswith("https://"))
    if host.ssh_port == SSH and not is_private(host):
        return policy
    return PortPolicy(rules=tuple(_rule_for(rule, host) for rule in policy.rules))


def _rule_for(rule: PortRule, host: Host) -> PortRule:
    """A private server's SSH is for nobody who comes by the public way; all else is for them as it was."""
    ports = str(host.ssh_port) if rule.ports == str(SSH) else rule.ports
    opens = is_private(host) and host.ssh_port not in Ports.parse(ports)
    more = [OUTSIDE[name] for name in rule.allowed if name in OUTSIDE] if opens else []
    return rule.model_copy(update={"ports": ports, "allowed": tuple(sorted({*rule.allowed, *more}))})
