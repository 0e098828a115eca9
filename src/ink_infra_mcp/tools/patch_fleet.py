"""patch_fleet: security updates and the reboots that they need, server by server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps.moving import muscle_to
from ink_infra_mcp.areas.apps.moving_steps import KINDS as MOVE_KINDS
from ink_infra_mcp.areas.apps.returning import KINDS as RETURN_KINDS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines import reboots
from ink_infra_mcp.areas.machines.drained import proofs_of, told
from ink_infra_mcp.areas.machines.draining import UNASKED, Drain, drains_of
from ink_infra_mcp.areas.machines.patching import ServerFacts, Turn, named, steps_of
from ink_infra_mcp.core.arguments import WIDENS, Wait
from ink_infra_mcp.core.errors import HostError, InputError, UnknownName
from ink_infra_mcp.core.fleet import Host, Muscle, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import (
    DEPLOY,
    DNS,
    FACTORY,
    HETZNER,
    MUSCLE,
    OPTION,
    READ,
    ROBOT,
    SENSITIVE,
    STATE,
    WRITE,
    Needs,
)
from ink_infra_mcp.hosts.facts.gathering import ask_all
from ink_infra_mcp.hosts.firewall.network_facts import gather_networks
from ink_infra_mcp.hosts.upkeep.upkeep_facts import UpkeepFacts, gather_upkeep

MOST = 15
"""Servers in one plan: each has four steps, and nobody reads a longer one before saying yes."""
FLEET = "fleet"
"""What is named where a plan is about several servers."""


class Args(BaseModel):
    """What patch_fleet takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    servers: Annotated[tuple[Name, ...], Field(max_length=100, description="Default: all"), WIDENS] = ()
    not_after: Annotated[AwareDatetime | None, Field(description="No server is begun later")] = None
    pause_s: Annotated[int, Field(ge=0, le=3600, description="Between servers")] = 0
    drain_to: Annotated[Name | None, Field(description="Muscle that apps move to first")] = None
    return_apps: Annotated[bool, Field(description="They move back when their own is patched")] = False
    wait_s: Wait = 45


@dataclass(frozen=True, slots=True)
class Facts:
    """The servers that need something, in their order; the servers that do not; those of which it is not known."""

    servers: tuple[ServerFacts, ...] = ()
    done: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    """Servers that need something and did not fit into this plan."""


class PatchFleet(Mutation[Args, Look, Facts]):
    """Install security updates and make the reboots that they need, server by server: the next begins when all that ran
    on the last is back. With drain_to, apps that policy lets move serve from there first.
    """

    name: ClassVar[str] = "patch_fleet"
    title: ClassVar[str] = "Install security updates"
    hint: ClassVar[str] = "update, upgrade, patch all servers and machines; kernel, packages, up to date"
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs(
        (STATE, READ), (FACTORY, MUSCLE, HETZNER, ROBOT, WRITE, DEPLOY, OPTION, SENSITIVE, DNS)
    )
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        *dict.fromkeys((*MOVE_KINDS, *RETURN_KINDS)),
        "hosts.await_turn",
        "hosts.note_running",
        "hosts.apply_security_updates",
        "hosts.reboot",
        "hosts.await_apps",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return which servers need what.

        Raises:
            UnknownName: the fleet has no such server. InputError: no Muscle is called `drain_to`.
            RefusedByPolicy: see `reboots.reboot_facts`.
        """
        hosts = _asked_for(args, look)
        told = await ask_all([host.name for host in hosts], lambda name: gather_upkeep(look.hosts, name))
        known = {name: facts for name, facts in told.items() if isinstance(facts, UpkeepFacts)}
        need = [host for host in hosts if host.name in known and _needs(known[host.name])]
        return Facts(
            servers=await _planned(look, need[:MOST], known, await _drains(look, need[:MOST], args, approved)),
            done=tuple(name for name, facts in known.items() if _is_done(facts)),
            unknown=tuple(f"{name}: {why}" for name, facts in told.items() if (why := _left_out(facts))),
            later=tuple(host.name for host in need[MOST:]),
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps of each server, one server after the other."""
        if not facts.servers:
            return Plan(tool=self.name, title=self.title, target=FLEET, locks=(), reason=_reason(facts))
        names = [one.reboot.server for one in facts.servers]
        target = names[0] if len(names) == 1 else FLEET
        return Plan(
            tool=self.name,
            title=f"Install security updates on {', '.join(names)}",
            target=target,
            locks=tuple(dict.fromkeys(lock for one in facts.servers for lock in one.locks)),
            steps=tuple(
                step for number, one in enumerate(facts.servers, 1) for step in steps_of(one, _turn(args, number))
            ),
            production=any(one.production for one in facts.servers),
            blast_radius="; then ".join(one.blast_radius for one in facts.servers),
            keeps=("files, volumes, containers and settings; held packages",),
            warnings=tuple(_warnings(facts)),
            pinned=_pinned(facts),
            phrase=target,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return for each server whether updates are pending, and whether all that ran is back, or serves elsewhere."""
        names = [step.target for step in plan.steps if step.kind == "hosts.apply_security_updates"]
        seen = await ask_all(names, lambda name: gather_upkeep(look.hosts, name))
        moved = await proofs_of(plan, results, look)
        return [*(_patched(name, seen[name]) for name in names), *moved, *await reboots.proofs(look, plan, results)]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return what was installed, by server, and which apps have moved."""
        done = [step for step in plan.steps if step.kind == "hosts.apply_security_updates" and step.id in results]
        installed: JsonObject = {step.target: results[step.id]["installed"] for step in done}
        return {"installed": installed, **told(plan, results)}


def _asked_for(args: Args, look: Look) -> list[Host]:
    fleet = look.fleet
    _check_drain(args, look)
    order = {host.name: host for host in (*fleet.muscles, *fleet.bastions, fleet.factory)}
    if lost := [name for name in args.servers if name not in order]:
        raise UnknownName(f"No server is called {lost[0]!r}.", next=f"Use one of: {', '.join(order)}.")
    asked = [order[name] for name in args.servers or order]
    # apps come to a server that is done already
    return sorted(asked, key=lambda host: host.name != args.drain_to)


def _check_drain(args: Args, look: Look) -> None:
    if args.drain_to is not None:
        muscle_to(look, args.drain_to)
    elif args.return_apps:
        raise InputError("return_apps brings back what drain_to moves.", next="Give drain_to, too.")


def _turn(args: Args, number: int) -> Turn:
    return Turn(number, args.pause_s, args.not_after.isoformat() if args.not_after else "")


async def _drains(look: Look, hosts: list[Host], args: Args, approved: Plan | None) -> dict[str, Drain]:
    if args.drain_to is None:
        return {}
    to = muscle_to(look, args.drain_to)
    leaving = [host for host in hosts if isinstance(host, Muscle) and host.name != to.name]
    return await drains_of(look, leaving, to, approved, returns=args.return_apps)


async def _planned(
    look: Look, hosts: list[Host], known: Mapping[str, UpkeepFacts], drains: Mapping[str, Drain]
) -> tuple[ServerFacts, ...]:
    if not hosts:
        return ()
    networks = await gather_networks(look.hosts)
    return tuple([await _one(look, host, networks, known[host.name], drains.get(host.name, UNASKED)) for host in hosts])


async def _one(look: Look, host: Host, networks: reboots.Networks, known: UpkeepFacts, drain: Drain) -> ServerFacts:
    away = await reboots.reboot_facts(look, host, networks, gone=drain.gone)
    return ServerFacts(away, known.security_updates or (), is_stale=known.is_stale, drain=drain)


def _needs(facts: UpkeepFacts) -> bool:
    """A server of which apt has heard nothing lately is asked to fetch: what is pending there shows only then."""
    unheard = facts.has_security_source is True and facts.security_updates is not None and facts.is_stale
    return unheard or bool(facts.security_updates) or bool(facts.reboot_required)


def _is_done(facts: UpkeepFacts) -> bool:
    return not _needs(facts) and not _unknown(facts)


def _unknown(facts: UpkeepFacts) -> str:
    if facts.security_updates is None:
        return facts.unknown.get("updates", "it does not say which updates are pending")
    return facts.unproved


def _why(told: UpkeepFacts | HostError) -> str:
    return told.failed if isinstance(told, HostError) else _unknown(told)


def _left_out(told: UpkeepFacts | HostError) -> str:
    """Return why a server is not in the plan though it may need something, or nothing."""
    return "" if isinstance(told, UpkeepFacts) and _needs(told) else _why(told)


def _warnings(facts: Facts) -> Iterator[str]:
    yield from (f"not patched, for it cannot be told what is pending: {words}" for words in facts.unknown)
    if facts.later:
        yield f"not in this plan, call again for them: {', '.join(facts.later)}"
    for one in facts.servers:
        yield from one.warnings()


def _pinned(facts: Facts) -> JsonObject:
    most = {name: most for one in facts.servers for name, most in one.drain.most_bytes.items()}
    return {"most_bytes": most} if most else {}


def _reason(facts: Facts) -> str:
    known = (
        f"no security update and no reboot is pending on {', '.join(facts.done) or 'any server that could be read'}."
    )
    return f"{known} Not all is known: {'; '.join(facts.unknown)}." if facts.unknown else known


def _patched(name: str, told: UpkeepFacts | HostError) -> Check:
    check = f"updates {name}"
    if isinstance(told, HostError) or _unknown(told):
        return Check(name=check, status="failed", evidence=f"not known: {_why(told)}")
    if told.security_updates:
        return Check(name=check, status="failed", evidence=f"still pending: {named(told.security_updates)}")
    return Check(name=check, status="passed", evidence="apt has no security update for it")
