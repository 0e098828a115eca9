"""Fingerprints: what differs is found, what may differ is left, and no digest can be made without the key."""

from hypothesis import assume, given
from hypothesis import strategies as st

from ink_infra_mcp.core.fingerprint import UNREADABLE, Pinning, differing, matches
from ink_infra_mcp.core.secret import Secret

PINNING = Pinning(Secret("a token"))
FACETS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8), max_size=6)


@given(FACETS, FACETS)
def test_exactly_what_is_another_gone_or_new_differs(expected: dict[str, str], found: dict[str, str]) -> None:
    """Every facet of plain text counts, whichever side has it."""
    names = {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}
    assert differing(expected, found) == tuple(sorted(names))


@given(st.text(), st.text(), st.text(alphabet="0123456789abcdef", min_size=8, max_size=8))
def test_a_value_that_a_plan_sets_agrees_with_itself_whatever_its_flags(value: str, other: str, flags: str) -> None:
    """Its flags are Coolify's; another value differs, and one that nobody can read cannot be compared."""
    assume(value != other)
    wanted = {"variable A": PINNING.of(value)}
    assert differing(wanted, {"variable A": f"{PINNING.of(value)}/{flags}"}) == ()
    assert differing(wanted, {"variable A": f"{PINNING.of(other)}/{flags}"}) == ("variable A",)
    assert differing(wanted, {"variable A": f"{UNREADABLE}/{flags}"}) == ()
    assert differing(wanted, {}) == ("variable A",)


@given(st.text(alphabet="abc /", min_size=1).filter(str.strip), st.text(min_size=1))
def test_a_plain_text_agrees_with_nothing_but_itself(text: str, more: str) -> None:
    """A command that goes on behind a slash, or that says unreadable, is another command."""
    assert differing({"start_command": text}, {"start_command": f"{text}/{more}"}) == ("start_command",)
    assert differing({"start_command": text}, {"start_command": f"{UNREADABLE}/{more}"}) == ("start_command",)


def test_the_last_pattern_that_fits_decides() -> None:
    """What a new app may have: anything but commands and variables, and of those what Coolify makes."""
    free = ("*", "!start_command", "!variable *", "variable SERVICE_*")
    names = ("redirect", "start_command", "variable A", "variable SERVICE_FQDN_WEB")
    assert [matches(name, free) for name in names] == [True, False, False, True]
    assert differing({}, dict.fromkeys(names, "x"), free=free) == ("start_command", "variable A")


@given(st.text(), st.text())
def test_a_digest_needs_the_key(value: str, token: str) -> None:
    """Under another token the same value has another digest, and the keys have other names."""
    other = Pinning(Secret(f"other {token}"))
    assert PINNING.of(value) == Pinning(Secret("a token")).of(value)
    assert PINNING.of(value) != other.of(value)
    assert PINNING.by != other.by
