"""Firewall rules as Robot reads them from a form: what it takes, and what it refuses."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

from ink_infra_mcp.sandbox.robot.call import RobotError, invalid
from ink_infra_mcp.sandbox.robot.forms import Nested
from ink_infra_mcp.sandbox.state_robot import RobotRule

MAX_RULES = 10
_FLAGS = {"syn", "fin", "rst", "psh", "ack", "urg"}
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_NAME = re.compile(r"[\w .+@-]*", re.ASCII)


def rules_of(form: Nested, direction: str) -> list[RobotRule]:
    """Return the rules of a direction in the order of the form; a `rules` that is a text holds none.

    Raises:
        RobotError: 400 INVALID_INPUT, or 409 FIREWALL_RULE_LIMIT_EXCEEDED with more than ten.
    """
    every = form.get("rules")
    found = every.get(direction) if isinstance(every, dict) else None
    if not isinstance(found, dict):
        return []
    if len(found) > MAX_RULES:
        raise RobotError(409, "FIREWALL_RULE_LIMIT_EXCEEDED", "The firewall rule limit is exceeded")
    return [_rule(f"rules[{direction}][{index}]", fields) for index, fields in found.items()]


def _rule(name: str, fields: "str | Nested") -> RobotRule:
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise invalid(name)
    texts = {key: str(value) for key, value in fields.items() if value != "" and key in RobotRule.model_fields}
    if "action" not in texts:
        raise invalid(missing=(f"{name}[action]",))
    if wrong := [*_wrong(texts)]:
        raise invalid(*(f"{name}[{field}]" for field in wrong))
    return RobotRule.model_validate(texts)


def _wrong(texts: Mapping[str, str]) -> Iterator[str]:
    for field, value in texts.items():
        if not _SHAPES[field](value):
            yield field
    if "protocol" in texts and "ip_version" not in texts:
        yield "protocol"
    if "tcp_flags" in texts and texts.get("protocol") != "tcp":
        yield "tcp_flags"
    if texts.get("ip_version") != "ipv4":
        yield from (field for field in ("src_ip", "dst_ip") if field in texts)


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda text: text in values


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _is_flags(text: str) -> bool:
    return set(re.split(r"[|&]", text)) <= _FLAGS


def _is_network(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True


def _is_ports(text: str) -> bool:
    match = _PORTS.fullmatch(text)
    return match is not None and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535


_SHAPES: Mapping[str, Callable[[str], bool]] = {
    "name": _is_name,
    "ip_version": _one_of("ipv4", "ipv6"),
    "dst_ip": _is_network,
    "src_ip": _is_network,
    "dst_port": _is_ports,
    "src_port": _is_ports,
    "protocol": _one_of("tcp", "udp", "gre", "icmp", "ipip", "ah", "esp"),
    "tcp_flags": _is_flags,
    "action": _one_of("accept", "discard"),
}
