"""Looks at a machine that is to be a Muscle, part by part, and tells what it lacks."""

from dataclasses import dataclass, replace

from pydantic import JsonValue

from ink_infra_mcp.areas.apps.home import Project
from ink_infra_mcp.areas.dns.addresses import Addresses, addresses_of
from ink_infra_mcp.areas.dns.addresses import addresses as addresses_given
from ink_infra_mcp.areas.dns.wildcards import wildcard_of, wildcard_steps
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.canary import canary_of, left_over
from ink_infra_mcp.areas.machines.joining import OURS_MARK, Joining, factory_address
from ink_infra_mcp.areas.machines.own_firewall import already, classes_for, own_firewall_steps
from ink_infra_mcp.areas.machines.private_networks import inner_proofs
from ink_infra_mcp.areas.machines.private_places import refuse_unreached
from ink_infra_mcp.areas.machines.sources import ExistingMachine
from ink_infra_mcp.clients.coolify.registering import Registration, WantedServer, registration, what_is_there
from ink_infra_mcp.core.baseline.judging import Judgement, Wanted, judge
from ink_infra_mcp.core.baseline.steps import steps_of as baseline_steps
from ink_infra_mcp.core.errors import HostError, HostLoginRefused, InkError, InputError, RefusedByPolicy
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.fleet import Fleet, Muscle, Provider, SshAccess
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.core.login.judging import judge as judge_sshd
from ink_infra_mcp.core.login.steps import KeyWanted, admit_key, await_ready, harden_sshd
from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject, Step
from ink_infra_mcp.core.private_network import VSWITCH_MTU
from ink_infra_mcp.core.proxy import ProxySeen
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.proxy import proxy_on
from ink_infra_mcp.hosts.firewall.network_facts import gather_network
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.hosts.machine.reading import read_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One machine as the caller wants it: its name in the fleet, and what fleet.toml will say of it."""

    name: str
    wildcard_domain: str | None
    production: bool
    project: Project
    access: SshAccess = "public"
    provider: Provider = "other"
    provider_id: str = ""


async def existing(look: Look, asked: Asked, machine: ExistingMachine) -> Joining:
    """Return what a server that is there lacks of being a Muscle; nothing is changed.

    Raises:
        InputError: it shows another host key than the given one, or something has to be settled by a person first.
        RefusedByPolicy: it is too small, or of a system that is not supported. HostError: it cannot be read.
    """
    if (known := in_fleet(look.fleet, asked.name)) is not None:
        _refuse_another(known, machine, asked.access)
        return await looked_at(look, known, asked, newcomer=None, at=await addresses_of(look, known.name))
    inside = _inside(look, asked.name, machine)
    line = await _shown_key(look, asked.name, machine)
    muscle = Muscle(
        name=asked.name,
        address=machine.address,
        ssh_user=machine.user,
        ssh_port=machine.port,
        host_key=line,
        wildcard_domain=asked.wildcard_domain,
        production=asked.production,
        provider=asked.provider,
        provider_id=asked.provider_id,
    ).model_copy(update=inside)
    newcomer: JsonObject = {
        "name": asked.name,
        "address": muscle.ssh_address,
        "host_key": line,
        "port": machine.port,
        "user": machine.user,
        **({"bastion": muscle.bastion} if muscle.bastion else {}),
    }
    if not await _lets_us_in(look, asked.name, newcomer, machine):
        newcomer["password"] = f"app:{machine.root_login}"
    with look.knowing(newcomer):
        at = addresses_given(machine.address)
        found = await looked_at(look, muscle, asked, newcomer=newcomer, at=at)
        if machine.inner is not None:
            await _refuse_translated(look, asked.name, machine.address)
    # which of the two kinds of network it is in is not known: packets that fit both have to come back
    return replace(found, private=inner_proofs(look.fleet, asked.name, machine.inner or "", mtu=VSWITCH_MTU))


def _inside(look: Look, name: str, machine: ExistingMachine) -> dict[str, str]:
    """Return what fleet.toml says of a server that takes SSH over the private network only: we pass the Factory.

    Raises:
        InputError: its host key is a fingerprint, which nobody can look up from here. Others: `refuse_unreached`.
    """
    if machine.inner is None:
        return {}
    refuse_unreached(look.fleet, name, machine.inner)
    if machine.host_key.strip().startswith("SHA256:"):
        raise InputError(
            f"{name} is reached through the Factory, where nobody can look up the key of a fingerprint.",
            next="Give its host key as a whole line: /etc/ssh/ssh_host_ed25519_key.pub on it.",
        )
    return {"access": "private", "private_address": machine.inner, "bastion": look.fleet.factory.name}


async def looked_at(look: Look, muscle: Muscle, asked: Asked, *, newcomer: JsonObject | None, at: Addresses) -> Joining:
    """Return what a server lacks that can be looked at now; `newcomer` is how, where the fleet does not know it.

    `at` are the addresses to which its names shall lead.

    Raises:
        InputError, RefusedByPolicy, HostError: as `existing`.
    """
    name, pool = muscle.name, look.hosts
    machine = await read_machine(pool, name, look.baseline())
    judgement = judge(machine, look.baseline(), Wanted(role="muscle", networks=look.fleet.access.private))
    if judgement.refusals:
        raise RefusedByPolicy(
            f"{name} cannot be a Muscle: {'; '.join(judgement.refusals)}.", next="Mend that, or take another machine."
        )
    hardening = judge_sshd(await logins.look(pool, name), look.sshd())
    by_key = None if newcomer is None else {key: value for key, value in newcomer.items() if key != "password"}
    classes = await classes_for(look, muscle)
    firewall = own_firewall_steps(look, muscle, classes, address=muscle.address, inner=_inner(muscle))
    if not judgement.touches_docker and await already(look, muscle, classes):
        firewall = ()
    coolify = await _coolify(look, muscle)
    dns, told = await dns_of(look, muscle, at)
    joined = newcomer is None
    proving = not (joined and _is_whole(judgement, coolify))
    return Joining(
        muscle=muscle,
        address=muscle.address,
        pinned=muscle.host_key,
        newcomer=by_key,
        factory_at=factory_address(look.fleet, muscle),
        login=_login(name, newcomer, await our_key(look) if newcomer and "password" in newcomer else None),
        hardening=harden_sshd(hardening, look.sshd()),
        baseline=baseline_steps(judgement, prefix="base_"),
        firewall=firewall,
        coolify=coolify,
        dns=dns,
        canary=await canary_of(look, muscle, asked.project) if proving and muscle.wildcard_domain else None,
        left_over=await left_over(look, name),
        joined=joined,
        warnings=(*judgement.warnings, *told, *coolify.to_click),
        fields=fields_of(muscle),
    )


def _inner(muscle: Muscle) -> str:
    return muscle.ssh_address if muscle.access == "private" else ""


def _is_whole(judgement: Judgement, coolify: Registration) -> bool:
    return judgement.is_already_so and not coolify.steps


def _login(name: str, newcomer: JsonObject | None, ours: str | None) -> tuple[Step, ...]:
    """Wait for the first boot; our key goes in by the password, which no later step has."""
    if newcomer is None:
        return ()
    ready = await_ready(name, newcomer)
    if ours is None:
        return (ready,)
    return (ready, admit_key(name, KeyWanted(public_key=ours, marker=OURS_MARK, prove=True), newcomer))


async def earlier_host_keys(look: Look, name: str, *, step: str) -> list[str]:
    """Return the host keys that steps whose id ends so returned in earlier operations on this machine, newest first."""
    found: list[str] = []
    async for operation in look.archive.on_target(f"muscle:{name}"):
        results = [result for id_, result in operation.results.items() if id_.endswith(step)]
        found += filter(None, (str(result.get("host_key") or "") for result in results))
    return found


async def our_key(look: Look) -> str:
    """Return the public half of the key that we log in with."""
    return (await look.hosts.own_public_keys())[0]


async def _coolify(look: Look, muscle: Muscle) -> Registration:
    wanted = wanted_server(look, muscle, muscle.private_address or muscle.address)
    there = await what_is_there(look.coolify, wanted)
    if there.server is not None:
        there = await what_is_there(look.coolify, wanted, await _proxy(look, muscle.name))
    return registration(wanted, there)


def wanted_server(look: Look, muscle: Muscle, address: str | JsonObject) -> WantedServer:
    """Return a Muscle as Coolify shall have it by the baseline in force."""
    baseline = look.baseline()
    return WantedServer(
        name=muscle.name,
        address=address,
        key_name=f"ink-{muscle.name}",
        factory=look.fleet.factory.name,
        host=muscle.name,
        port=muscle.ssh_port,
        user=muscle.ssh_user,
        wildcard_domain=muscle.wildcard_domain,
        concurrent_builds=baseline.in_coolify("concurrent_builds"),
        cleanup_threshold=baseline.in_coolify("cleanup_threshold"),
    )


async def _proxy(look: Look, name: str) -> ProxySeen | None:
    try:
        return await proxy_on(look.hosts, name)
    except HostError:
        return None


async def dns_of(look: Look, muscle: Muscle, at: Addresses) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """Return the steps that make the Muscle's names lead to it, and in words what a person has to see to instead.

    Raises:
        RefusedByPolicy: the names lead elsewhere.
    """
    domain = muscle.wildcard_domain
    if domain is None:
        return (), (f"{muscle.name} has no wildcard domain: its apps need one each, and no canary can be visited",)
    try:
        return wildcard_steps(await wildcard_of(look, at, domain, server=muscle.name)), ()
    except RefusedByPolicy:
        raise
    except InkError as error:
        said = f"records of *.{domain} are not ours to set ({error.failed.rstrip('.')})"
        return (), (f"{said}: they have to lead to {at.told()} before the canary is visited",)


def fields_of(muscle: Muscle, **later: JsonValue) -> JsonObject:
    """Return the fields of a Muscle's table in fleet.toml; `later` are those that earlier steps return."""
    known = json_object(muscle.model_dump(mode="json", exclude_defaults=True))
    return {**known, **later}


def in_fleet(fleet: Fleet, name: str) -> Muscle | None:
    """Return the Muscle of that name, if the fleet has it.

    Raises:
        InputError: it is the name of a server that is no Muscle.
    """
    found = {host.name: host for host in fleet.hosts}.get(name)
    if found is not None and not isinstance(found, Muscle):
        raise InputError(f"{name} is in the fleet, and no Muscle.", next="Choose another name.")
    return found


async def _refuse_translated(look: Look, name: str, address: str) -> None:
    """The public address is where names will lead, and what firewalls are judged by; nobody logs in there.

    Raises:
        InputError: no card of the server has it.
    """
    interfaces = (await gather_network(look.hosts, name)).interfaces
    if not isinstance(interfaces, Interfaces) or interfaces.holding(address) is None:
        raise InputError(
            f"{name} has no card with the address {address} by what it tells.",
            next="Give the public address that the server itself has. One behind a translation of addresses (NAT) "
            "cannot be taken in over the private network.",
        )


def _refuse_another(known: Muscle, machine: ExistingMachine, access: SshAccess) -> None:
    inside = machine.inner is not None and machine.inner != known.private_address
    if inside or (access == "private" and known.access != "private"):
        raise InputError(
            f"{known.name} is in the fleet already, with SSH by {known.access} and the private address "
            f"{known.private_address or 'none'}: another way in is nothing that add_muscle gives it.",
            next=f'Call connect_private_network {known.name}, then set access = "private" in fleet.toml, and call '
            f"apply_firewall {known.name}.",
        )
    if machine.address not in (known.address, known.private_address):
        raise InputError(
            f"{known.name} is in the fleet already, at {known.address}, not at {machine.address}.",
            next="Choose another name.",
        )


async def _shown_key(look: Look, name: str, machine: ExistingMachine) -> str:
    """Return the host key as a public key line; of a fingerprint it is the key that the server shows and that has it.

    Raises:
        InputError: it shows another one: nothing was sent to it.
    """
    given = machine.host_key.strip()
    if not given.startswith("SHA256:"):
        return " ".join(given.split()[:2])
    key = await look.hosts.scan_host_key(machine.address, machine.port)
    shown = fingerprint_of(key)
    if shown != given:
        raise InputError(
            f"{name} at {machine.address} shows the host key {shown}, not {clean_name(given, limit=80)}. "
            "Nothing was sent to it.",
            next="Compare with the provider's or the console's; give the fingerprint of its ed25519 key.",
        )
    return " ".join(key.split()[:2])


async def _lets_us_in(look: Look, name: str, newcomer: JsonObject, machine: ExistingMachine) -> bool:
    """Return whether our key opens it; without a password given there is no other way, and the refusal is raised."""
    with look.knowing(newcomer):
        try:
            await look.hosts.try_new_connection(name)
        except HostLoginRefused:
            if machine.root_login is None:
                raise
            return False
    return True
