"""What ufw has to be told so that it lets in what is wanted and nothing else: openings first, closings after them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from ink_infra_mcp.core.firewall.addresses import Family
from ink_infra_mcp.core.firewall.ufw import ANYWHERE, UfwRule
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, is_v4, is_world

Words = tuple[str, ...]
"""What follows `ufw` on its command line."""


@dataclass(frozen=True, slots=True)
class UfwChanges:
    """What to tell ufw, in this order; all are empty where it is already so."""

    opens: tuple[Words, ...] = ()
    closes: tuple[Words, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.opens or self.closes)


def changes(firewall: HostFirewall, present: Sequence[UfwRule], *, default: str) -> UfwChanges:
    """Return what turns the present rules into the firewall's. `default` is the incoming policy as ufw says it.

    Rules for what leaves and what is passed on stay, and so do those that are bound to an interface that does not lead
    outside. What has to go and was for everybody is kept for each network of `behind`: what comes from there reaches
    what it did. Where ufw has IPv6 switched off, only IPv4 is told to it.

    What is missing goes behind all other rules, and what has to go is deleted from the last rule to the first. So
    after every single command all is let in that old and new rules let in, and nothing that neither of them does.
    """
    wanted = {rule: why for rule, why in _all_wanted(firewall) if _is_its_own(rule, firewall)}
    there = tuple(dict.fromkeys(rule.bare for rule in present if rule.is_for_itself))
    missing = {rule: why for rule, why in wanted.items() if rule not in there}
    unwanted = tuple(rule for rule in there if rule not in wanted and _may_go(rule, firewall))
    deny = () if default.lower() in {"deny", "drop", "reject"} else (("default", "deny", "incoming"),)
    return UfwChanges(
        opens=(*_opens(missing), *_kept(firewall, unwanted, there, all_=bool(deny))),
        closes=(*deny, *(("delete", *rule.words()) for rule in reversed(unwanted))),
    )


def _may_go(rule: UfwRule, firewall: HostFirewall) -> bool:
    return _is_its_own(rule, firewall) and not _from_inside(rule.arrives, firewall)


def _is_its_own(rule: UfwRule, firewall: HostFirewall) -> bool:
    return rule.family is Family.V4 or firewall.ufw_ipv6


def _from_inside(interface: str, firewall: HostFirewall) -> bool:
    """Return whether a rule is bound to an interface that does not lead outside; `+` at its end stands for any rest."""
    begin = interface.removesuffix("+")
    wild = begin != interface
    return bool(interface) and not any(
        card.startswith(begin) if wild else card == interface for card in firewall.outside
    )


def _for_inner(firewall: HostFirewall, going: Iterable[UfwRule], *, all_: bool) -> Iterator[UfwRule]:
    """Yield the rules for inner networks alone that those which go were for them, in order; then what the default did.

    ufw knows no rule for all interfaces but some.
    """
    for name in firewall.behind:
        yield from (rule.model_copy(update={"arrives": name}) for rule in going if not rule.arrives)
        if all_:
            for family in Family if firewall.ufw_ipv6 else (Family.V4,):
                anywhere = ANYWHERE[family]
                yield UfwRule(family=family, action="allow", to=anywhere, source=anywhere, arrives=name)


def _kept(firewall: HostFirewall, going: Iterable[UfwRule], there: Sequence[UfwRule], *, all_: bool) -> Iterator[Words]:
    for rule in dict.fromkeys(_for_inner(firewall, going, all_=all_)):
        if rule not in there:
            yield (*rule.words(), "comment", f"ink: as before, for {rule.arrives}")


def _all_wanted(firewall: HostFirewall) -> Iterator[tuple[UfwRule, str]]:
    for rule in firewall.rules:
        yield from _wanted(rule)


def _wanted(rule: HostRule) -> Iterator[tuple[UfwRule, str]]:
    for source in rule.sources:
        family = Family.V4 if is_v4(source) else Family.V6
        for port in rule.ports.split(","):
            yield _allow(rule.protocol, port.replace("-", ":"), source, family), rule.why


def _allow(protocol: str, ports: str, source: str, family: Family) -> UfwRule:
    return UfwRule(
        family=family,
        action="allow",
        protocol=protocol,
        ports=ports,
        to=ANYWHERE[family],
        source=source if is_world(source) else _shortest(source),
    )


def _shortest(source: str) -> str:
    """Return a network as ufw writes it: a single address has no prefix."""
    network = ip_network(source, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _opens(missing: dict[UfwRule, str]) -> Iterator[Words]:
    """A rule for both worlds is one command, as people would write it."""
    for rule, why in missing.items():
        other = Family.V6 if rule.family is Family.V4 else Family.V4
        both = is_world(rule.source) and _allow(rule.protocol, rule.ports, ANYWHERE[other], other) in missing
        if both and rule.family is Family.V6:
            continue
        yield (*rule.words(source="any" if both else ""), "comment", f"ink: {why}")
