"""A machine that nobody can look at yet, as the same plan buys or installs it: all steps, each of which looks first."""

from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.areas.dns.addresses import Addresses
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import Asked, dns_of, fields_of, wanted_server
from ink_infra_mcp.areas.machines.canary import canary_of, left_over
from ink_infra_mcp.areas.machines.joining import Joining, factory_address
from ink_infra_mcp.areas.machines.own_firewall import classes_for, own_firewall_steps
from ink_infra_mcp.areas.machines.private_networks import inner_proofs
from ink_infra_mcp.clients.coolify.registering import registration, what_is_there
from ink_infra_mcp.core.baseline.judging import Wanted, judge
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.baseline.steps import steps_of as baseline_steps
from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.login.steps import harden_new_sshd
from ink_infra_mcp.core.plan import JsonObject, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it will be, and how known, as values or as what stands for them; `fields` go into fleet.toml."""

    address: str | JsonObject
    inner: str | JsonObject = ""
    """Its private address, where SSH shall be there only."""
    names_to: Addresses
    host_key: JsonValue
    fields: JsonObject


def _factory_at(fleet: Fleet, muscle: Muscle, place: Place) -> str:
    inner = fleet.factory.private_address if place.inner else None
    return inner or factory_address(fleet, muscle)


def reached(
    name: str, address: str | JsonObject, host_key: JsonValue, *, inner: str | JsonObject, by: str
) -> JsonObject:
    """Return how a server is reached that the fleet does not have: where it has an `inner` address, through `by`."""
    way: JsonObject = {"address": inner, "bastion": by} if inner else {"address": address}
    return {"name": name, **way, "host_key": host_key, "port": 22, "user": "root"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The steps that make it be there, and those of the first login; `warnings`: what a person has to know of them."""

    bought: tuple[Step, ...]
    login: tuple[Step, ...]
    warnings: tuple[str, ...] = ()


async def unseen(look: Look, asked: Asked, muscle: Muscle, machine: Machine, place: Place, arrival: Arrival) -> Joining:
    """Return what such a machine lacks: everything. `machine` is what its image or product is taken to be.

    Raises:
        RefusedByPolicy: it is too small, or of a system that is not supported.
    """
    name, networks = muscle.name, look.fleet.access.private
    judgement = judge(machine, look.baseline(), Wanted(role="muscle", networks=networks))
    if judgement.refusals:
        raise RefusedByPolicy(f"{'; '.join(judgement.refusals)}.", next="See list_server_offers for what fits.")
    then = reached(name, place.address, place.host_key, inner=place.inner, by=look.fleet.factory.name)
    wanted = wanted_server(look, muscle, place.inner or place.address)
    coolify = registration(wanted, await what_is_there(look.coolify, wanted))
    dns, told = await dns_of(look, muscle, place.names_to)
    classes = await classes_for(look, muscle)
    return Joining(
        muscle=muscle,
        address=place.address,
        pinned=place.host_key,
        newcomer=then,
        factory_at=_factory_at(look.fleet, muscle, place),
        bought=arrival.bought,
        login=arrival.login,
        hardening=(harden_new_sshd(name, look.sshd(), then),),
        baseline=baseline_steps(judgement, prefix="base_"),
        firewall=own_firewall_steps(look, muscle, classes, address=place.address, inner=place.inner),
        private=inner_proofs(look.fleet, name, place.inner),
        coolify=coolify,
        dns=dns,
        canary=await canary_of(look, muscle, asked.project) if muscle.wildcard_domain else None,
        left_over=await left_over(look, name),
        warnings=(*arrival.warnings, *judgement.warnings, *told, *coolify.to_click),
        fields=fields_of(muscle, address=place.address, host_key=place.host_key, **place.fields),
    )
