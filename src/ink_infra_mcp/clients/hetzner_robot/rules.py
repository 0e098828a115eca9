"""The firewall sets that we send: a new one within Robot's limits, or one that was there, put back as it was."""

import ipaddress
import re
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, Field, model_validator

from ink_infra_mcp.clients.hetzner_robot.form import form_fields, refuse_lockout
from ink_infra_mcp.clients.hetzner_robot.models import RobotFirewall, SeenRule
from ink_infra_mcp.clients.http import Form
from ink_infra_mcp.core.firewall.robot import MAX_RULES
from ink_infra_mcp.core.plan import Frozen, JsonObject

_NAME = re.compile(r"[A-Za-z0-9 .+_@-]{1,100}")
_PORTS = re.compile(r"(?P<low>[1-9][0-9]{0,4})(?:-(?P<high>[1-9][0-9]{0,4}))?")
_FLAG = "(?:syn|fin|rst|psh|ack|urg)"
_FLAGS = re.compile(rf"{_FLAG}(?:\|{_FLAG})*|{_FLAG}(?:&{_FLAG})*")
_FIELDS = ("name", "ip_version", "dst_ip", "src_ip", "dst_port", "src_port", "protocol", "tcp_flags", "action")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use letters, digits, spaces and . - + _ @: Robot refuses special characters")
    return value


def _network(value: str) -> str:
    return str(ipaddress.IPv4Network(value))


def _ports(value: str) -> str:
    match = _PORTS.fullmatch(value)
    low, high = (int(match["low"]), int(match["high"] or 65535)) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise ValueError("use a port such as 22 or a range such as 80-443")
    return value


def _flags(value: str) -> str:
    if not _FLAGS.fullmatch(value):
        raise ValueError("use syn, fin, rst, psh, ack or urg, joined by | or by &")
    return value


Name = Annotated[str, AfterValidator(_name)]
Network = Annotated[str, AfterValidator(_network)]
Ports = Annotated[str, AfterValidator(_ports)]
Flags = Annotated[str, AfterValidator(_flags)]


class NewRule(Frozen):
    """A rule within Robot's limits (documentation): what it cannot match, it must not say.

    Addresses need ip_version ipv4, and a protocol needs an ip_version; networks have empty host bits. ICMPv6 always
    passes, whatever a rule says.
    """

    name: Name | None = None
    ip_version: Literal["ipv4", "ipv6"] | None = None
    dst_ip: Network | None = None
    src_ip: Network | None = None
    dst_port: Ports | None = None
    src_port: Ports | None = None
    protocol: Literal["tcp", "udp", "gre", "icmp", "ipip", "ah", "esp"] | None = None
    tcp_flags: Flags | None = None
    action: Literal["accept", "discard"]

    @model_validator(mode="after")
    def _can_be_matched(self) -> Self:
        wrong = (
            (self.ip_version != "ipv4" and (self.src_ip or self.dst_ip), "addresses need ip_version ipv4"),
            (self.ip_version is None and self.protocol, "a protocol needs an ip_version"),
            (self.ip_version == "ipv6" and self.protocol == "icmp", "ICMPv6 cannot be filtered"),
            (
                self.protocol not in (None, "tcp", "udp") and (self.src_port or self.dst_port),
                "only tcp and udp have ports",
            ),
            (self.tcp_flags and self.protocol != "tcp", "flags need protocol tcp"),
        )
        for is_wrong, why in wrong:
            if is_wrong:
                raise ValueError(why)
        return self


Rules = Annotated[tuple[NewRule, ...], Field(min_length=1, max_length=MAX_RULES)]


class _FirewallSet(Frozen):
    filter_ipv6: bool
    whitelist_hos: bool


class NewFirewall(_FirewallSet):
    """A whole new set, which will be active. Neither direction can be empty: Robot discards what nothing accepts."""

    status: Literal["active"] = "active"
    input: Rules
    output: Rules

    @model_validator(mode="after")
    def _lets_something_through(self) -> Self:
        form_of(self)
        return self


class RestoredFirewall(_FirewallSet):
    """A set that Robot held, to be put back rule by rule as it was, also where we would not write such a rule.

    One that let nothing out is not put back: it had cut the server off.
    """

    status: Literal["active", "disabled"]
    input: tuple[SeenRule, ...]
    output: tuple[SeenRule, ...]

    @model_validator(mode="after")
    def _lets_something_through(self) -> Self:
        form_of(self)
        return self


FirewallSet = NewFirewall | RestoredFirewall


def restored(firewall: RobotFirewall) -> RestoredFirewall:
    """Return what puts this firewall back.

    Raises:
        ValueError: it cannot be put back: it let nothing through, or it is still in process.
    """
    return RestoredFirewall.model_validate(
        {
            "status": firewall.status,
            "filter_ipv6": firewall.filter_ipv6,
            "whitelist_hos": firewall.whitelist_hos,
            "input": firewall.rules.input or (),
            "output": firewall.rules.output or (),
        }
    )


def form_of(wanted: FirewallSet) -> Form:
    """Return the form fields of POST /firewall/{server}, always with both directions, since it replaces both.

    Raises:
        ValueError: it would cut the server off.
    """
    form = form_fields(
        {
            "status": wanted.status,
            "filter_ipv6": wanted.filter_ipv6,
            "whitelist_hos": wanted.whitelist_hos,
            "rules": {"input": [*map(_sent, wanted.input)], "output": [*map(_sent, wanted.output)]},
        }
    )
    refuse_lockout(form)
    return form


def holds(firewall: RobotFirewall, wanted: FirewallSet) -> bool:
    """Return whether Robot has this set in force. Of a disabled one nothing but that counts: it filters nothing."""
    if firewall.status != wanted.status:
        return False
    if wanted.status == "disabled":
        return True
    flags = (firewall.filter_ipv6, firewall.whitelist_hos) == (wanted.filter_ipv6, wanted.whitelist_hos)
    return flags and _same(firewall.rules.input, wanted.input) and _same(firewall.rules.output, wanted.output)


def _sent(rule: NewRule | SeenRule) -> JsonObject:
    return cast(JsonObject, rule.model_dump(mode="json", include=set(_FIELDS), exclude_none=True))


def _same(seen: tuple[SeenRule, ...] | None, wanted: tuple[NewRule, ...] | tuple[SeenRule, ...]) -> bool:
    return [*map(_plain, seen or ())] == [*map(_plain, wanted)]


def _plain(rule: NewRule | SeenRule) -> tuple[str, ...]:
    """Robot may write an address with or without its mask, and an empty field as null or as nothing."""
    sent = _sent(rule)
    return tuple(_plain_field(name, str(sent.get(name) or "")) for name in _FIELDS)


def _plain_field(name: str, value: str) -> str:
    if name not in {"src_ip", "dst_ip"} or not value:
        return value
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return value
