"""Hetzner Cloud firewalls: as the API shows them, what several of them do together, and their limits.

Vendor facts (docs.hetzner.cloud, firewalls): a firewall only allows; several on a server add up; as soon as one is on
it everything inbound that none allows is dropped, and everything outbound as soon as one of them has an outbound rule.
They keep state, and see neither the private network nor a load balancer's way to its targets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, family_of, split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import OneOf, Protocol, ToPort
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Rule, Table, Verdict, single
from ink_infra_mcp.core.firewall.selector import selects
from ink_infra_mcp.core.plan import Frozen

LAYER = "cloud firewall"
MAX_RULES = 50
MAX_CIDRS = 100
MAX_PER_SERVER = 5
MAX_EFFECTIVE = 500
"""Rules of a firewall, CIDRs of a rule, firewalls of a server, and rules times CIDRs of a firewall (docs, 2022)."""
_WITH_PORTS = frozenset({"tcp", "udp"})


class CloudRule(Frozen):
    """One rule, as set_rules takes it. `remote` are the source_ips of a rule in, the destination_ips of a rule out."""

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None = None
    remote: tuple[str, ...] = ()
    description: str = ""

    @field_validator("port")
    @classmethod
    def _is_a_range(cls, port: str | None) -> str | None:
        if port is not None and ("," in port or not Ports.parse(port)):
            raise ValueError(f"{port!r} is not one port or one range")
        return port

    @field_validator("remote")
    @classmethod
    def _are_cidrs(cls, remote: tuple[str, ...]) -> tuple[str, ...]:
        split(remote)
        return remote

    def body(self) -> dict[str, str | list[str]]:
        """Return the rule as the API takes it."""
        named = {"direction": self.direction, "protocol": self.protocol, "port": self.port}
        texts = {**named, "description": self.description}
        far = "source_ips" if self.direction == "in" else "destination_ips"
        return {**{name: text for name, text in texts.items() if text}, far: list(self.remote)}


class CloudFirewall(Frozen):
    """A firewall: its rules, the servers that it is on by their ids, and the label selectors that put it on others."""

    id: int
    name: str
    rules: tuple[CloudRule, ...] = ()
    servers: tuple[int, ...] = ()
    selectors: tuple[str, ...] = ()

    def attached_by(self, server: int, labels: Mapping[str, str]) -> tuple[str, ...]:
        """Return the ways in which it is on a server: `server`, and each selector that its labels meet.

        A firewall that is on a server by a selector cannot be taken off by the server's id.
        """
        direct = ("server",) if server in self.servers else ()
        return (*direct, *(selector for selector in self.selectors if selects(selector, labels)))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A firewall on a server, from the server's public_net.firewalls; one that is pending may work or not yet."""

    firewall: int
    applied: bool


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Id(_Seen):
    id: int


class _Selector(_Seen):
    selector: str


class _Applied(_Seen):
    type: str
    server: _Id | None = None
    label_selector: _Selector | None = None


class _RawRule(_Seen):
    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None = None
    source_ips: tuple[str, ...] = ()
    destination_ips: tuple[str, ...] = ()
    description: str | None = None

    def known(self) -> CloudRule:
        """Return it as our own value."""
        remote = self.source_ips if self.direction == "in" else self.destination_ips
        return CloudRule(
            direction=self.direction,
            protocol=self.protocol,
            port=self.port,
            remote=remote,
            description=self.description or "",
        )


class _Raw(_Seen):
    id: int
    name: str
    rules: tuple[_RawRule, ...]
    applied_to: tuple[_Applied, ...]


class _Listed(_Seen):
    firewalls: Annotated[tuple[_Raw, ...], Field()]


_LISTED = TypeAdapter(_Listed)


def read_cloud_firewalls(document: object) -> tuple[CloudFirewall, ...] | Unreadable:
    """Read the answer of GET /firewalls (all its pages put together); anything else is unreadable."""
    try:
        return tuple(_firewall(raw) for raw in _LISTED.validate_python(document).firewalls)
    except (ValidationError, ValueError) as why:
        return Unreadable(f"the Cloud firewalls cannot be read: {str(why).partition(chr(10))[0]}")


def _firewall(raw: _Raw) -> CloudFirewall:
    return CloudFirewall(
        id=raw.id,
        name=raw.name,
        rules=tuple(rule.known() for rule in raw.rules),
        servers=tuple(on.server.id for on in raw.applied_to if on.server),
        selectors=tuple(on.label_selector.selector for on in raw.applied_to if on.label_selector),
    )


def cloud_gates(firewalls: Iterable[CloudFirewall], attached: Iterable[Attachment]) -> Gates | Unreadable:
    """Return what the firewalls on a server do together; one that is on it and not among them makes it unreadable.

    A pending one may be new there, or have had other rules before, which the API does not tell any more: until it is
    applied they may let anything in.
    """
    known = {firewall.id: firewall for firewall in firewalls}
    on_it: dict[bool, list[CloudFirewall]] = {True: [], False: []}
    for on in attached:
        if on.firewall not in known:
            return Unreadable(f"the rules of firewall {on.firewall} are not known")
        on_it[on.applied].append(known[on.firewall])
    surely, pending = tuple(on_it[True]), tuple(on_it[False])
    sets = (surely, surely + pending, ()) if pending else (surely,)
    notes = tuple(f"firewall {firewall.name} is still being applied" for firewall in pending)
    return Gates(_gate(V4, sets), _gate(V6, sets), notes)


def _gate(kind: type[A], sets: tuple[tuple[CloudFirewall, ...], ...]) -> Gate[A]:
    if not any(sets):
        return Gate(LAYER, opened_by="no Cloud firewall is on the server")
    return Gate(LAYER, tuple(inbound(kind, firewalls) for firewalls in sets))


def inbound(kind: type[A], firewalls: tuple[CloudFirewall, ...]) -> Table[A]:
    """Return the rules in of all firewalls as one table; without any firewall everything comes in."""
    policy = Verdict.DROP if firewalls else Verdict.ACCEPT
    return single(LAYER, _rules(kind, firewalls, "in"), policy)


def outbound(kind: type[A], firewalls: tuple[CloudFirewall, ...]) -> Table[A]:
    """Return the rules out of all firewalls as one table, the far side as its source; without any all goes out."""
    rules = _rules(kind, firewalls, "out")
    any_out = any(rule.direction == "out" for firewall in firewalls for rule in firewall.rules)
    return single(LAYER, rules, Verdict.DROP if any_out else Verdict.ACCEPT)


def _rules(kind: type[A], firewalls: tuple[CloudFirewall, ...], direction: str) -> tuple[Rule[A], ...]:
    return tuple(
        _rule(kind, rule, f"{firewall.name}: {_told(rule)}")
        for firewall in firewalls
        for rule in firewall.rules
        if rule.direction == direction
    )


def _rule(kind: type[A], rule: CloudRule, origin: str) -> Rule[A]:
    far = kind.of(cidr for cidr in rule.remote if family_of(cidr) is kind.FAMILY)
    protocol = Protocol(OneOf((rule.protocol,)))
    ports = (ToPort(Ports.parse(rule.port)),) if rule.port and rule.protocol in _WITH_PORTS else ()
    return Rule(Verdict.ACCEPT, far, (protocol, *ports), origin=origin)


def _told(rule: CloudRule) -> str:
    return f"{rule.direction} {rule.protocol} {rule.port or 'all'} {', '.join(rule.remote)}"
