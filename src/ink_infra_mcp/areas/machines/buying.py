"""The steps that buy a Cloud server, or go on with one that we bought, and those that delete it."""

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.areas.machines.cloud_servers import CloudFacts, CloudServer, Ref, ServerFact, can_be_had
from ink_infra_mcp.areas.machines.offers import instead_of
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.offers import Offer
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.ssh_key import PublicKey
from ink_infra_mcp.core.step import result_of

Field = Literal["server_id", "ipv4", "ipv6", "private_address", "host_key_fingerprint"]
GROUP_STEP = "placement_group"
ACCESS = "ink-access"
"""The label that says how a server is meant to be reached by SSH: `public`, or `private` only."""


def key_steps(wanted: Sequence[CloudServer], facts: CloudFacts) -> tuple[Step, ...]:
    """Return a step for each public key that the project lacks, once for all servers of a plan; before `server_steps`.

    A key that is there already, whoever added it, is used under the name that it has.
    """
    keys = {key.fingerprint: key for server in wanted for key in server.keys}
    return tuple(_key_step(key) for print_, key in keys.items() if print_ not in facts.keys)


def _key_step(key: PublicKey) -> Step:
    return Step(
        id=_key_id(key),
        kind="hetzner_cloud.create_ssh_key",
        target=key.name,
        summary=f"Add the public SSH key {key.name} to the Cloud project",
        params={"name": key.name, "public_key": key.line},
        undo=Undo(
            kind="hetzner_cloud.delete_ssh_key",
            target=key.name,
            summary=f"delete the key {key.name} from the project",
            params={"name": key.name},
        ),
    )


def _key_id(key: PublicKey) -> str:
    return f"ssh_key_{key.fingerprint.replace(':', '')[:12]}"


def group_steps(wanted: Sequence[CloudServer], facts: CloudFacts) -> tuple[Step, ...]:
    """Return a step for each placement group that is not there, once for all servers; before `server_steps`."""
    names = dict.fromkeys(server.placement_group for server in wanted if server.placement_group)
    return tuple(_group_step(name) for name in names if name not in facts.groups)


def _group_step(name: str) -> Step:
    return Step(
        id=_group_id(name),
        kind="hetzner_cloud.create_placement_group",
        target=name,
        summary=f"Make the placement group {name}, whose servers are on different hosts",
        params={"name": name},
        undo=Undo(
            kind="hetzner_cloud.delete_placement_group",
            target=name,
            summary=f"delete the placement group {name}",
            params={"name": name},
        ),
    )


def _group_id(name: str) -> str:
    return f"{GROUP_STEP}_{name.replace('-', '_')}"


def server_steps(wanted: CloudServer, facts: CloudFacts, prefix: str = "") -> tuple[Step, ...]:
    """Return the steps that make the server be there, none where it is; ids begin with `prefix`.

    One of that name that we made goes on: it is protected, backed up and attached, and never bought again.

    Raises:
        InputError: the name is another server's, or the type cannot be had there; it names what there is to choose.
    """
    there = facts.servers.get(wanted.name)
    if there is None:
        _refuse_unavailable(wanted, facts)
        _refuse_network(wanted, facts)
        return (_create(wanted, facts, prefix),)
    _refuse_foreign(there)
    _refuse_other(wanted, there)
    return (*_protect(there, prefix), *_back_up(wanted, there, prefix), *_attach(wanted, there, prefix))


def address_after(wanted: CloudServer, facts: CloudFacts, prefix: str = "", field: Field = "ipv4") -> Ref:
    """Return what a later step takes as the server's id, address or host key: what is known, or the result to come."""
    there = facts.servers.get(wanted.name)
    if there is None:
        return result_of(f"{prefix}create_server", field)
    known = {
        "server_id": str(there.id),
        "ipv4": there.ipv4,
        "ipv6": there.ipv6,
        "host_key_fingerprint": there.host_key_fingerprint,
    }
    if field != "private_address":
        return known[field]
    private = there.private.get(str(wanted.network))
    return private or result_of(f"{prefix}attach_to_network", "private_address")


def deleting(server: ServerFact, prefix: str = "") -> tuple[Step, ...]:
    """Return the step that deletes a server for good, if it still is the one that was seen."""
    return (
        Step(
            id=f"{prefix}delete_server",
            kind="hetzner_cloud.delete_server",
            target=server.name,
            summary=f"Delete the Cloud server {server.name} ({server.server_type} at {server.location})",
            servers=(server.name,),
            before="protected against deletion" if server.protected else None,
            params={
                "server": str(server.id),
                "name": server.name,
                "labels": {**server.labels},
                "unprotect": server.protected,
            },
        ),
    )


def lost_with(server: ServerFact) -> tuple[str, ...]:
    """Return in words what goes with a server, and what stays and goes on costing."""
    gone = [f"the disk of {server.name}", *filter(None, (server.ipv4, server.ipv6))]
    gone += ["its backups"] if server.backed_up else []
    lines = [f"gone for good: {', '.join(gone)}"]
    if server.volumes:
        lines.append(f"stays, and costs money: volumes {', '.join(map(str, server.volumes))}")
    return tuple(lines)


def _create(wanted: CloudServer, facts: CloudFacts, prefix: str) -> Step:
    offer = next(o for o in facts.offers if (o.name, o.location) == (wanted.server_type, wanted.location))
    return Step(
        id=f"{prefix}create_server",
        kind="hetzner_cloud.create_server",
        target=wanted.name,
        summary=f"Buy the Cloud server {wanted.name}: {wanted.server_type} at {wanted.location}, {wanted.image}",
        servers=(wanted.name,),
        after=", ".join(_words(wanted, offer)),
        params=_params(wanted, facts),
        uses=tuple(_uses(wanted, facts)),
        undo=Undo(
            kind="hetzner_cloud.discard_server",
            target=wanted.name,
            summary=f"delete {wanted.name}, which this operation bought",
            params={"name": wanted.name},
        ),
    )


def _words(wanted: CloudServer, offer: Offer) -> Iterator[str]:
    yield f"{offer.cores} cores, {offer.memory_gb} GB memory, {offer.disk_gb} GB disk"
    yield "backed up daily" if wanted.backups else "not backed up"
    yield "protected against deletion"
    if wanted.network is not None:
        yield f"in the network {wanted.network}"


def _params(wanted: CloudServer, facts: CloudFacts) -> JsonObject:
    group: JsonObject = {"placement_group": _group(wanted, facts)} if wanted.placement_group else {}
    network: list[JsonValue] = [] if wanted.network is None else [str(wanted.network)]
    text: JsonObject = {"user_data": wanted.user_data} if wanted.user_data else {}
    return {
        "name": wanted.name,
        "server_type": wanted.server_type,
        "location": wanted.location,
        "image": wanted.image,
        "ssh_keys": [_key(key, facts) for key in wanted.keys],
        "firewalls": [*wanted.firewalls],
        "networks": network,
        "labels": {**wanted.labels, ACCESS: wanted.access},
        "ipv4": wanted.ipv4,
        "backups": wanted.backups,
        "first_host_key": True,
        **group,
        **text,
    }


def _key(key: PublicKey, facts: CloudFacts) -> Ref:
    return facts.keys.get(key.fingerprint) or result_of(_key_id(key), "name")


def _group(wanted: CloudServer, facts: CloudFacts) -> Ref:
    return facts.groups.get(wanted.placement_group) or result_of(_group_id(wanted.placement_group), "placement_group")


def _uses(wanted: CloudServer, facts: CloudFacts) -> Iterator[str]:
    refs = (*(_key(key, facts) for key in wanted.keys), *wanted.firewalls)
    refs += (_group(wanted, facts),) if wanted.placement_group else ()
    yield from dict.fromkeys(str(ref["step"]) for ref in refs if isinstance(ref, dict))


def _protect(there: ServerFact, prefix: str) -> Iterator[Step]:
    if not there.protected:
        yield Step(
            id=f"{prefix}set_protection",
            kind="hetzner_cloud.set_protection",
            target=there.name,
            summary=f"Protect {there.name} against deletion and rebuild",
            servers=(there.name,),
            params={"server": str(there.id), "on": True},
            undo=Undo(
                kind="hetzner_cloud.set_protection",
                target=there.name,
                summary=f"lift the protection of {there.name}",
                params={"server": str(there.id), "on": False},
            ),
        )


def _back_up(wanted: CloudServer, there: ServerFact, prefix: str) -> Iterator[Step]:
    if wanted.backups and not there.backed_up:
        yield Step(
            id=f"{prefix}enable_backup",
            kind="hetzner_cloud.enable_backup",
            target=there.name,
            summary=f"Have {there.name} backed up every day",
            servers=(there.name,),
            params={"server": str(there.id)},
        )


def _attach(wanted: CloudServer, there: ServerFact, prefix: str) -> Iterator[Step]:
    if wanted.network is not None and str(wanted.network) not in there.private:
        params: JsonObject = {"server": str(there.id), "network": str(wanted.network)}
        yield Step(
            id=f"{prefix}attach_to_network",
            kind="hetzner_cloud.attach_to_network",
            target=there.name,
            summary=f"Attach {there.name} to the private network {wanted.network}",
            servers=(there.name,),
            params=params,
            undo=Undo(
                kind="hetzner_cloud.detach_from_network",
                target=there.name,
                summary=f"take {there.name} off the network",
                params=params,
            ),
        )


def _refuse_unavailable(wanted: CloudServer, facts: CloudFacts) -> None:
    if can_be_had(facts.offers, wanted):
        return
    here = [o for o in facts.offers if (o.name, o.location) == (wanted.server_type, wanted.location)]
    why = "is not sold" if not here else "is on its way out" if here[0].leaves else "is sold out"
    instead = instead_of(facts.offers, wanted.server_type)
    raise InputError(
        f"{wanted.server_type} {why} at {wanted.location}, so {wanted.name} cannot be bought.",
        next=f"Instead: {'; '.join(instead)}." if instead else "See list_server_offers for what there is.",
    )


def _refuse_network(wanted: CloudServer, facts: CloudFacts) -> None:
    if wanted.network is not None and wanted.network not in facts.networks:
        known = ", ".join(map(str, facts.networks)) or "none"
        raise InputError(f"The project has no network {wanted.network}.", next=f"Networks of the project: {known}.")


def _refuse_foreign(there: ServerFact) -> None:
    if not there.ours:
        address = there.ipv4 or there.ipv6 or "no public address"
        raise InputError(
            f"A server called {there.name} is in the project already ({there.id}, {there.server_type}, {address}), "
            "and we did not make it.",
            next="Take it in as an existing server by its address, or choose another name.",
        )


def _refuse_other(wanted: CloudServer, there: ServerFact) -> None:
    if (there.server_type, there.location) != (wanted.server_type, wanted.location):
        raise InputError(
            f"{there.name} is there already, as {there.server_type} at {there.location}, "
            f"not {wanted.server_type} at {wanted.location}.",
            next="Name what it is, choose another name, or remove it first.",
        )
