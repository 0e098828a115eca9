"""Coolify's pretend database, as psql in its container shows and changes it."""

import pytest

from ink_infra_mcp.sandbox.hosts.database import Said, psql_words, run_psql
from ink_infra_mcp.sandbox.seed import SERVERS, seed
from ink_infra_mcp.sandbox.state_coolify import CoolifyState

HOW = ("-X", "-q", "-A", "-t", "--single-transaction", "-v", "ON_ERROR_STOP=1")
MUSCLE = SERVERS["muscle-1"]
LOOK = "SELECT uuid, wildcard_domain FROM servers JOIN server_settings ON server_id = servers.id WHERE uuid = :'it';"


@pytest.fixture
def coolify() -> CoolifyState:
    """Return the demo world's Coolify."""
    return seed(1_795_000_000.0).coolify


def test_rows_are_lines_and_columns_are_parted_by_bars(coolify: CoolifyState) -> None:
    """As psql prints with -A and -t."""
    said = run_psql(coolify, (*HOW, "-v", f"it={MUSCLE}", "-f", "-"), LOOK, now=1.0)
    assert said == Said(f"{MUSCLE}|https://s1.example.com\n")


def test_an_update_reaches_the_world(coolify: CoolifyState) -> None:
    """What is written to the column is what the API shows; with -q nothing is said of it."""
    change = "UPDATE server_settings SET wildcard_domain = :'it' WHERE wildcard_domain = 'https://s1.example.com';"
    assert run_psql(coolify, (*HOW, "-v", "it=it's", "-f", "-"), change, now=1.0) == Said()
    found = {server.uuid: server.settings.wildcard_domain for server in coolify.servers}
    assert (found[MUSCLE], found[SERVERS["muscle-2"]]) == ("it's", "https://s2.example.com")


@pytest.mark.parametrize("script", ["SELECT * FROM nothing;", "SELECT :'unset';", "nonsense"])
def test_an_error_ends_with_three_and_changes_nothing(coolify: CoolifyState, script: str) -> None:
    """ON_ERROR_STOP makes psql end so (its manual, Exit Status)."""
    before = coolify.model_copy(deep=True)
    said = run_psql(coolify, (*HOW, "-f", "-"), script, now=1.0)
    assert said is not None
    assert said.status == 3
    assert said.complaint.startswith("psql:<stdin>: ERROR:")
    assert coolify == before


@pytest.mark.parametrize("words", [("-f", "-"), (*HOW, "-c", "SELECT 1"), (*HOW, "-f", "file"), HOW, HOW[:-2]])
def test_a_call_that_nobody_taught_is_unknown(coolify: CoolifyState, words: tuple[str, ...]) -> None:
    """Other options would print otherwise: they are no answer."""
    assert run_psql(coolify, words, "SELECT 1;", now=1.0) is None


@pytest.mark.parametrize(
    "command",
    [
        "docker exec -i coolify-db psql -U coolify",
        "exec docker exec -i coolify-db sh -c 'exec psql' psql -X",
        "exec docker exec coolify-db sh -c true",
        "exec docker ps",
    ],
)
def test_another_way_into_the_container_is_none(command: str) -> None:
    """Only the one that is taught is found."""
    assert psql_words(command) == ()
