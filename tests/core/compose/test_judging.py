"""What a compose file may ask for: what is known to be good passes, all else is named with its reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import prepared
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.plan import JsonObject
from tests.core.compose.given import ISOLATED, POLICY

NO_PATH = "mounts a path of the Muscle; use a named volume, or `configs` with `content` for a file"
PUBLISHES = "SERVICE_FQDN and SERVICE_URL publish a domain that this plan does not name"
READ_BY = "may be read by the proxy, by Coolify or by Docker: an app's domain comes from its plan"


def file(service: JsonObject, **top: JsonValue) -> JsonObject:
    """Return a compose file with one isolated service that asks for more."""
    return {"services": {"web": {"image": "nginx", **ISOLATED, **service}}, **top}


def test_a_usual_compose_file_is_allowed_once_isolated() -> None:
    """What common apps ask for is no problem: variables, named volumes, health checks, limits, files with content."""
    text = """
    x-common: &common {restart: always, init: true}
    services:
      web:
        <<: *common
        image: ghcr.example.com/shop:${TAG:-1}
        command: ["node", "server.js", "--url=$${URL}"]
        entrypoint: /entry.sh
        environment: {DATABASE_URL: "postgres://db/shop", PORT: 3000, DEBUG: no, EMPTY: }
        env_file: .env
        expose: [3000]
        ports: ["3000:3000"]
        depends_on: {db: {condition: service_healthy}}
        security_opt: ["no-new-privileges:true"]
        volumes: [uploads:/data, "/cache"]
        labels: [org.opencontainers.image.title=web]
        configs: [{source: site, target: /etc/site.conf}]
        networks: [default, inner]
        tmpfs: /run
        logging: {driver: json-file, options: {max-size: 10m}}
        ulimits: {nofile: {soft: 1024, hard: 2048}}
        extra_hosts: ["a.example.com:192.0.2.7"]
        container_name: web
        x-note: hello
      db:
        image: postgres:17
        healthcheck: {test: [CMD, pg_isready], interval: 5s, retries: 3}
        volumes: [{type: volume, source: data, target: /var/lib/postgresql/data}]
        shm_size: 128m
        deploy: {resources: {limits: {memory: 512m, cpus: "0.5", pids: 100}}}
        ipc: private
        privileged: false
    volumes: {uploads: {}, data: null}
    networks: {default: {driver: bridge}, inner: {internal: true}}
    configs: {site: {content: hello}}
    version: "3"
    """
    made = prepared(read_compose(text), POLICY, memory="1g", cpus="1")
    assert compose_problems(made.document, POLICY) == ()


def test_a_service_without_isolation_is_named_for_each_part() -> None:
    """A plain service lacks runtime, dropped capabilities and the process limit, each with its own reason."""
    assert compose_problems({"services": {"web": {"image": "nginx"}}}, POLICY) == (
        "web: runtime is not runsc",
        "web: cap_drop is not ALL",
        "web: pids_limit is not between 1 and 512",
        "web: has no memory limit",
        "web: has no limit of processors",
    )


ASKS: list[tuple[JsonObject, str]] = [
    ({"privileged": True}, "privileged: True gives the app the Muscle's devices and every capability"),
    ({"privileged": "${P}"}, "privileged: ${P} gives the app the Muscle's devices and every capability"),
    ({"network_mode": "host"}, "network_mode: host leaves the app's own network"),
    ({"network_mode": "bridge"}, "network_mode: bridge leaves the app's own network"),
    ({"network_mode": "container:db"}, "network_mode: container:db leaves the app's own network"),
    ({"network_mode": "service:other"}, "network_mode: service:other leaves the app's own network"),
    ({"pid": "host"}, "pid: host shows the app processes that are not its own"),
    ({"ipc": "host"}, "ipc: host shares memory outside the container"),
    ({"userns_mode": "host"}, "userns_mode: leaves the container's user namespace"),
    ({"uts": "host"}, "uts: shares the host's name space for host names"),
    ({"cap_add": ["CHOWN", "CAP_SYS_ADMIN"]}, "cap_add: SYS_ADMIN is not allowed by policy"),
    ({"cap_add": ["ALL"]}, "cap_add: ALL is not allowed by policy"),
    ({"devices": ["/dev/kvm"]}, "devices: opens devices of the Muscle"),
    ({"gpus": "all"}, "gpus: opens devices of the Muscle"),
    ({"security_opt": ["seccomp:unconfined"]}, "security_opt: seccomp:unconfined can switch off a protection"),
    ({"sysctls": {"kernel.msgmax": 1}}, "sysctls: changes kernel settings"),
    ({"annotations": {"dev.gvisor.x": "1"}}, "annotations: can switch off parts of gVisor"),
    ({"use_api_socket": True}, "use_api_socket: hands the Docker socket to the app"),
    ({"provider": {"type": "x"}}, "provider: runs a program on the Muscle"),
    ({"extends": {"file": "x"}}, "extends: brings in a service that this check does not see"),
    ({"brand_new_key": 1}, "brand_new_key: is not known to be harmless in an isolated app"),
    ({"post_start": [{"command": "x"}]}, "post_start: is not known to the Compose that Coolify runs"),
    ({"volumes": ["/root/.ssh"]}, ""),
    ({"volumes": ["/root/.ssh:/root/.ssh"]}, f"volumes: /root/.ssh:/root/.ssh {NO_PATH}"),
    (
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]},
        "volumes: /var/run/docker.sock:/var/run/docker.sock:ro hands the Docker socket to the app",
    ),
    ({"volumes": ["./x"]}, f"volumes: ./x {NO_PATH}"),
    ({"volumes": ["~"]}, f"volumes: ~ {NO_PATH}"),
    ({"volumes": ["/"]}, f"volumes: / {NO_PATH}"),
    ({"volumes": ["d:/data:ro"]}, f"volumes: d:/data:ro {NO_PATH}"),
    ({"volumes": ["data:/a/../../etc"]}, f"volumes: data:/a/../../etc {NO_PATH}"),
    ({"volumes": ["${D:-/}:/x"]}, f"volumes: ${{D:-/}}:/x {NO_PATH}"),
    ({"volumes": ["data:/x:shared"]}, "volumes: the mode of data:/x:shared is not ro or rw"),
    ({"volumes": [{"type": "bind", "source": "/", "target": "/x"}]}, f"volumes: / {NO_PATH}"),
    (
        {"volumes": [{"type": "volume", "source": "data", "target": "/x", "volume": {"subpath": "../.."}}]},
        "volumes: the options of data are not known to be harmless",
    ),
    ({"volumes": [5]}, f"volumes: 5 {NO_PATH}"),
    ({"volumes": "/:/x"}, "volumes: not a list"),
    ({"ports": ["0.0.0.0:2375:2375"]}, "ports: 0.0.0.0:2375:2375 is published on the Muscle, past its proxy"),
    ({"labels": ["traefik.enable=true"]}, f"labels: traefik.enable {READ_BY}"),
    ({"labels": {"coolify.managed": "false"}}, f"labels: coolify.managed {READ_BY}"),
    ({"labels": {"caddy_0": "x"}}, f"labels: caddy_0 {READ_BY}"),
    ({"labels": {"com.docker.compose.project": "x"}}, f"labels: com.docker.compose.project {READ_BY}"),
    ({"logging": {"driver": "syslog"}}, "logging: syslog takes the log away from get_app_logs; use json-file or local"),
    ({"networks": ["coolify"]}, "networks: the file has no network coolify"),
    (
        {"networks": {"default": {"ipv4_address": "192.0.2.9"}}},
        "networks: default: ipv4_address is not known to be harmless",
    ),
    (
        {"environment": {"SERVICE_FQDN_WEB_3000": "/"}},
        f"environment: SERVICE_FQDN_WEB_3000: {PUBLISHES}",
    ),
    (
        {"environment": {"A": "${SERVICE_URL_DB}"}},
        f"environment: A: {PUBLISHES}",
    ),
    ({"environment": {"A": "{{team.KEY}}"}}, "environment: A: Coolify puts the team's variables into {{...}}"),
    ({"extra_hosts": ["x:host-gateway"]}, "extra_hosts: x leads to host-gateway, which is no address"),
    (
        {"env_file": "/etc/shadow"},
        "env_file: reads a file that a pasted file does not bring; give its variables as `env` of deploy_app",
    ),
    (
        {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia"}]}}}},
        "deploy: resources.reservations.devices opens devices of the Muscle, or is not known",
    ),
    ({"deploy": {"resources": {"limits": {"pids": 600}}}, "pids_limit": None}, "pids_limit is not between 1 and 512"),
    ({"pids_limit": 0}, "pids_limit is not between 1 and 512"),
    ({"pids_limit": 513}, "pids_limit is not between 1 and 512"),
    ({"pids_limit": True}, "pids_limit is not between 1 and 512"),
    ({"runtime": "${R:-runsc}"}, "runtime is not runsc"),
    (
        {"scale": 20},
        "scale: 20: Coolify gives each service one container by a fixed name; leave it out, or the service",
    ),
    ({"scale": 0}, "scale: 0: Coolify gives each service one container by a fixed name; leave it out, or the service"),
    ({"pull_policy": "build"}, "pull_policy: build is no pull policy of a service that has an image and no build"),
    ({"command": []}, "command: an empty list does not arrive, Coolify makes an empty mapping of it"),
]


@pytest.mark.parametrize(("ask", "problem"), ASKS, ids=[str(ask) for ask, _ in ASKS])
def test_what_a_service_may_not_ask_for_is_named(ask: JsonObject, problem: str) -> None:
    """Each way out of the container, and each word that somebody else reads, is one problem with its reason."""
    assert compose_problems(file(ask), POLICY) == ((f"web: {problem}",) if problem else ())


SWAP = "memswap_limit, which counts memory too, is not between the memory limit and twice that, Docker's default"
MEMORY = ("mem_limit", "memswap_limit", "shm_size", "mem_reservation")


@pytest.mark.parametrize(
    "size", ["${MEM:-16g}", 0, -1, "0", "-1", "1x", "1gbb", "g", "1e9", "0x10", "1_000m", True, ""]
)
@pytest.mark.parametrize("key", MEMORY)
def test_a_size_that_docker_does_not_read_or_that_is_none_is_refused(key: str, size: JsonValue) -> None:
    """Unlimited, unreadable or decided later: none of them passes for a limit."""
    assert compose_problems(file({key: size}), POLICY) == (
        f"web: {key}: {size} is no size that Docker reads, or none at all: write one such as 512m",
    )


AT_ODDS: list[tuple[JsonObject, str]] = [
    (
        {"mem_limit": "1g", "deploy": {"resources": {"limits": {"memory": "1g"}}}},
        "mem_limit stands beside deploy.resources.limits.memory: Docker takes one of them",
    ),
    (
        {"mem_reservation": "8m", "deploy": {"resources": {"reservations": {"memory": "9m"}}}},
        "mem_reservation stands beside deploy.resources.reservations.memory: Docker takes one of them",
    ),
    ({"mem_limit": "5m"}, "has a memory limit below 6m, with which Docker starts nothing"),
    ({"mem_reservation": "6291455b"}, "has a memory reservation below 6m, with which Docker starts nothing"),
    ({"mem_limit": "1g", "mem_reservation": "2g"}, "the memory limit is below what the service reserves"),
    (
        {"mem_limit": "1g", "memswap_limit": "512m"},
        SWAP,
    ),
    ({"mem_limit": "64m", "memswap_limit": "129m"}, SWAP),
]


@pytest.mark.parametrize(("limits", "problem"), AT_ODDS, ids=[problem for _, problem in AT_ODDS])
def test_limits_that_docker_refuses_together_are_refused_before_anybody_approves(
    limits: JsonObject, problem: str
) -> None:
    """A file that Docker would not start is a problem of the plan, not of the deployment."""
    assert compose_problems(file(limits), POLICY) == (f"web: {problem}",)


NO_SECRET = "secrets.s: mounts a path of the Muscle; use environment, with the name of a variable"
NO_CONFIG = "configs.c: mounts a path of the Muscle; use content, which begins with something other than a variable"


TOPS: list[tuple[JsonObject, str]] = [
    ({"include": ["x.yaml"]}, "include: brings in files that this check does not see"),
    ({"volumes": {"dd": {"external": True}}}, "volumes.dd: names a volume that is not the app's own"),
    ({"volumes": {"dd": {"name": "other_data"}}}, "volumes.dd: names a volume that is not the app's own"),
    (
        {"volumes": {"dd": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}},
        "volumes.dd: driver options can mount any path of the Muscle",
    ),
    ({"volumes": {"a_b": None, "a-b": None}}, "volumes: a_b and a-b are one and the same to Coolify"),
    ({"networks": {"n": {"external": True}}}, "networks.n: names a network that is not the app's own"),
    (
        {"networks": {"n": {"driver": "macvlan"}}},
        "networks.n: only the bridge driver, without options, keeps the app behind Docker",
    ),
    (
        {"networks": {"n": {"driver_opts": {"com.docker.network.bridge.name": "eth0"}}}},
        "networks.n: only the bridge driver, without options, keeps the app behind Docker",
    ),
    ({"secrets": {"s": {}}}, NO_SECRET),
    ({"secrets": {"s": {"environment": ""}}}, NO_SECRET),
    ({"secrets": {"s": {"environment": "${TOKEN}"}}}, NO_SECRET),
    ({"secrets": {"s": {"environment": "HOME"}}}, "secrets.s: HOME may be a variable of the Muscle's own"),
    ({"secrets": {"s": {"environment": "TOKEN", "file": ""}}}, "secrets.s: file is not known to be harmless"),
    ({"configs": {"c": {}}}, NO_CONFIG),
    ({"configs": {"c": {"content": ""}}}, NO_CONFIG),
    ({"configs": {"c": {"content": "${NOPE}"}}}, NO_CONFIG),
    ({"configs": {"c": {"content": "${A:-}"}}}, NO_CONFIG),
    ({"configs": {"c": {"content": "x", "external": False}}}, "configs.c: external is not known to be harmless"),
    ({"configs": {"c": {"content": "x", "file": "./x"}}}, "configs.c: file is not known to be harmless"),
    (
        {"configs": {"c": {"content": "path ${PATH}"}}},
        "${PATH} may be a variable of the Muscle's own, or one that steers Docker Compose",
    ),
    ({"models": {"m": {"model": "x"}}}, "models: runs a program on the Muscle"),
]


@pytest.mark.parametrize(("top", "problem"), TOPS, ids=[problem for _, problem in TOPS])
def test_what_the_file_as_a_whole_may_not_ask_for_is_named(top: JsonObject, problem: str) -> None:
    """Volumes, networks and files that belong to somebody else are problems of the file."""
    assert compose_problems(file({}, **top), POLICY) == (problem,)


NOT_AS_IT_LOOKS: list[tuple[JsonObject, str]] = [
    (
        {"build": {"context": "https://git.example.com/a/b.git"}},
        "build: runs on the Muscle outside gVisor; give `image`, or deploy the repository itself",
    ),
    ({"cpus": "0.000000001"}, "cpus: 0.000000001 is no number of processors, or none at all: write one such as 0.5"),
    ({"cpu_quota": 999999999}, "cpu_quota: 999999999 says in two numbers what `cpus` says in one"),
    ({"cpu_shares": 262144}, "cpu_shares: 262144 is not between 2 and 1024, what everybody has"),
    (
        {"links": ["web:db"]},
        "links: changes the app's network past what is proved; services reach each other by their names",
    ),
    ({"group_add": ["5"]}, "group_add: gives groups of the server to the app"),
    ({"ulimits": {"nice": 5}}, "ulimits: nice is no limit that an app may set"),
    ({"network_mode": "service:web"}, "network_mode: service:web leaves the app's own network"),
    (
        {"volumes": ["aa:/d", "bb:/d/"]},
        "volumes: /d/ is mounted twice, or is no plain path: Docker takes the last of two",
    ),
    (
        {"deploy": {"restart_policy": {"condition": "any"}}},
        "deploy: restart_policy overrules `restart`; write that one",
    ),
    ({"image": "7"}, "image: 7 may be the id of an image on the Muscle, which may be another app's; write its tag"),
    (
        {"environment": {"COMPOSE_FILE": "x"}},
        "environment: COMPOSE_FILE: may be a variable of the Muscle's own, or steer Docker Compose; write its value",
    ),
    (
        {"environment": ["PATH"]},
        "environment: PATH: may be a variable of the Muscle's own, or steer Docker Compose; write its value",
    ),
]


@pytest.mark.parametrize(("ask", "problem"), NOT_AS_IT_LOOKS, ids=[problem for _, problem in NOT_AS_IT_LOOKS])
def test_what_docker_would_take_for_something_else_than_it_looks_is_refused(ask: JsonObject, problem: str) -> None:
    """No limit that is none, no variable of the server, no built image under the name of another."""
    assert compose_problems(file(ask), POLICY) == (f"web: {problem}",)


STEERING = (
    "PATH",
    "HOME",
    "LD_PRELOAD",
    "SSH_CONNECTION",
    "DOCKER_HOST",
    "COMPOSE_PROFILES",
    "GIT_CONFIG_COUNT",
    "https_proxy",
)


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("form", ["${{{}}}", "${}", "x ${{{}:-y}}"])
def test_a_variable_of_the_server_is_read_nowhere(name: str, form: str) -> None:
    """The shell that starts Docker Compose has such variables, and its values come before the app's own."""
    reason = f"${{{name}}} may be a variable of the Muscle's own, or one that steers Docker Compose"
    assert compose_problems(file({"environment": {"A": form.format(name)}}), POLICY) == (reason,)
    assert compose_problems(file({"command": form.format(name)}), POLICY) == (reason,)


def test_what_only_looks_like_a_variable_of_the_server_passes() -> None:
    """A doubled $ is a text, and a variable of the app's own may be set to anything."""
    ask: JsonObject = {"command": "echo $${HOME} $$PATH", "environment": {"PATH": "/app/bin", "HOME": "/app"}}
    assert compose_problems(file(ask), POLICY) == ()


@pytest.mark.parametrize("key", MEMORY)
@pytest.mark.parametrize("size", ["9" * 400 + "p", "9999999999p", 2**60, "1" * 20])
def test_a_size_that_no_server_has_is_refused(key: str, size: JsonValue) -> None:
    """Docker's number of 64 bits runs over and becomes another one, or none."""
    assert f"web: {key}: {size} is no size that Docker reads, or none at all: write one such as 512m" in (
        compose_problems(file({key: size}), POLICY)
    )


@pytest.mark.parametrize("compose", [{}, {"services": {}}, {"services": []}, {"services": None}])
def test_a_file_without_services_is_a_problem(compose: JsonObject) -> None:
    """A file that Coolify would read differently than we do is not waved through."""
    assert compose_problems(compose, POLICY) == ("the file has no services",)


@pytest.mark.parametrize("name", ["0", "123", "a b", "-x", "ä"])
def test_a_service_whose_name_breaks_coolify_is_a_problem(name: str) -> None:
    """A name of digits is a number to PHP."""
    words = "is no name for a service: use letters, digits, hyphens, dots and underscores"
    assert compose_problems({"services": {name: {"image": "a:1", **ISOLATED}}}, POLICY) == (f"{name!r} {words}",)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
KEYS = st.text(max_size=12) | st.sampled_from(
    [
        "privileged",
        "volumes",
        "build",
        "deploy",
        "cap_add",
        "labels",
        "ports",
        "security_opt",
        "x-a",
        "networks",
        "tmpfs",
    ]
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), VALUES)
def test_no_shape_of_a_file_breaks_the_check(service: JsonObject, top: JsonValue) -> None:
    """Whatever stands in a file, the check and the preparation give sentences, and never an error."""
    compose: JsonObject = {"services": {"web": service}, "volumes": top, "networks": top, "configs": top}
    assert all(isinstance(problem, str) for problem in compose_problems(compose, POLICY))
    made = prepared(compose, POLICY, memory="1g", cpus="1")
    assert all(isinstance(problem, str) for problem in compose_problems(made.document, POLICY))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), VALUES)
def test_a_key_that_nobody_knows_never_passes(key: str, value: JsonValue) -> None:
    """The list is one of what is good: a new key of Docker Compose is refused until somebody has looked at it."""
    known = "unknown_" + key
    says_nothing = value is None or value in ([], {})
    named = any("not known to be harmless" in problem for problem in compose_problems(file({known: value}), POLICY))
    assert named != says_nothing


@pytest.mark.parametrize("name", ["coolify", "coolify-proxy", "Coolify-DB", "host.docker.internal"])
def test_a_name_of_coolify_s_own_is_none_for_a_service_or_an_alias(name: str) -> None:
    """Its proxy is in the app's network too, and would find the app where it looks for Coolify."""
    words = "is a name of Coolify's own, which its proxy looks up in every network that it is in"
    assert compose_problems({"services": {name: {"image": "a:1", **ISOLATED}}}, POLICY) == (
        f"the service {name} {words}",
    )
    assert compose_problems(file({"networks": {"default": {"aliases": [name]}}}), POLICY) == (
        f"web: networks: default: the alias {name} {words}",
    )


OTHERWISE: list[tuple[JsonObject, str]] = [
    ({"image": f"docker.io/library/{'a' * 24}:1"}, f"image: docker.io/library/{'a' * 24} is what Coolify calls"),
    ({"labels": {"com.example.a": None}}, "labels: com.example.a has no value"),
    ({"labels": {"com.example.a=b": "c"}}, "labels: com.example.a=b holds a ="),
    ({"logging": {"options": {"max-size": "-1"}}}, "logging: max-size is -1, which Docker does not read"),
    ({"logging": {"options": {"max-file": 0}}}, "logging: max-file is 0, which Docker does not read"),
    ({"extra_hosts": ["a:host-gateway=1.1.1.1"]}, "extra_hosts: a:host-gateway is no name"),
    ({"environment": {"COOLIFY_URL": "x"}}, "environment: COOLIFY_URL: Coolify gives the variable a value of its own"),
    ({"environment": {"SERVICE_NAME_WEB": "x"}}, "environment: SERVICE_NAME_WEB: Coolify gives the variable a value"),
    ({"healthcheck": {"test": ["curl"]}}, "healthcheck: test: a list begins with CMD"),
    ({"deploy": {"placement": {}}}, "deploy: placement is not known"),
    ({"networks": "default"}, "networks: is not a list of names"),
    ({"user": 1000}, "user: is not a text"),
    ({"tmpfs": "/run:size=0"}, "tmpfs: /run:size=0 is no path of the container with known options"),
    ({"tmpfs": ["/run:size=many"]}, "tmpfs: /run:size=many is no path of the container with known options"),
    ({"tmpfs": "/run:size=10.5m"}, "tmpfs: /run:size=10.5m is no path of the container with known options"),
    ({"restart": "always:5"}, "restart: always:5 is no restart policy"),
    ({"stop_grace_period": "1h"}, "stop_grace_period: 1h is no time such as 1m30s, between 1ms and 600s"),
    ({"healthcheck": {"interval": "1us"}}, "healthcheck: interval: 1us is no time such as 1m30s, between 1ms and"),
    ({"healthcheck": {"timeout": "25h"}}, "healthcheck: timeout: 25h is no time such as 1m30s, between 1ms and"),
    ({"working_dir": "app"}, "working_dir: app is no absolute path"),
    ({"stop_signal": "SIGFOO"}, "stop_signal: SIGFOO is no signal"),
    ({"cpuset": "0--2"}, "cpuset: 0--2 names no processors"),
    ({"ulimits": {"nofile": {"soft": 7, "hard": 6}}}, "ulimits: nofile needs a number, or soft and hard, of which"),
    ({"ulimits": {"nofile": {"soft": -1, "hard": 6}}}, "ulimits: nofile needs a number, or soft and hard, of which"),
    ({"deploy": {"resources": {"reservations": {"pids": 5}}}}, "deploy: resources.reservations.pids opens devices"),
    ({"command": "echo a && rm b"}, "command: is a text with open quotes, or with one of ` ( ) ; & | < > outside"),
    ({"entrypoint": 'sh -c "a'}, "entrypoint: is a text with open quotes"),
    ({"command": "a\\"}, "command: is a text with open quotes"),
    ({"network_mode": "none", "networks": ["default"]}, "networks stands beside network_mode: Docker takes one"),
    ({"depends_on": ["web"]}, "depends_on: leads back to web itself"),
]


@pytest.mark.parametrize(("ask", "problem"), OTHERWISE, ids=[problem for _, problem in OTHERWISE])
def test_what_would_not_arrive_or_not_start_is_refused_in_the_plan(ask: JsonObject, problem: str) -> None:
    """Docker or Coolify would refuse or change it later, when somebody has approved it already."""
    (found,) = compose_problems(file(ask), POLICY)
    assert found.startswith(f"web: {problem}")


def test_a_service_has_no_name_like_an_app_and_networks_are_few() -> None:
    """Containers are known by the uuid in their names, and a server's addresses for networks run out."""
    name = f"x-{'v' * 24}"
    services: JsonObject = {name: {"image": "a:1", **ISOLATED}}
    assert compose_problems({"services": services}, POLICY) == (
        f"the service {name} has a part like the uuid of an app, by which containers are known",
    )
    networks: JsonObject = {f"n{number}": None for number in range(9)}
    assert compose_problems(file({}, networks=networks), POLICY) == (
        "networks: more than 8 use up the addresses of the Muscle",
    )
