"""The recorded worlds of tests/core/firewall/data/ways as check_firewall would judge them."""

import json
from functools import cache
from pathlib import Path

from pydantic import BaseModel

from ink_infra_mcp.areas.ports.findings import Ground
from ink_infra_mcp.areas.ports.knocks import Answer, Knocked
from ink_infra_mcp.areas.ports.providers import InFront
from ink_infra_mcp.areas.ports.ways_in import classes_of, neighbours_of, ways_of
from ink_infra_mcp.core.firewall.exposure import HostFacts
from ink_infra_mcp.core.fleet import Access, CoolifySettings, Fleet, Host, Muscle
from ink_infra_mcp.hosts.facts.sections import NOT_FOUND, Section
from ink_infra_mcp.hosts.firewall.network_facts import NetworkFacts, read_network
from ink_infra_mcp.settings.policy_files import load_ports
from tests.core.firewall.recorded import OPEN_GATES

DATA = Path(__file__).parents[2] / "core" / "firewall" / "data" / "ways"
NAMES = tuple(sorted(file.stem for file in DATA.glob("*.json")))
CLIENT = {False: "203.0.113.66", True: "2001:db8::66"}
FLEET = Fleet(
    coolify=CoolifySettings(url="https://coolify.example.com"),
    factory=Host(name="factory", address="203.0.113.10"),
    muscles=(Muscle(name="muscle-1", address="203.0.113.11"),),
    access=Access(admin=("203.0.113.66", "2001:db8::66")),
)
_MISSING = Section("", NOT_FOUND)
_NO_TABLES = Section("cat: /proc/net/ip_tables_names: No such file or directory", 1)


class Observed(BaseModel):
    """What one real connect saw."""

    address: str
    port: int
    saw: Answer


class Recorded(BaseModel):
    """One recorded world."""

    setup: list[str]
    answers: dict[str, str]
    observed: list[Observed]


@cache
def recorded(name: str) -> Recorded:
    """Return a recorded world."""
    return Recorded.model_validate_json((DATA / f"{name}.json").read_text(encoding="utf-8"))


def network(name: str, **changed: str) -> NetworkFacts:
    """Return what its host says, with some of the answers changed."""
    answers = {key: Section(text, 0) for key, text in (recorded(name).answers | changed).items()}
    missing = (
        "container_ids",
        "iptables",
        "ip6tables",
        "iptables_legacy",
        "ip6tables_legacy",
        "ipsets",
        "ufw",
        "firewalld",
        "shapers",
    )
    others = {
        **dict.fromkeys(missing, _MISSING),
        "devices": Section("total 0", 0),
        "legacy_tables": _NO_TABLES,
        "legacy_tables6": _NO_TABLES,
    }
    came = Section("203.0.113.66 51000 203.0.113.11 22", 0)
    return read_network("muscle-1", others | answers | {"came_from": came})


def ground_for(facts: NetworkFacts) -> Ground:
    """Return what a Muscle that says these facts is judged by, without a provider's firewall."""
    host, neighbours = FLEET.host("muscle-1"), neighbours_of(FLEET, {"muscle-1": facts})
    return Ground(
        facts=HostFacts(
            name=host.name,
            provider=OPEN_GATES,
            v4=facts.v4,
            v6=facts.v6,
            interfaces=facts.interfaces,
            sockets=facts.sockets,
            containers=facts.containers,
            ways=ways_of(host, facts, neighbours),
        ),
        classes=classes_of(host, FLEET, neighbours),
        role="muscle",
        policy=load_ports().with_domain(has_domain=True),
        front=InFront(OPEN_GATES),
    )


def connects(name: str) -> list[Knocked]:
    """Return the recorded connects as a probe would tell them."""
    return [
        Knocked(
            server="muscle-1",
            origin="admin",
            source=CLIENT[":" in seen.address],
            address=seen.address,
            port=seen.port,
            answer=seen.saw,
        )
        for seen in recorded(name).observed
    ]


def address_of(name: str, interface: str) -> list[str]:
    """Return the addresses that its host says an interface has."""
    links = json.loads(recorded(name).answers["addresses"])
    return [at["local"] for link in links if link["ifname"] == interface for at in link["addr_info"]]
