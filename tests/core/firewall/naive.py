"""A naive packet walk, independent of the product: plain rules, one packet, every opaque match tried both ways."""

from dataclasses import dataclass, field, replace
from itertools import product

CONTAINER = "172.17.0.2"
HOST = "203.0.113.11"
IPTABLES_FLAGS = {"new": "NEW", "established": "RELATED,ESTABLISHED"}


@dataclass(frozen=True)
class Packet:
    """One packet; sources are small numbers, the last part of 10.0.0.x."""

    source: int
    port: int
    protocol: str = "tcp"
    came_by: str = "eth0"
    destination: str = HOST
    asked_port: int = 0


@dataclass(frozen=True)
class Plain:
    """One rule in plain words; None asks nothing."""

    then: str
    protocol: str | None = None
    port: int | None = None
    sources: frozenset[int] | None = None
    not_sources: bool = False
    came_by: str | None = None
    not_came_by: bool = False
    state: str | None = None
    asked_port: int | None = None
    opaque: bool = False

    def line(self, chain: str) -> str:
        """Return it as iptables-save writes it."""
        words = ["-A", chain]
        if self.sources is not None:
            low, high = min(self.sources), max(self.sources)
            words += [
                "-m",
                "iprange",
                *(["!"] if self.not_sources else []),
                "--src-range",
                f"10.0.0.{low}-10.0.0.{high}",
            ]
        if self.came_by:
            words += [*(["!"] if self.not_came_by else []), "-i", self.came_by]
        if self.protocol:
            words += ["-p", self.protocol]
        if self.port is not None:
            words += ["-m", self.protocol or "tcp", "--dport", str(self.port)]
        if self.state:
            words += ["-m", "conntrack", "--ctstate", IPTABLES_FLAGS[self.state]]
        if self.asked_port is not None:
            words += ["-m", "conntrack", "--ctorigdstport", str(self.asked_port)]
        if self.opaque:
            words += ["-m", "geoip", "--source-country", "XX"]
        verb, _, target = self.then.partition(" ")
        if verb == "DNAT":
            return " ".join([*words, "-j", "DNAT", "--to-destination", target])
        return " ".join([*words, *(["-g", target] if verb == "goto" else ["-j", target or verb])])

    def matches(self, packet: Packet) -> bool:
        """Return whether a packet meets what is not opaque in it."""
        return all(
            (
                self.protocol in {None, packet.protocol},
                self.port in {None, packet.port},
                self.sources is None or (packet.source in self.sources) is not self.not_sources,
                self.came_by is None or (packet.came_by == self.came_by) is not self.not_came_by,
                self.state in {None, "new"},
                self.asked_port in {None, packet.asked_port},
            )
        )


@dataclass(frozen=True)
class PlainTable:
    """Chains by name; those with a policy are the built-in ones."""

    chains: dict[str, list[Plain]]
    policies: dict[str, str] = field(default_factory=dict[str, str])

    def text(self, name: str) -> str:
        """Return it as iptables-save writes it."""
        heads = [f":{chain} {self.policies.get(chain, '-')} [0:0]" for chain in self.chains]
        lines = [rule.line(chain) for chain, rules in self.chains.items() for rule in rules]
        return "\n".join([f"*{name}", *heads, *lines, "COMMIT", ""])

    def ends(self, chain: str, packet: Packet, start: int = 0) -> set[str]:
        """Return every way in which a packet may end in a chain: a verdict, or `back`."""
        rules = self.chains[chain]
        for at in range(start, len(rules)):
            rule = rules[at]
            if not rule.matches(packet):
                continue
            taken = self._taken(chain, at, packet)
            return taken | self.ends(chain, packet, at + 1) if rule.opaque else taken
        return {"back"}

    def _taken(self, chain: str, at: int, packet: Packet) -> set[str]:
        verb, _, target = self.chains[chain][at].then.partition(" ")
        if verb == "RETURN":
            return {"back"}
        if verb == "goto":
            return self.ends(target, packet)
        if verb == "jump":
            inside = self.ends(target, packet)
            return (inside - {"back"}) | (self.ends(chain, packet, at + 1) if "back" in inside else set())
        return {self.chains[chain][at].then}

    def finally_(self, chain: str, packet: Packet) -> set[str]:
        """Return every verdict of a built-in chain on a packet, its policy applied."""
        return {self.policies[chain] if end == "back" else end for end in self.ends(chain, packet)}


def outcomes(nat: PlainTable, filters: list[PlainTable], packet: Packet) -> set[str]:
    """Return every way in which a packet may end on a host: `ACCEPT` or `DROP`."""
    asked = replace(packet, asked_port=packet.port)
    found: set[str] = set()
    for end in nat.finally_("PREROUTING", asked):
        verb, _, target = end.partition(" ")
        if verb == "DNAT":
            address, _, port = target.partition(":")
            sent = replace(asked, destination=address, port=int(port))
            verdicts = [table.finally_("FORWARD", sent) for table in filters]
        else:
            verdicts = [table.finally_("INPUT", asked) for table in filters]
        found |= {"DROP" if "DROP" in each else "ACCEPT" for each in product(*verdicts)}
    return found
