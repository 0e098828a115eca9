"""Cloud firewalls: as Hetzner shows them, and the bodies that we send, checked against Hetzner's limits first."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from ink_infra_mcp.core.firewall.cloud import MAX_CIDRS, MAX_EFFECTIVE, MAX_RULES
from ink_infra_mcp.core.plan import Frozen, JsonObject

_PORTS = re.compile(r"(?P<low>[1-9][0-9]{0,4})(?:-(?P<high>[1-9][0-9]{0,4}))?")
_WITH_PORTS = ("tcp", "udp")


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FirewallRule(_Seen):
    """A rule as Hetzner holds it: all of them allow. A field that we do not know yet is kept, for who shows it."""

    model_config = ConfigDict(extra="allow")

    direction: str
    protocol: str
    port: str | None = None
    source_ips: tuple[str, ...]
    destination_ips: tuple[str, ...]
    description: str | None = None


class ServerRef(_Seen):
    """A server by its id."""

    id: int


class SelectorRef(_Seen):
    """Servers by their labels."""

    selector: str


class AppliedResource(_Seen):
    """What a label selector came upon."""

    type: str
    server: ServerRef | None = None


class AppliedTo(_Seen):
    """What a firewall is bound to: a server, or a label selector with the servers it matches now."""

    type: str
    server: ServerRef | None = None
    label_selector: SelectorRef | None = None
    applied_to_resources: tuple[AppliedResource, ...] | None = None


class Firewall(_Seen):
    """A Cloud firewall: stateful, allows only. Each direction without a rule has its default: in nothing, out all."""

    id: int
    name: str
    created: datetime
    labels: Mapping[str, str] = Field(default_factory=dict[str, str])
    rules: tuple[FirewallRule, ...]
    applied_to: tuple[AppliedTo, ...]

    @property
    def servers(self) -> frozenset[int]:
        """Return the ids of the servers that it is bound to by id."""
        return frozenset(to.server.id for to in self.applied_to if to.server is not None)

    @property
    def selectors(self) -> frozenset[str]:
        """Return the label selectors that it is bound to."""
        return frozenset(to.label_selector.selector for to in self.applied_to if to.label_selector is not None)

    def selectors_of(self, server: int) -> frozenset[str]:
        """Return the label selectors by which it is bound to that server now."""
        return frozenset(
            to.label_selector.selector
            for to in self.applied_to
            if to.label_selector is not None
            and any(found.server is not None and found.server.id == server for found in to.applied_to_resources or ())
        )

    def as_json(self) -> JsonObject:
        """Return it in Hetzner's own words and shape."""
        return cast(JsonObject, self.model_dump(mode="json"))


def _network(value: str) -> str:
    if "/" not in value or "%" in value:
        raise ValueError("write a network, such as 192.0.2.1/32")
    return str(ipaddress.ip_network(value))


def _ports(value: str) -> str:
    match = _PORTS.fullmatch(value)
    low, high = (int(match["low"]), int(match["high"] or match["low"])) if match else (0, 0)
    if not 1 <= low <= high <= 65535 or value == f"{low}-{low}":
        raise ValueError("use a port such as 22 or a range such as 80-443")
    return value


Network = Annotated[str, AfterValidator(_network)]
Networks = Annotated[tuple[Network, ...], Field(max_length=MAX_CIDRS)]
Ports = Annotated[str, AfterValidator(_ports)]


class NewRule(Frozen):
    """A rule within Hetzner's limits (official API description); networks are canonical, with empty host bits.

    `in` names its sources and `out` its destinations; only tcp and udp have ports, and need them.
    """

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: Ports | None = None
    source_ips: Networks = ()
    destination_ips: Networks = ()
    description: Annotated[str, Field(max_length=255)] | None = None

    @field_validator("source_ips", "destination_ips")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _can_be_matched(self) -> Self:
        if (self.port is not None) != (self.protocol in _WITH_PORTS):
            raise ValueError("tcp and udp need a port, and nothing else has one")
        named, other = self.source_ips, self.destination_ips
        if self.direction == "out":
            named, other = other, named
        if other or not named:
            raise ValueError("`in` needs source_ips only, `out` destination_ips only")
        return self


class RuleSet(Frozen):
    """The rules of one firewall: at most 50, and 500 when each network counts."""

    rules: Annotated[tuple[NewRule, ...], Field(max_length=MAX_RULES)] = ()

    @model_validator(mode="after")
    def _are_not_too_many(self) -> Self:
        if sum(len(rule.source_ips) + len(rule.destination_ips) for rule in self.rules) > MAX_EFFECTIVE:
            raise ValueError(f"more than {MAX_EFFECTIVE} effective rules: each network of a rule counts")
        return self

    def as_json(self) -> list[JsonObject]:
        """Return the rules as request bodies."""
        return [_body(rule) for rule in self.rules]


class NewFirewall(RuleSet):
    """The body of POST /firewalls; it is attached to nothing yet."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    labels: Mapping[str, str] = Field(default_factory=dict[str, str])


def same_rules(seen: Sequence[FirewallRule], wanted: Sequence[NewRule | FirewallRule]) -> bool:
    """Return whether these are the same rules: their order means nothing to Hetzner, nor does that of networks."""
    return sorted(map(_plain, seen)) == sorted(map(_plain, wanted))


def rules_as_they_were(seen: Sequence[FirewallRule]) -> list[JsonObject]:
    """Return request bodies that put these rules back."""
    return [_body(rule) for rule in seen]


def _body(rule: NewRule | FirewallRule) -> JsonObject:
    known = set(NewRule.model_fields)
    dumped = cast(JsonObject, rule.model_dump(mode="json", include=known, exclude_none=True))
    return {name: value for name, value in dumped.items() if value != []}


def _plain(rule: NewRule | FirewallRule) -> tuple[str, ...]:
    networks = (sorted(map(_canonical, nets)) for nets in (rule.source_ips, rule.destination_ips))
    return (rule.direction, rule.protocol, rule.port or "", rule.description or "", *map(" ".join, networks))


def _canonical(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network, strict=False))
    except ValueError:
        return network
