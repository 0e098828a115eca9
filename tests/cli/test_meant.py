"""Words that are no name of anything are shown as a person can read them, whatever they hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.cli.meant import hint, tool_hint
from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.settings.secret_names import secret_name

ODD = st.text(min_size=1) | st.text("\x1b\u202e\u200b[31m\n\rabc ", min_size=1)


@given(word=ODD)
def test_what_was_typed_is_shown_on_one_line_without_what_cannot_be_seen(word: str) -> None:
    """A command and a tool that there is not: in the sentence stands the name as it may be read, and no other character
    of it.
    """
    shown = f"`{clean_name(word)}`"
    assert hint(word, ["call"], []).startswith(f"There is no command {shown}")
    assert tool_hint(word, ["list_apps"]).startswith(f"There is no tool {shown}")


@given(word=ODD)
def test_a_name_that_is_no_secrets_is_shown_so_too(word: str) -> None:
    """Neither a line of its own nor a colour gets onto the terminal of whoever sets a secret."""
    with pytest.raises(UnknownName) as caught:
        secret_name(f"app:\n{word}")
    assert f"`{clean_name(f'app:{chr(10)}{word}')}`" in caught.value.failed
    assert "\n" not in caught.value.failed
