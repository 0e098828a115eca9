"""Memory limits: how Docker's words are read, and what a compose file promises with and without our defaults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.apps.limits import compose_of, limit_bytes, promised_bytes
from ink_infra_mcp.core.fleet import memory_bytes
from ink_infra_mcp.core.plan import JsonObject

MIB = 2**20
DEFAULT = "512m"
limits = st.tuples(st.integers(6, 4096).map(str), st.sampled_from("mg")).map("".join)


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        ("512m", 512 * MIB),
        ("1.5G", 1536 * MIB),
        ("64mb", 64 * MIB),
        ("64GiB", 65536 * MIB),
        ("1t", 2**40),
        ("1024", 1024),
        ("0", 0),
        ("", 0),
        ("none", 0),
        ("-1m", 0),
        ("1m 2m", 0),
    ],
)
def test_a_limit_is_read_as_docker_means_it(limit: str, size: int) -> None:
    """Units in either case, a trailing b, plain bytes; everything else is no limit."""
    assert limit_bytes(limit) == size


@given(st.lists(st.one_of(st.none(), limits, limits.map(lambda limit: {"deploy": limit})), min_size=1, max_size=5))
def test_what_is_promised_is_what_every_service_may_use(wanted: list[str | dict[str, str] | None]) -> None:
    """Own limits count as they are, in either spelling, as often as the service runs; the default fills the rest."""
    services: JsonObject = {}
    expected = 0
    for number, limit in enumerate(wanted):
        if isinstance(limit, dict):
            resources: JsonObject = {"limits": {"memory": limit["deploy"]}}
            services[f"s{number}"] = {"deploy": {"replicas": 3, "resources": resources}}
            expected += 3 * memory_bytes(limit["deploy"])
        else:
            services[f"s{number}"] = {"mem_limit": limit} if limit else {}
            expected += memory_bytes(limit or DEFAULT)
    assert promised_bytes({"services": services}, otherwise=memory_bytes(DEFAULT)) == expected


@pytest.mark.parametrize("text", ["", "hello", "- a\n", "services: 1\n", "services: {}\n", "services: [", "a: &a [*a]"])
def test_text_that_is_no_compose_file_promises_nothing(text: str) -> None:
    """What a token may not read is empty; that and any other text is told from a file."""
    assert compose_of(text) is None
