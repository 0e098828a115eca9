"""What firewalld has to let in beside its own rules, as rich rules; to keep the rest out is our own table's work."""

from collections.abc import Iterator

from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, is_v4, is_world


def rich_rules(firewall: HostFirewall) -> tuple[str, ...]:
    """Return the rules, each once, in the order of the firewall's."""
    return tuple(dict.fromkeys(line for rule in firewall.rules for line in _lines(rule)))


def _lines(rule: HostRule) -> Iterator[str]:
    for source in rule.sources:
        family = f'rule family="{"ipv4" if is_v4(source) else "ipv6"}"'
        where = "" if is_world(source) else f' source address="{source}"'
        for port in rule.ports.replace("any", "1-65535").split(","):
            yield f'{family}{where} port port="{port}" protocol="{rule.protocol}" accept'
