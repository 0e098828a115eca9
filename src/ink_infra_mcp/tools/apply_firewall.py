"""apply_firewall: make the firewalls in front of a server and on it match policy, with a way back at every step."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.beside import told_beside
from ink_infra_mcp.areas.ports.boot_findings import lasting_trouble
from ink_infra_mcp.areas.ports.checks import closed, connects, kept, reachable
from ink_infra_mcp.areas.ports.closing import Closing, closing_steps, kept_inside, listed
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
from ink_infra_mcp.core.arguments import WIDENS, Wait
from ink_infra_mcp.core.errors import HostError, RefusedByPolicy, UnknownName
from ink_infra_mcp.core.firewall.policy import Agreement
from ink_infra_mcp.core.fleet import Host, Muscle, Name
from ink_infra_mcp.core.host_firewall.model import HostFirewall
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, ROBOT, STATE, Needs
from ink_infra_mcp.hosts.firewall import changes
from ink_infra_mcp.hosts.firewall.changes import Seen
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, gather_networks

_LOCAL_LAYERS = frozenset({"host"})


class Args(BaseModel):
    """What apply_firewall takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="Its name")]
    layers: Annotated[Literal["all", "host", "provider"], Field(description="provider: Hetzner's"), WIDENS] = "all"
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Closing):
    """The server as it is and as it should be, and what a person has to know of it."""

    production: bool
    overrides: tuple[str, ...]
    warnings: tuple[str, ...]


class ApplyFirewall(Mutation[Args, Look, Facts]):
    """Make a server's firewalls, its provider's and its own, match the port policy, Docker's ports included. It cuts
    off neither us, an admin nor the Factory: without the proof of a new login the old rules come back.
    """

    name: ClassVar[str] = "apply_firewall"
    title: ClassVar[str] = "Close ports to policy"
    hint: ClassVar[str] = "close, block, lock down ports; fix or change the firewall's rules"
    toolset: ClassVar[Toolset] = "network"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), (MUSCLE, HETZNER, ROBOT))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
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

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return what the server's firewalls are and should be.

        Raises:
            UnknownName: the fleet has no such server. InputError: nobody counts as an admin.
            RefusedByPolicy: the new rules would shut out this server's own way in, or do not fit the provider's limits.
            HostError: the server cannot be read: what is not known is not changed.
        """
        host = _host(args.server, look)
        await refuse_coolify_outside(look, host)
        facts = await _network(look, host)
        front = (await in_front_of(look, (host,)))[host.name]
        neighbours = neighbours_of(look.fleet, facts)
        ground = ground_of(look, host, facts[host.name], front, neighbours)
        refuse_unread(ground, provider=args.layers != "host")
        seen = await changes.look(look.hosts, host.name)
        lies = lies_of(ground, neighbours.known[host.name])
        ground = seen_from_outside(ground, lies)
        wanted = host_firewall(ground, seen, lies)
        refuse_lockout(look.fleet, ground, wanted, seen.came_from)
        if args.layers != "provider":
            refuse_cut_tunnels(ground, wanted, lies)
            refuse_unforeseen(ground, wanted)
        provider = provider_steps(ground, look.fleet.access.private) if args.layers != "host" else ()
        rows = rows_of(ground)
        already = seen.is_already(wanted)
        needed = args.layers != "provider" and not already
        inside = await kept_of(look, ground, lies, facts[host.name].came_from) if needed else Kept()
        warned = (*beyond_reach(ground), *told_beside(ground.facts), *_foreign(rows, seen))
        warned = (*warned, *lasting_trouble(ground, rows))
        return Facts(
            server=host.name,
            production=isinstance(host, Muscle) and host.production,
            opened=tuple(sorted({row.port for row in rows if row.agreement is Agreement.EXPOSED})),
            provider=provider,
            wanted=wanted if args.layers != "provider" else None,
            already=already,
            knocks=knocks_of(look.fleet, host),
            ways=ways_to_keep(look.fleet, ground),
            overrides=look.ports().overrides,
            warnings=(*warned, *(carried(lies) if needed else ()), *inside.warnings),
            commands=_commands(wanted, seen) if args.layers != "provider" else (),
            inner=inside.inner,
            untried=inside.untried,
            tries=inside.tries,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps: the host's rules on probation, the provider's, the proof by new connections, then kept."""
        name, steps = facts.server, closing_steps(facts)
        return Plan(
            tool=self.name,
            title=f"Make the firewalls of {name} match policy",
            target=name,
            locks=(f"firewall:{name}",),
            steps=steps,
            production=facts.production,
            blast_radius=_blast_radius(facts) if steps else "",
            keeps=_keeps(facts) if steps else (),
            warnings=(*(f"policy is loosened: {words}" for words in facts.overrides), *facts.warnings),
            phrase=name,
            reason="" if steps else _already(facts),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the ports are as policy wants, computed anew, and whether real connects come to the same."""
        host = _host(plan.target, look)
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


def _already(facts: Facts) -> str:
    """Say that nothing is left to do, and what is not fine all the same."""
    but = f" Not all is fine: {'; '.join(facts.warnings)}." if facts.warnings else ""
    return f"the firewalls of {facts.server} say what policy says.{but}"


def _host(name: str, look: Look) -> Host:
    found = {host.name: host for host in look.fleet.hosts}
    if name not in found:
        raise UnknownName(f"No server is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]


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


def _keeps(facts: Facts) -> tuple[str, ...]:
    which = (
        "to ports that stay open: Robot keeps no state, and cuts the others"
        if facts.by_robot
        else "whatever they are to"
    )
    return (
        f"connections that are open now, {which}",
        "rules that others made, which our own table only adds to",
        *kept_inside(facts),
    )


def _blast_radius(facts: Facts) -> str:
    if not facts.opened:
        return "nobody: nothing is open beyond policy"
    return f"whoever opens new connections to {listed(facts.opened)} on {facts.server}"


def _commands(wanted: HostFirewall, seen: Seen) -> tuple[str, ...]:
    """Return in words how the rules of ufw and firewalld change, rule by rule."""
    changes = seen.ufw_changes(wanted)
    told_ufw = (" ".join(("ufw", *words)) for words in (*changes.opens, *changes.closes))
    return (*told_ufw, *(f"firewalld lets in, {rule}" for rule in seen.firewalld_lacks(wanted)))
