"""A dedicated server of Robot as a machine that may become a Muscle: what it is, and why it may not be taken."""

import ipaddress
from typing import Literal

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.hetzner_robot import HetznerRobotLook
from ink_infra_mcp.clients.hetzner_robot.machines import BootSystem, RobotBoot, RobotCancellation
from ink_infra_mcp.clients.hetzner_robot.models import RobotServer
from ink_infra_mcp.core.errors import InputError, SecretMissing, UnknownName
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.told_keys import ToldKey

Purpose = Literal["adopt", "install", "leave"]
READY = "ready"
_ARMED = {
    "rescue": "boots the rescue system instead of what is installed",
    "linux": "wipes it and installs {system}",
    "vnc": "wipes it and installs another system",
    "windows": "wipes it and installs Windows",
}
_INSTALLATION = "linux"


class RobotMachine(Frozen):
    """A dedicated server. `address` is where it is reached: its IPv4, else the first host of its IPv6 network.

    `host_keys` are what Robot tells of its last installation. They count only for the server that shows one of them
    (`core.told_keys.trusted`): whatever was installed since by other means shows another key, and is not trusted. Empty
    means that they cannot be known from Robot, and a person has to give the fingerprint; `host_keys_from` says it.
    `armed` names what the next start boots in place of its system; `dists` and `languages` what it can be installed
    with, which Robot does not tell while an installation is set. Of one that is to be given back, `cancelled_to` is the
    day to which it is cancelled already, and `cancellable_from` the first day that is possible.
    """

    number: int
    name: str
    product: str
    datacenter: str
    address: str
    ipv6: str | None = None
    host_keys: tuple[ToldKey, ...] = ()
    host_keys_from: str
    armed: tuple[str, ...] = ()
    armed_system: str = ""
    dists: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    resets: tuple[str, ...] = ()
    cancelled_to: str | None = None
    cancellable_from: str | None = None

    @property
    def words(self) -> str:
        """Return which machine it is, as a person knows it."""
        named = f" {self.name}" if self.name else ""
        return f"server {self.number}{named} ({self.product}, {self.datacenter}, {self.address})"


def robot_of(look: Look) -> HetznerRobotLook:
    """Return the Robot account's read side.

    Raises:
        SecretMissing: there is no login for it.
    """
    if look.robot is None:
        raise SecretMissing(
            "There is no login for Hetzner Robot, so its servers cannot be looked at.",
            next="Store one: `ink-infra-mcp secret set hetzner_robot_user`, and hetzner_robot_password.",
        )
    return look.robot


async def robot_server_of(look: HetznerRobotLook, number: int, *, purpose: Purpose = "adopt") -> RobotMachine:
    """Return the server with that number, if it can be adopted as it is, installed anew, or given back: its purpose.

    Raises:
        UnknownName: the account has no such server.
        InputError: it is without address; or, unless it is given back, it is cancelled, not ready, nothing that Robot
            can boot, or its next start would wipe it or boot something else (an installation that is set is no reason
            against installing).
        VendorError: Robot did not answer well.
    """
    server = await look.server(number)
    if server is None or server.server_number != number:
        raise UnknownName(
            f"The Robot account has no server {number}.",
            next="Check the number in Robot: it is the server's, not an order's or an address.",
        )
    boot = await look.boot(number)
    if purpose != "leave":
        _refuse_unfit(server)
        _refuse_armed(server, boot, installing=purpose == "install")
    cancellation = await look.cancellation(number) if purpose == "leave" else None
    resets = await look.reset_ways(number)
    machine = _machine(server, boot, await look.last_linux(number), resets.type if resets else ())
    return machine if cancellation is None else machine.model_copy(update=_ending(cancellation))


def _ending(cancellation: RobotCancellation) -> dict[str, str | None]:
    return {
        "cancelled_to": cancellation.cancellation_date if cancellation.cancelled else None,
        "cancellable_from": cancellation.earliest_cancellation_date,
    }


def _refuse_unfit(server: RobotServer) -> None:
    if server.cancelled:
        raise InputError(
            f"{_words(server)} is cancelled{_until(server)}: what runs there ends with it.",
            next="Withdraw the cancellation in Robot first, or use another server.",
        )
    if server.status != READY:
        raise InputError(
            f"Robot says that {_words(server)} is {server.status or 'in an unknown state'}, not {READY}.",
            next="Call again when Hetzner has handed it over.",
        )


def _until(server: RobotServer) -> str:
    return f", and paid until {server.paid_until}" if server.paid_until else ""


def _refuse_armed(server: RobotServer, boot: RobotBoot | None, *, installing: bool) -> None:
    if boot is None:
        raise InputError(
            f"Robot boots and installs nothing on {_words(server)}: it is no dedicated server.",
            next="Add it as an existing server, by its address and the fingerprint of its host key.",
        )
    wrong = [way for way in boot.active if not (installing and way == _INSTALLATION)]
    if not wrong:
        return
    effect = _ARMED.get(wrong[0], "boots something else").format(system=boot.ways[wrong[0]].system or "another system")
    raise InputError(
        f"The next start of {_words(server)}, whoever causes it, {effect}: {wrong[0]} is activated in Robot.",
        next="Deactivate that in Robot, or let it happen, and call again.",
    )


def _machine(
    server: RobotServer, boot: RobotBoot | None, last: BootSystem | None, resets: tuple[str, ...]
) -> RobotMachine:
    linux = boot.ways.get(_INSTALLATION) if boot else None
    done = last if last is not None and not last.active else None
    keys = done.host_keys if done else ()
    return RobotMachine(
        number=server.server_number,
        name=server.server_name,
        product=server.product,
        datacenter=server.dc,
        address=_address(server),
        ipv6=_first(server.server_ipv6_net),
        host_keys=keys,
        host_keys_from=_keys_from(done, keys),
        armed=boot.active if boot else (),
        armed_system=linux.system if linux and linux.active else "",
        dists=linux.offered if linux else (),
        languages=linux.languages if linux else (),
        resets=resets,
    )


def _keys_from(last: BootSystem | None, keys: tuple[ToldKey, ...]) -> str:
    if last is None:
        return "Robot knows no installation of this server, so a person has to give its host key's fingerprint"
    if not keys:
        return f"Robot tells no host key of its installation of {last.system}, so a person has to give the fingerprint"
    return f"Robot told them of its installation of {last.system}; a system installed since by other means has others"


def _address(server: RobotServer) -> str:
    """The network of an IPv6-only server is no address: the server itself is at its first one."""
    found = server.server_ip or _first(server.server_ipv6_net)
    if not found:
        raise InputError(
            f"Robot tells no address of {_words(server)}.", next="Add it as an existing server, by its address."
        )
    return found


def _first(network: str | None) -> str | None:
    if not network:
        return None
    try:
        return str(ipaddress.IPv6Network(f"{network.partition('/')[0]}/64")[1])
    except ValueError:
        return None


def _words(server: RobotServer) -> str:
    return " ".join(filter(None, ("server", str(server.server_number), server.server_name)))
