"""The redactor: by value, by shape, and in linear time whatever the text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import MASK, Secret

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.abc-DEF_123"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAA\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key:\n{KEY}\nend", f"key:\n{MASK}\nend"),
        ("cut off: -----BEGIN RSA PRIVATE KEY-----\nMIIE", f"cut off: {MASK}"),
        ("Authorization: Bearer abcdefgh12", f"Authorization: Bearer {MASK}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {MASK}"),
        (f"push with ghp_{'a' * 36} failed", f"push with {MASK} failed"),
        (f"github_pat_{'A1_' * 10}", MASK),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        (f"cookie={JWT};", f"cookie={MASK};"),
        (f"17|{'x' * 48}", MASK),
        ("postgres://shop:hunter2@db/shop", f"postgres://{MASK}@db/shop"),
        ("postgres://shop:p@ss@db/shop", f"postgres://{MASK}@db/shop"),
        ("http://h:80/ http://u:pw@h", f"http://h:80/ http://{MASK}@h"),
        ("DB_PASSWORD=hunter22", f"DB_PASSWORD={MASK}"),
        ('{"api_key": "abcdef", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        ('{"token": "with \\" quote and spaces"}', f'{{"token": "{MASK}"}}'),
        ("client-secret : 'two words'", f"client-secret : '{MASK}'"),
        ("?access_token=abcdef&x=1", f"?access_token={MASK}&x=1"),
        ("key: password: hunter22", f"key: password: {MASK}"),
        ("password: correct horse", f"password: {MASK} horse"),
        ("token: abcdefghijklmnopqrst is wrong", f"token: {MASK} is wrong"),
        ("token: prices", f"token: {MASK}"),
        ("token=prices are", f"token={MASK} are"),
        ("api_key: k3y4 and more", f"api_key: {MASK} and more"),
        ("secret: HUNTER22", f"secret: {MASK}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    """Keys, bearer values, vendor tokens, passwords in URLs and named values are masked without being known."""
    assert Redactor()(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "no Hetzner Cloud token: prices are not known",
        "the api_key: see below",
        "token: null",
        "password=true",
        "the password is wrong",
        "https://coolify.example.com:8000/project/x@y",
        "DATABASE_URL = secret:DATABASE_URL",
        "set `INK_COOLIFY_TOKEN` or run `ink-infra-mcp secret set coolify_token`",
        "17|short",
        "basic auth",
        "image: ghcr.io/example/shop@sha256:0123456789abcdef",
        "",
    ],
)
def test_what_only_talks_about_secrets_stays(text: str) -> None:
    """Names of secrets, references to stored ones, plain addresses and digests are not touched."""
    assert Redactor()(text) == text


def test_a_known_value_is_masked_wherever_it_stands() -> None:
    """A value that was read is masked in any text, a token of two parts also by its second part alone."""
    redact = Redactor([Secret("s3cr3t-value"), Secret("7|longlonglong\n")])
    assert redact("a s3cr3t-value, s3cr3t-values; longlonglong; 7|longlonglong") == (
        f"a {MASK}, {MASK}s; {MASK}; {MASK}"
    )


def test_the_lines_of_a_known_key_are_masked_alone() -> None:
    """A private key that is logged line by line leaves no line behind."""
    redact = Redactor([Secret(KEY)])
    assert redact("line: b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAA") == f"line: {MASK}"


def test_a_short_value_is_not_masked_by_value() -> None:
    """Values below six characters would mask ordinary words, so only their shape can give them away."""
    assert Redactor([Secret("root")])("root logs in") == "root logs in"


def test_adding_returns_the_secret() -> None:
    """`add` can stand in the middle of an expression."""
    secret = Secret("s3cr3t-value")
    assert Redactor().add(secret) is secret


VALUES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=20)


@given(st.lists(VALUES, min_size=1, max_size=4), st.data())
def test_no_known_value_survives_in_any_text(values: list[str], data: st.DataObject) -> None:
    """Whatever the secrets and however they are put together, none is left, not even one inside another."""
    parts = data.draw(st.lists(st.sampled_from(values) | st.sampled_from([" ", "=", "\n", "x"]), max_size=10))
    shown = Redactor(Secret(value) for value in values)("".join(parts))
    assert not any(value in shown for value in values)


@given(VALUES)
def test_masking_twice_changes_nothing_more(value: str) -> None:
    """Text that passes the redactor on two ways out reads the same."""
    redact = Redactor([Secret(value)])
    once = redact(f"password={value} token: {value} postgres://u:{value}@h")
    assert redact(once) == once


@pytest.mark.parametrize(
    "run",
    ["a", "token", "token=", 'token="', "eyJ-", "eyJaaaaaaaa.", "://u:", "-----BEGIN ", " ", "token ", "token:'\\"],
)
def test_no_log_can_hold_up_the_redactor(run: str) -> None:
    """Half a million characters of the worst text take well under two seconds, so a build log cannot stop us."""
    text = run * (500_000 // len(run))
    begun = time.process_time()
    Redactor()(text)
    assert time.process_time() - begun < 2
