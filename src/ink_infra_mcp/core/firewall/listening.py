"""Who takes a connection where it arrives: a socket of the host, or a container that it is sent on to."""

from ink_infra_mcp.core.firewall.addresses import A
from ink_infra_mcp.core.firewall.answer import Unreadable
from ink_infra_mcp.core.firewall.conditions import Question
from ink_infra_mcp.core.firewall.docker import Containers
from ink_infra_mcp.core.firewall.netfilter import Arrival
from ink_infra_mcp.core.firewall.sockets import Sockets
from ink_infra_mcp.core.firewall.walk import Evidence, Judgement

LISTENER = "listener"
_Answered = tuple[bool | None, str]


def heard(
    question: Question[A],
    arrivals: tuple[Arrival[A], ...],
    everybody: A,
    *,
    sockets: Sockets | Unreadable,
    containers: Containers | Unreadable,
) -> Judgement[A]:
    """Return of whom somebody takes the connection; a container is taken to listen on what is sent to it."""
    nobody = everybody - everybody
    passed = stopped = nobody
    found: dict[bool | None, list[Evidence[A]]] = {True: [], False: [], None: []}
    for arrival in arrivals:
        takes, says = _taken(question, arrival, sockets, containers)
        found[takes].append(Evidence(arrival.sources, LISTENER, says))
        passed = passed if takes is False else passed | arrival.sources
        stopped = stopped if takes is True else stopped | arrival.sources
    missing = everybody - passed - stopped
    return Judgement(
        LISTENER,
        passed | missing,
        stopped | missing,
        passes=tuple(found[True]),
        stops=tuple(found[False]),
        doubts=tuple(found[None]),
    )


def _taken(
    question: Question[A], arrival: Arrival[A], sockets: Sockets | Unreadable, containers: Containers | Unreadable
) -> _Answered:
    if arrival.vague:
        return None, "where it is delivered cannot be told"
    if arrival.local:
        return _by_socket(question, arrival, sockets)
    return _by_container(arrival, containers)


def _by_socket(question: Question[A], arrival: Arrival[A], sockets: Sockets | Unreadable) -> _Answered:
    if isinstance(sockets, Unreadable):
        return None, sockets.reason
    socket = sockets.hearing(
        question.protocol,
        arrival.port,
        arrival.sources.FAMILY,
        address=arrival.address,
        interface=question.interface,
    )
    if socket is None:
        return False, f"nobody listens on {question.protocol} {arrival.port}"
    return True, f"{socket.process or 'somebody'} listens on {socket.said}"


def _by_container(arrival: Arrival[A], containers: Containers | Unreadable) -> _Answered:
    if isinstance(containers, Unreadable):
        return None, containers.reason
    container = containers.at(arrival.address, arrival.sources.FAMILY)
    to = f"{type(arrival.sources)(((arrival.address, arrival.address),)).first()} port {arrival.port}"
    if container is None:
        return None, f"it is sent on to {to}, which is no container of this host"
    return True, f"it is sent on to container {container.name} at {to}"
