"""apply_firewall: make the firewalls in front of a server and on it match policy, with a way back at every step."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.closing import closing_steps
from ink_infra_mcp.areas.ports.to_close import KINDS, Layers, ToClose, closed_checks, to_close
from ink_infra_mcp.core.arguments import WIDENS, Wait
from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.fleet import Host, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Plan
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, ROBOT, STATE, Needs


class Args(BaseModel):
    """What apply_firewall takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="Its name")]
    layers: Annotated[Layers, Field(description="provider: Hetzner's"), WIDENS] = "all"
    wait_s: Wait = 45


class ApplyFirewall(Mutation[Args, Look, ToClose]):
    """Make a server's firewalls, its provider's and its own, match the port policy, Docker's ports included. It cuts
    off neither us, an admin nor the Factory: without the proof of a new login the old rules come back.
    """

    name: ClassVar[str] = "apply_firewall"
    title: ClassVar[str] = "Close ports to policy"
    hint: ClassVar[str] = "close, block, lock down ports; fix or change the firewall's rules"
    toolset: ClassVar[Toolset] = "network"
    needs: ClassVar[Needs] = Needs((STATE, FACTORY), (MUSCLE, HETZNER, ROBOT))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = KINDS

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> ToClose:
        """Return what the server's firewalls are and should be.

        Raises:
            UnknownName: the fleet has no such server. InputError: nobody counts as an admin.
            RefusedByPolicy: the new rules would shut out this server's own way in, or do not fit the provider's limits.
            HostError: the server cannot be read: what is not known is not changed.
        """
        return await to_close(look, _host(args.server, look), args.layers)

    def plan(self, args: Args, facts: ToClose) -> Plan:
        """Return the steps: the host's rules on probation, the provider's, the proof by new connections, then kept."""
        name, steps = facts.server, closing_steps(facts)
        return Plan(
            tool=self.name,
            title=f"Make the firewalls of {name} match policy",
            target=name,
            locks=(f"firewall:{name}",),
            steps=steps,
            production=facts.production,
            blast_radius=facts.blast_radius if steps else "",
            keeps=facts.keeps if steps else (),
            warnings=facts.told,
            phrase=name,
            reason="" if steps else f"{facts.so}.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the ports are as policy wants, computed anew, and whether real connects come to the same."""
        return await closed_checks(look, _host(plan.target, look), plan, results)


def _host(name: str, look: Look) -> Host:
    found = {host.name: host for host in look.fleet.hosts}
    if name not in found:
        raise UnknownName(f"No server is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]
