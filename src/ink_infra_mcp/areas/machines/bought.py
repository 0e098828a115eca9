"""A Cloud server that is to be bought and become a Muscle, or that an earlier call has bought already."""

from dataclasses import replace

from pydantic import JsonValue

from ink_infra_mcp.areas.dns.addresses import Addresses, addresses_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import Asked, earlier_host_keys, in_fleet, looked_at, our_key
from ink_infra_mcp.areas.machines.buying import address_after, server_steps
from ink_infra_mcp.areas.machines.cloud_servers import CloudFacts, CloudServer, ServerFact, cloud_of
from ink_infra_mcp.areas.machines.joining import Joining
from ink_infra_mcp.areas.machines.own_firewall import ROLE, classes_for, in_front
from ink_infra_mcp.areas.machines.private_networks import inner_proofs
from ink_infra_mcp.areas.machines.sources import HetznerCloud
from ink_infra_mcp.areas.machines.unseen import Arrival, Place, reached, unseen
from ink_infra_mcp.areas.ports.provider_steps import create_step
from ink_infra_mcp.core.baseline.judging import GIB
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.errors import HostKeyChanged
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.core.login.steps import await_ready, rotate_host_keys
from ink_infra_mcp.core.offers import Offer
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.ssh_key import PublicKey
from ink_infra_mcp.core.step import result_of

OUR_KEY = "ink-infra"
"""What the Cloud project calls the key that we log in with, where it has none of that fingerprint."""
GROUP = "ink-muscles"
"""The placement group of all Muscles: no host of Hetzner's that breaks takes two of them."""
_ARCHITECTURES = {"x86": "amd64", "arm": "arm64"}
FIREWALL = "create_firewall"


async def wanted_of(look: Look, asked: Asked, source: HetznerCloud) -> CloudServer:
    """Return the server as it shall be bought; its firewall is made in the same plan, or is there."""
    key = PublicKey(name=OUR_KEY, line=await our_key(look))
    there = {firewall.name: firewall.id for firewall in await cloud_of(look).firewalls()}
    own = there.get(f"ink-{asked.name}")
    return CloudServer(
        name=asked.name,
        server_type=source.server_type,
        location=source.location,
        image=source.image,
        backups=source.backups,
        labels={"ink-role": ROLE},
        network=source.network,
        placement_group=GROUP,
        keys=(key,),
        firewalls=(str(own) if own is not None else result_of(FIREWALL, "firewall"),),
    )


async def bought(look: Look, asked: Asked, wanted: CloudServer, facts: CloudFacts) -> Joining:
    """Return what a server lacks that is to be bought, or that an earlier call of ours has bought.

    Raises:
        InputError: the name is somebody else's, or the type cannot be had. RefusedByPolicy: it is too small.
    """
    muscle = Muscle(
        name=asked.name,
        address=f"{asked.name}.invalid",
        provider="hetzner_cloud",
        wildcard_domain=asked.wildcard_domain,
        production=asked.production,
        access=asked.access,
    )
    if (known := in_fleet(look.fleet, asked.name)) is not None:
        at = await addresses_of(look, known.name)
        found = await looked_at(look, known, asked, newcomer=None, at=at)
        return replace(found, bought=server_steps(wanted, facts))
    there = facts.servers.get(asked.name)
    steps = (*await _firewall(look, muscle, wanted), *server_steps(wanted, facts))
    if there is not None and (there.ipv4 or there.ipv6):
        return replace(await _adopted(look, asked, muscle, there, _private(look, asked, wanted, facts)), bought=steps)
    return await _unseen(look, asked, muscle, wanted, facts, steps)


async def _firewall(look: Look, muscle: Muscle, wanted: CloudServer) -> tuple[Step, ...]:
    if isinstance(wanted.firewalls[0], str):
        return ()
    return (create_step(muscle.name, ROLE, in_front(look, muscle, await classes_for(look, muscle))),)


async def _unseen(
    look: Look, asked: Asked, muscle: Muscle, wanted: CloudServer, facts: CloudFacts, buying: tuple[Step, ...]
) -> Joining:
    offer = next(o for o in facts.offers if (o.name, o.location) == (wanted.server_type, wanted.location))
    ipv4, ipv6 = address_after(wanted, facts, field="ipv4"), address_after(wanted, facts, field="ipv6")
    created = address_after(wanted, facts, field="host_key_fingerprint")
    inner, by = _inner(asked, wanted, facts), look.fleet.factory.name
    first = reached(muscle.name, ipv4, created, inner=inner, by=by)
    make, rotate = rotate_host_keys(muscle.name, first)
    rotated: JsonValue = result_of(make.id, "host_key")
    place = Place(
        address=ipv4,
        names_to=Addresses(ipv4=ipv4, ipv6=ipv6),
        host_key=rotated,
        inner=inner,
        fields={"provider_id": address_after(wanted, facts, field="server_id"), **_private(look, asked, wanted, facts)},
    )
    steps = Arrival(bought=buying, login=(await_ready(muscle.name, first), make, rotate))
    return await unseen(look, asked, muscle, fresh(muscle.name, wanted, offer), place, steps)


async def _adopted(look: Look, asked: Asked, muscle: Muscle, there: ServerFact, private: JsonObject) -> Joining:
    """What an earlier call bought goes on where that ended, with the host key that it was made with or got since."""
    address, inner = there.ipv4 or there.ipv6, str(private.get("private_address") or "")
    known = [there.host_key_fingerprint, *await earlier_host_keys(look, muscle.name, step=_made(muscle.name))]
    here = muscle.model_copy(update={"address": address, "provider_id": str(there.id), **private})
    by = look.fleet.factory.name
    first = reached(muscle.name, address, "\n".join(filter(None, known)), inner=inner, by=by)
    at = Addresses(ipv4=there.ipv4 or None, ipv6=there.ipv6 or None)
    with look.knowing(first):
        shown = await _shown(look, muscle.name, first, known)
        found = await looked_at(look, here.model_copy(update={"host_key": shown}), asked, newcomer=first, at=at)
        found = replace(found, private=inner_proofs(look.fleet, muscle.name, inner))
    if shown != there.host_key_fingerprint and fingerprint_of(shown) != there.host_key_fingerprint:
        return found
    make, rotate = rotate_host_keys(muscle.name, {**first, "host_key": there.host_key_fingerprint})
    rotated = result_of(make.id, "host_key")
    return replace(
        found,
        newcomer={**first, "host_key": rotated},
        pinned=rotated,
        login=(*found.login, make, rotate),
        fields={**found.fields, "host_key": rotated},
    )


def _inner(asked: Asked, wanted: CloudServer, facts: CloudFacts) -> str | JsonObject:
    return address_after(wanted, facts, field="private_address") if asked.access == "private" else ""


def _private(look: Look, asked: Asked, wanted: CloudServer, facts: CloudFacts) -> JsonObject:
    """Return what fleet.toml says of a server that takes SSH over the private network only: we pass the Factory."""
    inner = _inner(asked, wanted, facts)
    return {"access": "private", "private_address": inner, "bastion": look.fleet.factory.name} if inner else {}


async def _shown(look: Look, name: str, first: JsonObject, known: list[str]) -> str:
    """Return the host key that a server shows; through a bastion it is the one of those known with which we get in."""
    if "bastion" not in first:
        return " ".join((await look.hosts.scan_host_key(str(first["address"]))).split()[:2])
    for key in (key for key in known[1:] if key):
        with look.knowing({**first, "host_key": key}):
            try:
                await look.hosts.try_new_connection(name)
            except HostKeyChanged:
                continue
            return " ".join(key.split()[:2])
    return known[0]


def _made(name: str) -> str:
    return rotate_host_keys(name)[0].id


def fresh(name: str, wanted: CloudServer, offer: Offer) -> Machine:
    """Return a server as its image is taken to be: with nothing of the baseline yet. Each step looks what is there."""
    os_id, _, version = wanted.image.partition("-")
    return Machine(
        host=name,
        os_id=os_id,
        os_version=version,
        arch=_ARCHITECTURES.get(offer.architecture, offer.architecture),
        kernel="as the image has it",
        cpus=offer.cores,
        memory_bytes=int(offer.memory_gb * GIB),
        swap_bytes=0,
        disk_bytes=int(offer.disk_gb) * GIB,
        packages={},
        broken=(),
        sysctls={},
        units={},
        apt={},
        journal={},
        files={},
        keys={},
        sources={},
        daemon="",
        runsc="",
        snap=False,
        routes=(),
    )
