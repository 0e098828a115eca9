"""Firewall rules as the Cloud API takes them: what it refuses, and how it writes them down."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from ink_infra_mcp.sandbox.hetzner.call import Body, invalid
from ink_infra_mcp.sandbox.state_firewalls import FirewallRule

MAX_RULES = 50
MAX_NETWORKS = 100
MAX_EFFECTIVE = 500
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class WantedRule(Body):
    """A rule of a request."""

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None = None
    source_ips: list[str] = []
    destination_ips: list[str] = []
    description: Annotated[str, Field(max_length=255)] | None = None


def checked_rules(rules: Sequence[WantedRule]) -> list[FirewallRule]:
    """Return the rules to store.

    Raises:
        ApiError: 422 on too many, and on a port or network that cannot be.
    """
    if len(rules) > MAX_RULES:
        raise invalid({"rules": f"must not have more than {MAX_RULES} items"})
    stored = [_checked(number, rule) for number, rule in enumerate(rules)]
    if sum(len(rule.source_ips) + len(rule.destination_ips) for rule in stored) > MAX_EFFECTIVE:
        raise invalid({"rules": f"must not have more than {MAX_EFFECTIVE} effective rules"})
    return stored


def _checked(number: int, rule: WantedRule) -> FirewallRule:
    name = f"rules.{number}"
    _check_port(name, rule)
    named, other = ("source_ips", "destination_ips") if rule.direction == "in" else ("destination_ips", "source_ips")
    if getattr(rule, other) or not getattr(rule, named):
        raise invalid({f"{name}.{other}": f"direction {rule.direction} needs {named}, and {named} only"})
    return FirewallRule(
        direction=rule.direction,
        protocol=rule.protocol,
        port=rule.port,
        source_ips=_networks(f"{name}.source_ips", rule.source_ips),
        destination_ips=_networks(f"{name}.destination_ips", rule.destination_ips),
        description=rule.description,
    )


def _check_port(name: str, rule: WantedRule) -> None:
    has_ports = rule.protocol in {"tcp", "udp"}
    if (rule.port is not None) != has_ports:
        raise invalid({f"{name}.port": "is required for tcp and udp, and not allowed for other protocols"})
    if rule.port is None:
        return
    match = _PORTS.fullmatch(rule.port)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise invalid({f"{name}.port": "must be a port or a range of ports"})


def _networks(name: str, networks: Sequence[str]) -> list[str]:
    if len(networks) > MAX_NETWORKS:
        raise invalid({name: f"must not have more than {MAX_NETWORKS} items"})
    return [_network(name, network) for network in networks]


def _network(name: str, network: str) -> str:
    """Host bits must be empty; IPv6 is written in its canonical form."""
    try:
        if "/" not in network or "%" in network:
            raise ValueError(network)
        return str(ipaddress.ip_network(network))
    except ValueError as error:
        raise invalid({name: f"'{network}' is not a valid CIDR block"}) from error
