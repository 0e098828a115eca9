"""What ends a Muscle: its names, its place in Coolify, what we set on it, and, only if asked, the machine itself."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from ink_infra_mcp.areas.apps.app import App, all_apps, hosts_of
from ink_infra_mcp.areas.dns.addresses import addresses, addresses_of
from ink_infra_mcp.areas.dns.apps import leave
from ink_infra_mcp.areas.dns.strays import kept_books
from ink_infra_mcp.areas.dns.wildcards import removal_steps, wildcard_of
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import wanted_server
from ink_infra_mcp.areas.machines.buying import deleting, lost_with
from ink_infra_mcp.areas.machines.canary import canary_name, farewell_steps
from ink_infra_mcp.areas.machines.cloud_servers import cloud_of, fact
from ink_infra_mcp.areas.machines.draining import UNASKED, Drain
from ink_infra_mcp.areas.machines.joining import COOLIFY_MARK
from ink_infra_mcp.areas.machines.robot_servers import robot_of, robot_server_of
from ink_infra_mcp.areas.machines.robot_steps import cancel_steps
from ink_infra_mcp.clients.coolify.registering import find_key, removal, what_is_there
from ink_infra_mcp.clients.hetzner_cloud.models import Server
from ink_infra_mcp.core.errors import HostError, InkError, InputError, RefusedByPolicy
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.plan import Step, placed
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.machine import logins

Fate = Literal["keep", "delete"]
_OWN_FIREWALL = "ink-{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What there is to take away of a Muscle. `lost` says what goes with the machine, for good; `drain` tells of its
    apps, whose steps are among all.
    """

    name: str
    production: bool
    steps: tuple[Step, ...]
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drain: Drain = UNASKED


async def muscle_called(look: Look, name: str) -> Muscle | None:
    """Return the Muscle of that name: the fleet's, or one that an add_muscle which broke off has left half-built.

    Of those there is a Cloud server that an operation of ours bought, or a server that Coolify has with a key of ours.
    """
    known = next((muscle for muscle in look.fleet.muscles if muscle.name == name), None)
    return known or await _bought(look, name) or await _entered(look, name)


async def _bought(look: Look, name: str) -> Muscle | None:
    server = await look.hetzner.server(name) if look.hetzner is not None else None
    if server is None or server.name != name or not fact(server).ours:
        return None
    address = server.ipv4 or server.ipv6 or f"{name}.invalid"
    return _half_built(look, name, address).model_copy(
        update={"provider": "hetzner_cloud", "provider_id": str(server.id)}
    )


async def _entered(look: Look, name: str) -> Muscle | None:
    key = await find_key(look.coolify, f"ink-{name}")
    server = next((server for server in await look.coolify.servers() if server.name == name), None)
    return _half_built(look, name, server.ip) if key is not None and server is not None else None


def _half_built(look: Look, name: str, address: str) -> Muscle:
    domain = look.fleet.domains.fleet
    return Muscle(name=name, address=address, wildcard_domain=f"{name}.{domain}" if domain else None)


async def leaving(look: Look, muscle: Muscle, fate: Fate, drain: Drain = UNASKED) -> Leaving:
    """Return the steps that end a Muscle, in the order in which each may fail and the same call goes on.

    Raises:
        RefusedByPolicy: apps live there. InputError: its machine cannot be deleted from here.
        HostError: a machine that stays cannot be reached: what we set on it would stay.
    """
    every = await all_apps(look)
    canaries = _canaries(every, muscle, drain)
    end = await _end(look, muscle) if fate == "delete" else None
    names, untold = await _names(look, muscle, every, fate, {step.target for step in drain.steps})
    steps = (
        *drain.steps,
        *farewell_steps(canaries),
        *names,
        *await _out_of_coolify(look, muscle),
        *(end.steps if end is not None else await _given_back(look, muscle)),
        *_out_of_fleet(look, muscle),
    )
    return Leaving(
        name=muscle.name,
        production=muscle.production or drain.production,
        steps=placed(steps, servers=[muscle.name]),
        lost=end.lost if end is not None else (),
        warnings=(*drain.warnings, *untold, *_costs_on(muscle, fate), *_half(look, muscle, fate)),
        drain=replace(drain, steps=()),
    )


def _canaries(apps: Iterable[App], muscle: Muscle, drain: Drain) -> tuple[App, ...]:
    """Return what is left of the Muscle's canary.

    Raises:
        RefusedByPolicy: other apps live there.
    """
    here = [app for app in apps if app.muscle == muscle.name]
    canaries = tuple(app for app in here if app.name == canary_name(muscle.name))
    if living := [app.name for app in here if app not in canaries and app.uuid not in drain.gone]:
        raise RefusedByPolicy(
            f"{len(living)} apps live on {muscle.name}: {', '.join(sorted(living)[:20])}.",
            next="Say in apps_to where they go, or move or delete each (move_app, delete_app), then call again.",
        )
    return canaries


@dataclass(frozen=True, slots=True)
class _End:
    """How a machine ends at its provider, and what is lost with it; no steps where it is gone already."""

    steps: tuple[Step, ...]
    lost: tuple[str, ...] = ()


async def _end(look: Look, muscle: Muscle) -> _End:
    """Return the steps that end the machine itself.

    Raises:
        InputError: its provider is none that we know, or fleet.toml does not say which machine it is.
    """
    if muscle.provider == "hetzner_cloud":
        return await _deleted(look, muscle)
    if muscle.provider == "hetzner_robot" and muscle.provider_id.isdigit():
        return await _cancelled(look, muscle)
    raise InputError(
        f"{muscle.name} is no server of Hetzner that fleet.toml knows by its number, so it cannot be ended from here.",
        next="Leave `machine` out; cancel it with its provider.",
    )


async def _deleted(look: Look, muscle: Muscle) -> _End:
    own = own_server(muscle, await cloud_of(look).servers())
    if own is None:
        return _End(await _firewall(look, muscle))
    server = fact(own)
    return _End((*deleting(server), *await _firewall(look, muscle)), lost_with(server))


def own_server(muscle: Muscle, servers: Sequence[Server]) -> Server | None:
    """Return the Muscle's own server: the one of its id (or name, where that stands for it), or None where it is gone.

    By its address alone only where fleet.toml has no id: one that was given back is some other server's by now.

    Raises:
        InputError: its id is no server's, and another server has its address: which of both is meant, a person says.
    """
    here = next((server for server in servers if muscle.address in (server.ipv4, server.ipv6)), None)
    if not muscle.provider_id:
        return here
    own = _by_id(muscle.provider_id, servers)
    if own is None and here is not None:
        raise InputError(
            f"{muscle.name} is server {muscle.provider_id} by fleet.toml; that is gone, and its address "
            f"{muscle.address} is that of server {here.id} ({clean_name(here.name)}).",
            next="If that is another machine, leave `machine` out; if it is this one, put its id into fleet.toml.",
        )
    return own


def _by_id(id_or_name: str, servers: Sequence[Server]) -> Server | None:
    by_id = (server for server in servers if str(server.id) == id_or_name)
    by_name = (server for server in servers if server.name == id_or_name)
    return next(chain(by_id, by_name), None)


async def _cancelled(look: Look, muscle: Muscle) -> _End:
    """A dedicated server ends on the first day that its contract allows; until then it runs, and costs."""
    machine = await robot_server_of(robot_of(look), int(muscle.provider_id), purpose="leave")
    day = machine.cancelled_to or machine.cancellable_from
    if day is None:
        raise InputError(
            f"Robot does not tell when {machine.words} can be cancelled.", next="Cancel it in Robot, by hand."
        )
    return _End(
        cancel_steps(machine, day, servers=(muscle.name,)),
        (f"{machine.words} ends on {day} with all that is on its disks; until then it can be kept, and costs",),
    )


async def _names(
    look: Look, muscle: Muscle, apps: Iterable[App], fate: Fate, following: Collection[str]
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Return the steps that take its own names away, and what of apps that are gone still leads to it; in words what
    leads there and is not ours. Names that are `following` their apps lead elsewhere by then.
    """
    steps, said = await _wildcard(look, muscle)
    try:
        books, here = await kept_books(look), await _addresses(look, muscle)
    except InkError as error:
        return steps, (*said, f"which other names lead to {muscle.name} is not known ({error.failed.rstrip('.')})")
    if books is None:
        return steps, said
    away = leave(books.strays(hosts_of(apps), at=here), prefix="stray_")
    left = books.after((*steps, *away)).leading_to(here)
    return (*steps, *away), (*said, *_still_led(muscle, sorted(left - {*following}), fate))


async def _addresses(look: Look, muscle: Muscle) -> frozenset[str]:
    return (await addresses_of(look, muscle.name) if _is_in(look, muscle) else addresses(muscle.address)).known


def _still_led(muscle: Muscle, names: Collection[str], fate: Fate) -> tuple[str, ...]:
    if not names or fate != "delete":
        return ()
    mend = "set_fleet_domain sends those of apps elsewhere, with replace=true where others made the record"
    words = f"whoever gets its address next answers for them; {mend}"
    return (f"{', '.join(names)} still lead to {muscle.name}: {words}",)


async def _wildcard(look: Look, muscle: Muscle) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    if muscle.wildcard_domain is None:
        return (), ()
    try:
        of = muscle.name if _is_in(look, muscle) else addresses(muscle.address)
        return removal_steps(await wildcard_of(look, of, muscle.wildcard_domain, server=muscle.name)), ()
    except InkError as error:
        said = f"the records of *.{muscle.wildcard_domain} are not ours to take away ({error.failed.rstrip('.')})"
        return (), (said,)


async def _out_of_coolify(look: Look, muscle: Muscle) -> tuple[Step, ...]:
    wanted = wanted_server(look, muscle, muscle.private_address or muscle.address)
    return removal(await what_is_there(look.coolify, wanted))


async def _firewall(look: Look, muscle: Muscle) -> tuple[Step, ...]:
    """The firewall that was made for this server alone goes with it."""
    name = _OWN_FIREWALL.format(muscle.name)
    own = next((f for f in await cloud_of(look).firewalls() if f.name == name), None)
    if own is None:
        return ()
    return (
        Step(
            id="delete_firewall",
            kind="hetzner_cloud.delete_firewall",
            target=muscle.name,
            summary=f"Delete the Cloud firewall {name}, which stood in front of {muscle.name} alone",
            params={"firewall": str(own.id), "name": name},
        ),
    )


async def _given_back(look: Look, muscle: Muscle) -> tuple[Step, ...]:
    """A machine that stays gets back what it had: Coolify's key goes, then files, units and packages are as they were.

    Its firewall stays; sshd takes again what it took before us, passwords too, and the plan says so.

    Raises:
        HostError: it cannot be reached.
    """
    if not _is_in(look, muscle):
        return ()
    try:
        await logins.look(look.hosts, muscle.name)
    except HostError as error:
        error.next = f"{error.next} If the machine is gone for good, give machine=delete, or take it out by hand."
        raise
    return tuple(_back(muscle))


def _back(muscle: Muscle) -> Iterator[Step]:
    name = muscle.name
    yield Step(
        id="remove_coolify_key",
        kind="hosts.remove_key",
        target=name,
        summary=f"Take Coolify's key out of the keys of {muscle.ssh_user} on {name}",
        params={"host": name, "user": muscle.ssh_user, "marker": COOLIFY_MARK},
        undo_words="add_muscle lets a new one in",
    )
    yield Step(
        id="restore_sshd",
        kind="hosts.restore_sshd",
        target=name,
        summary=f"Put the settings of sshd of {name} back as before us: a password that let in then does again",
        params={"host": name, "original": True},
        undo_words=f"add_muscle {name} sets them again",
    )
    yield Step(
        id="restore_machine",
        kind="hosts.restore_machine",
        target=name,
        summary=f"Give {name} back the files, units and packages that it had before us; what runs in Docker stays",
        params={"host": name},
        undo_words=f"add_muscle {name} sets them again",
    )


def _out_of_fleet(look: Look, muscle: Muscle) -> tuple[Step, ...]:
    if not _is_in(look, muscle):
        return ()
    step = Step(
        id="out_of_fleet",
        kind="fleet.remove_muscle",
        target=muscle.name,
        summary=f"Take {muscle.name} out of fleet.toml",
        params={"name": muscle.name},
        undo_words=f"add_muscle {muscle.name}",
    )
    return (step,)


def _is_in(look: Look, muscle: Muscle) -> bool:
    return any(known.name == muscle.name for known in look.fleet.muscles)


def _half(look: Look, muscle: Muscle, fate: Fate) -> tuple[str, ...]:
    if fate == "delete" or _is_in(look, muscle):
        return ()
    return (f"{muscle.name} never came into the fleet: what was set on the machine itself stays as it is",)


def _costs_on(muscle: Muscle, fate: Fate) -> tuple[str, ...]:
    if fate == "delete" or muscle.provider == "other":
        return ()
    return (f"the machine of {muscle.name} stays, and costs what it did: machine=delete deletes it",)
