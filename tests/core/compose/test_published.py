"""Ports past the proxy: only those that are asked for by number and that the operator opened, in every form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import prepared
from ink_infra_mcp.core.compose.published import Published, ports_in, published_port
from ink_infra_mcp.core.firewall.in_force import PortsFile, PortsOverlay, baseline, tighten
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.plan import JsonObject

POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN",), forbidden={})
GAME = Published(27015, 27016, "udp")


@pytest.mark.parametrize(
    "entry",
    [
        "27015:27016/udp",
        {"target": 27016, "published": 27015, "protocol": "udp"},
        {"mode": "ingress", "target": 27016, "published": "27015", "protocol": "udp"},
    ],
)
def test_one_port_is_read_in_each_of_its_forms(entry: JsonValue) -> None:
    """As people write it, and as Docker Compose prints it."""
    assert published_port(entry) == GAME
    assert (GAME.name, GAME.short, GAME.told) == ("27015/udp", "27015:27016/udp", "27015->27016/udp")


@pytest.mark.parametrize(
    "entry",
    ["25", 25, "0.0.0.0:25:25", "25-26:25-26", "25:25/sctp", "0:25", "25:0", "70000:25", "25:${P}", ":25", "25:25/tcp ",
     True, {"target": 25}, {"target": 25, "published": "25-26"},
     {"target": 25, "published": 25, "host_ip": "192.0.2.1"},
     {"target": 25, "published": 25, "mode": "host"}, {"target": 25, "published": ""}, None, [], "\u0662\u0665:25"],
    ids=str,
)  # fmt: skip
def test_any_other_form_is_none_that_may_be_published(entry: JsonValue) -> None:
    """Random ports, ranges, addresses, variables: what is not one number outside and one inside is left out."""
    assert published_port(entry) is None


def test_only_the_ports_that_are_asked_for_stay_and_the_plan_names_them() -> None:
    """The others are left out and told; those that stay are named as reachable by everybody."""
    compose: JsonObject = {"services": {"game": {"image": "a:1", "ports": ["27015:27016/udp", "8080:80"]}}}
    made = prepared(compose, POLICY, memory="1g", cpus="1", publish=frozenset({"27015/udp"}))
    assert ports_in(made.document) == {"27015/udp"}
    assert made.notes == [
        "game: port 8080:80 is not published on the server; users come by the proxy",
        "game: port 27015/udp of the Muscle is published to everybody, past its proxy",
    ]
    assert compose_problems(made.document, POLICY, published=frozenset({"27015/udp"})) == ()
    assert compose_problems(made.document, POLICY) == (
        "game: ports: 27015:27016/udp is published on the Muscle, past its proxy",
    )


RULES = [
    {
        "name": "ssh",
        "role": "muscle",
        "protocol": "tcp",
        "ports": "22",
        "allowed": ["admin"],
        "demand": "required",
        "why": "x",
    },
    {"name": "docker", "role": "muscle", "protocol": "tcp", "ports": "2375", "demand": "forbidden", "why": "x"},
]


def opening(**parts: JsonValue) -> dict[str, JsonValue]:
    """Return an operator's opening."""
    usual: dict[str, JsonValue] = {"name": "game", "role": "muscle", "protocol": "udp", "ports": "27015-27016"}
    return {**usual, "allowed": ["internet"], "demand": "optional", "why": "x", "override": "agreed", **parts}


@pytest.mark.parametrize(
    ("parts", "may"),
    [
        ({}, {"27015/udp", "27016/udp"}),
        ({"allowed": ["admin"]}, set[str]()),
        ({"role": "factory"}, set[str]()),
        ({"families": ["ipv4"]}, set[str]()),
        ({"demand": "forbidden"}, set[str]()),
        ({"protocol": "tcp", "ports": "22,25"}, {"25/tcp"}),
    ],
    ids=["open", "for admins", "of another role", "over one family", "forbidden", "SSH's own"],
)
def test_what_an_operator_opens_for_everybody_may_be_published(parts: dict[str, JsonValue], may: set[str]) -> None:
    """Docker publishes to the whole internet over both families; SSH's and the proxy's stay theirs."""
    base = baseline(PortsFile.model_validate({"rules": RULES}))
    assert base.publishable() == frozenset()
    overlay = PortsOverlay.model_validate({"open": [opening(**parts)]})
    assert tighten(base, overlay).publishable() == may


@given(st.integers(1, 65535), st.integers(1, 65535), st.sampled_from(["tcp", "udp"]))
def test_the_short_form_is_read_back_as_itself(outer: int, inner: int, protocol: str) -> None:
    """What is written into the file is what was approved."""
    port = Published(outer, inner, protocol)
    assert published_port(port.short) == port
