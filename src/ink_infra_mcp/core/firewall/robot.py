"""Robot firewalls of dedicated servers: as the Webservice shows them, and what they do with a packet and its answer.

Vendor facts (docs.hetzner.com, robot firewall; Webservice documentation): ordered, the first match decides, what
none matches is discarded; no state is kept, so answers must pass the output rules. Disabled means open. IPv6 is
filtered only with filter_ipv6. A rule without ip_version is for both families. A change works after `in process`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator, model_validator

from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Family
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import (
    Condition,
    OneOf,
    Protocol,
    TcpFlags,
    ToAddress,
    of_protocol,
    present,
    their_ports,
    to_ports,
)
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.rules import Rule, Verdict, single
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.words import of_fault

LAYER = "robot firewall"
MAX_RULES = 10
"""Rules of each direction."""
Direction = Literal["input", "output"]
_FLAG = re.compile(r"syn|fin|rst|psh|ack|urg")
_BOTH = "both"
_WHITELISTED = "Hetzner's own services pass the Robot firewall (whitelist_hos)"


class RobotRule(Frozen):
    """One rule, in the words of the Webservice; an absent field matches everything."""

    name: str = ""
    ip_version: Literal["ipv4", "ipv6"] | None = None
    src_ip: str | None = None
    dst_ip: str | None = None
    src_port: str | None = None
    dst_port: str | None = None
    protocol: Literal["tcp", "udp", "gre", "icmp", "ipip", "ah", "esp"] | None = None
    tcp_flags: str | None = None
    action: Literal["accept", "discard"]

    @field_validator("src_port", "dst_port")
    @classmethod
    def _is_a_range(cls, port: str | None) -> str | None:
        if port is not None and ("," in port or not Ports.parse(port)):
            raise ValueError(f"{port!r} is not one port or one range")
        return port

    @field_validator("src_ip", "dst_ip")
    @classmethod
    def _is_ipv4(cls, address: str | None) -> str | None:
        if address is not None:
            V4.parse(address)
        return address

    @field_validator("tcp_flags")
    @classmethod
    def _are_flags(cls, flags: str | None) -> str | None:
        if flags is not None:
            _alternatives(flags)
        return flags

    def fields(self) -> dict[str, str]:
        """Return the fields of the rule that are set, as the form takes them; the order is the documentation's."""
        given = cast("dict[str, str | None]", self.model_dump())
        return {name: value for name, value in given.items() if value}

    def told(self) -> str:
        """Return the rule as one line for a reader."""
        return " ".join(f"{name}={value}" for name, value in self.fields().items())


def _rule_list(value: object) -> object:
    """Return the rules of a direction; PHP writes an empty one as `[]`, `{}` or null, and a list as numbered fields."""
    if isinstance(value, Mapping):
        return tuple(cast("Mapping[str, object]", value).values())
    return () if value is None else value


class RobotFirewall(Frozen):
    """A server's firewall: its state, its options, and its rules in their order."""

    server_number: int
    status: Literal["active", "in process", "disabled"]
    filter_ipv6: bool = False
    whitelist_hos: bool = False
    port: Literal["main", "kvm"] = "main"
    input: tuple[RobotRule, ...] = ()
    output: tuple[RobotRule, ...] = ()


class RobotTemplate(Frozen):
    """A set of rules that is kept to be put on servers; to use one is to take over its rules and options."""

    id: int
    name: str
    filter_ipv6: bool = False
    whitelist_hos: bool = False
    is_default: bool = False
    input: tuple[RobotRule, ...] = ()
    output: tuple[RobotRule, ...] = ()

    def on(self, server_number: int) -> RobotFirewall:
        """Return the firewall that a server has once the template is active on it."""
        return RobotFirewall(
            server_number=server_number,
            status="active",
            filter_ipv6=self.filter_ipv6,
            whitelist_hos=self.whitelist_hos,
            input=self.input,
            output=self.output,
        )


class _Seen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _SeenRule(RobotRule):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, value: object) -> object:
        """A field that is not set, the name too, is shown as null or as an empty text."""
        if not isinstance(value, Mapping):
            return value
        fields = cast("Mapping[str, object]", value)
        return {name: given for name, given in fields.items() if given not in (None, "")}


class _Directions(_Seen):
    input: Annotated[tuple[_SeenRule, ...], BeforeValidator(_rule_list)] = ()
    output: Annotated[tuple[_SeenRule, ...], BeforeValidator(_rule_list)] = ()


def _directions(value: object) -> object:
    """Return the two directions; without a rule in either, PHP writes `[]`."""
    return {} if value == [] else value


class _Rules(_Seen):
    rules: Annotated[_Directions, BeforeValidator(_directions)]

    def of(self, direction: Direction) -> tuple[RobotRule, ...]:
        """Return the rules of a direction as our own values."""
        seen = self.rules.input if direction == "input" else self.rules.output
        return tuple(RobotRule.model_validate(rule.model_dump()) for rule in seen)


class _RawFirewall(_Rules):
    server_number: int
    status: Literal["active", "in process", "disabled"]
    filter_ipv6: bool
    whitelist_hos: bool
    port: Literal["main", "kvm"] = "main"


class _RawTemplate(_Rules):
    id: int
    name: str
    filter_ipv6: bool
    whitelist_hos: bool
    is_default: bool = False


class _Answer(_Seen):
    firewall: _RawFirewall


class _TemplateAnswer(_Seen):
    firewall_template: _RawTemplate


def read_robot_firewall(document: object) -> RobotFirewall | Unreadable:
    """Read the answer of GET or POST /firewall/{server}; anything else is unreadable."""
    try:
        raw = _Answer.model_validate(document).firewall
    except ValidationError as why:
        return Unreadable(f"the Robot firewall cannot be read: {_short(why)}")
    return RobotFirewall(
        server_number=raw.server_number,
        status=raw.status,
        filter_ipv6=raw.filter_ipv6,
        whitelist_hos=raw.whitelist_hos,
        port=raw.port,
        input=raw.of("input"),
        output=raw.of("output"),
    )


def read_robot_template(document: object) -> RobotTemplate | Unreadable:
    """Read the answer of GET /firewall/template/{id}; anything else is unreadable."""
    try:
        raw = _TemplateAnswer.model_validate(document).firewall_template
    except ValidationError as why:
        return Unreadable(f"the Robot template cannot be read: {_short(why)}")
    return RobotTemplate(
        id=raw.id,
        name=raw.name,
        filter_ipv6=raw.filter_ipv6,
        whitelist_hos=raw.whitelist_hos,
        is_default=raw.is_default,
        input=raw.of("input"),
        output=raw.of("output"),
    )


def _short(why: ValidationError) -> str:
    first = why.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {of_fault(first)}"


def robot_gates(firewall: RobotFirewall) -> Gates | Unreadable:
    """Return what the firewall does; one that is being changed or stands at another port is unreadable.

    `whitelist_hos` lets Hetzner's own services in; they belong to no class of sources, and are a note only.
    """
    if firewall.status == "in process":
        return Unreadable("the Robot firewall is being changed: which rules are in force is not known")
    if firewall.port != "main":
        return Unreadable("the Robot firewall is that of the KVM port")
    if firewall.status == "disabled":
        told = "the Robot firewall is disabled"
        return Gates(Gate(LAYER, opened_by=told), Gate(LAYER, opened_by=told))
    notes = (_WHITELISTED,) if firewall.whitelist_hos else ()
    return Gates(_gate(V4, firewall), _gate_of_ipv6(firewall), notes)


def _gate_of_ipv6(firewall: RobotFirewall) -> Gate[V6]:
    return _gate(V6, firewall) if firewall.filter_ipv6 else Gate(LAYER, opened_by="filter_ipv6 is off")


def _gate(kind: type[A], firewall: RobotFirewall) -> Gate[A]:
    inward = single(f"{LAYER} input", _rules(kind, firewall.input, "input"), Verdict.DROP)
    outward = single(f"{LAYER} output", _rules(kind, firewall.output, "output"), Verdict.DROP)
    return Gate(LAYER, (inward,), replies=outward)


def _rules(kind: type[A], rules: Iterable[RobotRule], direction: Direction) -> tuple[Rule[A], ...]:
    return tuple(_rule(kind, rule, direction) for rule in rules if _concerns(rule, kind.FAMILY))


def _concerns(rule: RobotRule, family: Family) -> bool:
    addressed = bool(rule.src_ip or rule.dst_ip)
    return (rule.ip_version or _BOTH) in {family, _BOTH} and not (addressed and family is Family.V6)


@dataclass(frozen=True, slots=True)
class _Ends:
    """The two ends of a rule as the server sees them: an answer goes to the far side, from a port of ours."""

    far: str | None
    own: str | None
    far_port: str | None
    own_port: str | None


def _ends(rule: RobotRule, direction: Direction) -> _Ends:
    if direction == "input":
        return _Ends(rule.src_ip, rule.dst_ip, rule.src_port, rule.dst_port)
    return _Ends(rule.dst_ip, rule.src_ip, rule.dst_port, rule.src_port)


def _rule(kind: type[A], rule: RobotRule, direction: Direction) -> Rule[A]:
    ends = _ends(rule, direction)
    return Rule(
        verdict=Verdict.ACCEPT if rule.action == "accept" else Verdict.DROP,
        sources=kind.parse(ends.far) if ends.far else None,
        conditions=present(
            of_protocol(rule.protocol),
            Protocol(OneOf(("tcp", "udp"))) if ends.own_port or ends.far_port else None,
            to_ports(ends.own_port),
            their_ports(ends.far_port),
            ToAddress(kind.parse(ends.own)) if ends.own else None,
            *_by_flags(rule.tcp_flags),
        ),
        origin=rule.told(),
    )


def _by_flags(text: str | None) -> tuple[Condition, ...]:
    return (Protocol(OneOf(("tcp",))), TcpFlags(_alternatives(text))) if text else ()


def _alternatives(text: str) -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    """Return what a flag expression asks: `|` separates alternatives, `&` joins flags that must all be set."""
    wanted = [_joint(alternative) for alternative in text.lower().split("|")]
    return tuple((flags, flags) for flags in wanted)


def _joint(text: str) -> frozenset[str]:
    flags = frozenset(part.strip() for part in text.split("&"))
    if not all(_FLAG.fullmatch(flag) for flag in flags):
        raise ValueError(f"{text!r} is no list of TCP flags")
    return flags
