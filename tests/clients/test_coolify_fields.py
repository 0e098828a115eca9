"""The parsers of single fields keep their promises on whatever comes."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter

from ink_infra_mcp.clients.coolify.apps import Application, same_repository
from ink_infra_mcp.clients.coolify.buildlog import Deployment, LogLine
from ink_infra_mcp.clients.coolify.fields import When, as_compose_domains, as_domains
from ink_infra_mcp.clients.coolify.status import Status, parse_status
from ink_infra_mcp.clients.coolify.wire import rows
from ink_infra_mcp.core.errors import BadAnswer
from tests.clients.coolify_wire import APP, DEPLOYMENT, refusal

WHEN: TypeAdapter[datetime | None] = TypeAdapter(When)
WORD = st.from_regex(r"[a-z][a-z_-]{0,10}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {"output": st.text(max_size=30), "type": st.sampled_from(["stdout", "stderr"]), "hidden": st.booleans()}
)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("running:healthy", Status(state="running", health="healthy")),
        ("running (healthy)", Status(state="running", health="healthy")),
        ("Running:Unknown", Status(state="running", health="unknown")),
        ("exited", Status(state="exited")),
        ("exited:unhealthy", Status(state="exited", health="unhealthy")),
        ("degraded:unhealthy:excluded", Status(state="degraded", health="unhealthy", excluded=True)),
        ("", Status()),
        ("::", Status()),
        ("<script>", Status()),
    ],
)
def test_a_status_is_taken_apart(text: str, status: Status) -> None:
    """State, health and the mark of exclusion come apart in every form seen."""
    assert parse_status(text) == status


@given(WORD, WORD, st.booleans())
def test_any_words_make_a_status(state: str, health: str, excluded: bool) -> None:
    """Words that Coolify may add later are kept as they are."""
    text = f"{state}:{health}" + (":excluded" if excluded else "")
    assert parse_status(text) == Status(state=state, health=health, excluded=excluded)


@given(st.text())
def test_no_text_breaks_the_status(text: str) -> None:
    """Any text is a status, in short words."""
    status = parse_status(text)
    assert max(len(status.state), len(status.health)) <= 32


@pytest.mark.parametrize(
    ("state", "health", "running"),
    [
        ("running", "healthy", True),
        ("running", "unknown", True),
        ("running", "unhealthy", False),
        ("running", "starting", False),
        ("exited", "healthy", False),
    ],
)
def test_running_means_that_no_health_check_fails(state: str, health: str, running: bool) -> None:
    """An app without a health check counts as running; one that still starts does not."""
    assert Status(state=state, health=health).running is running


@given(st.dictionaries(st.integers(0, 99).map(str), st.dictionaries(st.text(), st.integers())))
def test_an_object_shaped_list_is_its_values(value: dict[str, dict[str, int]]) -> None:
    """The rows of an object are its values, in their order."""
    body: JsonValue = {key: dict(row) for key, row in value.items()}
    assert rows("Coolify", refusal(200, body)) == list(value.values())


@given(JSON)
def test_rows_are_objects_or_a_bad_answer(value: JsonValue) -> None:
    """Any JSON is a list of objects or a BadAnswer, nothing in between."""
    try:
        found = rows("Coolify", refusal(200, value))
    except BadAnswer:
        found = None
    items = list(value.values()) if isinstance(value, dict) else value
    good = isinstance(items, list) and all(isinstance(item, dict) for item in items)
    assert found == (items if good else None)


@given(st.lists(ENTRY, max_size=5))
def test_a_log_keeps_its_entries_in_order(entries: list[dict[str, object]]) -> None:
    """Every entry of a log becomes one line, in the order of its number."""
    numbered = [{**entry, "order": place} for place, entry in enumerate(entries)]
    deployment = Deployment.model_validate(
        {"deployment_uuid": DEPLOYMENT, "logs": json.dumps(list(reversed(numbered)))}
    )
    lines = deployment.lines or ()
    assert [line.order for line in lines] == list(range(len(entries)))
    assert [line.hidden for line in lines] == [entry["hidden"] for entry in entries]
    assert len(deployment.visible) == sum(not entry["hidden"] for entry in entries)


@given(JSON | st.text())
def test_no_log_breaks_a_deployment(value: JsonValue) -> None:
    """Whatever stands in `logs`, as JSON or as any text, gives lines or none."""
    for logs in (value, json.dumps(value)):
        deployment = Deployment.model_validate({"deployment_uuid": DEPLOYMENT, "logs": logs})
        assert isinstance(deployment.lines, tuple)


def test_a_log_that_came_as_an_object_is_read() -> None:
    """A log with gaps in its keys arrives as an object; retry entries lack most fields."""
    logs = '{"0": {"output": "a"}, "4": {"output": null, "order": "x", "type": 7, "timestamp": "x"}, "5": "b"}'
    assert Deployment.model_validate({"deployment_uuid": DEPLOYMENT, "logs": logs}).lines == (
        LogLine(untrusted_text="a", order=0),
        LogLine(untrusted_text="", order=1),
    )


def test_a_log_nested_too_deep_is_no_log() -> None:
    """JSON that would exhaust the parser is taken for no log at all."""
    assert Deployment.model_validate({"deployment_uuid": DEPLOYMENT, "logs": "[" * 100_000}).lines == ()


@pytest.mark.parametrize(
    ("status", "finished_at", "over"),
    [
        ("queued", None, False),
        ("in_progress", "2026-01-02T03:04:05Z", False),
        ("finished", None, True),
        ("failed", None, True),
        ("cancelled-by-user", None, True),
        ("timed-out", None, False),
        ("timed-out", "2026-01-02T03:04:05Z", True),
    ],
)
def test_a_deployment_is_over_when_it_says_so(status: str, finished_at: str | None, over: bool) -> None:
    """Known end states are the end; a new one is, once it has an end time."""
    row = {"deployment_uuid": DEPLOYMENT, "status": status, "finished_at": finished_at}
    assert Deployment.model_validate(row).is_over is over


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))
def test_dates_are_instants_with_and_without_a_zone(moment: datetime) -> None:
    """A date without a zone is UTC, as Coolify stores it."""
    expected = moment.replace(tzinfo=UTC)
    assert WHEN.validate_python(f"{moment.isoformat()}Z") == expected
    assert WHEN.validate_python(moment.isoformat(sep=" ")) == expected
    shifted = expected + timedelta(hours=2)
    assert WHEN.validate_python(f"{shifted.replace(tzinfo=None).isoformat()}+02:00") == expected


@given(JSON | st.text())
def test_what_is_no_date_is_none(value: JsonValue) -> None:
    """Nothing breaks a date: it is an aware instant or None."""
    moment = WHEN.validate_python(value)
    assert moment is None or moment.tzinfo is not None


@given(st.lists(st.from_regex(r"https?://[a-z]{1,8}\.example\.com", fullmatch=True), max_size=4))
def test_domains_come_apart_once_each(urls: list[str]) -> None:
    """A comma-separated text is its parts, in order and without repeats, blanks or empty ones."""
    assert as_domains(" , ".join([*urls, ""])) == tuple(dict.fromkeys(urls))


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        (None, ()),
        ("", ()),
        ("[]", ()),
        ("{}", ()),
        ("not json", ()),
        ('{"web": {"domain": "https://a.example.com,https://b.example.com", "redirect": "www"}}', ("a", "b")),
        ('{"web": "https://a.example.com"}', ("a",)),
        ('{"web": {"domain": null}, "api": []}', ()),
    ],
)
def test_compose_domains_are_read_from_their_json(value: object, domains: tuple[str, ...]) -> None:
    """The JSON text of compose domains gives the URLs of each service, and nothing for services without."""
    expected = {"web": tuple(f"https://{domain}.example.com" for domain in domains)} if domains else {}
    assert as_compose_domains(value) == expected


@given(JSON)
def test_no_compose_domains_break_an_app(value: JsonValue) -> None:
    """Whatever stands in `docker_compose_domains`, the app is read."""
    assert Application.model_validate({"uuid": APP, "docker_compose_domains": json.dumps(value)}).uuid == APP


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://github.com/Example/Shop.git", "example/shop", True),
        ("git@github.com:example/shop.git", "https://github.com/example/shop/", True),
        ("ssh://git@github.com/example/shop", "example/shop", True),
        ("https://git.example.com/example/shop", "example/shop", False),
        ("https://git.example.com/example/shop.git", "https://git.example.com/example/shop", False),
        ("https://git.example.com/example/Shop", "https://git.example.com/example/shop", False),
        ("example/shop", "example/shop2", False),
    ],
)
def test_spellings_of_one_repository_are_the_same(one: str, other: str, same: bool) -> None:
    """Coolify cuts GitHub addresses down; another host is another repository."""
    assert same_repository(one, other) is same
