"""What contradicts itself within a compose service or between two is refused, though each key alone is right."""

import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import prepared
from ink_infra_mcp.core.compose.reading import read_compose
from tests.core.compose.given import ISOLATED, POLICY


def problems(**services: dict[str, JsonValue]) -> tuple[str, ...]:
    """Return what is wrong with a file of isolated services that may publish one port."""
    compose: dict[str, JsonValue] = {
        "services": {name: {"image": "a:1", **ISOLATED, **service} for name, service in services.items()},
        "configs": {"c": {"content": "x"}},
        "secrets": {"s": {"environment": "TOKEN"}},
    }
    return compose_problems(compose, POLICY, published=frozenset({"25/tcp"}))


def test_needs_that_lead_back_are_refused_and_a_long_way_is_none() -> None:
    """Docker Compose starts no service of a circle, however long it is."""
    assert problems(a={"depends_on": ["b"]}, b={"depends_on": ["c"]}, c={"depends_on": ["a"]}, d={}) == tuple(
        f"{name}: depends_on: leads back to {name} itself" for name in "abc"
    )
    assert problems(a={"depends_on": ["b", "c"]}, b={"depends_on": ["c"]}, c={}) == ()


def test_a_service_in_a_profile_is_needed_only_by_those_in_it() -> None:
    """Coolify names no profile, so that a need outside of it can never be met."""
    assert problems(a={"depends_on": ["b"]}, b={"profiles": ["p"]}) == (
        "a: depends_on: b is in a profile that a is not in",
    )
    assert problems(a={"depends_on": ["b"], "profiles": ["p", "q"]}, b={"profiles": ["p"]}) == ()


def test_a_port_of_the_muscle_is_published_once() -> None:
    """The second container would not start; the same port of another protocol is another."""
    assert problems(a={"ports": ["25:25"]}, b={"ports": ["25:2525"]}) == (
        "port 25/tcp of the Muscle is published 2 times",
    )
    assert problems(a={"ports": ["25:25"]}, b={}) == ()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"condition": "service_foo"}, "the condition is none of"), ({}, "the condition is none of"),
     ({"condition": "service_started", "required": "false"}, "required and restart are true or false"),
     ({"condition": "service_started", "x": 1}, "has a setting that is not known")],
)  # fmt: skip
def test_a_need_says_one_of_the_conditions_that_compose_knows(settings: dict[str, JsonValue], problem: str) -> None:
    """Docker Compose refuses the whole file for another."""
    (found,) = problems(a={"depends_on": {"b": settings}}, b={})
    assert found.startswith(f"a: depends_on: b: {problem}")


def test_nothing_is_written_into_a_container_that_is_read_only() -> None:
    """Compose copies configs and secrets into the container before it starts, which Docker then refuses."""
    asks: dict[str, JsonValue] = {"read_only": True, "configs": ["c"], "secrets": ["s"]}
    assert problems(a=asks) == (
        "a: configs cannot be written into a container that is read_only",
        "a: secrets cannot be written into a container that is read_only",
    )
    assert problems(a={**asks, "read_only": False}) == ()


@pytest.mark.parametrize(
    ("setting", "words"),
    [({"target": 5}, "target is 5: write a path of the container"),
     ({"target": None}, "target is None: write a path of the container"),
     ({"target": "../x"}, "target is ../x: write a path of the container"),
     ({"uid": 5}, 'uid is 5: write a number in quotes, such as "1000"'),
     ({"gid": "x"}, 'gid is x: write a number in quotes, such as "1000"'),
     ({"mode": 4095}, "mode is 4095: write rights such as 0440"),
     ({"mode": "0440"}, "mode is 0440: write rights such as 0440"),
     ({"mode": True}, "mode is True: write rights such as 0440"),
     ({"more": 1}, "more is not known to be harmless")],
)  # fmt: skip
def test_where_a_config_goes_is_said_in_the_kinds_that_compose_takes(setting: dict[str, JsonValue], words: str) -> None:
    """Compose 2.26.1 breaks down on a target that is no text, and reads "0440" as 440."""
    given: dict[str, JsonValue] = {"source": "c", **setting}
    assert problems(a={"configs": [given]}) == (f"a: configs: c: {words}",)
    assert problems(a={"secrets": [{**given, "source": "s"}]}) == (f"a: secrets: s: {words}",)


def test_a_file_that_uses_all_of_it_rightly_is_allowed() -> None:
    """Times, signals, needs, rights of files and words in quotes as Docker's documentation writes them."""
    text = """
    services:
      web:
        image: a:1
        command: sh -c "exec node 'a b'; true" x\\ y
        working_dir: /srv/app
        stop_signal: SIGTERM
        stop_grace_period: 1m30s
        restart: on-failure:5
        cpuset: 0-1,3
        ulimits: {nofile: 1024, memlock: {soft: -1, hard: -1}}
        healthcheck: {test: curl -f http://localhost/ || exit 1, interval: 1.5s, start_period: 0s}
        depends_on: {db: {condition: service_completed_successfully, required: false, restart: true}}
        configs: [{source: c, target: /etc/c.conf, uid: "1000", gid: "0", mode: 0440}, c]
      db: {image: "b:1"}
    configs: {c: {content: x}}
    """
    made = prepared(read_compose(text), POLICY, memory="1g", cpus="1")
    assert compose_problems(made.document, POLICY) == ()


@pytest.mark.parametrize("check", [{"disable": True}, {"test": "NONE"}, {"test": ["NONE"]}])
def test_a_service_whose_health_check_is_off_is_never_healthy(check: dict[str, JsonValue]) -> None:
    """Docker Compose starts nothing that waits for it, unless the need is not required."""
    need: dict[str, JsonValue] = {"condition": "service_healthy"}
    words = "a: depends_on: b has its health check off, so that it never is service_healthy"
    assert problems(a={"depends_on": {"b": need}}, b={"healthcheck": check}) == (words,)
    assert problems(a={"depends_on": {"b": {**need, "required": False}}}, b={"healthcheck": check}) == ()
    assert problems(a={"depends_on": {"b": need}}, b={}) == ()
