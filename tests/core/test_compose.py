"""Compose files under isolation: what they may not ask for, and the isolation written into them."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.compose import compose_problems, with_runtime
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.operation import json_object
from ink_infra_mcp.core.plan import JsonObject

POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN",), forbidden={})
ISOLATED: JsonObject = {"runtime": "runsc", "cap_drop": ["ALL"], "cap_add": ["CHOWN"], "pids_limit": 512}


def file(service: JsonObject, **top: JsonValue) -> JsonObject:
    """Return a compose file with one isolated service that asks for more."""
    return {"services": {"web": {"image": "nginx", **ISOLATED, **service}}, **top}


def test_a_usual_compose_file_is_allowed_once_isolated() -> None:
    """What a common app asks for (build, variables, named volumes, health check, limits) is no problem."""
    text = """
    services:
      web:
        build: {context: ., dockerfile: Dockerfile, args: {MODE: production}}
        command: ["node", "server.js"]
        environment: {DATABASE_URL: "postgres://db/shop", PORT: "3000"}
        env_file: [.env]
        expose: [3000]
        depends_on: {db: {condition: service_healthy}}
        security_opt: ["no-new-privileges:true"]
        volumes: [uploads:/data, "/cache"]
        labels: [com.example.shop=web]
      db:
        image: postgres:17
        healthcheck: {test: [CMD, pg_isready], interval: 5s}
        volumes:
          - {type: volume, source: data, target: /var/lib/postgresql/data}
          - {type: tmpfs, target: /tmp}
        shm_size: 128m
        deploy: {resources: {limits: {memory: 512m, cpus: "0.5"}}}
        ipc: private
        privileged: false
        x-note: hello
    volumes: {uploads: {}, data: null}
    networks: {default: {driver: bridge}}
    configs: {site: {content: hello}}
    x-common: {a: 1}
    """
    compose = json_object(yaml.safe_load(text))
    assert compose_problems(with_runtime(compose, POLICY), POLICY) == ()


def test_a_service_without_isolation_is_named_for_each_part() -> None:
    """A plain service lacks runtime, dropped capabilities and the process limit, each with its own reason."""
    assert compose_problems({"services": {"web": {"image": "nginx"}}}, POLICY) == (
        "web: runtime is not runsc",
        "web: cap_drop is not ALL",
        "web: pids_limit is not between 1 and 512",
    )


def test_isolation_is_written_into_every_service_and_nothing_else_changes() -> None:
    """Runtime and capabilities replace what was there, a stricter process limit and own cap_add stay."""
    compose: JsonObject = {
        "services": {
            "web": {"image": "nginx", "runtime": "runc", "pids_limit": 64, "cap_add": ["SYS_ADMIN"]},
            "db": {"image": "postgres", "pids_limit": -1},
            "job": {"image": "job", "deploy": {"resources": {"limits": {"pids": 32}}}},
        },
        "volumes": {"data": {}},
    }
    assert with_runtime(compose, POLICY) == {
        "services": {
            "web": {
                "image": "nginx",
                "runtime": "runsc",
                "pids_limit": 64,
                "cap_drop": ["ALL"],
                "cap_add": ["SYS_ADMIN"],
            },
            "db": {"image": "postgres", **ISOLATED},
            "job": {
                "image": "job",
                "deploy": {"resources": {"limits": {"pids": 32}}},
                "runtime": "runsc",
                "cap_drop": ["ALL"],
                "cap_add": ["CHOWN"],
            },
        },
        "volumes": {"data": {}},
    }


PRIVILEGED = "web: privileged: True gives the app the Muscle's devices and every capability"
ASKS: list[tuple[JsonObject, str]] = [
    ({"privileged": True}, PRIVILEGED),
    ({"privileged": "${P}"}, "web: privileged: ${P} gives the app the Muscle's devices and every capability"),
    ({"network_mode": "host"}, "web: network_mode: host leaves the app's own network"),
    ({"network_mode": "container:db"}, "web: network_mode: container:db leaves the app's own network"),
    ({"pid": "host"}, "web: pid: host shows the app processes that are not its own"),
    ({"ipc": "host"}, "web: ipc: host shares memory outside the container"),
    ({"userns_mode": "host"}, "web: userns_mode: leaves the container's user namespace"),
    ({"uts": "host"}, "web: uts: shares the host's name space for host names"),
    ({"cap_add": ["CHOWN", "CAP_SYS_ADMIN"]}, "web: cap_add: SYS_ADMIN is not allowed by policy"),
    ({"cap_add": ["ALL"]}, "web: cap_add: ALL is not allowed by policy"),
    ({"devices": ["/dev/kvm"]}, "web: devices: opens devices of the Muscle"),
    ({"gpus": "all"}, "web: gpus: opens devices of the Muscle"),
    ({"security_opt": ["seccomp:unconfined"]}, "web: security_opt: seccomp:unconfined can switch off a protection"),
    ({"sysctls": {"kernel.msgmax": 1}}, "web: sysctls: changes kernel settings"),
    ({"annotations": {"dev.gvisor.x": "1"}}, "web: annotations: can switch off parts of gVisor"),
    ({"use_api_socket": True}, "web: use_api_socket: hands the Docker socket to the app"),
    ({"provider": {"type": "x"}}, "web: provider: runs a program on the Muscle"),
    ({"extends": {"file": "x"}}, "web: extends: brings in a service that this check does not see"),
    ({"brand_new_key": 1}, "web: brand_new_key: not known to be harmless in an isolated app"),
    ({"post_start": [{"command": "x", "privileged": True}]}, "web: a lifecycle hook asks to run privileged"),
    (
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]},
        "web: volumes: /var/run/docker.sock:/var/run/docker.sock:ro hands the Docker socket to the app",
    ),
    ({"volumes": ["/etc:/x"]}, "web: volumes: /etc:/x mounts a path of the Muscle; use a named volume"),
    ({"volumes": ["./data:/x"]}, "web: volumes: ./data:/x mounts a path of the Muscle; use a named volume"),
    ({"volumes": ["~/x:/x"]}, "web: volumes: ~/x:/x mounts a path of the Muscle; use a named volume"),
    ({"volumes": ["${D:-/}:/x"]}, "web: volumes: ${D:-/}:/x mounts a path of the Muscle; use a named volume"),
    ({"volumes": ["${D}"]}, "web: volumes: ${D} mounts a path of the Muscle; use a named volume"),
    (
        {"volumes": [{"type": "bind", "source": "/", "target": "/x"}]},
        "web: volumes: / mounts a path of the Muscle; use a named volume",
    ),
    (
        {"volumes": [{"type": "volume", "source": "/", "target": "/x"}]},
        "web: volumes: / mounts a path of the Muscle; use a named volume",
    ),
    ({"volumes": [{"target": "/x"}]}, "web: volumes: None mounts a path of the Muscle; use a named volume"),
    ({"volumes": "/:/x"}, "web: volumes: not a list"),
    ({"build": "/"}, "web: build: reads files outside the app's folder"),
    ({"build": {"context": "../.."}}, "web: build: reads files outside the app's folder"),
    (
        {"build": {"context": ".", "additional_contexts": ["root=/"]}},
        "web: build: reads files outside the app's folder",
    ),
    ({"build": {"context": ".", "privileged": True}}, "web: build: asks for rights on the Muscle"),
    ({"build": {"context": ".", "network": "host"}}, "web: build: leaves the network of builds"),
    ({"env_file": "/etc/shadow"}, "web: env_file: is outside the app's folder"),
    ({"env_file": [{"path": "../x"}]}, "web: env_file: is outside the app's folder"),
    (
        {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia"}]}}}},
        "web: deploy.resources.reservations: opens devices of the Muscle",
    ),
    ({"deploy": {"resources": {"limits": {"pids": 600}}}}, "web: pids_limit is not between 1 and 512"),
    ({"pids_limit": 0}, "web: pids_limit is not between 1 and 512"),
    ({"pids_limit": 513}, "web: pids_limit is not between 1 and 512"),
    ({"pids_limit": True}, "web: pids_limit is not between 1 and 512"),
    ({"runtime": "${R:-runsc}"}, "web: runtime is not runsc"),
]


@pytest.mark.parametrize(("ask", "problem"), ASKS, ids=[problem for _, problem in ASKS])
def test_what_a_service_may_not_ask_for_is_named(ask: JsonObject, problem: str) -> None:
    """Each way out of the container, through the host's or a neighbour's things, is one problem with its reason."""
    assert compose_problems(file(ask), POLICY) == (problem,)


HARMLESS: list[JsonObject] = [
    {"network_mode": "none"},
    {"network_mode": "bridge"},
    {"network_mode": "service:db"},
    {"pids_limit": 1},
    {"pids_limit": None, "deploy": {"resources": {"limits": {"pids": 512}}}},
    {"cap_drop": ["all"]},
    {"build": "https://example.com/shop.git#main"},
    {"build": {"context": "./app/..dots", "network": "none"}},
    {"ipc": "none"},
    {"post_start": [{"command": "x"}]},
    {"volumes": ["data.v1_x-y:/data:ro", {"type": "volume", "target": "/x"}]},
    {"devices": [], "extends": None, "gpus": ""},
]


@pytest.mark.parametrize("ask", HARMLESS, ids=str)
def test_what_stays_inside_the_container_is_allowed(ask: JsonObject) -> None:
    """The edge of each rule is on the right side: no app is refused for what harms nobody."""
    assert compose_problems(file(ask), POLICY) == ()


TOPS: list[tuple[JsonObject, str]] = [
    ({"include": ["x.yaml"]}, "include: brings in files that this check does not see"),
    ({"volumes": {"d": {"external": True}}}, "volumes.d: names a volume that is not the app's own"),
    ({"volumes": {"d": {"name": "other_data"}}}, "volumes.d: names a volume that is not the app's own"),
    (
        {"volumes": {"d": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}},
        "volumes.d: driver options can mount any path of the Muscle",
    ),
    ({"networks": {"n": {"external": True}}}, "networks.n: names a network that is not the app's own"),
    ({"networks": {"n": {"driver": "macvlan"}}}, "networks.n: only the bridge driver keeps the app behind Docker"),
    ({"secrets": {"s": {"file": "/etc/shadow"}}}, "secrets.s: mounts a path of the Muscle; use content"),
    ({"configs": {"c": {"file": "./x"}}}, "configs.c: mounts a path of the Muscle; use content"),
    ({"models": {"m": {"model": "x"}}}, "models: not known to be harmless in an isolated app"),
]


@pytest.mark.parametrize(("top", "problem"), TOPS, ids=[problem for _, problem in TOPS])
def test_what_the_file_as_a_whole_may_not_ask_for_is_named(top: JsonObject, problem: str) -> None:
    """Volumes, networks and files that belong to somebody else are problems of the file."""
    assert compose_problems(file({}, **top), POLICY) == (problem,)


@pytest.mark.parametrize("compose", [{}, {"services": {}}, {"services": []}, {"services": None}])
def test_a_file_without_services_is_a_problem(compose: JsonObject) -> None:
    """A file that Coolify would read differently than we do is not waved through."""
    assert compose_problems(compose, POLICY) == ("the file has no services",)


def test_a_service_that_is_no_table_is_a_problem() -> None:
    """A service of another shape is named and left as it is."""
    compose: JsonObject = {"services": {"web": "nginx"}}
    assert compose_problems(with_runtime(compose, POLICY), POLICY) == ("web: not a service",)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["privileged", "volumes", "build", "deploy", "cap_add", "env_file", "post_start", "security_opt", "x-a", "pid"]
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), VALUES)
def test_no_shape_of_a_file_breaks_the_check(service: JsonObject, top: JsonValue) -> None:
    """Whatever stands in a file, the check gives sentences; writing isolation in removes no problem but its own."""
    compose: JsonObject = {"services": {"web": service}, "volumes": top, "networks": top, "configs": top}
    before = set(compose_problems(compose, POLICY))
    after = set(compose_problems(with_runtime(compose, POLICY), POLICY))
    own = ("runtime", "cap_drop", "pids_limit")
    assert {p for p in before if not p.removeprefix("web: ").startswith(own)} <= after
