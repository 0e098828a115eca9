"""Our own table of nftables, as text that `nft -f` carries out in one transaction.

It stands beside whatever else filters on the host: what another table, Docker or iptables drops stays dropped, and what
this one drops nobody can let in again (a drop in any base chain is final: the kernel's nf_hook_slow). So Docker's and
firewalld's own chains are never touched, and their restarts do not touch ours.
"""

import hashlib
from collections.abc import Iterable, Iterator

from ink_infra_mcp.core.firewall.outside import OF_CONTAINERS
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule, is_world

TABLE = "inet ink"
MARK = "ink-infra"
METADATA = "169.254.169.254"
_EMPTY = f"add table {TABLE}\ndelete table {TABLE}\n"
BEFORE_OTHERS = -5
"""Just before everybody's filter chains (priority 0): what we drop costs them nothing, and DNAT is already done."""
_UNDER_WAY = (
    "ct state established,related accept",
    # where rules take packets out of conntrack, a connection is under way unless this is the packet that opens it
    "ct state untracked tcp flags & (fin | syn | rst | ack) != syn accept",
)
_PASSES = (
    "meta l4proto { icmp, ipv6-icmp } accept",
    "udp sport 67 udp dport 68 accept",
    "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
)


def render(firewall: HostFirewall) -> str:
    """Return the text that replaces our table, whether there is one or not; the same firewall gives the same text."""
    body = "\n".join(_table(firewall, "@"))
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return f"{_EMPTY}{body.replace(f'{MARK} @', f'{MARK} {digest}')}\n"


def digest_of(firewall: HostFirewall) -> str:
    """Return what the comment of the last rule says of a table that was rendered from this firewall."""
    return render(firewall).rpartition(f'"{MARK} ')[2].partition('"')[0]


def _table(firewall: HostFirewall, digest: str) -> Iterator[str]:
    last = f'    counter drop comment "{MARK} {digest}"'
    yield f"table {TABLE} {{"
    yield "  chain admitted {"
    yield from (f"    {line}" for rule in firewall.rules for line in _rule(rule))
    yield "  }"
    if firewall.manager != "ufw":
        yield from _head("input", firewall)
        yield from (f"    {line}" for line in _PASSES)
        yield from ("    jump admitted", last, "  }")
    yield from _head("forward", firewall)
    yield f"    {_PASSES[0]}"
    yield from ("    ct status dnat jump admitted", last, "  }", "}")


def _head(hook: str, firewall: HostFirewall) -> Iterator[str]:
    """Connections that are under way pass, and so does what comes from inside."""
    cards = f"iifname != {_set(map(_quoted, firewall.outside))} " if firewall.outside else ""
    forward = hook == "forward"
    yield f"  chain {hook} {{"
    yield f"    type filter hook {hook} priority {BEFORE_OTHERS}; policy accept;"
    yield from (f"    {line}" for line in _UNDER_WAY)
    yield from (f"    ip daddr {METADATA} drop",) if forward and firewall.no_metadata else ()
    yield '    iifname "lo" accept'
    yield from (f'    {cards}meta iifkind "{kind}" accept' for kind in OF_CONTAINERS)
    yield from (f"    {cards}iifname {_quoted(name)} accept" for name in firewall.inside)
    yield from (f"    iifname {_quoted(name)} oifname {_quoted(name)} accept" for name in firewall.bridged if forward)


def _rule(rule: HostRule) -> Iterator[str]:
    """A packet that is not tracked was not rewritten either: the port in its header is the one that it was sent to."""
    ports = _set(rule.ports.split(","))
    tracked = "" if rule.ports == "any" else f" ct original proto-dst {ports}"
    yield from _from(rule, f'meta l4proto {rule.protocol}{tracked} accept comment "{rule.why}"')
    if tracked:
        yield from _from(rule, f'ct state untracked {rule.protocol} dport {ports} accept comment "{rule.why}"')


def _from(rule: HostRule, what: str) -> Iterator[str]:
    if {source for source in rule.sources if is_world(source)} == {"0.0.0.0/0", "::/0"}:
        yield what
        return
    v4, v6 = rule.networks()
    for word, number, networks in (("ip", "ipv4", v4), ("ip6", "ipv6", v6)):
        if networks:
            source = f"meta nfproto {number}" if networks.is_all else f"{word} saddr {_set(networks.cidrs())}"
            yield f"{source} {what}"


def _set(values: Iterable[str]) -> str:
    found = tuple(values)
    return found[0] if len(found) == 1 else f"{{ {', '.join(found)} }}"


def _quoted(name: str) -> str:
    return f'"{name}"'
