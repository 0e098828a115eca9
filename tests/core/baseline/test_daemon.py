"""Docker's settings: ours go in, nothing of others' is lost, and two words for one thing are a conflict."""

import json

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.baseline.daemon import merged
from ink_infra_mcp.core.plan import Change

NAMES = st.sampled_from(["log-driver", "log-opts", "max-size", "live-restore", "dns", "x"])
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "10m", "json-file"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
SETTINGS = st.dictionaries(NAMES, VALUES, max_size=4)


def test_a_key_of_ours_goes_beside_those_of_others_at_every_depth() -> None:
    """What is changed is said key by key, as it was and as it shall be."""
    found = merged('{"dns": ["192.0.2.1"], "log-opts": {"labels": "a"}}', {"log-opts": {"max-size": "10m"}})
    assert found.settings == {"dns": ["192.0.2.1"], "log-opts": {"labels": "a", "max-size": "10m"}}
    assert (found.changes, found.conflicts) == ((Change(name="log-opts.max-size", after='"10m"'),), ())


def test_a_conflict_names_both() -> None:
    """Nobody's word is written over; true is not 1."""
    found = merged('{"log-driver": "local", "live-restore": 1}', {"log-driver": "json-file", "live-restore": True})
    assert found.conflicts == (
        'log-driver is "local" there, and "json-file" by the baseline',
        "live-restore is 1 there, and true by the baseline",
    )


def test_what_is_no_table_of_settings_is_a_conflict() -> None:
    """It is never replaced by ours alone."""
    assert merged("[]", {"a": 1}).conflicts == ("it is no table of settings",)
    assert merged("{", {"a": 1}).conflicts[0].startswith("it is no JSON that can be merged")
    assert merged("  \n", {"a": 1}).settings == {"a": 1}


@given(there=SETTINGS, wanted=SETTINGS)
def test_nothing_of_others_is_lost_and_merging_again_changes_nothing(
    there: dict[str, JsonValue], wanted: dict[str, JsonValue]
) -> None:
    """Every value that stood there stands there still; what was merged once is whole."""
    found = merged(json.dumps(there), wanted)
    assert _holds(found.settings, there)
    if not found.conflicts:
        again = merged(found.text, wanted)
        assert (again.settings, again.changes, again.conflicts) == (found.settings, (), ())


def _holds(whole: JsonValue, part: JsonValue) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and _holds(whole[name], part[name]) for name in part)
    return whole == part
