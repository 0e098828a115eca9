"""DNS as the rest of the world sees it: which addresses a name has."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.resolver

TIMEOUT_S = 5.0
Status = Literal["found", "none", "nxdomain", "failed"]
_FIRST: tuple[Status, ...] = ("found", "nxdomain", "failed", "none")
"""Which status of the two questions (A and AAAA) speaks for both."""


class Resolved(BaseModel):
    """What a name leads to.

    found: at least one address. none: the name exists without an address. nxdomain: there is no such name.
    failed: no name server gave a usable answer, so nothing is known. `cname` is the end of the chain, if there is one.
    """

    model_config = ConfigDict(frozen=True)

    status: Status
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    cname: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to one question: addresses of one kind."""

    status: Status
    addresses: tuple[str, ...] = ()
    cname: str | None = None


class Resolver:
    """Asks the given name servers (address and port), or those of this machine; nothing is cached."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._nameservers = None if nameservers is None else tuple(nameservers)
        self._timeout_s = timeout_s

    async def addresses(self, name: str) -> Resolved:
        """Return what `name` leads to within the time-out; DNS trouble is a status, never an exception."""
        v4, v6 = await asyncio.gather(self._ask(name, "A"), self._ask(name, "AAAA"))
        speaks = min(v4, v6, key=lambda one: _FIRST.index(one.status))
        return Resolved(status=speaks.status, ipv4=v4.addresses, ipv6=v6.addresses, cname=v4.cname or v6.cname)

    async def _ask(self, name: str, type: str) -> _Answer:
        """dnspython is imported here: a server that only speaks HTTP never pays for it."""
        import dns.exception
        import dns.resolver

        try:
            answer = await self._resolver().resolve(name, type, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return _Answer("nxdomain")
        except (dns.exception.DNSException, OSError, ValueError):
            return _Answer("failed")
        return _read(name, answer)

    def _resolver(self) -> "dns.asyncresolver.Resolver":
        import dns.asyncresolver
        import dns.nameserver

        resolver = dns.asyncresolver.Resolver(configure=self._nameservers is None)
        if self._nameservers is not None:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._nameservers]
        resolver.lifetime = self._timeout_s
        resolver.timeout = self._timeout_s / 2
        return resolver


def _read(name: str, answer: "dns.resolver.Answer") -> _Answer:
    found = tuple(sorted(map(str, cast(Iterable[object], answer.rrset or ()))))
    end = answer.canonical_name.to_text(omit_final_dot=True).lower()
    return _Answer(
        "found" if found else "none",
        addresses=found,
        cname=end if end != name.lower().rstrip(".") else None,
    )
