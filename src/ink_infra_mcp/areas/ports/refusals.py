"""What keeps a server's ports from being closed: what was not read, what stays open, whom it shuts out."""

from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.areas.ports.checks import told
from ink_infra_mcp.areas.ports.findings import Ground, rows_of
from ink_infra_mcp.areas.ports.host_target import Lies, foreseen, ways_to_keep
from ink_infra_mcp.areas.ports.ways_in import OUTSIDE, is_private
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.outside import OF_CONTAINERS, Inner
from ink_infra_mcp.core.firewall.policy import Agreement, Intent
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.core.fleet import Fleet, Host
from ink_infra_mcp.core.host_firewall.model import HostFirewall, shut_out, way_of_connection

_BY_UDP = frozenset({"wireguard", "vxlan", "geneve"})
"""Kinds of tunnels that the kernel itself listens for, by a socket that no process has."""
_BY_A_PROGRAM = "tun"
_WITHOUT = frozenset(
    {"", "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "bond", "team", "vrf", "openvswitch", "netkit"}
)
"""Kinds that travel by nothing else than the wire that they are on, beside those of containers."""


def refuse_unread(ground: Ground, *, provider: bool) -> None:
    """What is not known is not changed: a plan for a server that could not be read would be a guess.

    Raises:
        RefusedByPolicy: a layer could not be read; that of the provider counts where it is to be changed.
    """
    facts = ground.facts
    layers: dict[str, object] = {"interfaces": facts.interfaces, "sockets": facts.sockets}
    layers |= {"the containers": facts.containers}
    layers |= {"the IPv4 filters": facts.v4, "the IPv6 filters": facts.v6}
    if isinstance(facts.interfaces, Interfaces):
        layers |= {"the routes": facts.interfaces.routes, "the cards": facts.interfaces.cards}
    layers |= {"the provider's firewall": ground.facts.provider} if provider else {}
    for what, layer in layers.items():
        if isinstance(layer, Unreadable):
            raise RefusedByPolicy(
                f"Nothing is planned for {ground.facts.name}: {what} could not be read ({layer.reason}).",
                next="Put that right, or give layers=host to leave the provider's firewall alone.",
            )


def refuse_unforeseen(ground: Ground, wanted: HostFirewall) -> None:
    """What these rules are not known to close is told before anything is done.

    Raises:
        RefusedByPolicy: with the rules in force, something that policy closes would be open, or not known to be closed.
    """
    later = rows_of(foreseen(ground, wanted))
    open_ = [
        row
        for row in later
        if row.agreement in {Agreement.EXPOSED, Agreement.UNPROVEN} and row.intent is not Intent.MUST
    ]
    if open_:
        raise RefusedByPolicy(
            f"Nothing is planned for {ground.facts.name}: with the new rules in force these would not be known to be "
            f"closed: {'; '.join(told(open_))}.",
            next="Mend what is named there, then call again; check_firewall probe=true tells what answers.",
        )


def refuse_cut_tunnels(ground: Ground, wanted: HostFirewall, lies: Lies) -> None:
    """What a tunnel travels by comes from outside, and these rules would drop it: that is told before anything is done.

    Of a tunnel that a program makes (`tun`) nobody can tell by what it travels: see `carried`.

    Raises:
        RefusedByPolicy: peers of a tunnel of the kernel's could not begin anything any more.
    """
    closed = _kernels_closed(ground, wanted)
    for tunnel in (each for each in lies.inner if each.addresses):
        if carrier := _carrier(tunnel, closed):
            by_udp = tunnel.kind in _BY_UDP
            raise RefusedByPolicy(
                f"Nothing is planned for {ground.facts.name}: the tunnel {tunnel.name} ({tunnel.kind}) travels by "
                f"{carrier}, which these rules would let nobody in by: its peers would be cut off.",
                next="Let its port in by policies/ports.toml, with the reason, then call again."
                if by_udp
                else "These rules know TCP and UDP only: take the tunnel down, or make this server's rules by hand.",
            )


def _kernels_closed(ground: Ground, wanted: HostFirewall) -> list[int]:
    """Return the UDP ports that the kernel itself listens on for others, and that no rule lets anybody in by."""
    admitted = [Ports.parse(rule.ports) for rule in wanted.rules if rule.protocol == "udp"]
    found = ground.facts.sockets.found if isinstance(ground.facts.sockets, Sockets) else ()
    kernels = {each.port for each in found if each.protocol == "udp" and not (each.process or each.loopback)}
    return sorted(port for port in kernels if not any(port in ports for ports in admitted))


def _carrier(inner: Inner, closed: list[int]) -> str:
    """Return by what a network comes in from outside that these rules drop; of a kind that is not known, by its own."""
    if inner.kind in _BY_UDP:
        return f"UDP to port {' or '.join(map(str, closed))}" if closed else ""
    known = inner.kind in _WITHOUT or inner.kind in OF_CONTAINERS or inner.kind == _BY_A_PROGRAM
    return "" if known else f"{inner.kind} packets"


def carried(lies: Lies) -> tuple[str, ...]:
    """Return in words which tunnels are made by programs: by what they travel is a port like any other."""
    names = [each.name for each in lies.inner if each.kind == _BY_A_PROGRAM and each.addresses]
    if not names:
        return ()
    return (
        f"{', '.join(names)} may be a tunnel of a program (OpenVPN, Tailscale ...): a port that its peers come by is "
        "closed with the others unless policy has it open",
    )


async def refuse_coolify_outside(look: Look, host: Host) -> None:
    """Where SSH is to be on the private network only, Coolify has to come that way already.

    Raises:
        RefusedByPolicy: it comes to the server's public address. VendorError: Coolify does not say.
    """
    if is_private(host) and any(server.ip == host.address for server in await look.coolify.servers()):
        raise RefusedByPolicy(
            f"Coolify reaches {host.name} at {host.address}, where SSH would be closed: it could deploy nothing.",
            next=f"Call connect_private_network {host.name} first: it moves Coolify once the private way is proved.",
        )


def refuse_lockout(fleet: Fleet, ground: Ground, wanted: HostFirewall, came_from: str) -> None:
    """Rules that would shut us out are told before anything is done; `came_from` is the server's SSH_CONNECTION.

    Raises:
        InputError: nobody counts as an admin. RefusedByPolicy: they would shut out this session, an admin or the
            Factory.
    """
    if not any(known.name in {"admin", OUTSIDE["admin"]} for known in ground.classes):
        raise InputError(
            "fleet.toml names no admin networks, so SSH would be closed to everybody but the Factory.",
            next="Write [access] admin = [...] with the addresses that people and this server come from.",
        )
    own = way_of_connection(came_from)
    if lost := shut_out(wanted, (own, *ways_to_keep(fleet, ground))):
        raise RefusedByPolicy(
            f"The policy's rules would shut out of {ground.facts.name}: {'; '.join(lost)}.",
            next="Add the address to [access] admin in fleet.toml, or correct ports.toml.",
        )
