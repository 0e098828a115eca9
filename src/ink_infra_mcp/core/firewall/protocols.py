"""The names of transport protocols, whichever way a tool spells them."""

_NUMBERS = {
    "0": "all",
    "1": "icmp",
    "6": "tcp",
    "17": "udp",
    "47": "gre",
    "50": "esp",
    "51": "ah",
    "58": "icmpv6",
    "132": "sctp",
}
_NAMES = {"ipv6-icmp": "icmpv6", "icmp6": "icmpv6", "ipv4": "all", "ip": "all", "any": "all"}


def protocol_name(text: str) -> str:
    """Return one name for a protocol that is given by number or by any of its names; `all` is every one."""
    known = _NUMBERS.get(text, text.lower())
    return _NAMES.get(known, known)
