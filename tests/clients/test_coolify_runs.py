"""What Coolify would run: every field counts but those that stand on the list with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.clients.coolify.runs import (
    NOT_OF_APPS,
    NOT_OF_PARTS,
    NOT_OF_SERVICES,
    NOT_OF_VARIABLES,
    PLAIN,
    of_application,
    of_service,
    of_storages,
    of_variables,
)
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.secret import Secret

PINNING = Pinning(Secret("a token"))
APP: JsonObject = {"uuid": "a", "fqdn": "https://a.example.com", "custom_labels": None, "dockerfile": None}
NAMES = st.from_regex(r"[a-z]+(_[a-z]+){0,3}", fullmatch=True)


@given(NAMES.filter(lambda name: name not in {*NOT_OF_APPS, *APP, "domains", "settings"}), st.integers(1, 9))
def test_a_field_that_nobody_has_judged_counts(name: str, value: int) -> None:
    """In the row of an app, in its settings, in that of a service, of its container, of a variable and of a mount."""
    one: JsonObject = {name: value}
    other: JsonObject = {name: value + 1}
    assert of_application(APP | one, PINNING) != of_application(APP | other, PINNING)
    settings = [of_application({**APP, "settings": each}, PINNING) for each in (one, other)]
    assert settings[0] != settings[1]
    if name not in NOT_OF_SERVICES:
        assert of_service({**one}, PINNING) != of_service({**other}, PINNING)
    if name not in NOT_OF_PARTS:
        parts = [of_service({"applications": [{"name": "web", **each}]}, PINNING) for each in (one, other)]
        assert parts[0] != parts[1]
    if name not in NOT_OF_VARIABLES:
        rows = [of_variables([{"key": "A", "value": "1", **each}], PINNING) for each in (one, other)]
        assert rows[0] != rows[1]


@pytest.mark.parametrize("name", sorted(NOT_OF_APPS.keys() - {"destination", "settings"}))
def test_what_stands_on_the_list_does_not_count(name: str) -> None:
    """A status or a date that changes all the time makes no other plan; each entry has its reason."""
    assert of_application(APP | {name: "x"}, PINNING) == of_application(APP, PINNING)
    assert NOT_OF_APPS[name]


def test_plain_are_those_that_a_person_reads_and_nothing_that_may_be_secret() -> None:
    """A password of the proxy, a label or a variable has a digest only; a command is there as it is."""
    row = APP | {"http_basic_auth_password": "pa55", "start_command": " npm start ", "custom_nginx_configuration": "x"}
    found = of_application(row, PINNING)
    assert {name for name in found if not found[name].startswith("#")} == {"domains", "start_command"}
    assert found["start_command"] == "npm start"
    assert {name for name, text in found.items() if text.startswith("#")} & PLAIN == set()


def test_a_variable_is_its_value_and_its_flags_and_a_preview_is_none() -> None:
    """A flag that changes how a value arrives is a change; the copy for previews is another container's."""
    rows: list[JsonObject] = [{"key": "A", "value": "1"}, {"key": "B", "value": "2", "is_preview": True}]
    plain, literal = of_variables(rows, PINNING), of_variables([{**rows[0], "is_literal": True}], PINNING)
    assert plain.keys() == {"variable A"}
    assert plain != literal
    assert plain["variable A"].partition("/")[0] == literal["variable A"].partition("/")[0] == PINNING.of("1")


def test_a_shared_variable_is_what_it_stands_for() -> None:
    """`{{team.X}}` stays the same text when the team's variable becomes another one: what it resolves to counts."""
    rows: list[JsonObject] = [{"key": "A", "value": "{{team.X}}", "real_value": value} for value in ("1", "2")]
    assert of_variables(rows[:1], PINNING) != of_variables(rows[1:], PINNING)


def test_a_value_that_may_not_be_read_counts_by_its_last_change() -> None:
    """Only when it was changed shows then."""
    rows: list[JsonObject] = [{"key": "A", "updated_at": f"2026-01-0{day}"} for day in (1, 2)]
    assert of_variables(rows[:1], PINNING)["variable A"].startswith("unreadable/")
    assert of_variables(rows[:1], PINNING) != of_variables(rows[1:], PINNING)


def test_the_content_of_a_mounted_file_counts() -> None:
    """A file that Coolify puts into a container runs as well as a command."""
    files = [of_storages({"file_storages": [{"mount_path": "/run.sh", "content": text}]}, PINNING) for text in "ab"]
    assert [file.keys() for file in files] == [{"storage /run.sh"}] * 2
    assert files[0] != files[1]


def test_two_mounts_on_one_place_count_both() -> None:
    """The one that is listed last hides no change of the other."""
    kinds = ("persistent_storages", "file_storages")
    one, other = (
        of_storages(
            {kind: [{"mount_path": "/data", "name": name}] for kind, name in zip(kinds, names, strict=True)}, PINNING
        )
        for names in (("a", "b"), ("evil", "b"))
    )
    assert (one.keys(), one != other) == ({"storage /data"}, True)


def test_a_shared_variable_inside_a_longer_value_is_what_it_stands_for() -> None:
    """Coolify puts the team's value in wherever its name stands."""
    rows: list[JsonObject] = [
        {"key": "A", "value": "postgres://{{team.X}}@db", "real_value": f"postgres://{value}@db"} for value in "12"
    ]
    assert of_variables(rows[:1], PINNING) != of_variables(rows[1:], PINNING)


def test_a_compose_file_counts_by_what_it_says() -> None:
    """Coolify writes it anew as often as it reads it: another spelling is the same, another image is not."""
    texts = (
        "services: {web: {image: 'a:1'}}",
        'services:\n  web:\n    image: "a:1"\n',
        "services: {web: {image: 'b:1'}}",
    )
    one, same, other = (of_service({"docker_compose_raw": text}, PINNING) for text in texts)
    assert one == same
    assert one != other
