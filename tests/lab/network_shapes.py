"""The shape of what a server says of the ways into it: all but names and addresses, which no two servers share."""

import re
from collections.abc import Iterator

from ink_infra_mcp.core.firewall.addresses import A, split
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Condition,
    InState,
    Kind,
    Leaves,
    Never,
    OneOf,
    Opaque,
    Protocol,
    ToPort,
)
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.interfaces import Interfaces, OwnAddress
from ink_infra_mcp.core.firewall.outside import Known, inner_networks, outside
from ink_infra_mcp.core.firewall.rules import Rule, Table, Tables, Verdict
from ink_infra_mcp.core.firewall.sockets import Socket, Sockets
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts
from tests.lab.ground.site import PRIVATE_IPV4, PRIVATE_IPV6
from tests.lab.shapes import Shape

DIFFERENCES = {
    "containerd": "Debian's containerd listens on loopback, on a port of its own choice; that of Docker's own"
    " packages, which the pretend servers have, is told not to.",
    "nft inet firewalld": "firewalld spreads few rules over more than a hundred chains, most of them empty, and handles"
    " neighbour discovery apart; the pretend one has the chains that a connection from outside comes through, so of"
    " both only what TCP, UDP and the hooks input and forward are about is compared.",
    "refused or silent": "Of rejects by ICMP the kernel sends a few a second, so which of many connects are told is"
    " chance: where a firewall rejects so, both are one.",
}
"""Where the pretend servers differ from real ones on purpose, and why; everything else is compared."""
_NAMES = ((r"br-[0-9a-f]{12}", "BRIDGE"), (r"veth[0-9a-f]{7}", "VETH"))
_CARDS = ("eth0", "eth1")
SHARED = split((PRIVATE_IPV4, PRIVATE_IPV6, "198.51.100.0/24"))
"""The private networks of both."""
_STRUCTURE = frozenset({"jump", "return"})


def plain(text: str) -> str:
    """Return a text without the numbers that Docker gives its cards."""
    for pattern, name in _NAMES:
        text = re.sub(pattern, name, text)
    return text


def network_shape(facts: NetworkFacts) -> dict[str, Shape]:
    """Return the shape of all layers."""
    return {
        "came_from": bool(facts.came_from),
        "came_to": _is_own(facts),
        "ufw": facts.ufw,
        "firewalld": facts.firewalld,
        "interfaces": _interfaces(facts.interfaces),
        "networks": _networks(facts.interfaces),
        "sockets": _sockets(facts.sockets),
        "containers": _containers(facts.containers),
        "v4": _tables(facts.v4),
        "v6": _tables(facts.v6),
        "boot": _boot(facts.boot),
    }


def _boot(found: NextBoot | Unreadable) -> Shape:
    if isinstance(found, Unreadable):
        return found.reason
    stored = {"v4": _tables(found.stored.v4), "v6": _tables(found.stored.v6)} if found.stored else None
    return {
        "v4": _tables(found.v4),
        "v6": _tables(found.v6),
        "loads": sorted(found.loads),
        "others": sorted(found.others),
        "stored": stored,
    }


def _is_own(facts: NetworkFacts) -> bool:
    return isinstance(facts.interfaces, Interfaces) and facts.interfaces.holding(facts.came_to) == "eth0"


def _interfaces(found: Interfaces | Unreadable) -> Shape:
    if isinstance(found, Unreadable):
        return found.reason
    return sorted({f"{plain(own.interface)} {own.family} {_reach(own)}" for own in found.addresses})


def _networks(found: Interfaces | Unreadable) -> Shape:
    """Return the kinds of links and what leads where; the lab's own cards are ends of cables."""
    if isinstance(found, Unreadable):
        return found.reason
    leading = outside(found, Known(private=SHARED))
    return {
        "links": {plain(each.name): [each.kind, plain(each.master)] for each in found.links if each.name not in _CARDS},
        "outside": [*leading],
        "inner": [plain(each.name) for each in inner_networks(found, leading)],
    }


def _reach(own: OwnAddress) -> str:
    near = own.text.startswith("fe80:")
    return "neighbours" if near else "itself" if own.interface == "lo" else "all"


def _sockets(found: Sockets | Unreadable) -> Shape:
    if isinstance(found, Unreadable):
        return found.reason
    return sorted(_socket(one) for one in found.found if one.process not in DIFFERENCES)


def _socket(one: Socket) -> str:
    at = "loopback" if one.loopback else "all" if one.address is None else "one"
    return f"{one.protocol} {one.family} {at} {one.port} {one.process}"


def _containers(found: Containers | Unreadable) -> Shape:
    if isinstance(found, Unreadable):
        return found.reason
    return sorted(
        f"{one.name} addresses: {len(one.addresses)} host: {one.host_network} "
        + " ".join(f"{p.host_address}:{p.host_port}->{p.container_port}/{p.protocol}" for p in one.published)
        for one in found.running
    )


def _tables(found: Tables[A] | Unreadable) -> Shape:
    if isinstance(found, Unreadable):
        return found.reason
    told = (table for table in found if any(table.chains.values()) or not table.name.startswith("iptables"))
    return {table.name: _inbound(table) if table.name in DIFFERENCES else _table(table) for table in told}


def _table(table: Table[A]) -> Shape:
    """Rules stay in their order; those of one kind are as many as there are ports or networks, and are said once.

    iptables-save prints chains that the kernel does not have yet: a chain at a hook that does nothing is not compared.
    """
    bases = [base for base in table.bases if table.chains[base.chain] or base.policy is not Verdict.ACCEPT]
    idle = {base.chain for base in table.bases} - {base.chain for base in bases}
    rules = {name: [*dict.fromkeys(map(_rule, each))] for name, each in table.chains.items() if name not in idle}
    said = (f"{b.chain} {b.hook} {b.priority} {b.policy} {b.work}" for b in bases)
    return {"bases": sorted(said), "chains": rules}


def _inbound(table: Table[A]) -> Shape:
    hooks = [base.chain for base in table.bases if base.hook in {"input", "forward"} and base.work == "filter"]
    seen: set[str] = set()
    rules = {_rule(rule) for name in hooks for rule in _below(table, name, seen) if rule.verdict not in _STRUCTURE}
    return sorted(rule for rule in rules if not _is_about_neighbours(rule))


def _below(table: Table[A], name: str, seen: set[str]) -> Iterator[Rule[A]]:
    seen.add(name)
    for rule in table.chains[name]:
        yield rule
        if rule.target in table.chains and rule.target not in seen:
            yield from _below(table, rule.target, seen)


def _is_about_neighbours(rule: str) -> bool:
    return any(word in rule for word in ("ToAddress", "icmpv6", "Leaves", "Never"))


def _rule(rule: Rule[A]) -> str:
    words = (
        str(rule.verdict),
        rule.target,
        "" if rule.sources is None else "from some",
        *sorted({_condition(condition) for condition in rule.conditions}),
        "to another place" if rule.translation else "",
    )
    return " ".join(filter(None, words))


def _condition(condition: Condition) -> str:
    match condition:
        case Protocol(wanted) | Arrives(wanted) | Leaves(wanted) | InState(wanted) | Kind(wanted):
            return f"{type(condition).__name__}({_words(wanted)})"
        case ToPort(ports, original):
            return f"ToPort({ports}{' at first' if original else ''})"
        case Opaque(what) | Never(what):
            # iptables asks for a rate by a module, nft by a statement
            return f"{type(condition).__name__}({plain(what).removeprefix('-m ')})"
        case _:
            return type(condition).__name__


def _words(wanted: OneOf) -> str:
    return ("not " if wanted.negated else "") + ",".join(sorted(map(plain, wanted.names)))
