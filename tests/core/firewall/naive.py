"""A naive packet walk, independent of the product: plain rules, one packet, every opaque match tried both ways.

A packet is a question or its answer. What the other side chooses itself, its port, is met by a rule or not: both are
tried, but for an ordinary one, which has none of the ports that rules name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations, product

CONTAINER = "172.17.0.2"
HOST = "203.0.113.11"
FIRST = "203.0.113.10"
"""The first address of the card, to which redirections lead."""
LOOPBACK = "127.0.0.2"
IPTABLES_FLAGS = {"new": "NEW", "established": "RELATED,ESTABLISHED"}
Met = bool | None


@dataclass(frozen=True)
class Packet:
    """One packet; `source` is who asks, the last part of 10.0.0.x, and `port` the one that is asked."""

    source: int
    port: int
    protocol: str = "tcp"
    came_by: str = "eth0"
    destination: str = HOST
    asked_port: int = 0
    tracked: bool = True
    answers: bool = False
    ordinary: bool = False


@dataclass(frozen=True)
class Plain:
    """One rule in plain words; None asks nothing. `LOSE` does what nobody can tell."""

    then: str
    protocol: str | None = None
    port: int | None = None
    from_port: int | None = None
    sources: frozenset[int] | None = None
    not_sources: bool = False
    to: str | None = None
    came_by: str | None = None
    not_came_by: bool = False
    state: str | None = None
    asked_port: int | None = None
    opaque: bool = False

    def line(self, chain: str) -> str:
        """Return it as iptables-save writes it."""
        words = ["-A", chain]
        if self.to is not None:
            words += ["-d", f"{self.to}/32"]
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
        for option, port in (("--dport", self.port), ("--sport", self.from_port)):
            words += ["-m", self.protocol or "tcp", option, str(port)] if port is not None else []
        if self.state:
            words += ["-m", "conntrack", "--ctstate", IPTABLES_FLAGS[self.state]]
        if self.asked_port is not None:
            words += ["-m", "conntrack", "--ctorigdstport", str(self.asked_port)]
        if self.opaque:
            words += ["-m", "geoip", "--source-country", "XX"]
        return " ".join([*words, *self._target()])

    def _target(self) -> list[str]:
        verb, _, target = self.then.partition(" ")
        match verb:
            case "DNAT":
                return ["-j", "DNAT", "--to-destination", target]
            case "REDIRECT":
                return ["-j", "REDIRECT", "--to-ports", target]
            case "NOTRACK":
                return ["-j", "CT", "--notrack"]
            case "LOSE":
                return ["-j", "TARPIT"]
            case "goto":
                return ["-g", target]
            case _:
                return ["-j", target or verb]

    def meets(self, packet: Packet) -> Met:
        """Return whether a packet meets it; None where that cannot be told."""
        theirs: Met = False if packet.ordinary else None
        asked: list[Met] = [
            self.protocol in {None, packet.protocol},
            self.port is None or (theirs if packet.answers else self.port == packet.port),
            self.from_port is None or (self.from_port == packet.port if packet.answers else theirs),
            self.sources is None or (not packet.answers and packet.source in self.sources) is not self.not_sources,
            self.to is None or (not packet.answers and self.to == packet.destination),
            self.came_by is None or (packet.came_by == self.came_by) is not self.not_came_by,
            self.state is None or self._in_state(packet),
            self.asked_port is None or self._asked(packet),
            None if self.opaque else True,
        ]
        return False if False in asked else None if None in asked else True

    def _in_state(self, packet: Packet) -> Met:
        if not packet.tracked:
            return None if packet.answers else False
        return self.state == ("established" if packet.answers else "new")

    def _asked(self, packet: Packet) -> Met:
        if not packet.tracked:
            return None if packet.answers and self.asked_port == packet.asked_port else False
        return self.asked_port == packet.asked_port


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

    def with_rule(self, chain: str, at: int, rule: Plain) -> "PlainTable":
        """Return it with one rule more at a place."""
        rules = self.chains[chain]
        return replace(self, chains={**self.chains, chain: [*rules[:at], rule, *rules[at:]]})

    def ends(self, chain: str, packet: Packet, start: int = 0) -> set[str]:
        """Return every way in which a packet may end in a chain: a verdict, or `back`."""
        rules = self.chains[chain]
        for at in range(start, len(rules)):
            met = rules[at].meets(packet)
            if met is None:
                return self._taken(chain, at, packet) | self.ends(chain, packet, at + 1)
            if met:
                return self._taken(chain, at, packet)
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


@dataclass(frozen=True)
class World:
    """A host: what translates, all at one priority, what filters, what takes out of conntrack, and its loopback."""

    nats: tuple[PlainTable, ...]
    filters: tuple[PlainTable, ...]
    raw: PlainTable | None = None
    localnet: bool = False

    def outcomes(self, packet: Packet) -> set[str]:
        """Return every way in which a connect may end: `ACCEPT` or `DROP`, as an ordinary one ends where all pass."""
        usual = set(self._ends(replace(packet, ordinary=True)))
        return usual if usual == {"ACCEPT"} else usual | set(self._ends(packet))

    def _ends(self, packet: Packet) -> Iterator[str]:
        asked = replace(packet, asked_port=packet.port)
        end, tracked = self._before_tracking(replace(asked, tracked=False))
        match end:
            case "LOSE":
                yield from ("ACCEPT", "DROP")
            case "DROP":
                yield "DROP"
            case _:
                yield from self._beyond(replace(asked, tracked=tracked))

    def _before_tracking(self, packet: Packet) -> tuple[str, bool]:
        """Return what a raw table does with a packet, and whether it leaves it to connection tracking."""
        tracked = True
        for rule in self.raw.chains["PREROUTING"] if self.raw else ():
            if rule.meets(packet):
                if rule.then != "NOTRACK":
                    return rule.then, tracked
                tracked = False
        return "ACCEPT", tracked

    def _beyond(self, packet: Packet) -> Iterator[str]:
        for end in set(self._translated(packet)) if packet.tracked else {"ACCEPT"}:
            verb, _, target = end.partition(" ")
            match verb:
                case "LOSE":
                    yield from ("ACCEPT", "DROP")
                case "DROP":
                    yield "DROP"
                case "DNAT":
                    address, _, port = target.partition(":")
                    yield from self._arrived(replace(packet, destination=address, port=int(port)))
                case "REDIRECT":
                    yield from self._arrived(replace(packet, destination=FIRST, port=int(target)))
                case _:
                    yield from self._arrived(packet)

    def _translated(self, packet: Packet) -> Iterator[str]:
        """Yield what the translations make of a packet, whichever of them comes first."""
        for order in permutations(self.nats):
            yield from self._in_turn(order, packet)

    def _in_turn(self, order: tuple[PlainTable, ...], packet: Packet) -> Iterator[str]:
        if not order:
            yield "ACCEPT"
            return
        for end in order[0].finally_("PREROUTING", packet):
            if end == "ACCEPT":
                yield from self._in_turn(order[1:], packet)
            else:
                yield end

    def _arrived(self, packet: Packet) -> Iterator[str]:
        if packet.destination == LOOPBACK and not self.localnet:
            yield "DROP"
            return
        onward = packet.destination == CONTAINER
        answer = replace(packet, answers=True, came_by="docker0" if onward else "")
        passed = set(self._filtered("FORWARD" if onward else "INPUT", packet))
        answered = (
            set(self._filtered("FORWARD" if onward else "OUTPUT", answer)) if packet.protocol == "tcp" else {"ACCEPT"}
        )
        for one, other in product(passed, answered):
            decides = one if one != "ACCEPT" else other
            yield from ("ACCEPT", "DROP") if decides == "LOSE" else (decides,)

    def _filtered(self, chain: str, packet: Packet) -> Iterator[str]:
        """Yield how a packet may end; what one filter loses, it may lose before another one drops it."""
        for ends in product(*(table.finally_(chain, packet) for table in self.filters)):
            yield "LOSE" if "LOSE" in ends else "DROP" if "DROP" in ends else "ACCEPT"
