"""reboot_server: reboot one server, and prove that all that ran on it is back."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines import reboots
from ink_infra_mcp.areas.machines.reboots import RebootFacts
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import InputError, UnknownName
from ink_infra_mcp.core.fleet import Host, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import JsonObject, Plan
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, READ, ROBOT, STATE, Needs


class Args(BaseModel):
    """What reboot_server takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="Its name")]
    only_if_required: Annotated[bool, Field(description="Only where an update waits for it")] = False
    wait_s: Wait = 45


class RebootServer(Mutation[Args, Look, RebootFacts]):
    """Reboot one server and wait until all that ran on it is back and proved. Its plan names every app that will be
    away, and how long. It refuses during deployments, or where nobody could log in afterwards.
    """

    name: ClassVar[str] = "reboot_server"
    title: ClassVar[str] = "Reboot a server"
    hint: ClassVar[str] = "restart, power cycle a machine or host; needs a restart after a kernel update"
    toolset: ClassVar[Toolset] = "servers"
    needs: ClassVar[Needs] = Needs((STATE, READ), (FACTORY, MUSCLE, HETZNER, ROBOT))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = reboots.KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> RebootFacts:
        """Return the server and what will be away with it.

        Raises:
            UnknownName: the fleet has no such server. RefusedByPolicy: see `reboots.reboot_facts`.
        """
        return await reboots.reboot_facts(look, _host(args.server, look))

    def plan(self, args: Args, facts: RebootFacts) -> Plan:
        """Return the three steps; with `only_if_required` none where no update waits for a boot.

        Raises:
            InputError: whether one waits cannot be told.
        """
        name = facts.server
        if args.only_if_required and facts.required is None:
            raise InputError(
                f"Whether {name} needs a reboot cannot be told: {facts.why_unknown}.",
                next="Call without only_if_required, or mend what it lacks first.",
            )
        steps = () if args.only_if_required and not facts.required else reboots.reboot_steps(facts)
        return Plan(
            tool=self.name,
            title=f"Reboot {name}",
            target=name,
            locks=facts.locks,
            steps=steps,
            production=facts.production,
            blast_radius=reboots.blast_radius(facts) if steps else "",
            keeps=("files, volumes, containers and settings",) if steps else (),
            warnings=reboots.warnings(facts) if steps else (),
            phrase=name,
            reason=_reason(facts),
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether it is in another boot, and each app and all else is back as it was."""
        return await reboots.proofs(look, plan, results)

    def summary(self, plan: Plan, results: Results, checks: list[Check]) -> JsonObject:
        """Return the server and the boot that it is in."""
        return {"server": plan.target, "boot_id": results.get("reboot", {}).get("boot_id", "")}


def _host(name: str, look: Look) -> Host:
    found = {host.name: host for host in look.fleet.hosts}
    if name not in found:
        raise UnknownName(f"No server is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]


def _reason(facts: RebootFacts) -> str:
    if facts.required is None:
        return ""
    if not facts.required:
        return f"no update on {facts.server} waits for a reboot."
    return f"{facts.server} asks for a reboot: {', '.join(facts.required[:5])}."
