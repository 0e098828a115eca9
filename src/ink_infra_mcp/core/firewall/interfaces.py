"""A host's interfaces and their addresses, from `ip -j addr`: which are its own, and what lies behind each."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed

_KIND = {Family.V4: V4, Family.V6: V6}


class _Address(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    family: str
    local: str
    prefixlen: int


class _Link(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    ifname: str
    addr_info: tuple[_Address, ...] = ()


_LINKS: TypeAdapter[tuple[_Link, ...]] = TypeAdapter(Annotated[tuple[_Link, ...], Field(min_length=1)])


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """One address of the host, the number of it, and the network that lies behind its interface."""

    interface: str
    family: Family
    text: str
    number: int
    network: V4 | V6
    prefix: int


@dataclass(frozen=True, slots=True)
class Interfaces:
    """What a host says of its own addresses."""

    addresses: tuple[OwnAddress, ...] = ()

    def has(self, number: int, family: Family) -> bool:
        """Return whether an address is the host's own."""
        return any(own.number == number and own.family is family for own in self.addresses)

    def towards(self, number: int, family: Family) -> str | None:
        """Return the interface that a directly connected address lies behind, the closest network first, or None."""
        behind = [own for own in self.addresses if own.family is family and number in own.network]
        return max(behind, key=lambda own: own.prefix).interface if behind else None

    def holding(self, text: str) -> str | None:
        """Return the interface that has an address, as it is printed, or None."""
        return next((own.interface for own in self.addresses if own.text == text), None)


def read_interfaces(answer: Answer) -> Interfaces | Unreadable:
    """Read what `ip -j addr` said (iproute2); text that is damaged or has no interface is unreadable."""
    if bad := failed(answer, "ip -j addr"):
        return bad
    try:
        links = _LINKS.validate_json(answer.text)
        return Interfaces(tuple(_own(link, address) for link in links for address in link.addr_info))
    except ValueError:
        return Unreadable("what ip -j addr said is not its JSON")


def _own(link: _Link, address: _Address) -> OwnAddress:
    family = Family.V4 if address.family == "inet" else Family.V6
    kind = _KIND[family]
    return OwnAddress(
        interface=link.ifname,
        family=family,
        text=address.local,
        number=kind.parse(address.local).spans[0][0],
        network=kind.parse(f"{address.local}/{address.prefixlen}"),
        prefix=address.prefixlen,
    )
