"""connect_private_network: a server of the fleet is reached over the private network, proved before it is used."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.private_networks import steps_into, words_of
from ink_infra_mcp.areas.machines.private_places import Place, cloud_place, robot_place
from ink_infra_mcp.core.arguments import Wait
from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.fleet import Address, Host, Muscle, Name
from ink_infra_mcp.core.operation import Check, Mutation, Results, Toolset
from ink_infra_mcp.core.plan import Frozen, Plan
from ink_infra_mcp.core.systems import FACTORY, HETZNER, MUSCLE, READ, ROBOT, STATE, WRITE, Needs


class Args(BaseModel):
    """What connect_private_network takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: Annotated[Name, Field(description="Its name")]
    network: Annotated[int | None, Field(description="Its id or a vSwitch's, where several fit")] = None
    address: Annotated[Address | None, Field(description="Else a free one")] = None
    wait_s: Wait = 45


class Facts(Frozen):
    """The server's place in the network, and whether production stands on it."""

    place: Place
    production: bool


class ConnectPrivateNetwork(Mutation[Args, Look, Facts]):
    """Put a server into the fleet's private network, prove the way from the Factory, then let Coolify use it. Begin
    with the Factory; overlaps are refused.
    """

    name: ClassVar[str] = "connect_private_network"
    title: ClassVar[str] = "Connect a server to the private network"
    hint: ClassVar[str] = "attach to vswitch, vlan, internal addresses; talk to each other privately"
    toolset: ClassVar[Toolset] = "network"
    needs: ClassVar[Needs] = Needs((STATE, READ, WRITE, FACTORY), (MUSCLE, HETZNER, ROBOT))
    args = Args
    kinds: ClassVar[tuple[str, ...]] = (
        "hetzner_cloud.attach_to_network",
        "hetzner_robot.attach_to_vswitch",
        "hosts.set_vlan",
        "hosts.keep_vlan",
        "hosts.await_private_card",
        "hosts.prove_private_way",
        "hosts.widen_key",
        "coolify.set_server_address",
        "coolify.validate_server",
        "fleet.set_private_address",
    )

    async def observe(self, args: Args, look: Look, approved: Plan | None) -> Facts:
        """Return the server's place, and what stands in the way.

        Raises:
            UnknownName: there is no such server. InputError: it is none of Hetzner Cloud, or no network fits.
            RefusedByPolicy: the Factory is not connected. InkError: somebody did not answer well.
        """
        host = _host(args.server, look)
        return Facts(
            place=await _place(look, host, args.network, args.address or ""),
            production=isinstance(host, Muscle) and host.production,
        )

    def plan(self, args: Args, facts: Facts) -> Plan:
        """Return the steps for what is not so yet.

        Raises:
            RefusedByPolicy: something overlaps the network. InputError: it has another address there.
        """
        place = facts.place
        steps = steps_into(place, address=args.address or "")
        return Plan(
            tool=self.name,
            title=f"Connect {place.server} to {place.network_name}",
            target=place.server,
            locks=(f"server:{place.server}", f"network:{place.network}"),
            steps=steps,
            production=facts.production,
            blast_radius=_blast_radius(place) if steps else "",
            keeps=("its public address, by which this server and admins reach it",) if steps else (),
            warnings=words_of(place, steps),
            pinned={"network": place.network, "address": args.address or ""},
            phrase=place.server,
            reason="" if steps else f"{place.server} is in {place.network_name} at {place.address}, and used there.",
        )

    async def verify(self, plan: Plan, results: Results, look: Look) -> list[Check]:
        """Return whether the card has the address, and Coolify and fleet.toml use it, seen anew."""
        host = _host(plan.target, look)
        place = await _place(look, host, int(str(plan.pinned["network"])), str(plan.pinned["address"]))
        found = [_check("private way", place.works, f"{place.server} answers at {place.address}")]
        if place.coolify is not None:
            words = f"Coolify reaches it at {place.coolify.address}"
            found.append(_check("Coolify", place.coolify.address == place.address, words))
        words = f"fleet.toml has {place.written or 'no private address'}"
        return [*found, _check("fleet.toml", place.written == place.address, words)]


def _check(name: str, is_so: bool, words: str) -> Check:
    return Check(name=name, status="passed" if is_so else "failed", evidence=words if is_so else f"not so: {words}")


def _host(name: str, look: Look) -> Host:
    fleet = look.fleet
    found = {host.name: host for host in (fleet.factory, *fleet.muscles)}
    if name not in found:
        raise UnknownName(f"No Factory or Muscle is called {name!r}.", next=f"Use one of: {', '.join(found)}.")
    return found[name]


async def _place(look: Look, host: Host, network: int | None, address: str) -> Place:
    if host.provider != "hetzner_robot":
        return await cloud_place(look, host, network)
    return await robot_place(look, host, network, address)


def _blast_radius(place: Place) -> str:
    if not place.factory:
        return "nobody: the Factory gets one more card"
    return f"deployments to {place.server}, while Coolify turns to the private address"
