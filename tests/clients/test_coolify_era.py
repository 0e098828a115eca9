"""Versions compare as they should, and each version is asked only for what it has."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.clients.coolify.era import Era, Version, era_of, parse_version

IN_ORDER = (
    "4.0.0-beta.9",
    "4.0.0-beta.462",
    "v4.0.0-beta.463",
    "4.0.0-beta.463.1",
    "4.0.0-rc.1",
    "4.0.0",
    "4.1",
    "4.2.0-rc.1",
    "4.2.0",
    "4.3.9",
    "4.3.10",
    "v4.4-rc.1",
    "4.4.0",
    "5.0.0",
)
VERSIONS = st.builds(
    Version,
    major=st.integers(0, 99),
    minor=st.integers(0, 99),
    patch=st.integers(0, 99),
    pre=st.lists(st.from_regex(r"[0-9A-Za-z-]{1,6}", fullmatch=True), max_size=3).map(tuple),
)


def known(text: str) -> Version:
    """Return the version in `text`, which is one."""
    version = parse_version(text)
    assert version is not None
    return version


def test_versions_come_in_their_order() -> None:
    """Numbers compare as numbers, and a pre-release comes before its release."""
    versions = [known(text) for text in IN_ORDER]
    assert all(earlier < later and later > earlier for earlier, later in pairwise(versions))


@pytest.mark.parametrize(
    "text", ["", "latest", "4", "4.x", "4.3.10 ", "<html>", "4.3.1\u0660", "4..1", "-1.2.3", "4.3.10-"]
)
def test_what_is_no_version_is_none(text: str) -> None:
    """Garbage is no version, apart from blanks around one."""
    expected = known("4.3.10") if text.strip() == "4.3.10" else None
    assert parse_version(text) == expected


@given(VERSIONS)
def test_a_version_reads_back_what_it_wrote(version: Version) -> None:
    """The text of a version is a version, the same one."""
    assert parse_version(str(version)) == version


@given(st.lists(VERSIONS, max_size=6))
def test_versions_can_always_be_sorted(versions: list[Version]) -> None:
    """Any versions compare, numbers and words in their pre-releases mixed."""
    assert all(not later < earlier for earlier, later in pairwise(sorted(versions)))


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is a version or None, and an era in words either way."""
    era = era_of(text)
    assert era.words.startswith("Coolify ")
    assert era.version is not None or not era.supported


@pytest.mark.parametrize(
    ("text", "features", "words"),
    [
        ("4.0.0-beta.463", (False, False, True), "Coolify 4.0.0-beta.463 is supported."),
        ("4.1.2", (False, False, True), "Coolify 4.1.2 is supported."),
        ("4.2.0", (True, False, True), "Coolify 4.2.0 is supported."),
        ("4.3.0", (True, True, True), "Coolify 4.3.0 is supported."),
        (
            "4.4-rc.1",
            (True, True, True),
            "Coolify 4.4.0-rc.1 is newer than 4.3.11, the last one checked: expect small differences.",
        ),
        (
            "4.0.0-beta.400",
            (False, False, False),
            "Coolify 4.0.0-beta.400 is not supported: use 4.0.0-beta.463 or later, before 5.",
        ),
        (
            "5.0.0",
            (True, True, False),
            "Coolify 5.0.0 is not supported: use 4.0.0-beta.463 or later, before 5.",
        ),
        (
            "nightly",
            (False, False, False),
            "Coolify says its version is 'nightly', which is no version: only the oldest features are used.",
        ),
    ],
)
def test_each_version_has_its_features(text: str, features: tuple[bool, bool, bool], words: str) -> None:
    """POST-only since 4.2.0, rollback and copies since 4.3.0, supported from the fork's base up to version 5."""
    era = era_of(text)
    assert era.clone_api is era.rollback_api
    assert ((era.post_only, era.rollback_api, era.supported), era.words) == (features, words)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("4.0.0-beta.463", ("comment", "docker_images_to_keep", "health_check_type", "max_restart_count")),
        ("4.0.0", ("docker_images_to_keep", "max_restart_count")),
        ("4.2.0", ("max_restart_count",)),
        ("4.3.11", ()),
        ("unknown", ("comment", "docker_images_to_keep", "health_check_type", "max_restart_count")),
    ],
)
def test_fields_that_a_version_does_not_know_are_told_beforehand(text: str, refused: tuple[str, ...]) -> None:
    """A field is named when the version would answer it with 422; an unknown version is taken for the oldest."""
    fields = ["name", "max_restart_count", "docker_images_to_keep", "health_check_type", "comment", "limits_memory"]
    assert era_of(text).refuses(fields) == refused


def test_an_era_keeps_the_text_it_came_from() -> None:
    """What Coolify said is kept, trimmed, beside what it means."""
    assert era_of(" 4.3.10\n") == Era(text="4.3.10", version=Version(major=4, minor=3, patch=10))
