"""What lies outside a server and what inside, as the rules of its own firewall name it."""

from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.core.errors import RefusedByPolicy
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.outside import BRIDGE, OF_CONTAINERS, Inner, Known, inner_networks, outside
from ink_infra_mcp.core.host_firewall.model import is_interface
from ink_infra_mcp.core.untrusted import clean_name


@dataclass(frozen=True, slots=True)
class Lies:
    """Which of a server's links lead outside, which bridges are among them, and the networks inside it."""

    outside: tuple[str, ...]
    bridged: tuple[str, ...]
    inner: tuple[Inner, ...]

    @property
    def inside(self) -> tuple[str, ...]:
        """Return the links of the networks inside that no container program makes."""
        return tuple(each.name for each in self.inner if each.kind not in OF_CONTAINERS)

    def behind(self, manager: str) -> tuple[str, ...]:
        """Return the links whose networks keep what ufw lets them reach now; no other manager needs them named."""
        return tuple(each.name for each in self.inner) if manager == "ufw" else ()


def lies_in(server: str, interfaces: Interfaces | Unreadable, known: Known) -> Lies:
    """Return what lies outside a server, by its routes and addresses and the fleet's networks, and what inside.

    Raises:
        RefusedByPolicy: nothing leads outside, or a link has a name that cannot stand in a rule.
    """
    interfaces = Interfaces() if isinstance(interfaces, Unreadable) else interfaces
    leading = outside(interfaces, known)
    inner = inner_networks(interfaces, leading)
    if not leading:
        raise RefusedByPolicy(
            f"Nothing is planned for {server}: no link of it is known to lead outside.",
            next="Look at its default routes (ip route), then call again.",
        )
    _refuse_odd_names(server, (*leading, *(each.name for each in inner)))
    return Lies(leading, tuple(sorted(interfaces.of_kind(BRIDGE) & {*leading})), inner)


def _refuse_odd_names(server: str, names: Iterable[str]) -> None:
    if odd := [name for name in names if not is_interface(name)]:
        raise RefusedByPolicy(
            f"Nothing is planned for {server}: the link {clean_name(odd[0], limit=20)} has a name that cannot stand in "
            "a rule.",
            next="Give it a name of letters, digits and _ . @ - (ip link set NAME name NEW), then call again.",
        )
