"""What a server says of the ways into it: its packet filters, sockets, interfaces and published ports, unjudged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ink_infra_mcp.core.container import Made
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.firewall.addresses import V4, V6, A, Family
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable, failed
from ink_infra_mcp.core.firewall.boot import NextBoot
from ink_infra_mcp.core.firewall.docker import Container, Containers, Published
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces, read_interfaces
from ink_infra_mcp.core.firewall.routes import read_localnet, read_routes
from ink_infra_mcp.core.firewall.rules import Tables
from ink_infra_mcp.core.firewall.sockets import Sockets, read_sockets
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts, addresses_in, container_ids, containers
from ink_infra_mcp.hosts.facts.gathering import ask_all, ask_areas, fresh_marker
from ink_infra_mcp.hosts.facts.sections import NOT_FOUND, Reading, Section
from ink_infra_mcp.hosts.firewall.boot_facts import read_boot
from ink_infra_mcp.hosts.scripts import packaged
from ink_infra_mcp.ssh.pool import HostPool

T = TypeVar("T")

AREAS = ("network", "containers")
_VANISHED = frozenset({0, 1})
_THERE = frozenset({"running", "paused"})
"""States in which a container has its addresses; the kernel answers for one that is paused."""
_BEHIND = frozenset({"bridge", "overlay", "host", "null"})
"""Drivers of Docker's whose networks lie behind the server; those of others may stand beside it."""
_NOT_ASKED = Unreadable("nobody asked what the next boot loads")
_VIRTUAL = "/devices/virtual/"
_DOCUMENT = '{"nftables"'
_NO_NFT = "nft is not installed there, and without it nobody can tell which rules the kernel has (package nftables)"


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """The ways into one server, each layer readable or the reason why not; `Unreadable` never means "no rules".

    `came_from` and `came_to` are the two ends of our own SSH connection as the server sees them, empty when it does
    not say. `ufw` and `firewalld` tell whether these are in charge of the filters: None is not known. `boot` are the
    filters after the next boot.
    """

    host: str
    v4: Tables[V4] | Unreadable
    v6: Tables[V6] | Unreadable
    interfaces: Interfaces | Unreadable
    sockets: Sockets | Unreadable
    containers: Containers | Unreadable
    came_from: str = ""
    came_to: str = ""
    ufw: bool | None = None
    firewalld: bool | None = None
    boot: NextBoot | Unreadable = _NOT_ASKED


async def gather_network(pool: HostPool, host: str, *, new_marker: Callable[[], str] = fresh_marker) -> NetworkFacts:
    """Return the ways into a server, in one round trip.

    Raises:
        HostError: the server cannot be reached, or runs no POSIX shell for us.
    """
    return read_network(
        host, await ask_areas(pool, host, areas=AREAS, marker=new_marker(), second=packaged("firewall/boot.sh"))
    )


async def gather_networks(pool: HostPool) -> tuple[dict[str, NetworkFacts], dict[str, HostError]]:
    """Return the ways into every server, and the errors of those that could not be asked; all are asked at once.

    Raises:
        InkError: what concerns every server, such as a missing login key.
    """
    found = await ask_all(pool.hosts, partial(gather_network, pool))
    facts = {name: answer for name, answer in found.items() if isinstance(answer, NetworkFacts)}
    return facts, {name: answer for name, answer in found.items() if isinstance(answer, HostError)}


def read_network(host: str, found: Mapping[str, Section]) -> NetworkFacts:
    """Return the facts in what the script printed; nothing raises."""
    said = _Said(found)
    ours = said.text("came_from").split()
    v4 = _filters(said, V4, "iptables", "iptables_legacy", "legacy_tables")
    v6 = _filters(said, V6, "ip6tables", "ip6tables_legacy", "legacy_tables6")
    return NetworkFacts(
        host=host,
        v4=v4,
        v6=v6,
        interfaces=_interfaces(said),
        sockets=said.layer("sockets", read_sockets),
        containers=_containers(found),
        came_from=ours[0] if len(ours) == 4 else "",
        came_to=ours[2] if len(ours) == 4 else "",
        ufw=said.manager("ufw", on="Status: active", off="Status: inactive"),
        firewalld=said.manager("firewalld", on="running", off="not running"),
        boot=read_boot(found.get("boot"), v4, v6),
    )


class _Said:
    """The sections of one answer; one that is cut off is a reason, not an empty text."""

    def __init__(self, found: Mapping[str, Section]) -> None:
        self._found = found

    def text(self, name: str) -> str:
        section = self._found.get(name)
        return section.text if section and section.status == 0 else ""

    def answer(self, name: str) -> Answer | Unreadable | None:
        """Return what a command said, None where there is no such command, or why neither is known."""
        section = self._found.get(name)
        if section is None:
            return Unreadable(f"the server's answer has no end of {name}")
        return None if section.status == NOT_FOUND else Answer(section.text, section.status)

    def json(self, name: str) -> Answer | Unreadable | None:
        """Return the line of JSON alone: nft warns of tables that iptables manages on lines before it."""
        answer = self.answer(name)
        if not isinstance(answer, Answer) or answer.status != 0:
            return answer
        return replace(answer, text="\n".join(line for line in answer.text.split("\n") if line.startswith(_DOCUMENT)))

    def layer(self, name: str, read: Callable[[Answer], T | Unreadable]) -> T | Unreadable:
        answer = self.answer(name)
        if answer is None:
            return Unreadable(f"the command for {name} is not installed there")
        return answer if isinstance(answer, Unreadable) else read(answer)

    def manager(self, name: str, *, on: str, off: str) -> bool | None:
        """Return whether a manager of firewall rules is in charge; one that is not installed is not."""
        section = self._found.get(name)
        if section is None:
            return None
        first = section.text.strip().partition("\n")[0]
        if section.status == NOT_FOUND or first == off:
            return False
        return True if section.status == 0 and first == on else None


def _interfaces(said: _Said) -> Interfaces | Unreadable:
    """Return the interfaces with their routes; those that could not be read say so themselves."""
    found = said.layer("addresses", read_interfaces)
    if isinstance(found, Unreadable):
        return found
    answers = ((Family.V4, said.answer("routes4")), (Family.V6, said.answer("routes6")))
    told = [(family, answer) for family, answer in answers if isinstance(answer, Answer)]
    routes = read_routes(told) if len(told) == len(answers) else Unreadable("the server did not tell its routes")
    localnet, cards = said.layer("localnet", read_localnet), said.layer("devices", _cards)
    return replace(found, routes=routes, localnet=localnet, shaped=_shaped(said), cards=cards)


def _cards(answer: Answer) -> frozenset[str] | Unreadable:
    """Read `ls -l` of the kernel's links: those that are no virtual device have hardware behind them."""
    links = (line.rsplit(" ", 3)[1:] for line in answer.text.splitlines() if " -> " in line)
    found = frozenset(name for name, _, device in links if _VIRTUAL not in device)
    return failed(answer, "ls -l /sys/class/net") or found


def _shaped(said: _Said) -> frozenset[str] | Unreadable:
    """Return the cards on which tc or XDP decides; without tc there is nothing that it was told by."""
    answer = said.answer("shapers")
    if isinstance(answer, Unreadable):
        return answer
    if answer is None:
        return frozenset()
    return failed(answer, "tc filter show") or frozenset(answer.text.split())


def _filters(said: _Said, kind: type[A], current: str, legacy: str, names: str) -> Tables[A] | Unreadable:
    nft, saved, old = said.json("nft"), said.answer(current), said.answer(legacy)
    for layer in (nft, saved, old):
        if isinstance(layer, Unreadable):
            return layer
    if nft is None:
        return Unreadable(_NO_NFT)
    if old is None and (tables := _legacy_tables(said, names)):
        return Unreadable(tables)
    sets = _answer(said.answer("ipsets"))
    return read_filters(
        kind,
        iptables=_answer(saved),
        legacy=_answer(old),
        nft=_answer(nft),
        ipsets=sets,
        queues=_answer(said.answer("queues")),
    )


def _answer(layer: Answer | Unreadable | None) -> Answer | None:
    return layer if isinstance(layer, Answer) else None


def _legacy_tables(said: _Said, names: str) -> str:
    """Return why a missing iptables-legacy-save hides rules, or nothing where the kernel has no such tables.

    The kernel lists them in /proc/net/ip_tables_names, which is not there until the first one is made (seen on 6.1).
    """
    answer = said.answer(names)
    if isinstance(answer, Answer) and answer.status == 0 and not answer.text.strip():
        return ""
    if isinstance(answer, Answer) and answer.status == 1 and "No such file" in answer.text:
        return ""
    return "the kernel has tables of iptables-legacy, or may have, and iptables-legacy-save is not installed there"


def _containers(found: Mapping[str, Section]) -> Containers | Unreadable:
    listed = found.get("container_ids")
    if listed is not None and listed.status == NOT_FOUND:
        return Containers()
    reading = Reading(found)
    ids = reading.fact("containers", "container_ids", container_ids)
    if ids == ():
        return Containers()
    if ids is not None:
        seen = reading.fact("containers", "containers", lambda text: containers(text, ids=ids), good=_VANISHED)
        if seen is not None:
            drivers = _drivers(found.get("networks"))
            return Containers(tuple(_container(one, drivers) for one in seen if one.state in _THERE))
    return Unreadable(f"the containers: {reading.unknown['containers']}")


def _drivers(section: Section | None) -> Mapping[str, str]:
    """Return which driver made each network of Docker, by name; one that is not told is in none."""
    lines = section.text.split("\n") if section and section.status == 0 else []
    try:
        made = [Made.model_validate_json(line) for line in lines if line.startswith("{")]
    except ValueError:
        return {}
    return {each.name: each.driver for each in made}


def _container(facts: ContainerFacts, drivers: Mapping[str, str]) -> Container:
    apart = {name: at for name, at in facts.networks.items() if drivers.get(name, "") not in _BEHIND}
    return Container(
        name=facts.name,
        addresses=facts.addresses,
        host_network=facts.network_mode == "host",
        published=tuple(_published(facts.name, port) for port in facts.ports),
        apart=addresses_in(apart),
    )


def _published(container: str, words: str) -> Published:
    """Read `0.0.0.0:80->80/tcp`, as ContainerFacts has it."""
    outside, _, inside = words.partition("->")
    address, _, port = outside.rpartition(":")
    inner, _, protocol = inside.partition("/")
    return Published(container, protocol or "tcp", address.strip("[]"), int(port), int(inner))
