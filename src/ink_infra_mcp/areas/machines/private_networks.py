"""The steps by which a server comes into the fleet's private network: proved first, used then, written last."""

from collections.abc import Iterable, Iterator

from ink_infra_mcp.areas.machines.joining import COOLIFY_MARK
from ink_infra_mcp.areas.machines.private_places import Link, Place, mtu_from
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.plan import Frozen, JsonObject, Step, Undo
from ink_infra_mcp.core.private_network import CLOUD_MTU
from ink_infra_mcp.core.step import result_of

ATTACH = "attach_to_network"
SHOWN = 4


def steps_into(place: Place, *, address: str = "") -> tuple[Step, ...]:
    """Return the steps for what is not so yet; `address` asks for one there.

    Raises:
        RefusedByPolicy: something overlaps the network. InputError: the server is there at another address.
    """
    if address and place.address and address != place.address:
        raise InputError(
            f"{place.server} is in {place.network_name} at {place.address} already, not at {address}.",
            next="Leave `address` out to keep that one.",
        )
    at: str | JsonObject = place.address or result_of(ATTACH, "private_address")
    steps = all_or_nothing((*_attached(place, address), *_proved_and_used(place, at)))
    if steps and place.obstacles:
        more = f"; and {len(place.obstacles) - SHOWN} more" if len(place.obstacles) > SHOWN else ""
        raise RefusedByPolicy(
            f"{place.server} cannot be in {place.network_name} ({place.range}): "
            f"{'; '.join(place.obstacles[:SHOWN])}{more}.",
            next="Use a network that overlaps nothing, or mend that on the server: answers would go astray.",
        )
    return steps


def all_or_nothing(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps such that each that fails takes back all before it, and itself where it may have acted."""
    found: list[Step] = []
    for step in steps:
        back = [each.id for each in found if each.undo is not None]
        found.append(step.model_copy(update={"undoes": (*back, *([step.id] if step.can_undo_itself else []))}))
    return tuple(found)


def _attached(place: Place, wanted: str) -> Iterator[Step]:
    if place.vswitch is not None:
        yield from _on_vswitch(place, place.vswitch)
    elif not place.address:
        yield _attach_card(place, wanted)


def _on_vswitch(place: Place, link: Link) -> Iterator[Step]:
    about: JsonObject = {"server": place.machine, "vswitch": place.network}
    if not link.joined:
        yield Step(
            id="attach_to_vswitch",
            kind="hetzner_robot.attach_to_vswitch",
            target=place.server,
            summary=f"Put {place.server} on the vSwitch {place.network_name} (VLAN {link.vlan})",
            servers=(place.server,),
            params=about,
            undo=Undo(
                kind="hetzner_robot.detach_from_vswitch",
                target=place.server,
                summary=f"take {place.server} off the vSwitch",
                params=about,
            ),
        )
    if not place.seen:
        params = _link_params(place, link)
        yield Step(
            id="set_vlan",
            kind="hosts.set_vlan",
            target=place.server,
            summary=f"Make the VLAN {link.vlan} with {link.address} on {place.server}, which takes it back after 10 "
            f"minutes, or with a boot, unless it is kept; to {place.range} by {link.gateway}",
            servers=(place.server,),
            params=params,
            undo=Undo(
                kind="hosts.revert_vlan",
                target=place.server,
                summary=f"delete the VLAN {link.vlan} of {place.server} and what was written for it",
                params=params,
            ),
        )


def _link_params(place: Place, link: Link) -> JsonObject:
    words: JsonObject = {"address": link.address, "network": place.range, "gateway": link.gateway}
    return {"host": place.server, "vlan": link.vlan, **words}


def _kept(place: Place, link: Link) -> Step:
    return Step(
        id="keep_vlan",
        kind="hosts.keep_vlan",
        target=place.server,
        summary=f"Prove a new connection to {place.server}, then write the VLAN for {link.manager}: it outlasts a boot",
        servers=(place.server,),
        params=_link_params(place, link),
        undo_words="with the VLAN itself",
    )


def _attach_card(place: Place, wanted: str) -> Step:
    about: JsonObject = {"server": place.machine, "network": place.network}
    return Step(
        id=ATTACH,
        kind="hetzner_cloud.attach_to_network",
        target=place.server,
        summary=f"Attach {place.server} to the private network {place.network_name} ({place.range})",
        servers=(place.server,),
        params={**about, **({"ip": wanted} if wanted else {})},
        undo=Undo(
            kind="hetzner_cloud.detach_from_network",
            target=place.server,
            summary=f"take {place.server} off {place.network_name}",
            params=about,
        ),
    )


def _proved_and_used(place: Place, at: str | JsonObject) -> tuple[Step, ...]:
    """Nothing is proved anew where Coolify and fleet.toml use the address already and it answers."""
    moved, written = tuple(_moved(place, at)), tuple(_written(place, at))
    if not (moved or written) and place.works:
        return ()
    kept = (_kept(place, place.vswitch),) if place.vswitch is not None and not place.seen else ()
    return (*_proofs(place, at), *kept, *moved, *written)


def _proofs(place: Place, at: str | JsonObject) -> Iterator[Step]:
    uses = () if place.address else (ATTACH,)
    way = Way(of=place.factory_name, own=place.factory, mtu=place.mtu, port=place.port)
    yield from private_proofs(place.server, at, way, uses=uses)


class Way(Frozen):
    """The private way to a server: from `of` with its `own` address, empty where nobody is there to come from."""

    of: str
    own: str
    mtu: int = CLOUD_MTU
    port: int = 22


def private_proofs(server: str, at: str | JsonObject, way: Way, *, uses: tuple[str, ...]) -> Iterator[Step]:
    """Yield the steps that wait for a server's private address, and prove the way to it."""
    yield Step(
        id="await_private_card",
        kind="hosts.await_private_card",
        target=server,
        summary=f"Wait until a card of {server} has its private address",
        servers=(server,),
        reads=True,
        params={"host": server, "address": at},
        uses=uses,
        undo_words="nothing to undo: it only looks",
    )
    if way.own:
        yield Step(
            id="prove_private_way",
            kind="hosts.prove_private_way",
            target=server,
            summary=f"Prove the way from {way.of} ({way.own}): packets of {way.mtu} bytes come back whole, and port "
            f"{way.port} answers",
            servers=(server, way.of),
            reads=True,
            params={"host": server, "of": way.of, "from": way.own, "address": at, "mtu": way.mtu, "port": way.port},
            uses=uses,
            undo_words="nothing to undo: it only tries",
        )


def inner_proofs(fleet: Fleet, name: str, inner: str | JsonObject, *, mtu: int | None = None) -> tuple[Step, ...]:
    """Return the steps that prove the private way to a new server, none where it has no such address; `mtu` None: it is
    one of the Cloud.
    """
    way = Way(of=fleet.factory.name, own=fleet.factory.private_address or "", mtu=mtu or mtu_from(fleet))
    uses = (str(inner["step"]),) if isinstance(inner, dict) else ()
    return tuple(private_proofs(name, inner, way, uses=uses)) if inner else ()


def _moved(place: Place, at: str | JsonObject) -> Iterator[Step]:
    """Coolify's key is let in from the Factory's private address, then Coolify goes there, and says that it works."""
    it = place.coolify
    if it is None or it.address == at:
        return
    uses = () if place.address else (ATTACH,)
    yield _widened(place)
    server: JsonObject = {"server": it.uuid}
    yield Step(
        id="coolify_address",
        kind="coolify.set_server_address",
        target=place.server,
        summary=f"Let Coolify reach {place.server} at its private address",
        servers=(place.server,),
        before=it.address,
        params={**server, "address": at, "before": it.address},
        uses=uses,
        undo=Undo(
            kind="coolify.set_server_address",
            target=place.server,
            summary=f"let Coolify reach {place.server} at {it.address} again",
            params={**server, "address": it.address, "before": at},
        ),
    )
    yield Step(
        id="coolify_validated",
        kind="coolify.validate_server",
        target=place.server,
        summary=f"Have Coolify validate {place.server} there; where it fails, all of this is taken back",
        servers=(place.server,),
        params={**server, "unproved": False},
        undo_words="needs none: a validation only looks",
    )


def _widened(place: Place) -> Step:
    about: JsonObject = {
        "host": place.server,
        "user": place.user,
        "marker": COOLIFY_MARK,
        "network": f"{place.factory}/32",
    }
    return Step(
        id="widen_key",
        kind="hosts.widen_key",
        target=place.server,
        summary=f"Let Coolify's key in to {place.server} from {place.factory}, too, where it is limited",
        servers=(place.server,),
        params=about,
        undo=Undo(
            kind="hosts.narrow_key",
            target=place.server,
            summary=f"let Coolify's key in to {place.server} from {place.factory} no more",
            params={**about, "widened": result_of("widen_key", "key")},
        ),
    )


def _written(place: Place, at: str | JsonObject) -> Iterator[Step]:
    if place.written == at:
        return
    yield Step(
        id="into_fleet",
        kind="fleet.set_private_address",
        target=place.server,
        summary=f"Write the private address of {place.server} into fleet.toml",
        servers=(place.server,),
        before=place.written or None,
        params={"name": place.server, "address": at},
        uses=() if place.address else (ATTACH,),
        undo=Undo(
            kind="fleet.set_private_address",
            target=place.server,
            summary=f"write {place.written or 'none'} there again",
            params={"name": place.server, "address": place.written},
        ),
    )


def words_of(place: Place, steps: tuple[Step, ...]) -> tuple[str, ...]:
    """Return what a person has to know or do beside the steps."""
    said = [f"{words}: a network that Docker makes there later may take the same addresses" for words in place.warnings]
    if not place.factory and place.vswitch is not None:
        said.append(
            f"nothing proves that packets get through the vSwitch before the first Muscle is connected: {place.server} "
            "is reached over its public address as before"
        )
    if place.factory and place.coolify is None:
        said.append(f"Coolify has no server at an address of {place.server}, so nothing is moved there")
    if place.coolify is not None and not place.coolify.wildcard:
        said.append(
            f"Coolify has no wildcard domain for {place.server}: names that it makes up from then on have the private "
            "address in them; set_wildcard_domain comes first"
        )
    if any(step.id in {ATTACH, "set_vlan"} for step in steps):
        said.append(
            f"no Cloud firewall filters there, Robot's has to let the network in, and {place.server}'s own does not "
            "know the new card yet: call apply_firewall afterwards"
        )
    return tuple(said) if steps else ()
