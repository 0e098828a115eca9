"""The switches of the environment."""

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.settings.switches import SANDBOX, is_on


@pytest.mark.parametrize(
    ("word", "on"), [("true", True), ("1", True), (" True ", True), ("false", False), ("0", False)]
)
def test_a_switch_is_on_or_off_by_its_word(word: str, on: bool) -> None:
    """A host's form gives `true` and `false`; a person may write 1 and 0."""
    assert (is_on({SANDBOX: word}, SANDBOX), is_on({}, SANDBOX)) == (on, False)


@pytest.mark.parametrize("word", ["", " ", "yes", "on", "null", "${user_config.sandbox}"])
def test_a_word_that_is_neither_is_refused(word: str) -> None:
    """Whoever meant "on" gets no server that touches what is real, but a sentence that names the variable."""
    with pytest.raises(ConfigError, match=SANDBOX):
        is_on({SANDBOX: word}, SANDBOX)
