"""Who takes a connection where it arrives: a socket of the host, or a container that it is sent on to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import OneOf, Question
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.grid import Cells, Grid
from ink_infra_mcp.core.firewall.interfaces import Interfaces
from ink_infra_mcp.core.firewall.netfilter import Arrival
from ink_infra_mcp.core.firewall.sockets import Socket, Sockets
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement, union

LISTENER = "listener"
_Answered = tuple[bool | None, str]


@dataclass(slots=True)
class Listeners(Generic[A]):
    """The sockets and containers of a host, asked about the arrivals of one question."""

    question: Question
    grid: Grid[A]
    sockets: Sockets | Unreadable
    containers: Containers | Unreadable
    interfaces: Interfaces | Unreadable
    _found: dict[bool | None, list[Evidence]] = field(default_factory=dict[bool | None, list[Evidence]])

    def judged(self, arrivals: tuple[Arrival, ...]) -> Judgement:
        """Return of which cells somebody takes the connection; a container is taken to listen on what is sent to it."""
        self._found = {True: [], False: [], None: []}
        for arrival in arrivals:
            for cells, (takes, says) in self._taken(arrival):
                self._found[takes].append(Evidence(cells, f"{LISTENER}: {says}"))
        takes, leaves, unclear = (union(self._found[answer]) for answer in (True, False, None))
        nowhere = self.grid.whole & ~(takes | leaves | unclear)
        return Judgement(
            LISTENER,
            takes | unclear | nowhere,
            leaves | unclear | nowhere,
            passes=tuple(self._found[True]),
            stops=tuple(self._found[False]),
            doubts=tuple(self._found[None]),
        )

    def _taken(self, arrival: Arrival) -> Iterator[tuple[Cells, _Answered]]:
        if arrival.vague:
            yield arrival.cells, (None, "where it is delivered cannot be told")
        elif not arrival.local:
            yield from self._by_container(arrival)
        else:
            yield from self._by_sockets(arrival)

    def _by_sockets(self, arrival: Arrival) -> Iterator[tuple[Cells, _Answered]]:
        if isinstance(self.sockets, Unreadable):
            yield arrival.cells, (None, self.sockets.reason)
            return
        left, family, interface = arrival.cells, self.grid.nobody.FAMILY, self.question.interface
        for socket in self.sockets.found:
            here = left & self._arriving_at(socket, arrival)
            if here and socket.hears(family, arrival.address, interface):
                yield here, (True, f"{socket.process or 'somebody'} listens on {socket.said}")
                left &= ~here
        if left:
            yield left, (False, "nobody listens there")

    def _arriving_at(self, socket: Socket, arrival: Arrival) -> Cells:
        """Return the cells that arrive at a socket's port."""
        if arrival.port is None:
            return self.grid.rows.get((socket.protocol, socket.port), 0)
        return self.grid.speaking(OneOf((socket.protocol,))) if arrival.port == socket.port else 0

    def _by_container(self, arrival: Arrival) -> Iterator[tuple[Cells, _Answered]]:
        if isinstance(self.containers, Unreadable):
            yield arrival.cells, (None, self.containers.reason)
            return
        container = self.containers.at(arrival.address, self.grid.nobody.FAMILY)
        address = type(self.grid.nobody)(((arrival.address, arrival.address),)).first()
        to = f"{address} port {arrival.port or 'of its own'}"
        if container is None:
            yield (
                arrival.cells,
                (None, f"it is sent on to {to}{self._behind(arrival)}, which is no container of this host"),
            )
        else:
            yield arrival.cells, (True, f"it is sent on to container {container.name} at {to}")

    def _behind(self, arrival: Arrival) -> str:
        """Return in words which interface leads there, such as the bridge of a virtual machine, where that is told."""
        if isinstance(self.interfaces, Unreadable):
            return ""
        name = self.interfaces.towards(arrival.address, self.grid.nobody.FAMILY)
        return f" behind {name}" if name else ""
