"""What a rule may ask of a packet, and whether a question's packet meets it: yes, no, or not to be told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, reduce

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.spans import intersection

SYN = frozenset({"syn"})
SYN_ACK = frozenset({"syn", "ack"})
_CONGESTION = frozenset({"ecn", "cwr"})
_FREE = _CONGESTION | {"psh", "urg"}
REPLY_PORTS = Ports(((32_768, 60_999),))
"""Where a client's own port lies: Linux takes it from here, others from 49152 up (ip_local_port_range, RFC 6335)."""


_ANY_PORT = Ports(((1, 65_535),))


@lru_cache(maxsize=32)
def _subsets(flags: frozenset[str]) -> tuple[frozenset[str], ...]:
    found = [frozenset[str]()]
    for flag in sorted(flags):
        found += [each | {flag} for each in found]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Question:
    """The first packets of connections to one address: what a walk is about, but for its doors and sources.

    `protocol` and `port` None are those that the cells of the walk tell; a translation gives another port. `interface`
    is where they arrive, `leaving` where they would go on to; None is not known. `expected`: a helper of connection
    tracking may have been told of them. `local` says that the destination is
    one of the host's own addresses. `tracked` None is not known. `ordinary` asks what a first packet meets where
    nothing is exhausted: rates are not used up, and its route back exists.
    """

    protocol: str | None
    destination: int
    interface: str | None = None
    leaving: str | None = None
    local: bool = True
    translated: bool = False
    tracked: bool | None = True
    port: int | None = None
    asked_destination: int | None = None
    flags: frozenset[str] = SYN
    ordinary: bool = False
    expected: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """Whether a word is one of some names; a name ending in `*` stands for all that begin so."""

    names: tuple[str, ...]
    negated: bool = False

    def holds(self, word: str | None) -> bool | None:
        """Return whether the word is meant; None where the word is not known."""
        if word is None:
            return None
        return True if word in self.names and not self.negated else self.any_of((word,))

    def any_of(self, words: Iterable[str]) -> bool:
        """Return whether any of the words is meant, or none where the names are negated."""
        for word in words:
            for name in self.names:
                if word == name or (name[-1:] == "*" and word.startswith(name[:-1])):
                    return not self.negated
        return self.negated


@dataclass(frozen=True, slots=True)
class Protocol:
    """The transport protocol is one of these, by name."""

    wanted: OneOf


@dataclass(frozen=True, slots=True)
class ToPort:
    """The destination port, as it is at this place of the way; `original` is the one before any translation."""

    ports: Ports
    original: bool = False


@dataclass(frozen=True, slots=True)
class ToAddress:
    """The destination address, as it is at this place of the way; `original` is the one before any translation."""

    addresses: Addresses
    original: bool = False

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it."""
        if self.original and not q.tracked:
            return q.tracked
        asked = q.destination if q.asked_destination is None else q.asked_destination
        return (asked if self.original else q.destination) in self.addresses


@dataclass(frozen=True, slots=True)
class Arrives:
    """The interface that the packet came in by."""

    wanted: OneOf

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it."""
        return self.wanted.holds(q.interface)


@dataclass(frozen=True, slots=True)
class Leaves:
    """The interface that the packet goes out by; one for the host itself has none."""

    wanted: OneOf

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it."""
        return self.wanted.holds("" if q.local else q.leaving)


@dataclass(frozen=True, slots=True)
class InState:
    """The state of the connection in conntrack's words; ours is `new`, and `dnat` once it is translated.

    A packet that is not tracked is in the state `untracked`; of `more`, a status or a direction, it has none
    (xt_conntrack and nft_ct match nothing then, not even what is negated).
    """

    wanted: OneOf
    more: bool = False

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it."""
        if q.tracked is None:
            return None
        if not q.tracked:
            return False if self.more else self.wanted.any_of(("untracked",))
        met = self.wanted.any_of(("new", "dnat") if q.translated else ("new",))
        if not q.expected or q.ordinary or self.more:
            return met
        return met if self.wanted.any_of(("related",)) is met else None


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of the destination address: `local`, `unicast`, `broadcast`, `multicast` ..."""

    wanted: OneOf

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it."""
        return self.wanted.holds("local" if q.local else "unicast")


@dataclass(frozen=True, slots=True)
class TcpFlags:
    """Some of the TCP flags: any of the alternatives holds when, of those in its mask, exactly its own are set.

    It stands beside the condition that the protocol is TCP.
    """

    alternatives: tuple[tuple[frozenset[str], frozenset[str]], ...]
    negated: bool = False

    def met(self, q: Question) -> bool | None:
        """Return whether the packet meets it, whichever of the flags it has that are its sender's choice.

        An ordinary one has those of congestion notification or has not (RFC 3168); a sender can set more.
        """
        free = frozenset[str]().union(*(mask for mask, _ in self.alternatives)) & _FREE
        choices = (frozenset[str](), free & _CONGESTION) if q.ordinary else _subsets(free)
        told = {self._is_met(q.flags | more) for more in choices}
        return told.pop() if len(told) == 1 else None

    def _is_met(self, flags: frozenset[str]) -> bool:
        return any(flags & mask == wanted for mask, wanted in self.alternatives) is not self.negated


@dataclass(frozen=True, slots=True)
class TheirPort:
    """The port of the other side, which it chooses itself; an ordinary client takes one of the ephemeral ones."""

    ports: Ports
    negated: bool = False

    def met(self, q: Question) -> bool | None:
        """Return None, or where the question is about an ordinary packet what every ordinary client port meets."""
        wanted = ~self.ports if self.negated else self.ports
        asked = REPLY_PORTS if q.ordinary else _ANY_PORT
        if asked <= wanted:
            return True
        return None if asked & wanted else False


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that the rules alone do not tell: a mark, a set, a time. `ordinary` is what a first packet meets.

    A rate, for instance, is kept by a first packet; whether that is so at any moment nobody can say.
    """

    what: str
    ordinary: bool | None = field(default=None)

    def met(self, q: Question) -> bool | None:
        """Return None, or what an ordinary packet meets where the question is about one."""
        return self.ordinary if q.ordinary else None


@dataclass(frozen=True, slots=True)
class Listed(Opaque):
    """The source is in a set of ipset by this name; opaque until its members are read."""

    name: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """Something that no first packet of a connection to this protocol meets: `what` says it."""

    what: str

    def met(self, q: Question) -> bool | None:
        """Return that it does not."""
        return False


Asked = ToAddress | Arrives | Leaves | InState | Kind | TcpFlags | TheirPort | Opaque | Never
"""What a question answers the same way in all its cells."""
Condition = Protocol | ToPort | Asked


def present(*conditions: Condition | None) -> tuple[Condition, ...]:
    """Return those of the conditions that are there."""
    return tuple(condition for condition in conditions if condition is not None)


def parted(asked: Iterable[Condition | Addresses], kind: type[A]) -> tuple[A | None, tuple[Condition, ...]]:
    """Return what is asked of the source, all of it at once, and what is asked of the rest; None asks nothing."""
    asked = tuple(asked)
    sources = [kind(one.spans) for one in asked if isinstance(one, Addresses)]
    conditions = tuple(one for one in asked if not isinstance(one, Addresses))
    return (reduce(and_both, sources) if sources else None), conditions


def and_both(one: A, other: A) -> A:
    """Return what is in both sets."""
    return type(one)(intersection(one.spans, other.spans))


def of_protocol(name: str | None) -> Protocol | None:
    """Return the condition on a protocol by name; none where there is no name."""
    return Protocol(OneOf((name,))) if name else None


def to_ports(text: str | None) -> ToPort | None:
    """Return the condition on the destination port; none where there is no text.

    Raises:
        ValueError: the text is no list of ports.
    """
    return ToPort(Ports.parse(text)) if text else None


def their_ports(text: str | None) -> TheirPort | None:
    """Return the condition on the port of the other side; none where there is no text.

    Raises:
        ValueError: the text is no list of ports.
    """
    return TheirPort(Ports.parse(text)) if text else None
