"""firewalld's table of nftables on a pretend server, as far as packets from outside come through it."""

import re
from collections.abc import Iterable, Iterator

from ink_infra_mcp.sandbox.state_hosts import Firewalld

_RICH = re.compile(
    r'rule family="(?P<family>ipv4|ipv6)"(?: source address="(?P<source>[^"]+)")?'
    r' port port="(?P<port>[\d-]+)" protocol="(?P<protocol>tcp|udp)" accept'
)
_REST = "reject with icmpx admin-prohibited"
_TABLE = """\
table inet firewalld {{
  chain filter_INPUT {{
    type filter hook input priority 10; policy accept;
    {under_way}
    jump filter_INPUT_POLICIES
    {rest}
  }}
  chain filter_FORWARD {{
    type filter hook forward priority 10; policy accept;
    {under_way}
    jump filter_FORWARD_POLICIES
    {rest}
  }}
  chain filter_INPUT_POLICIES {{
    {from_containers}
    jump filter_IN_{zone}
    {rest}
  }}
  chain filter_FORWARD_POLICIES {{
    {from_containers}
    {rest}
  }}
  chain filter_IN_{zone} {{
    jump filter_IN_{zone}_allow
    meta l4proto {{ icmp, ipv6-icmp }} accept
  }}
  chain filter_IN_{zone}_allow {{
    {allowed}
  }}
}}
"""
_UNDER_WAY = (
    "ct state established,related accept",
    "ct status dnat accept",
    'iifname "lo" accept',
    "ct state invalid drop",
)


def firewalld_table(firewalld: Firewalld, *, bridges: Iterable[str]) -> str:
    """Return the table as text for nft (2.3, Docker's bridges in its own zone, every other card in the default one)."""
    allowed = [f"{protocol} dport {port} accept" for port, _, protocol in (p.partition("/") for p in firewalld.ports)]
    return _TABLE.format(
        under_way="\n".join(_UNDER_WAY),
        from_containers="\n".join(f'iifname "{bridge}" accept' for bridge in bridges),
        rest=_REST,
        zone=firewalld.zone,
        allowed="\n".join((*allowed, *_rich(firewalld))),
    )


def _rich(firewalld: Firewalld) -> Iterator[str]:
    for rule in firewalld.runtime:
        if found := _RICH.fullmatch(rule):
            word = "ip" if found["family"] == "ipv4" else "ip6"
            where = f"{word} saddr {found['source']}" if found["source"] else f"meta nfproto {found['family']}"
            yield f"{where} {found['protocol']} dport {found['port']} accept"
