"""What one server of the fleet lacks of its role's baseline, as the server says it now."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.core.baseline.engines import traefik_of
from ink_infra_mcp.core.baseline.judging import Judgement, Wanted, judge
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.baseline.policy import Part, Role
from ink_infra_mcp.core.fleet import Fleet, Host, Muscle
from ink_infra_mcp.hosts.machine.reading import read_machine


def role_of(host: Host, fleet: Fleet) -> Role:
    """Return what a server is for."""
    if isinstance(host, Muscle):
        return "muscle"
    return "factory" if host.name == fleet.factory.name else "bastion"


def wanted_of(host: Host, fleet: Fleet, machine: Machine, parts: tuple[Part, ...] | None = None) -> Wanted:
    """Return what is asked of a server: its role, the fleet's private networks, and the proxy that it has."""
    return Wanted(
        role=role_of(host, fleet),
        networks=fleet.access.private,
        traefik=traefik_of(machine.proxy),
        parts=parts,
    )


async def judged(look: Look, host: Host, parts: tuple[Part, ...] | None = None) -> Judgement:
    """Read a server and return what it lacks.

    Raises:
        HostError: it cannot be read.
        ConfigError: the operator's baseline cannot be used.
    """
    baseline = look.baseline()
    machine = await read_machine(look.hosts, host.name, baseline)
    return judge(machine, baseline, wanted_of(host, look.fleet, machine, parts))
