"""The recorded situations of tests/core/firewall/data as facts that the algebra takes."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.docker import read_containers
from ink_infra_mcp.core.firewall.exposure import HostFacts, SourceClass, WayIn
from ink_infra_mcp.core.firewall.gates import Gate, Gates
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import Interfaces, read_interfaces
from ink_infra_mcp.core.firewall.rules import Tables
from ink_infra_mcp.core.firewall.sockets import read_sockets
from tests.core.firewall.routed import routed

DATA = Path(__file__).resolve().parent / "data"
NAMES = tuple(sorted(file.stem for file in (DATA / "situations").glob("*.sh")))
OPEN_GATES = Gates(Gate("provider"), Gate("provider"))
CLASSES = (
    SourceClass("stranger", V4.parse("203.0.113.1"), V6.parse("2001:db8::1"), "public"),
    SourceClass("admin", V4.parse("203.0.113.66"), V6.parse("2001:db8::66"), "public"),
    SourceClass("neighbour", V4.parse("10.214.0.1"), V6(), "private"),
)
PLAYED_CONTAINER = """[{"Name": "/c1", "State": {"Running": true}, "HostConfig": {"NetworkMode": "bridge"},
 "NetworkSettings": {"Ports": {}, "Networks": {"c1": {"IPAddress": "172.18.0.2"}}}}]"""


class Said(BaseModel):
    """What one command said."""

    status: int
    text: list[str]
    errors: list[str]


class Observed(BaseModel):
    """What one real connect saw."""

    source: str
    family: str
    port: int
    saw: Literal["open", "refused", "silent"]


class Situation(BaseModel):
    """One recorded situation."""

    answers: dict[str, Said]
    observed: list[Observed]

    def answer(self, name: str) -> Answer:
        """Return what a command said, as the readers take it."""
        said = self.answers[name]
        return Answer("".join(f"{line}\n" for line in said.text), said.status, "\n".join(said.errors))


@cache
def situation(name: str) -> Situation:
    """Return a recorded situation."""
    text = (DATA / f"{name}.json").read_text(encoding="utf-8").replace('"from":', '"source":')
    return Situation.model_validate_json(text)


def filters(kind: type[A], said: Situation, nft: Answer | None = None) -> Tables[A] | Unreadable:
    """Return the packet filters of a family, or those that there would be had nft said something else."""
    names = ("iptables", "iptables_legacy") if kind is V4 else ("ip6tables", "ip6tables_legacy")
    return read_filters(
        kind,
        iptables=said.answer(names[0]),
        legacy=said.answer(names[1]),
        nft=nft or said.answer("nft"),
        queues=said.answer("queues") if "queues" in said.answers else None,
    )


@cache
def facts(name: str) -> HostFacts:
    """Return a recorded situation as facts, behind an open provider; the played container of docker_nft is added."""
    said = situation(name)
    played = Answer(PLAYED_CONTAINER) if name == "docker_nft" else said.answer("docker")
    return HostFacts(
        name=name,
        provider=OPEN_GATES,
        v4=filters(V4, said),
        v6=filters(V6, said),
        interfaces=routed(_interfaces(said)),
        sockets=read_sockets(said.answer("ss")),
        containers=read_containers(played),
        ways=(
            WayIn("public", ("203.0.113.11", "2001:db8::11"), "eth0"),
            WayIn("private", ("10.214.0.11",), "eth0", gated=False),
        ),
    )


def _interfaces(said: Situation) -> Interfaces:
    found = read_interfaces(said.answer("addresses"))
    assert isinstance(found, Interfaces)
    return found
