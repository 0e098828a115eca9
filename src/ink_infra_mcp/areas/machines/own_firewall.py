"""The firewalls of a server that is not in the fleet yet, by the same policy and the same steps as apply_firewall."""

from pydantic import JsonValue

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.closing import WINDOW_S
from ink_infra_mcp.areas.ports.ground import policy_for
from ink_infra_mcp.areas.ports.host_target import admin_ways, host_rules, is_address, told
from ink_infra_mcp.areas.ports.ways_in import OUTSIDE, classes_of, factory_way, is_private, known_of, neighbours_of
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.cloud import CloudRule
from ink_infra_mcp.core.firewall.exposure import SourceClass
from ink_infra_mcp.core.firewall.targets import cloud_rules
from ink_infra_mcp.core.fleet import Fleet, Muscle
from ink_infra_mcp.core.host_firewall.lies import lies_in
from ink_infra_mcp.core.host_firewall.model import HostFirewall, WayIn
from ink_infra_mcp.core.host_firewall.steps import HostChange, steps_of
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.firewall import changes
from ink_infra_mcp.hosts.firewall.network_facts import gather_network, gather_networks

ROLE = "muscle"
LINKS = "note_links"


async def classes_for(look: Look, muscle: Muscle) -> tuple[SourceClass, ...]:
    """Return who comes to a Muscle that is not there yet: the fleet's own addresses, as fleet and servers tell them.

    Raises:
        InputError: nobody counts as an admin, so that nobody could mend it.
    """
    fleet = joined(look.fleet, muscle)
    facts, _ = await gather_networks(look.hosts)
    classes = classes_of(muscle, fleet, neighbours_of(fleet, facts))
    if not any(known.name in {"admin", OUTSIDE["admin"]} for known in classes):
        raise InputError(
            "fleet.toml names no admin networks, so SSH would be closed to everybody but the Factory.",
            next="Write [access] admin = [...] with the addresses that people and this server come from.",
        )
    return classes


def joined(fleet: Fleet, muscle: Muscle) -> Fleet:
    """Return the fleet as it will be with this Muscle."""
    others = tuple(m for m in fleet.muscles if m.name != muscle.name)
    return fleet.model_copy(update={"muscles": (*others, muscle)})


def in_front(look: Look, muscle: Muscle, classes: tuple[SourceClass, ...]) -> tuple[CloudRule, ...]:
    """Return the rules of the Cloud firewall that a new server gets with its creation."""
    return cloud_rules(policy_for(look, muscle), ROLE, classes)


def own_firewall_steps(
    look: Look,
    muscle: Muscle,
    classes: tuple[SourceClass, ...],
    *,
    address: JsonObject | str,
    inner: JsonObject | str = "",
) -> tuple[Step, ...]:
    """Return the steps: read which links lead outside, save, set on probation, prove and keep.

    The Factory knocks at its `inner` address where there is one. Which links lead outside is known when the steps run
    only: Docker, which the same plan installs, makes some.
    """
    fleet = joined(look.fleet, muscle)
    rules = tuple(host_rules(policy_for(look, muscle), ROLE, classes))
    firewall = HostFirewall(rules=rules, no_metadata=muscle.provider == "hetzner_cloud")
    change = HostChange(
        host=muscle.name, firewall=firewall, ways=_ways(fleet, muscle, classes), knocks=(), window_s=WINDOW_S
    )
    knock: JsonObject = {"of": fleet.factory.name, "address": inner or address, "port": muscle.ssh_port}
    links: JsonObject = {"links": result_of(LINKS, "links")}
    save, put, keep = steps_of(change, before="as the system came", after=told(firewall))
    save = save.model_copy(update={"params": {**save.params, "manager": result_of(LINKS, "manager")}, "uses": (LINKS,)})
    put = put.model_copy(update={"params": {**put.params, **links}, "uses": (LINKS, *put.uses)})
    keep = keep.model_copy(update={"params": {**keep.params, **links, "knocks": [knock]}, "uses": (LINKS, *keep.uses)})
    return (_links(look, fleet, muscle, address), save, put, keep)


async def already(look: Look, muscle: Muscle, classes: tuple[SourceClass, ...]) -> bool:
    """Return whether the server's own firewall says this already, over the links that lead outside now.

    Raises:
        HostError: it cannot be read.
    """
    facts = await gather_network(look.hosts, muscle.name)
    if isinstance(facts.interfaces, Unreadable):
        return False
    fleet = joined(look.fleet, muscle)
    lies = lies_in(muscle.name, facts.interfaces, known_of(fleet, muscle, facts))
    seen = await changes.look(look.hosts, muscle.name)
    firewall = HostFirewall(
        manager=seen.manager,
        rules=tuple(host_rules(policy_for(look, muscle), ROLE, classes)),
        outside=lies.outside,
        inside=lies.inside,
        bridged=lies.bridged,
        behind=lies.behind(seen.manager),
        ufw_ipv6=seen.ufw_ipv6,
        no_metadata=muscle.provider == "hetzner_cloud",
    )
    return seen.is_already(firewall)


def _links(look: Look, fleet: Fleet, muscle: Muscle, address: JsonObject | str) -> Step:
    others = [host for host in fleet.hosts if host.name != muscle.name]
    texts = {*(host.address for host in others), *(host.private_address or "" for host in others)}
    return Step(
        id=LINKS,
        kind="hosts.note_links",
        target=muscle.name,
        summary=f"Read which links of {muscle.name} lead outside, and who keeps its rules",
        params={
            "host": muscle.name,
            "held": [address],
            "others": list[JsonValue](sorted(filter(is_address, texts))),
            "private": [*look.fleet.access.private],
        },
        reads=True,
        undo_words="nothing to undo: it only reads",
    )


def _ways(fleet: Fleet, muscle: Muscle, classes: tuple[SourceClass, ...]) -> tuple[WayIn, ...]:
    private = is_private(muscle) or factory_way(fleet, muscle) == "private"
    factory = (fleet.factory.private_address if private else fleet.factory.address) or ""
    found = admin_ways(classes, muscle.ssh_port)
    if is_address(factory):
        found = (*found, WayIn(name="the Factory", networks=(factory,), port=muscle.ssh_port))
    return found
