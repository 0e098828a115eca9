"""A stand-in for a provider's firewall: rules in front of a server's public card, which the server cannot see."""

from collections.abc import Sequence

from tests.lab.ground.commands import nft
from tests.lab.ground.network import rules_of
from tests.lab.ground.site import Machine, Site

_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept"
"""Finding each other on the wire is below what a provider filters; ARP never gets here."""


def apply(
    site: Site,
    machine: Machine,
    *,
    inbound: Sequence[str],
    outbound: Sequence[str] | None = None,
    private: bool = False,
) -> None:
    """Put rules of nft in front of a server, each a match with its verdict; what none matches is dropped.

    They are as stateful as they say: `ct state established,related accept` first makes the filter one of Hetzner
    Cloud, where answers to what was allowed may pass; without it, and with a rule for answers (`tcp flags & ack ==
    ack accept`), it is one of Robot. Where `outbound` is None, all that the server sends may pass. The private
    network is behind it with `private` only: a vSwitch goes through the switch port that Robot filters. What stood
    there before is replaced, in one transaction.
    """
    chains = {"in": inbound} if outbound is None else {"in": inbound, "out": outbound}
    addresses = [("ip", machine.ipv4), ("ip6", machine.ipv6)]
    if private:
        addresses += [("ip", machine.private_ipv4), ("ip6", machine.private_ipv6)]
    jumps = [
        f"add rule inet provider passing {family} {_end(way)} {address} jump {_name(machine, way)} {_mark(machine)}"
        for way in chains
        for family, address in addresses
    ]
    lines = [*(line for way, rules in chains.items() for line in _chain(machine, way, rules)), *jumps]
    nft("\n".join([*_removal(site, machine), *lines]) + "\n", namespace=site.switch)


def remove(site: Site, machine: Machine) -> None:
    """Take the rules in front of a server away: all may pass."""
    nft("\n".join(_removal(site, machine)) + "\n", namespace=site.switch)


def _removal(site: Site, machine: Machine) -> list[str]:
    ours = [rule for rule in rules_of(site, "provider") if rule.get("comment") == machine.name]
    lines = [f"delete rule inet provider passing handle {rule['handle']}" for rule in ours]
    for way in ("in", "out"):
        # `add` first, so that deleting one that is not there is no error
        lines += [f"{verb} chain inet provider {_name(machine, way)}" for verb in ("add", "flush", "delete")]
    return lines


def _chain(machine: Machine, way: str, rules: Sequence[str]) -> list[str]:
    chain = f"inet provider {_name(machine, way)}"
    return [f"add chain {chain}", *(f"add rule {chain} {rule}" for rule in (_NEIGHBOURS, *rules, "drop"))]


def _mark(machine: Machine) -> str:
    return f'comment "{machine.name}"'


def _end(way: str) -> str:
    return "daddr" if way == "in" else "saddr"


def _name(machine: Machine, way: str) -> str:
    return f"{way}-{machine.name}"
