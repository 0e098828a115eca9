"""Whole compose files mean what they meant to a real Docker Compose, but for what the plan adds or says in a note."""

import re
from typing import Any

import pytest

from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import Prepared, for_docker, prepared
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.settings.policy_files import load_isolation
from tests.lab.bed import Bed
from tests.lab.compose_files import compose_file
from tests.lab.composing import FILE, config_of
from tests.lab.test_compose import say_limits_at_the_service

POLICY = load_isolation(None)
FILES, ROUNDS = 40, 2
MEMORY, CPUS = "1g", "1"
ADDED: dict[str, Any] = {
    "runtime": POLICY.runtime,
    "cap_drop": list(POLICY.cap_drop),
    "cap_add": list(POLICY.cap_add),
    "pids_limit": POLICY.pids_limit,
    "mem_limit": str(2**30),
    "cpus": 1,
}
"""What the plan adds where the file says nothing."""
PERIOD_US = 100_000


def taken(number: int) -> Prepared | None:
    """Return a file as a plan has it; None for one that it refuses."""
    made = prepared(read_compose(compose_file(number)), POLICY, memory=MEMORY, cpus=CPUS)
    return None if compose_problems(made.document, POLICY) else made


def as_noted(theirs: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return what Compose makes of the original, changed as the notes say, with the plan's additions."""
    theirs = {key: value for key, value in theirs.items() if not key.startswith("x-")}
    for name, service in theirs["services"].items():
        of_it = [note.removeprefix(f"{name}: ") for note in notes if note.startswith(f"{name}: ")]
        in_one_shape(service)
        for note in of_it:
            follow(note, service, theirs)
        theirs["services"][name] = ADDED | service
    return theirs


def follow(note: str, service: dict[str, Any], whole: dict[str, Any]) -> None:
    """Change a service as a note says; each port, mount and key that is named stands there."""
    if found := re.fullmatch(r"port (\S+) is not published .*", note):
        unpublished(service)
    elif re.fullmatch(r"the name \S+ is left out; .*", note):
        del service["container_name"]
    elif found := re.fullmatch(r"deploy\.(\S+) is left out; .*", note):
        del service["deploy"][found[1]]
    elif found := re.fullmatch(r"runs once and not (\d+) times; .*", note):
        assert service["deploy"].pop("replicas") == int(found[1])
    elif found := re.fullmatch(r"(.+) is kept in the volume (\S+)", note):
        (mount,) = [mount for mount in service["volumes"] if mount["target"] == found[1] and "source" not in mount]
        mount["source"] = found[2]
        whole.setdefault("volumes", {})[found[2]] = {"name": f"it_{found[2]}"}
    elif found := re.fullmatch(r"nocopy of (?:[^/]+:)?(.+?)(?::nocopy)? is left out", note):
        (mount,) = [mount for mount in service["volumes"] if mount["target"] == found[1]]
        del mount["volume"]["nocopy"]
    else:
        found = re.fullmatch(r"(\S+) is .* by policy and not .*", note)
        assert found, note
        service[found[1]] = ADDED[found[1]]


def unpublished(service: dict[str, Any]) -> None:
    """A port that is not published is still exposed, to the proxy."""
    inner = [f"{port['target']}{'/udp' if port['protocol'] == 'udp' else ''}" for port in service.pop("ports", [])]
    if inner:
        service["expose"] = [*service.get("expose", []), *inner]


def in_one_shape(service: dict[str, Any]) -> None:
    """Put aside what says the same: limits in two places, CAP_, copies of one, a key of the file's own."""
    say_limits_at_the_service(service)
    if quota := service.pop("cpu_quota", None):
        service["cpus"] = int(quota) / PERIOD_US
    if "cap_add" in service:
        service["cap_add"] = [name.upper().removeprefix("CAP_") for name in service["cap_add"]]
    if service.get("deploy", {}).get("replicas") == 1:
        del service["deploy"]["replicas"]
    for key in [key for key in service if key.startswith("x-")]:
        del service[key]


def told_alike(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document in one of the spellings in which Compose prints the same: what is empty, ranges, defaults."""
    for service in document["services"].values():
        for mount in service.get("volumes", ()):
            if not mount.get("volume", True):
                del mount["volume"]
        deploy = service.get("deploy", {})
        if not any(deploy.get("resources", {}).values()):
            deploy.pop("resources", None)
        if not any(deploy.values()):
            service.pop("deploy", None)
        if "expose" in service:
            service["expose"] = sorted({port for entry in service["expose"] for port in each_port(entry)})
        networks: dict[str, Any] = service.get("networks") or {}
        service["networks"] = {name: settings or None for name, settings in networks.items()}
    for volume in document.get("volumes", {}).values():
        if volume.get("driver") == "local":
            del volume["driver"]
    return document


def each_port(entry: str) -> list[str]:
    """Return the ports of a range one by one."""
    numbers, slash, protocol = entry.partition("/")
    first, _, last = numbers.partition("-")
    return [f"{number}{slash}{protocol}" for number in range(int(first), int(last or first) + 1)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_file_means_what_it_meant_less_what_the_plan_adds_or_notes(bed: Bed, number: int) -> None:
    """Merges, forms, quotes, numbers, commands, checks, limits, mounts: nothing else changes, nothing is refused."""
    plans = {at: made for at in range(number * FILES, (number + 1) * FILES) if (made := taken(at)) is not None}
    texts = [text for at, made in plans.items() for text in (compose_file(at), written(for_docker(made.document)))]
    said = config_of(bed.clean("muscle-1"), [{FILE: text} for text in texts])
    wrong: dict[str, object] = {}
    for (at, made), original, ours in zip(plans.items(), said[::2], said[1::2], strict=True):
        if original.document is None or ours.document is None:
            wrong[compose_file(at)] = (original.err, ours.err)
            continue
        expected, found = told_alike(as_noted(original.document, made.notes)), told_alike(ours.document)
        if expected != found:
            wrong[compose_file(at)] = (expected, found)
    assert wrong == {}
    assert len(plans) > FILES * 0.6
