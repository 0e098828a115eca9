"""What a server's firewalls are and should be, what a person has to know of it, and what is true of them afterwards."""

from dataclasses import dataclass
from typing import Literal

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.beside import told_beside
from ink_infra_mcp.areas.ports.boot_findings import lasting_trouble
from ink_infra_mcp.areas.ports.checks import closed, connects, kept, reachable
from ink_infra_mcp.areas.ports.closing import Closing, kept_inside, listed
from ink_infra_mcp.areas.ports.findings import Row, rows_of
from ink_infra_mcp.areas.ports.ground import ground_of
from ink_infra_mcp.areas.ports.host_target import (
    host_firewall,
    knocks_of,
    lies_of,
    seen_from_outside,
    ways_to_keep,
)
from ink_infra_mcp.areas.ports.provider_steps import beyond_reach, provider_steps
from ink_infra_mcp.areas.ports.providers import in_front_of
from ink_infra_mcp.areas.ports.refusals import (
    carried,
    refuse_coolify_outside,
    refuse_cut_tunnels,
    refuse_lockout,
    refuse_unforeseen,
    refuse_unread,
)
from ink_infra_mcp.areas.ports.tries import Kept, kept_of
from ink_infra_mcp.areas.ports.ways_in import neighbours_of
from ink_infra_mcp.core.errors import HostError, RefusedByPolicy
from ink_infra_mcp.core.firewall.policy import Agreement
from ink_infra_mcp.core.fleet import Host, Muscle
from ink_infra_mcp.core.host_firewall.model import HostFirewall
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.hosts.firewall import changes
from ink_infra_mcp.hosts.firewall.changes import Seen
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, gather_networks

Layers = Literal["all", "host", "provider"]
KINDS: tuple[str, ...] = (
    "hosts.save_firewall",
    "hosts.set_firewall",
    "hosts.keep_firewall",
    "hosts.prove_way_in",
    "hetzner_cloud.create_firewall",
    "hetzner_cloud.set_firewall_rules",
    "hetzner_cloud.attach_firewall",
    "hetzner_cloud.detach_firewall",
    "hetzner_robot.set_firewall",
)
"""The kinds of steps by which ports are closed."""
_LOCAL_LAYERS = frozenset({"host"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToClose(Closing):
    """The server as it is and as it should be, and what a person has to know of it."""

    production: bool
    overrides: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """Return what a person has to know of it, in sentences."""
        return (*(f"policy is loosened: {words}" for words in self.overrides), *self.warnings)

    @property
    def keeps(self) -> tuple[str, ...]:
        """Return what stays as it is."""
        which = (
            "to ports that stay open: Robot keeps no state, and cuts the others"
            if self.by_robot
            else "whatever they are to"
        )
        return (
            f"connections that are open now, {which}",
            "rules that others made, which our own table only adds to",
            *kept_inside(self),
        )

    @property
    def blast_radius(self) -> str:
        """Return whom it meets."""
        if not self.opened:
            return "nobody: nothing is open beyond policy"
        return f"whoever opens new connections to {listed(self.opened)} on {self.server}"

    @property
    def so(self) -> str:
        """Say that nothing is left to do, and what is not fine all the same."""
        but = f". Not all is fine: {'; '.join(self.warnings)}" if self.warnings else ""
        return f"the firewalls of {self.server} say what policy says{but}"


async def to_close(look: Look, host: Host, layers: Layers = "all") -> ToClose:
    """Return what the server's firewalls are and should be.

    Raises:
        InputError: nobody counts as an admin.
        RefusedByPolicy: the new rules would shut out this server's own way in, or do not fit the provider's limits.
        HostError: the server cannot be read: what is not known is not changed.
    """
    await refuse_coolify_outside(look, host)
    facts = await _network(look, host)
    front = (await in_front_of(look, (host,)))[host.name]
    neighbours = neighbours_of(look.fleet, facts)
    ground = ground_of(look, host, facts[host.name], front, neighbours)
    refuse_unread(ground, provider=layers != "host")
    seen = await changes.look(look.hosts, host.name)
    lies = lies_of(ground, neighbours.known[host.name])
    ground = seen_from_outside(ground, lies)
    wanted = host_firewall(ground, seen, lies)
    refuse_lockout(look.fleet, ground, wanted, seen.came_from)
    if layers != "provider":
        refuse_cut_tunnels(ground, wanted, lies)
        refuse_unforeseen(ground, wanted)
    provider = provider_steps(ground, look.fleet.access.private) if layers != "host" else ()
    rows = rows_of(ground)
    already = seen.is_already(wanted)
    needed = layers != "provider" and not already
    inside = await kept_of(look, ground, lies, facts[host.name].came_from) if needed else Kept()
    warned = (*beyond_reach(ground), *told_beside(ground.facts), *_foreign(rows, seen))
    warned = (*warned, *lasting_trouble(ground, rows))
    return ToClose(
        server=host.name,
        production=isinstance(host, Muscle) and host.production,
        opened=tuple(sorted({row.port for row in rows if row.agreement is Agreement.EXPOSED})),
        provider=provider,
        wanted=wanted if layers != "provider" else None,
        already=already,
        knocks=knocks_of(look.fleet, host),
        ways=ways_to_keep(look.fleet, ground),
        overrides=look.ports().overrides,
        warnings=(*warned, *(carried(lies) if needed else ()), *inside.warnings),
        commands=_commands(wanted, seen) if layers != "provider" else (),
        inner=inside.inner,
        untried=inside.untried,
        tries=inside.tries,
    )


async def closed_checks(look: Look, host: Host, plan: Plan, results: Results) -> list[Check]:
    """Return whether the ports are as policy wants, computed anew, and whether real connects come to the same."""
    try:
        facts = await _network(look, host)
    except HostError as error:
        return [Check(name="ports", status="failed", evidence=f"not seen: {error.failed}")]
    front = (await in_front_of(look, (host,)))[host.name]
    neighbours = neighbours_of(look.fleet, facts)
    ground = ground_of(look, host, facts[host.name], front, neighbours)
    try:
        ground = seen_from_outside(ground, lies_of(ground, neighbours.known[host.name]))
    except RefusedByPolicy as error:
        return [Check(name="ports", status="failed", evidence=f"not seen: {error.failed}")]
    rows = rows_of(ground)
    tried = await connects(look, ground, facts, neighbours)
    return [closed(ground, rows), reachable(rows), tried, kept(plan, results)]


async def _network(look: Look, host: Host) -> dict[str, NetworkFacts]:
    """Ask the server, which must answer, and the others, whose addresses matter only where they do."""
    facts, away = await gather_networks(look.hosts)
    if host.name in away:
        raise away[host.name]
    return facts


def _foreign(rows: tuple[Row, ...], seen: Seen) -> tuple[str, ...]:
    """Return what policy needs open and a rule that is not ours closes: we add rules, and take away nobody's."""
    if seen.manager == "ufw" and not seen.ufw_ipv6:
        return (
            "ufw drops all of IPv6, ports that policy needs too: set IPV6=yes in /etc/default/ufw, then call again",
        )
    if seen.manager != "nftables":
        return ()
    shut = [row for row in rows if row.agreement is Agreement.MISSING and row.exposure.decided_by in _LOCAL_LAYERS]
    said = dict.fromkeys(text for row in shut for text in row.exposure.evidence if "inet ink" not in text)
    return tuple(f"a rule that somebody made by hand keeps a required port closed, and stays: {text}" for text in said)


def _commands(wanted: HostFirewall, seen: Seen) -> tuple[str, ...]:
    """Return in words how the rules of ufw and firewalld change, rule by rule."""
    changes = seen.ufw_changes(wanted)
    told_ufw = (" ".join(("ufw", *words)) for words in (*changes.opens, *changes.closes))
    return (*told_ufw, *(f"firewalld lets in, {rule}" for rule in seen.firewalld_lacks(wanted)))
