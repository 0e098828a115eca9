"""A dedicated server of Robot that is to be a Muscle: taken in as it is, or, only if asked, wiped and installed."""

from dataclasses import replace

from ink_infra_mcp.areas.dns.addresses import addresses
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.machines.arriving import Asked, earlier_host_keys, existing, in_fleet, our_key
from ink_infra_mcp.areas.machines.joining import Joining
from ink_infra_mcp.areas.machines.robot_servers import RobotMachine, robot_of, robot_server_of
from ink_infra_mcp.areas.machines.robot_steps import robot_install_steps, robot_key_step
from ink_infra_mcp.areas.machines.sources import ExistingMachine
from ink_infra_mcp.areas.machines.unseen import Arrival, Place, unseen
from ink_infra_mcp.core.baseline.judging import GIB
from ink_infra_mcp.core.baseline.machine import Machine
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.core.login.steps import await_ready
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.host_keys.telling import told_host_key

KEY = "robot_key"
OUR_KEY = "ink-infra"
_SYSTEMS = {"debian": "debian", "ubuntu": "ubuntu"}


async def rented(look: Look, asked: Asked, number: int, *, install: str | None) -> Joining:
    """Return what a dedicated server lacks of being a Muscle; with `install`, after it was wiped.

    One that an earlier call has installed, or that the fleet has, is not wiped again.

    Raises:
        UnknownName: the account has no such server. InputError: it cannot be taken, or its host key is not known.
    """
    asked = replace(asked, provider="hetzner_robot", provider_id=str(number))
    keys = await _known_keys(look, asked.name)
    if install and not keys:
        machine = await robot_server_of(robot_of(look), number, purpose="install")
        return await _wiped(look, asked, machine, install)
    machine = await robot_server_of(robot_of(look), number)
    line = keys[0] if keys else await _told(look, asked.name, machine)
    return await existing(look, asked, ExistingMachine(address=machine.address, host_key=line))


async def _known_keys(look: Look, name: str) -> list[str]:
    """Return the host keys by which we know it already: as the fleet has it, or as an earlier call installed it."""
    known = in_fleet(look.fleet, name)
    return [known.host_key] if known is not None else await earlier_host_keys(look, name, step="__host_key")


async def _told(look: Look, name: str, machine: RobotMachine) -> str:
    line = await told_host_key(look.hosts, machine.address, machine.host_keys)
    if line is None:
        raise InputError(
            f"The host key of {name} ({machine.words}) is not known from Robot: {machine.host_keys_from}.",
            next="Take its fingerprint from its console, and add it as an existing machine.",
        )
    return line


async def _wiped(look: Look, asked: Asked, machine: RobotMachine, install: str) -> Joining:
    key = robot_key_step(await our_key(look), OUR_KEY)
    steps = robot_install_steps(
        machine, install, result_of(key.id, "fingerprint"), servers=(asked.name,), key_step=key.id
    )
    shown = result_of("host_key", "host_key")
    muscle = Muscle(
        name=asked.name,
        address=machine.address,
        provider="hetzner_robot",
        provider_id=str(machine.number),
        wildcard_domain=asked.wildcard_domain,
        production=asked.production,
    )
    first: JsonObject = {"name": asked.name, "address": machine.address, "host_key": shown, "port": 22, "user": "root"}
    place = Place(
        address=machine.address,
        names_to=addresses(*filter(None, {machine.address: 1, machine.ipv6 or "": 1})),
        host_key=shown,
        fields={},
    )
    arrival = Arrival(
        bought=(key, *steps),
        login=(await_ready(asked.name, first),),
        warnings=(
            f"everything on the disks of {machine.words} is lost for ever",
            "its size is read only after it was installed: the proofs at the end tell whether it meets the specs",
        ),
    )
    return await unseen(look, asked, muscle, _taken_to_be(asked.name, install), place, arrival)


def _taken_to_be(name: str, install: str) -> Machine:
    """Return the machine as Robot names a system, such as `Debian 13 base` or `Debian-1300-trixie-amd64`."""
    words = install.lower().replace("-", " ").split()
    os_id = next((_SYSTEMS[word] for word in words if word in _SYSTEMS), "")
    version = next((word for word in words if word[:1].isdigit()), "")
    version = version[:2] if len(version) == 4 and version.isdigit() and os_id == "debian" else version
    return Machine(
        host=name,
        os_id=os_id,
        os_version=version,
        arch="arm64" if "arm64" in words else "amd64",
        kernel="as the image has it",
        cpus=8,
        memory_bytes=64 * GIB,
        swap_bytes=1,
        disk_bytes=200 * GIB,
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
