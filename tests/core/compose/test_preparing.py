"""A compose file as it will run: isolated, limited, written so that all readers agree, each change of meaning told."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.compose.arriving import lost_in_coolify
from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.preparing import prepared, shaped
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.writing import written
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import JsonObject
from tests.core.compose.given import ISOLATED, POLICY


def made_of(text: str) -> JsonObject:
    """Return the services of a file as they will run."""
    services = prepared(read_compose(text), POLICY, memory="1g", cpus="1").document["services"]
    assert isinstance(services, dict)
    return services


def test_what_is_left_out_is_told_and_nothing_else_changes() -> None:
    """Published ports, names and numbers of containers go, anonymous volumes get a name: each in words."""
    made = prepared(
        read_compose(
            """
            services:
              web:
                image: a:1
                container_name: coolify-proxy
                ports: ["3000:3000", 53:53/udp, {target: 443, published: 8443}]
                expose: [9000]
                volumes: [/cache, data:/data:ro, {type: volume, target: /more}]
                environment: [A=1, B, "C=x: y"]
              worker: {image: a:1, deploy: {replicas: 4, mode: global}, runtime: runc, pids_limit: 9999, cap_add: []}
              other: {image: a:1, volumes: ["data:/data:z,nocopy"], deploy: {placement: {}}, pids_limit: 5}
            """
        ),
        POLICY,
        memory="1g",
        cpus="1",
    )
    assert made.document == {
        "services": {
            "web": {
                "image": "a:1",
                "volumes": ["web-cache:/cache", "data:/data:ro", "web-more:/more"],
                "environment": {"A": "1", "B": None, "C": "x: y"},
                "expose": ["9000", "3000", "53/udp", "443"],
                **ISOLATED,
            },
            "worker": {"image": "a:1", **{key: value for key, value in ISOLATED.items() if key != "cap_add"}},
            "other": {"image": "a:1", "volumes": ["data:/data"], **ISOLATED, "pids_limit": 5},
        },
        "volumes": {"web-cache": None, "data": None, "web-more": None},
    }
    by_proxy = "is not published on the server; users come by the proxy"
    assert made.notes == [
        f"web: port 3000:3000 {by_proxy}",
        f"web: port 53:53/udp {by_proxy}",
        f"web: port 8443 {by_proxy}",
        "web: the name coolify-proxy is left out; Coolify names containers",
        "web: /cache is kept in the volume web-cache",
        "web: /more is kept in the volume web-more",
        "worker: deploy.mode is left out; it is for a swarm",
        "worker: runs once and not 4 times; Coolify gives each service one container",
        "other: deploy.placement is left out; it is for a swarm",
        "other: nocopy of data:/data:z,nocopy is left out",
        "other: z of data:/data:z,nocopy is left out",
        "worker: runtime is runsc by policy and not runc",
        "worker: pids_limit is 512 by policy and not 9999",
    ]


def test_a_limit_of_the_file_stays_and_no_second_one_stands_beside_it() -> None:
    """Docker refuses one limit in two places, and a quota of processors beside their number."""
    services = made_of(
        """
        services:
          a: {image: 'a:1', mem_limit: 2g, cpus: 2, pids_limit: 64, cap_add: [CAP_CHOWN]}
          b: {image: 'a:1', deploy: {resources: {limits: {memory: 64m, cpus: "0.5", pids: 10}}}}
          c: {image: 'a:1', cpu_quota: 50000, cpu_period: 100000, pids_limit: -1}
        """
    )
    fixed: JsonObject = {"runtime": "runsc", "cap_drop": ["ALL"], "cap_add": ["CHOWN"]}
    assert services == {
        "a": {"image": "a:1", "mem_limit": "2g", "cpus": 2, "pids_limit": 64, **fixed},
        "b": {"image": "a:1", "mem_limit": "64m", "cpus": "0.5", "pids_limit": 10, **fixed},
        "c": {"image": "a:1", "cpus": "0.5", "pids_limit": 512, "mem_limit": "1g", **fixed},
    }


@pytest.mark.parametrize("limits", [{"memory": "64m"}, {"cpus": "0.5"}, {"pids": 10}, {"memory": "64m", "pids": 10}])
def test_limits_stand_in_one_place_whichever_of_them_the_file_has(limits: JsonObject) -> None:
    """Compose refuses a file with some limits under `deploy` and others beside it."""
    places = {"memory": "mem_limit", "cpus": "cpus", "pids": "pids_limit"}
    service: JsonObject = {
        "image": "a:1",
        "deploy": {"resources": {"limits": limits, "reservations": {"memory": "8m"}}},
    }
    made = prepared({"services": {"a": service}}, POLICY, memory="1g", cpus="1").document
    assert made["services"] == {
        "a": {
            "image": "a:1",
            "deploy": {"resources": {"reservations": {"memory": "8m"}}},
            "runtime": "runsc",
            "cap_drop": ["ALL"],
            "cap_add": ["CHOWN"],
            "mem_limit": "1g",
            "cpus": "1",
            "pids_limit": 512,
            **{places[key]: limit for key, limit in limits.items()},
        }
    }


def test_isolation_replaces_what_the_file_says_of_it() -> None:
    """Another runtime or fewer dropped capabilities are not kept; added ones are, to be refused."""
    services = made_of("services: {a: {image: 'a:1', runtime: runc, cap_drop: [NET_RAW], cap_add: [SYS_ADMIN]}}")
    assert services == {"a": {"image": "a:1", **ISOLATED, "cap_add": ["SYS_ADMIN"]}}


SCALARS = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20)
KEYS = st.text(max_size=8).filter(lambda key: key != "<<")
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@given(DOCUMENTS)
def test_what_is_written_is_read_back_as_it_was(document: JsonObject) -> None:
    """Whatever text stands in it: quotes, line breaks, signs, characters that nobody sees."""
    assert read_compose(written({"x": document})) == {"x": document}


@given(st.text(alphabet="ab \n#:-'\"\\{}|>&*!%@`", max_size=30))
def test_lines_of_text_are_read_back_line_by_line(text: str) -> None:
    """A block of lines keeps its indents, its empty lines and its end."""
    assert read_compose(written({"a": {"b": text}, "c": [text]})) == {"a": {"b": text}, "c": [text]}


@given(st.text(max_size=300))
def test_preparing_twice_changes_nothing_more(text: str) -> None:
    """The text that is sent means itself: read back and prepared again it is the same text."""
    with suppress(InputError):
        once = prepared(read_compose(text), POLICY, memory="1g", cpus="1").document
        again = prepared(read_compose(written(once)), POLICY, memory="1g", cpus="1").document
        assert (compose_problems(again, POLICY), written(again)) == (compose_problems(once, POLICY), written(once))


def test_a_file_that_coolify_wrote_anew_is_the_same_document() -> None:
    """Other quotes, other indents, `{  }` for what is empty, lists and mappings: documents are compared, not text."""
    sent = "services: {web: {image: 'a:1', environment: [A=1, 'B=x y'], networks: [default], volumes: [data:/d]}}"
    stored = (
        "services:\n  web:\n    image: 'a:1'\n    environment:\n      A: '1'\n      B: 'x y'\n    networks:\n"
        "      - default\n    cap_add: {  }\n    volumes:\n      -\n        type: volume\n        source: data\n"
        "        target: /d\nvolumes:\n  data: {  }\nversion: '3'\n"
    )
    assert shaped(read_compose(stored)).document == shaped(read_compose(sent)).document


@pytest.mark.parametrize(
    "text",
    [
        "0o022",
        "0o+1",
        "0b11",
        "0B11",
        "0O17",
        "+0b1",
        ".inf",
        ".NaN",
        "1__0.5",
        "0b_1",
        " \na",
        "\n  \n#",
        "1e1_0",
        "\n",
        "\n \n",
        "a\0b",
        "a\x01b",
        "\x1f",
        "\x80",
        "\x9f",
        "\ufffe",
        "\U0001ffff",
    ],
)
def test_a_text_that_coolify_writes_so_that_docker_reads_another_is_refused(text: str) -> None:
    """Run with Coolify's own parser and Docker Compose 2.26: these do not arrive."""
    (reason,) = lost_in_coolify({"a": [{"b": text}]})
    assert "does not arrive" in reason or "no file can" in reason


@pytest.mark.parametrize(
    "text",
    ["yes", "NO", "12345e6", "1e3", "007", "0x1F", ".5", "1.10", "~", "null", "=", "", "2024-01-01", "0x", "-0b1",
     "1_000", "22:22", "a: b", " x ", "\n  a", "a\n \nb", "a\nb\n", "it's", '"q"', "\\", "#", "0o9", "\u2028", "\x7f",
     "\x1b[1m", "\x85", "\U0001f642"],
)  # fmt: skip
def test_a_text_that_arrives_is_not_refused(text: str) -> None:
    """Run with Coolify's own parser and Docker Compose 2.26: these arrive as they are."""
    assert lost_in_coolify({"a": text, "b": [text]}) == ()
