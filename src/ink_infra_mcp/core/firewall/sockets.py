"""Sockets that wait for connections, from `ss -H -l -n -t -u -p`, and which of them hears a packet."""

import re
from dataclasses import dataclass

from ink_infra_mcp.core.firewall.addresses import V4, V6, Family
from ink_infra_mcp.core.firewall.answer import Answer, Damaged, Unreadable, failed
from ink_infra_mcp.core.firewall.ports import LAST_PORT

_STATES = frozenset({"LISTEN", "UNCONN"})
_LOCAL = re.compile(r"(?P<address>\*|\[[^\]]*\]|[^%\[\]]*?)(?:%(?P<scope>[^:%\]]+))?:(?P<port>\d+)")
_PROCESS = re.compile(r'\(\("([^"]*)"')
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

    def hearing(
        self, protocol: str, port: int, family: Family, *, address: int, interface: str | None
    ) -> Socket | None:
        """Return the first socket that hears a packet to an address and port, or None."""
        heard = (s for s in self.found if s.port == port and s.protocol == protocol)
        return next((s for s in heard if s.hears(family, address, interface)), None)


def read_sockets(answer: Answer) -> Sockets | Unreadable:
    """Read what ss said (iproute2: `*` is both families, `[::]` is IPv6 only); a line that is damaged spoils it all."""
    if bad := failed(answer, "ss"):
        return bad
    try:
        return Sockets(tuple(_socket(line) for line in answer.text.splitlines() if line.strip()))
    except ValueError as why:
        return Unreadable(f"ss: {why}")


def _socket(line: str) -> Socket:
    words = line.split(None, 6)
    local = _LOCAL.fullmatch(words[4]) if len(words) >= 6 else None
    if local is None or words[0] not in {"tcp", "udp"} or words[1] not in _STATES:
        raise Damaged(f"not a waiting socket: {line[:80]}")
    family, address, scope = _bound(local["address"])
    process = _PROCESS.search(words[6]) if len(words) > 6 else None
    return Socket(
        protocol=words[0],
        port=_port(local["port"]),
        family=family,
        address=address,
        interface=local["scope"] or scope,
        process=process[1] if process else "",
        said=" ".join(words[4:5]),
    )


def _port(text: str) -> int:
    if int(text) > LAST_PORT:
        raise Damaged(f"{text} is no port")
    return int(text)


def _bound(text: str) -> tuple[Family | None, int | None, str | None]:
    """Return the family, the address and the scope that a socket is bound to."""
    bare, _, scope = text.strip("[]").partition("%")
    if bare == "*":
        return None, None, scope or None
    if bare.startswith(_MAPPED):
        bare = bare.removeprefix(_MAPPED)
    if ":" not in bare:
        number = V4.parse(bare).spans[0][0]
        return Family.V4, number or None, scope or None
    number = V6.parse(bare).spans[0][0]
    # before iproute2 4.18, `:::22` was printed for both families
    family = None if not number and not text.startswith("[") else Family.V6
    return family, number or None, scope or None
