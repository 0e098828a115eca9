"""The filters after a boot: what is written down comes back, Docker makes its own anew, and the rest is gone."""

from dataclasses import replace

import pytest

from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.boot import with_docker
from ink_infra_mcp.core.firewall.exposure import HostFacts, exposures, ports_that_matter
from ink_infra_mcp.core.firewall.iptables import read_iptables
from ink_infra_mcp.core.firewall.rules import Tables
from tests.core.firewall.recorded import CLASSES, NAMES, facts

NOW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
:mine - [0:0]
-A INPUT -p tcp -m tcp --dport 5432 -j DROP
-A FORWARD -i eth0 -j mine
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -s 203.0.113.1/32 -j RETURN
-A DOCKER -p tcp -m tcp --dport 8080 -j RETURN
-A DOCKER -p tcp -m tcp --dport 8080 -j DROP
-A DOCKER -j mine
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 8080 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -p tcp -j DROP
-A mine -j DROP
COMMIT
"""
LOADED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -p tcp -m tcp --dport 25 -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j LOG
-A DOCKER -d 172.17.0.9/32 -j ACCEPT
-A DOCKER-USER -p udp -j DROP
COMMIT
"""


def tables(text: str) -> Tables[V4]:
    """Return what an iptables-save says."""
    found = read_iptables(Answer(text), V4)
    assert not isinstance(found, Unreadable)
    return found.tables


def shown(found: Tables[V4]) -> dict[str, list[str]]:
    """Return the rules by chain, as they were read."""
    (table,) = found
    policies = {base.chain: [str(base.policy)] for base in table.bases}
    return {name: policies.get(name, []) + [rule.origin for rule in rules] for name, rules in table.chains.items()}


def test_only_what_docker_made_is_left_where_a_boot_loads_nothing() -> None:
    """Rules, policies and chains of hands are gone, those that hands put into Docker's chains, too."""
    assert shown(with_docker(tables(NOW), ())) == {
        "INPUT": ["accept"],
        "FORWARD": ["accept", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD"],
        "DOCKER": [
            "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 8080 -j ACCEPT",
            "-A DOCKER ! -i docker0 -o docker0 -j DROP",
        ],
        "DOCKER-FORWARD": ["-A DOCKER-FORWARD -o docker0 -j DOCKER"],
        "DOCKER-USER": [],
    }


def test_what_is_loaded_comes_behind_docker_and_fills_its_chain_for_users() -> None:
    """Saved rules of Docker's other chains are of an earlier Docker: it empties these when it starts."""
    assert shown(with_docker(tables(NOW), tables(LOADED))) == {
        **shown(with_docker(tables(NOW), ())),
        "INPUT": ["accept", "-A INPUT -p tcp -m tcp --dport 25 -j DROP"],
        "FORWARD": ["accept", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD", "-A FORWARD -j LOG"],
        "DOCKER-USER": ["-A DOCKER-USER -p udp -j DROP"],
    }


def states(of: HostFacts) -> list[tuple[object, ...]]:
    """Return how reachable each port of a recorded host is."""
    return [found[:6] for found in exposures(of, CLASSES, ports_that_matter(facts(of.name)))]


@pytest.mark.parametrize("name", NAMES)
def test_a_boot_that_loads_all_that_is_there_changes_nothing(name: str) -> None:
    """On every recorded host the ports are as reachable as before, for every class of sources."""
    now = facts(name)
    assert not isinstance(now.v4, Unreadable)
    assert not isinstance(now.v6, Unreadable)
    assert states(replace(now, v4=with_docker(now.v4, now.v4), v6=with_docker(now.v6, now.v6))) == states(now)
