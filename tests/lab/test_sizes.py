"""Sizes, counts, processors and times are to us what a real Docker reads, and limits that it refuses together too."""

import json
import random
import re
from itertools import product
from typing import Any

import pytest
from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.core.compose.resources import contradictions
from ink_infra_mcp.core.compose.sizes import count, processors, seconds, size_bytes
from ink_infra_mcp.core.plan import JsonObject
from tests.lab.bed import Bed
from tests.lab.composing import FILE, Said, config_of

TINY = "registry.lab:5000/library/tiny:1"
NUMBERS = ("0", "1", "7", "64", "512", "1023", "1.5", "0.5", "2.25", "1.", "007", ".5", "1_0", "-1", "+1", "1e3",
           "1.0000000001", "0x10", "999999999999999", "9999999999999999", "1,5", "\uff10", "",
           "3.999999999")  # fmt: skip
UNITS = ("", "b", "B", "k", "K", "kb", "kB", "KB", "kib", "KiB", "m", "M", "mb", "MiB", "g", "G", "gb", "GiB", "t",
         "TB", "tib", "p", "P", "pb", "e", "ki", "Mi", "bb", "bytes", "x", "kbb")  # fmt: skip
WHOLE: tuple[JsonValue, ...] = (0, 1, -1, 512, 2**50, 2**50 + 1, 2**53, 1.5, True)
SIZES: tuple[str, ...] = ("mem_limit", "mem_reservation", "memswap_limit", "shm_size")
MOST_BYTES = 2**50
NARROWER = re.compile(r"[0-9.]+ ?[kmgtp]i|[0-9]{16,}.*|[0-9]+\.[0-9]{10,}.*", re.IGNORECASE | re.ASCII)
"""What `size_bytes` says it does not take though a Docker does."""
REFUSED_ONES = 60


def generated(number: int) -> list[JsonValue]:
    """Return sizes in Docker's spellings and in others, the same ones for the same number."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    blanks = ("", "", "", " ", "  ", "\t")
    texts = (f"{chance.choice(NUMBERS)}{chance.choice(blanks)}{chance.choice(UNITS)}" for _ in range(800))
    return [*dict.fromkeys(texts), *WHOLE]


def services_of(said: Said) -> list[dict[str, Any]]:
    """Return what Compose makes of the services of a project, in the order in which they were given."""
    assert said.document is not None, said.err
    services = said.document["services"]
    return [services[f"s{at}"] for at in range(len(services))]


def file_of(*services: JsonObject) -> dict[str, str]:
    """Return a project of these services, called s0, s1 and so on."""
    return {FILE: json.dumps({"services": {f"s{at}": {"image": "a", **one} for at, one in enumerate(services)}})}


def test_a_size_is_the_bytes_that_docker_compose_reads(bed: Bed) -> None:
    """Units of both spellings, with and without blanks and fractions, at each key that takes a size."""
    sizes = {str(value): value for value in generated(1) if size_bytes(value) is not None}
    (said,) = config_of(bed.clean("muscle-1"), [file_of(*(dict.fromkeys(SIZES, size) for size in sizes.values()))])
    found = zip(sizes, services_of(said), strict=True)
    assert {text: {key: one[key] for key in SIZES} for text, one in found} == {
        text: dict.fromkeys(SIZES, str(size_bytes(size))) for text, size in sizes.items()
    }
    assert len(sizes) > 80


def test_what_is_no_size_is_none_to_docker_compose_or_no_limit(bed: Bed) -> None:
    """Refused, 0 or less, or more than any server has; what ours alone refuses is written where it does."""
    chance = random.Random(2)  # noqa: S311 - not for secrets
    refused = [value for value in generated(2) if size_bytes(value) is None]
    some = [*chance.sample(refused, REFUSED_ONES), "64Mi", "1.0000000001m", "-1", 0, -1, MOST_BYTES + 1]
    told = zip(some, config_of(bed.clean("muscle-1"), [file_of({"mem_limit": value}) for value in some]), strict=True)
    read = {str(value): int(services_of(said)[0].get("mem_limit") or 0) for value, said in told if said.document}
    limits = {text: size for text, size in read.items() if 0 < size <= MOST_BYTES}
    assert [text for text in limits if not NARROWER.fullmatch(text)] == []
    assert "64Mi" in limits


TIMES = ("0s", "1s", "90s", "1.5s", "1m30s", "1s1h", "100ms", "250us", "0.5h", "007m", "36h", "999999999us", "1ms1ms")
COUNTS: tuple[JsonValue, ...] = (1, 7, 100, 10**9 - 1, "1", "007", "512", "999999999")
CPUS: tuple[JsonValue, ...] = (1, 0.5, 0.01, 1.50, 7, "1", "007", "0.25", "1.125", "500")
UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "\u00b5s": 1e-6}


def limited(limit: str, value: JsonValue) -> JsonObject:
    """Return a service with a limit below `deploy`."""
    return {"deploy": {"resources": {"limits": {limit: value}}}}


def counted(value: JsonValue) -> JsonObject:
    """Return a service with a number at each key that takes a count."""
    check: JsonValue = {"test": "x", "retries": value}
    return {"pids_limit": value, "cpu_shares": value, "ulimits": {"nofile": value}, "healthcheck": check}


def timed(text: str) -> JsonObject:
    """Return a service with a time at keys that take one."""
    return {"healthcheck": {"test": "x", "interval": text, "start_period": text}, "stop_grace_period": text}


def go_seconds(text: str) -> float:
    """Return a time that Go has printed."""
    parts = re.findall(r"([0-9.]+)(h|ms|\u00b5s|m|s)", text)
    return sum(float(number) * UNIT_S[unit] for number, unit in parts)


def test_counts_processors_and_times_are_what_docker_compose_reads(bed: Bed) -> None:
    """Numbers and texts alike, at the keys of a service and below `deploy`; a time of several parts is their sum."""
    projects = [
        file_of(*map(counted, COUNTS)),
        file_of(*(limited("pids", value) for value in COUNTS)),
        file_of(*({"cpus": value} for value in CPUS)),
        file_of(*(limited("cpus", value) for value in CPUS)),
        file_of(*map(timed, TIMES)),
    ]
    counts, pids, cpus, deployed, times = map(services_of, config_of(bed.clean("muscle-1"), projects))
    limits = [[one["deploy"]["resources"]["limits"] for one in part] for part in (pids, deployed)]
    numbers = [
        [one["pids_limit"], one["cpu_shares"], one["ulimits"]["nofile"], one["healthcheck"]["retries"]]
        for one in counts
    ]
    assert numbers == [[count(value)] * 4 for value in COUNTS]
    assert limits == [[{"pids": count(value)} for value in COUNTS], [{"cpus": processors(value)} for value in CPUS]]
    assert [one["cpus"] for one in cpus] == [*map(processors, CPUS)]
    told = [(one["healthcheck"]["interval"], one["stop_grace_period"]) for one in times]
    assert [(go_seconds(one), go_seconds(other)) for one, other in told] == [
        (pytest.approx(seconds(text)),) * 2 for text in TIMES
    ]


_CREATE = """
import json, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

def create(words):
    return subprocess.run(["docker", "create", *words, sys.argv[1]], capture_output=True).returncode

with ThreadPoolExecutor(2) as workers:
    print(json.dumps(list(workers.map(create, json.load(sys.stdin)))))
"""
_Statuses = TypeAdapter(list[int])
OPTIONS = {"mem_limit": "--memory", "mem_reservation": "--memory-reservation", "memswap_limit": "--memory-swap"}
LIMITS = ("5m", "6291455b", "6m", "7m", "64m")
OTHERS = (None, "1m", "6291455b", "6m", "7m", "12m", "64m", "128m", "134217729b")
SWAP = "memswap_limit, which counts memory too, is not between the memory limit and twice that, Docker's default"
"""The one thing in which we are stricter: more swap than Docker gives by itself is refused, less than none by both."""


def test_limits_that_docker_refuses_together_are_those_that_a_plan_refuses(bed: Bed) -> None:
    """Memory, what is reserved of it, and swap, around their least and against each other; more swap is ours alone."""
    server = bed.fresh()
    server.say("docker", "pull", "--quiet", TINY)
    chance = random.Random(3)  # noqa: S311 - not for secrets
    triples = chance.sample([*product(LIMITS, OTHERS, OTHERS)], 150)
    asked = [{key: size for key, size in zip(OPTIONS, triple, strict=True) if size} for triple in triples]
    words = [[word for key, size in one.items() for word in (OPTIONS[key], size)] for one in asked]
    answer = server.say("python3", "-c", _CREATE, TINY, stdin=json.dumps(words))
    wrong: list[tuple[dict[str, str], int]] = []
    for one, status in zip(asked, _Statuses.validate_json(answer), strict=True):
        ours = {*contradictions(dict[str, JsonValue](one))}
        is_more_swap = (size_bytes(one.get("memswap_limit")) or 0) > 2 * (size_bytes(one["mem_limit"]) or 0)
        if bool(ours - {SWAP} if is_more_swap else ours) != bool(status):
            wrong.append((one, status))
        assert (SWAP in ours) >= is_more_swap
    assert wrong == []
