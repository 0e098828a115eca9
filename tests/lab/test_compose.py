"""Compose files are what the Docker Compose of a real server takes them for: read by us, and written by us."""

import json
import random
from collections.abc import Iterator
from typing import Any, cast

import pytest
from pydantic import JsonValue

from ink_infra_mcp.core.compose.arriving import lost_in_coolify
from ink_infra_mcp.core.compose.forms import as_map
from ink_infra_mcp.core.compose.judging import JUDGES, compose_problems
from ink_infra_mcp.core.compose.preparing import for_docker, prepared
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.lab.bed import Bed
from tests.lab.ground.hosts import Server

PIECES = (
    *"0123456789",
    *"abeoxXTZ_.:+-=~",
    "yes",
    "NO",
    "null",
    "true",
    "0x",
    "0o",
    "0b",
    "1e",
    ".5",
    "2024-01-01",
    "inf",
)
ROUNDS, VALUES = 12, 60
COMMAND = (*"ab \\'\"`();|>&\n\t#=é", "'a b'", '"c d"', "x ")
WHOLE = """
x-common: &common {restart: always, init: true}
services:
  web:
    <<: *common
    image: registry.example.com/a/b:1
    command: ["sh", "-c", "exec node server.js --x=1"]
    environment: [A=1, B, "C=x: y", PORT=3000]
    volumes: ["data_dir:/var/data", {type: volume, source: logs.x, target: /logs, read_only: true}]
    tmpfs: /run
    expose: [3000]
    labels: {org.opencontainers.image.title: "My: app"}
    depends_on: [db]
    networks: [inner, default]
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost/"], interval: 30s, retries: 3}
    user: "1000:1000"
    stop_grace_period: 1m30s
    logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}
    ulimits: {nofile: {soft: 1024, hard: 2048}}
    configs: [{source: site, target: /etc/site.conf}]
    mem_limit: 1.5gb
    cpus: 0.5
    shm_size: 64m
    extra_hosts: ["a.example.com:192.0.2.7"]
  db:
    image: registry.example.com/redis:7
    deploy: {resources: {limits: {memory: 256M, cpus: "0.5", pids: 100}, reservations: {memory: 64M}}}
    volumes: [dbdata:/data]
    networks: {inner: {aliases: [cache]}}
    restart: "no"
networks: {inner: {internal: true}}
volumes: {data_dir: , logs.x: , dbdata: }
configs:
  site:
    content: |
      server {
        listen 80;
      }
"""
OURS = frozenset({"runtime", "cap_drop", "cap_add", "pids_limit", "mem_limit", "cpus"})


def understood(server: Server, text: str) -> dict[str, Any] | None:
    """Return what Docker Compose on the server makes of a file; None where it refuses it."""
    server.write("/root/compose.yml", text)
    words = ("docker", "compose", "--project-name", "it", "--file", "/root/compose.yml", "config", "--format", "json")
    said = server.run(*words)
    return cast(dict[str, Any], json.loads(said.stdout)) if said.returncode == 0 else None


def say_limits_at_the_service(service: dict[str, Any]) -> None:
    """Docker sets the same limit for `deploy.resources.limits` as for the service's own keys; ours has them there."""
    limits = service.get("deploy", {}).get("resources", {}).pop("limits", {})
    places = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}
    service |= {places[name]: value for name, value in limits.items()}


def scalars(number: int) -> dict[str, str]:
    """Return plain scalars as nobody would write them, the same ones for the same number."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    texts = ("".join(chance.choices(PIECES, k=chance.randint(1, 4))) for _ in range(VALUES))
    return {f"K{place}": text for place, text in enumerate(texts)}


def readable(values: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield those that the reader takes; what no file can hold is refused one by one."""
    for name, text in values.items():
        try:
            read_compose(f"a: {text}")
        except InputError:
            continue
        yield name, text


@pytest.mark.parametrize("number", range(ROUNDS))
def test_plain_scalars_are_what_docker_compose_reads(bed: Bed, number: int) -> None:
    """Numbers of every base, dates, words, signs: the variable has the same text, from their file and from ours."""
    server = bed.clean("muscle-1")
    values = dict(readable(scalars(number)))
    theirs_text = "services:\n  web:\n    image: a\n    environment:\n"
    theirs_text += "".join(f"      {name}: {text}\n" for name, text in values.items())
    theirs = understood(server, theirs_text)
    made = prepared(read_compose(theirs_text), load_isolation(None), memory="1g", cpus="1").document
    ours = understood(server, written(made))
    assert theirs is not None
    assert ours is not None
    assert ours["services"]["web"]["environment"] == theirs["services"]["web"]["environment"]
    kept = cast(dict[str, Any], made["services"])["web"]["environment"]
    assert as_map(kept) == {name: value or None if values[name] in ("~", "null") else value
                            for name, value in theirs["services"]["web"]["environment"].items()}  # fmt: skip


@pytest.mark.parametrize("number", range(4))
def test_a_text_for_a_command_is_taken_whole_or_refused(bed: Bed, number: int) -> None:
    """Quotes, operators, backslashes, line breaks: no word is dropped behind the back of who approved the text."""
    chance, server, policy = random.Random(number), bed.clean("muscle-1"), load_isolation(None)  # noqa: S311
    texts = {"".join(chance.choices(COMMAND, k=chance.randint(1, 6))) for _ in range(VALUES * 10)}
    services: JsonObject = {
        f"s{place}": {"image": "a:1", "command": f"{text} end"} for place, text in enumerate(sorted(texts))
    }
    made = prepared(read_compose(written({"services": services})), policy, memory="1g", cpus="1").document
    refused = {problem.partition(":")[0] for problem in compose_problems(made, policy)}
    taken = {name: service for name, service in services.items() if name not in refused}
    theirs = understood(server, json.dumps({"services": taken}))
    assert len(taken) > VALUES
    assert theirs is not None
    assert {service["command"][-1][-3:] for service in theirs["services"].values()} == {"end"}


def test_a_whole_file_means_what_it_meant_but_for_what_the_plan_adds(bed: Bed) -> None:
    """Short and long forms, merges, limits, files with content: isolation and limits are all that is added."""
    server = bed.clean("muscle-1")
    policy = load_isolation(None)
    made = prepared(read_compose(WHOLE), policy, memory="1g", cpus="1")
    assert (compose_problems(made.document, policy), lost_in_coolify(made.document), made.notes) == ((), (), [])
    theirs, ours = understood(server, WHOLE), understood(server, written(made.document))
    assert theirs is not None
    assert ours is not None
    theirs.pop("x-common")
    for name, service in ours["services"].items():
        say_limits_at_the_service(theirs["services"][name])
        # a short volume says `volume: {}`, a long one leaves it out
        for mount in (*service.get("volumes", ()), *theirs["services"][name].get("volumes", ())):
            mount.pop("volume", None)
        for key in OURS - theirs["services"][name].keys():
            service.pop(key, None)
    assert ours == theirs


ODD: tuple[JsonValue, ...] = (
    *(True, False, 0, 1, -1, 1.5, "", "a", "-1", "a:b", "a=b", "$X", "${X:-a}"),
    *(["a"], [1], [True], [None], [["a"]], [{"a": "b"}], [{"a": {"b": "c"}}], ["a", "a"], [""]),
    *({"a": "b"}, {"a": 1}, {"a": None}, {"a": True}, {"a": ["b"]}, {"a": {"b": "c"}}, {"": "x"}),
)
"""A value of each kind that a file can hold, few of them what a key wants."""
PARTS = {
    "healthcheck": ("test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"),
    "deploy": ("resources", "replicas", "restart_policy", "labels", "placement", "update_config", "mode"),
    "logging": ("driver", "options"),
    "ulimits": ("nofile",),
}
PLACES = ("target", "uid", "gid", "mode")
SETTINGS = {"configs": PLACES, "secrets": PLACES, "depends_on": ("",)}
"""Settings in the long form of a list; an empty text for the settings of a name."""


def odd_files(key: str) -> Iterator[JsonObject]:
    """Yield files with each of the odd values at a key of a service, of its parts, and beside the services."""
    beside: JsonObject = {
        "networks": {"a": None},
        "volumes": {"aa": None},
        "configs": {"a": {"content": "x"}},
        "secrets": {"a": {"environment": "X"}},
    }
    other: JsonObject = {"image": "b:1"}
    for odd in ODD:
        yield {"services": {"web": {"image": "a:1", key: odd}, "a": other}, **beside}
        for part in PARTS.get(key, ()):
            yield {"services": {"web": {"image": "a:1", key: {part: odd}}, "a": other}, **beside}
        for setting in SETTINGS.get(key, ()):
            wanted: JsonValue = {"a": odd} if setting == "" else [{"source": "a", setting: odd}]
            yield {"services": {"web": {"image": "a:1", key: wanted}, "a": other}, **beside}
        if key in beside:
            yield {"services": {"web": other, "a": other}, **beside, key: odd}
            yield {"services": {"web": other, "a": other}, **beside, key: {"aa": odd}}


@pytest.mark.parametrize("key", sorted(JUDGES))
def test_whatever_stands_at_a_key_what_we_take_docker_compose_takes(bed: Bed, key: str) -> None:
    """A text for a list, a list for a mapping, a number for a text: no plan has a file that Docker refuses for that."""
    server, policy = bed.clean("muscle-1"), load_isolation(None)
    taken: list[str] = []
    for odd in odd_files(key):
        made = prepared(read_compose(written(odd)), policy, memory="1g", cpus="1").document
        if not compose_problems(made, policy):
            taken.append(written(for_docker(made)))
    assert [text for text in dict.fromkeys(taken) if understood(server, text) is None] == []


@pytest.mark.parametrize(
    "text",
    ["services: {web: {image: 'a:1', mem_limit: 1x}}",
     "services: {web: {image: 'a:1', environment: {A: {b: c}}}}",
     "services: {web: {image: 'a:1'}, web: {image: 'b:1'}}",
     "services: {web: {image: 'a:1', cpus: 1, deploy: {resources: {limits: {cpus: 2}}}}}",
     "services: {web: {image: 'a:1', depends_on: [db]}}",
     "services: {web: {}}",
     "services: {web: {image: 'a:1', networks: [x]}}"],
    ids=range(7),
)  # fmt: skip
def test_what_docker_compose_refuses_is_refused_before_anybody_approves(bed: Bed, text: str) -> None:
    """A file that would not start is a problem of the plan."""
    assert understood(bed.clean("muscle-1"), text) is None
    policy = load_isolation(None)
    try:
        problems = compose_problems(prepared(read_compose(text), policy, memory="1g", cpus="1").document, policy)
    except InputError as error:
        problems = (str(error),)
    assert problems != ()
