"""remove_muscle: take a Muscle out of service, tidily, and delete its machine only if that is asked for."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.apps.moving_steps import KINDS as MOVE_KINDS
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.drained import proofs_of, told
from ink_infra_mcp.areas.machines.draining import drain_of
from ink_infra_mcp.areas.machines.joining import zone_locks
from ink_infra_mcp.areas.machines.leaving import Fate, Leaving, leaving, muscle_called
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.fleet import Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import DNS, FACTORY, HETZNER, OPTION, ROBOT, SENSITIVE, STARTS_APPS, STATE, WRITE, Needs


class Args(BaseModel):
    """What remove_muscle takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[Name, Field(description="Its name")]
    apps_to: Annotated[Name | None, Field(description="Muscle that gets them")] = None
    volumes: Annotated[Literal["refuse", "copy"], Field(description="Data of moved apps")] = "refuse"
    machine: Annotated[Fate, Field(description="delete: for good; a dedicated one is cancelled")] = "keep"
    wait_s: Wait = 45


class RemoveMuscle(Mutation[Args, Look, Leaving]):
    """Take a Muscle, or a half-built one, out of the fleet: names, Coolify, what was set on it. Apps move to apps_to
    first; without it none may live there. The machine stays unless you have it deleted.
    """

    name: ClassVar[str] = "remove_muscle"
    title: ClassVar[str] = "Remove a Muscle"
    hint: ClassVar[str] = "retire, decommission, drain, cancel a server, no longer needed; take out of the fleet"
    long: ClassVar[bool] = True
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs((STATE, WRITE, FACTORY), (HETZNER, ROBOT, DNS, *STARTS_APPS[1:], OPTION, SENSITIVE))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        *MOVE_KINDS,
        "coolify.delete_application",
        "coolify.discard_canary",
        "coolify.delete_server",
        "coolify.delete_private_key",
        "hosts.remove_key",
        "hosts.restore_sshd",
        "hosts.restore_machine",
        "hetzner_cloud.delete_server",
        "hetzner_cloud.delete_firewall",
        "hetzner_robot.cancel_server",
        "fleet.remove_muscle",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Leaving:
        """Return what there is to take away.

        Raises:
            UnknownName: there is no such Muscle, half-built ones counted. RefusedByPolicy: apps live there, or cannot
                be moved. InputError: its machine cannot be deleted from here, or apps cannot go where they shall.
            HostError: a machine that stays, or takes part in a move, cannot be reached.
        """
        muscle = await muscle_called(look, args.name)
        if muscle is None:
            known = ", ".join(muscle.name for muscle in look.fleet.muscles) or "none"
            raise UnknownName(f"No Muscle is called {args.name!r}.", next=f"Use one of: {known}.")
        if args.apps_to is None:
            return await leaving(look, muscle, args.machine)
        copies = args.volumes == "copy"
        drain = await drain_of(look, muscle, args.apps_to, copies=copies, approved=approved)
        return await leaving(look, muscle, args.machine, drain)

    def plan(self, args: Args, facts: Leaving) -> Plan:
        """Return the steps: apps first, the machine's own last before fleet.toml."""
        deletes, drain = args.machine == "delete", facts.drain
        own = (f"muscle:{args.name}", f"firewall:{args.name}", *zone_locks(facts.steps))
        return Plan(
            tool=self.name,
            title=f"{_moves(drain.apps, args)}Remove {args.name}{' and delete its machine' if deletes else ''}",
            target=args.name,
            locks=tuple(dict.fromkeys((*own, *drain.locks))),
            steps=facts.steps,
            production=facts.production,
            blast_radius="; ".join((*drain.blast_radius, _afterwards(args.name, drain.apps))),
            keeps=() if deletes else ("the machine, with what runs in its Docker, and its own firewall",),
            warnings=(*facts.lost, *facts.warnings),
            pinned={"most_bytes": drain.most_bytes} if drain.most_bytes else {},
            phrase=args.name,
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return the proofs of each app that moved, and whether fleet.toml and Coolify no longer have the Muscle."""
        name = plan.target
        fleet = any(muscle.name == name for muscle in look.fleet.muscles)
        coolify = [server.name for server in await look.coolify.servers() if server.name == name]
        return [
            *await proofs_of(plan, results, look),
            _check("fleet", gone=not fleet, there="fleet.toml still has it"),
            _check("coolify", gone=not coolify, there="Coolify still has it"),
        ]

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return what is gone, what was given back to the machine, and which apps have moved."""
        given_back = results.get("restore_machine", {}).get("restored", [])
        return {"name": plan.target, "given_back": given_back} | told(plan, results)


def _moves(apps: tuple[str, ...], args: Args) -> str:
    return f"Move {', '.join(apps)} to {args.apps_to}. " if apps else ""


def _afterwards(name: str, apps: tuple[str, ...]) -> str:
    state = f"no app is left on {name}" if apps else f"no app runs on {name}"
    return f"{state}; its wildcard domain leads nowhere afterwards"


def _check(name: str, *, gone: bool, there: str) -> Check:
    return Check(name=name, status="passed" if gone else "failed", evidence="it is gone" if gone else there)
