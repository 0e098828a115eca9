"""Sockets that wait for connections, from `ss -H -l -n -t -u -p`, and which of them hears a packet."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.ports import LAST_PORT
from ink_infra_mcp.core.untrusted import clean_name

_LINE = re.compile(
    r"(?P<protocol>tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+"
    r"\s+(?P<local>(?P<address>\*|\[[^\]\s]*\]|[^%\[\]\s]*?)(?:%(?P<scope>[^:%\]\s]+))?:(?P<port>\d+))"
    r"\s+\S+:\S+(?:\s.*?(?:\(\(\"(?P<process>[^\"]*)\".*)?)?\Z",
    re.DOTALL,
)
_BEGINS = re.compile(r"(?:tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+\s")
_MAPPED = "::ffff:"


@dataclass(frozen=True, slots=True)
class Socket:
    """One waiting socket. `family` None hears both; `address` None hears all; `interface` None hears on all of them."""

    protocol: str
    port: int
    family: Family | None = None
    address: int | None = None
    interface: str | None = None
    process: str = ""
    said: str = ""

    def hears(self, family: Family, address: int, interface: str | None) -> bool:
        """Return whether it hears a packet; one bound to an interface hears where the interface is not known."""
        return (
            self.family in {None, family}
            and self.address in {None, address}
            and (self.interface is None or interface in {None, self.interface})
        )

    @property
    def loopback(self) -> bool:
        """Return whether only the host itself can reach it."""
        if self.interface == "lo":
            return True
        return self.address is not None and self.address in (_LOOP4 if self.family is Family.V4 else _LOOP6)


_LOOP4 = V4.parse("127.0.0.0/8")
_LOOP6 = V6.parse("::1")


@dataclass(frozen=True, slots=True)
class Sockets:
    """All sockets that wait on a host."""

    found: tuple[Socket, ...] = ()


def read_sockets(answer: Answer) -> Sockets | Unreadable:
    """Read what ss said (iproute2: `*` is both families, `[::]` is IPv6 only); a line that is damaged spoils it all.

    ss prints the names of programs as they are, also with the line breaks that any user may put into one.
    """
    if bad := failed(answer, "ss"):
        return bad
    try:
        return Sockets(tuple(_socket(line) for line in _whole(answer.text.split("\n"))))
    except ValueError as why:
        return Unreadable(f"ss: {why}")


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Yield each socket's line whole: what follows within its programs is a part of it until their bracket is closed.

    A name has 15 bytes at most (TASK_COMM_LEN), too few for a whole line of a socket.
    """
    waiting: list[str] = []
    for line in lines:
        if waiting and not _BEGINS.match(line):
            waiting.append(line)
        elif line.strip() or waiting:
            yield from _joined(waiting)
            waiting = [line]
    yield from _joined(waiting)


def _joined(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "\n".join(lines).rstrip()


def _socket(line: str) -> Socket:
    found = _LINE.match(line)
    if found is None or ("\n" in line and not line.endswith("))")):
        raise Damaged(f"not a waiting socket: {line[:80]}")
    family, address, scope = _bound(found["address"])
    return Socket(
        protocol=found["protocol"],
        port=_port(found["port"]),
        family=family,
        address=address or None,
        interface=found["scope"] or scope or None,
        process=clean_name(found["process"] or ""),
        said=found["local"],
    )


def _port(text: str) -> int:
    if int(text) > LAST_PORT:
        raise Damaged(f"{text} is no port")
    return int(text)


def _bound(text: str) -> tuple[Family | None, int, str]:
    """Return the family, the address (0 for all) and the scope (empty for none) that a socket is bound to."""
    bare, _, scope = text.strip("[]").partition("%")
    bare = bare.removeprefix(_MAPPED)
    # before iproute2 4.18, `:::22` was printed for both families
    if bare == "*" or text == "::":
        return None, 0, scope
    kind = V6 if ":" in bare else V4
    return kind.FAMILY, kind.parse(bare).spans[0][0], scope
