"""What the matches of iptables ask, module by module; one that is not understood is opaque, never ignored."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import A, Addresses
from ink_infra_mcp.core.firewall.conditions import (
    Arrives,
    Condition,
    InState,
    Kind,
    Leaves,
    Listed,
    Never,
    OneOf,
    Opaque,
    Protocol,
    TcpFlags,
    TheirPort,
    ToAddress,
    ToPort,
)
from ink_infra_mcp.core.firewall.marks import ALL_BITS, Bearer, Marked
from ink_infra_mcp.core.firewall.outcomes import Found
from ink_infra_mcp.core.firewall.ports import Ports
from ink_infra_mcp.core.firewall.protocols import protocol_name

_SYN = (frozenset({"fin", "syn", "rst", "ack"}), frozenset({"syn"}))
_ALL_FLAGS = frozenset({"fin", "syn", "rst", "psh", "ack", "urg"})
_SILENT = {"--name", "--mask", "--rsource", "--rdest", "--seconds", "--reap", "--hitcount", "--rttl"}
_COUNTING = frozenset({"--update-counters", "--update-subcounters"})


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a rule, and what it was given."""

    name: str
    negated: bool
    values: tuple[str, ...]

    @property
    def value(self) -> str:
        """Return its first value.

        Raises:
            ValueError: it has none.
        """
        if not self.values:
            raise ValueError(f"{self.name} has no value")
        return self.values[0]

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.name, *self.values])


_PUT_ON = Option("--set", False, ())


def builtin(option: Option, kind: type[A]) -> Iterator[Found]:
    """Yield what an option asks that needs no module.

    Raises:
        ValueError: its value is no address of the family.
    """
    if option.name in {"-s", "-d"}:
        found = _addresses(option, kind)
        yield found if option.name == "-s" else ToAddress(found)
    elif reader := _BUILTIN.get(option.name):
        yield from reader(option)


def _arrives(option: Option) -> Iterator[Condition]:
    yield Opaque(str(option)) if _is_odd(option) else Arrives(_cards(option))


def _leaves(option: Option) -> Iterator[Condition]:
    yield Opaque(str(option)) if _is_odd(option) else Leaves(_cards(option))


def _is_odd(option: Option) -> bool:
    """Return whether a name has a star, which for iptables is no wildcard, or is more than a word."""
    return len(option.values) != 1 or "*" in option.value


def _cards(option: Option) -> OneOf:
    name = option.value
    return OneOf((f"{name[:-1]}*" if name.endswith("+") else name,), option.negated)


def _fragment(option: Option) -> Iterator[Condition]:
    """Yield that no first packet is a later fragment, unless it is asked not to be one."""
    yield from () if option.negated else (Never("later fragments"),)


def matched(module: str, options: Iterable[Option], kind: type[A]) -> Iterator[Found]:
    """Yield what a module asks with its options.

    Raises:
        ValueError: an option's value is not what it takes.
    """
    given = list(options)
    if reader := _WHOLE.get(module):
        yield from reader(given)
    elif module == "conntrack":
        yield from _conntrack(given, kind)
    elif given or module in _UNDERSTOOD:
        yield from (_by_option(module, option, kind) for option in given)
    else:
        yield Opaque(f"-m {module}")


def _by_option(module: str, option: Option, kind: type[A]) -> Found:
    if reader := _OPTIONS.get((module, option.name)):
        return reader(option)
    if with_addresses := _ADDRESSED.get((module, option.name)):
        return with_addresses(_addresses(option, kind))
    return Opaque(f"-m {module} {option}")


def _addresses(option: Option, kind: type[A]) -> A:
    found = kind.of(option.value.split(","))
    return ~found if option.negated else found


def _protocol(option: Option) -> Iterator[Condition]:
    name = protocol_name(option.value)
    if name != "all":
        yield Protocol(OneOf((name,), option.negated))


def _ports(option: Option) -> Ports:
    ports = Ports.parse(option.value)
    return ~ports if option.negated else ports


def _flags(option: Option) -> Condition:
    if option.name == "--syn":
        return TcpFlags((_SYN,), option.negated)
    mask, wanted = (_flag_names(value) for value in option.values)
    return TcpFlags(((mask, wanted),), option.negated)


def _flag_names(text: str) -> frozenset[str]:
    return {"ALL": _ALL_FLAGS, "NONE": frozenset[str]()}.get(text) or frozenset(text.lower().split(",")) - {"none"}


def _states(option: Option) -> Condition:
    return InState(OneOf(tuple(option.value.lower().split(",")), option.negated))


def _direction(option: Option) -> Condition:
    return InState(OneOf(("new",) if option.value == "ORIGINAL" else ("reply",), option.negated), more=True)


def _conntrack(options: list[Option], kind: type[A]) -> Iterator[Found]:
    """Yield what is asked of the connection; a packet without one meets a test of its state, or none at all.

    Where the state may be `untracked`, the kernel asks nothing else of such a packet (xt_conntrack.c).
    """
    states = [option for option in options if option.name == "--ctstate"]
    if len(options) > len(states) and any(_may_be_untracked(option) for option in states):
        yield Opaque(f"-m conntrack {' '.join(map(str, options))}")
        return
    if len(options) > len(states):
        yield _TRACKED
    yield from (_by_option("conntrack", option, kind) for option in options)


_TRACKED = InState(OneOf(("*",)), more=True)
"""That a packet belongs to a connection at all."""


def _may_be_untracked(option: Option) -> bool:
    return "UNTRACKED" in option.value.split(",") or option.negated


def _status(option: Option) -> Condition:
    if option.value != "DNAT":
        return Opaque(f"-m conntrack {option}")
    return InState(OneOf(("dnat",), option.negated), more=True)


def _mark(of: Bearer) -> Callable[[Option], Condition]:
    def read(option: Option) -> Condition:
        value, _, mask = option.value.partition("/")
        wanted, bits = int(value, 0), int(mask, 0) if mask else ALL_BITS
        return Marked(f"the mark of the {of}", of=of, mask=bits, values=((wanted, wanted),), negated=option.negated)

    return read


def _kind(option: Option) -> Condition:
    return Kind(OneOf(tuple(option.value.lower().split(",")), option.negated))


def _source_kind(option: Option) -> Condition:
    kinds = OneOf(tuple(option.value.lower().split(",")), option.negated)
    return Opaque(str(option), ordinary=kinds.any_of(("unicast",)))


def _recent(options: list[Option]) -> Iterator[Condition]:
    """Yield what the list of recent sources asks: to be put on it is always met, to be counted on it is a rate."""
    counted = any(option.name == "--hitcount" and option.value != "1" for option in options)
    for option in options:
        if option.name not in _SILENT and option != _PUT_ON:
            yield Opaque(f"-m recent {option}", ordinary=option.negated if counted else None)


def _set(options: list[Option]) -> Iterator[Condition]:
    """Yield what a set asks: of the source alone it can be told from its members, of anything else it cannot.

    Counters of members that a match reads or returns are not among what is understood; that it updates them is.
    """
    asked = [option for option in options if option.name not in _COUNTING]
    text = f"-m set {' '.join(map(str, asked))}"
    match asked:
        case [Option("--match-set", negated, (name, "src"))]:
            yield Listed(text, name=name, negated=negated)
        case _:
            yield Opaque(text)


def _rate(what: str, *, below: bool) -> Callable[[list[Option]], Iterator[Condition]]:
    def read(options: list[Option]) -> Iterator[Condition]:
        turned = any(option.negated or option.name.endswith("-above") for option in options)
        yield Opaque(f"-m {what}", ordinary=below is not turned)

    return read


def _reverse_path(options: list[Option]) -> Iterator[Condition]:
    yield Opaque("-m rpfilter", ordinary=all(option.name != "--invert" for option in options))


def _packet_kind(options: list[Option]) -> Iterator[Condition]:
    if any((option.value == "unicast") is option.negated for option in options):
        yield Never("a packet type other than unicast")


def _nothing(options: list[Option]) -> Iterator[Condition]:
    del options
    yield from ()


ROUTED = Never("a routing header")
"""Asks for what a sender puts in only where it wants to, and is not stopped for leaving out."""


def _routing_header(options: list[Option]) -> Iterator[Condition]:
    """Yield that a packet has none: whatever is asked of one, negated or not, nothing without it meets it."""
    del options
    yield ROUTED


_WHOLE: dict[str, Callable[[list[Option]], Iterator[Condition]]] = {
    "comment": _nothing,
    "recent": _recent,
    "set": _set,
    "limit": _rate("limit", below=True),
    "hashlimit": _rate("hashlimit", below=True),
    "connlimit": _rate("connlimit", below=True),
    "rpfilter": _reverse_path,
    "pkttype": _packet_kind,
    "rt": _routing_header,
}
_UNDERSTOOD = frozenset({"tcp", "udp", "sctp", "conntrack", "state", "multiport", "iprange", "addrtype"})
_OPTIONS: dict[tuple[str, str], Callable[[Option], Condition]] = {
    **{(module, "--dport"): lambda option: ToPort(_ports(option)) for module in ("tcp", "udp", "sctp")},
    **{(module, "--sport"): lambda option: TheirPort(_ports(option)) for module in ("tcp", "udp", "sctp")},
    ("multiport", "--dports"): lambda option: ToPort(_ports(option)),
    ("multiport", "--sports"): lambda option: TheirPort(_ports(option)),
    ("tcp", "--tcp-flags"): _flags,
    ("tcp", "--syn"): _flags,
    ("conntrack", "--ctstate"): _states,
    ("state", "--state"): _states,
    ("conntrack", "--ctdir"): _direction,
    ("conntrack", "--ctstatus"): _status,
    ("mark", "--mark"): _mark("packet"),
    ("connmark", "--mark"): _mark("connection"),
    ("conntrack", "--ctorigdstport"): lambda option: ToPort(_ports(option), original=True),
    ("conntrack", "--ctproto"): lambda option: Protocol(OneOf((protocol_name(option.value),), option.negated)),
    ("addrtype", "--dst-type"): _kind,
    ("addrtype", "--src-type"): _source_kind,
}
_ADDRESSED: dict[tuple[str, str], Callable[[Addresses], Found]] = {
    ("iprange", "--src-range"): lambda addresses: addresses,
    ("iprange", "--dst-range"): lambda addresses: ToAddress(addresses),
    ("conntrack", "--ctorigsrc"): lambda addresses: addresses,
    ("conntrack", "--ctorigdst"): lambda addresses: ToAddress(addresses, original=True),
}
_BUILTIN: dict[str, Callable[[Option], Iterator[Condition]]] = {
    "-i": _arrives,
    "-o": _leaves,
    "-p": _protocol,
    "-f": _fragment,
}
