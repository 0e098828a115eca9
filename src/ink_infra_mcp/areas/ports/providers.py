"""The provider's firewall in front of each server: what Hetzner Cloud or Robot says of it, or why it is not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.hetzner_cloud.models import Server
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall as ShownFirewall
from ink_infra_mcp.clients.hetzner_robot.rules import restored
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.cloud import Attachment, CloudFirewall, cloud_gates, read_cloud_firewalls
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.firewall.robot import RobotFirewall, read_robot_firewall, robot_gates
from ink_infra_mcp.core.fleet import Host
from ink_infra_mcp.core.plan import JsonObject

_NONE = "nobody filters in front of it: its provider is not one whose firewall is known here"


@dataclass(frozen=True, slots=True)
class InFront:
    """What stands in front of a server. `server` is its number at the provider, where that was found.

    `cloud` are the Cloud firewalls on it, `known` all of the project, and `shown` their rules as Hetzner shows them, by
    id; `robot` is its Robot firewall, and `robot_before` what puts it back, where anything can. All are empty where the
    provider is another.
    """

    gates: Gates | Unreadable
    server: int | None = None
    cloud: tuple[CloudFirewall, ...] = ()
    known: tuple[CloudFirewall, ...] = ()
    shown: Mapping[int, JsonValue] = field(default_factory=dict[int, JsonValue])
    robot: RobotFirewall | None = None
    robot_before: JsonObject | None = None

    @property
    def filters(self) -> bool:
        """Return whether a firewall stands there, of which something is known."""
        return bool(self.cloud) or (self.robot is not None and self.robot.status != "disabled")


async def in_front_of(look: Look, hosts: tuple[Host, ...]) -> dict[str, InFront]:
    """Return what stands in front of each server; what a provider does not tell is unreadable, not absent."""
    found = await _cloud(look, _at_cloud(hosts))
    for host in hosts:
        if host.provider == "hetzner_robot":
            found[host.name] = await _robot(look, host)
        elif host.provider == "other":
            found[host.name] = InFront(Gates(Gate("provider", opened_by=_NONE), Gate("provider", opened_by=_NONE)))
    return found


def _at_cloud(hosts: tuple[Host, ...]) -> list[Host]:
    return [host for host in hosts if host.provider == "hetzner_cloud"]


async def _cloud(look: Look, hosts: list[Host]) -> dict[str, InFront]:
    if not hosts:
        return {}
    if look.hetzner is None:
        return _unread(hosts, "no Hetzner Cloud token is configured")
    try:
        servers = await look.hetzner.servers()
        shown = [firewall.as_json() for firewall in await look.hetzner.firewalls()]
    except InkError as error:
        return _unread(hosts, error.failed)
    return _told_by_cloud(hosts, servers, shown)


def _told_by_cloud(hosts: list[Host], servers: tuple[Server, ...], shown: list[JsonObject]) -> dict[str, InFront]:
    firewalls = read_cloud_firewalls({"firewalls": shown})
    if isinstance(firewalls, Unreadable):
        return _unread(hosts, firewalls.reason)
    rules = {firewall.id: one["rules"] for firewall, one in zip(firewalls, shown, strict=True)}
    return {host.name: _of_cloud(server_of(host, servers), firewalls, rules) for host in hosts}


def _unread(hosts: list[Host], reason: str) -> dict[str, InFront]:
    return {host.name: InFront(Unreadable(reason)) for host in hosts}


def server_of(host: Host, servers: tuple[Server, ...]) -> Server | None:
    """Return which of a project's Cloud servers is that server of the fleet, None where none is."""
    return next((server for server in servers if _is_server(host, server)), None)


def _is_server(host: Host, server: Server) -> bool:
    """A number in fleet.toml says which server it is; without one its address does."""
    if host.provider_id:
        return str(server.id) == host.provider_id
    return host.address in (server.ipv4, server.ipv6)


def _of_cloud(server: Server | None, firewalls: tuple[CloudFirewall, ...], shown: Mapping[int, JsonValue]) -> InFront:
    if server is None:
        return InFront(Unreadable("the Hetzner Cloud project of the token has no such server"))
    attached = [Attachment(on.id, on.status == "applied") for on in server.public_net.firewalls]
    return InFront(
        cloud_gates(firewalls, attached),
        server=server.id,
        cloud=_attached(firewalls, attached),
        known=firewalls,
        shown=shown,
    )


def _attached(firewalls: tuple[CloudFirewall, ...], attached: list[Attachment]) -> tuple[CloudFirewall, ...]:
    ids = {on.firewall for on in attached}
    return tuple(firewall for firewall in firewalls if firewall.id in ids)


async def _robot(look: Look, host: Host) -> InFront:
    if look.robot is None:
        return InFront(Unreadable("no Robot webservice user is configured"))
    if not host.provider_id.isdigit():
        return InFront(Unreadable("fleet.toml has no Robot server number for it (provider_id)"))
    number = int(host.provider_id)
    try:
        shown = await look.robot.firewall(number)
    except InkError as error:
        return InFront(Unreadable(error.failed), server=number)
    return _told_by_robot(shown, number)


def _told_by_robot(shown: ShownFirewall, number: int) -> InFront:
    if shown.rules.input is None or shown.rules.output is None:
        return InFront(Unreadable("Robot did not tell the rules of both directions"), server=number)
    firewall = read_robot_firewall({"firewall": shown.as_json()})
    if isinstance(firewall, Unreadable):
        return InFront(firewall, server=number)
    return InFront(robot_gates(firewall), server=number, robot=firewall, robot_before=_way_back(shown))


def _way_back(shown: ShownFirewall) -> JsonObject | None:
    try:
        return cast(JsonObject, restored(shown).model_dump(mode="json"))
    except ValueError:
        return None
