"""Muscles written into, and taken out of, a fleet.toml as a person wrote it: nothing else moves."""

import tomllib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import Muscle
from ink_infra_mcp.settings.fleet_edit import muscle_text, with_key, with_muscle, without_muscle

THIRD = Muscle(
    name="s3",
    address="192.0.2.33",
    host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexamplekeyofathirdserver",
    provider="hetzner_cloud",
    provider_id="4711",
    wildcard_domain="s3.example.com",
)
THIRD_TEXT = """\
[[muscles]]
name = "s3"
address = "192.0.2.33"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexamplekeyofathirdserver"
provider = "hetzner_cloud"
provider_id = "4711"
wildcard_domain = "s3.example.com"
"""
FILE = """\
# our fleet
[coolify]
url = "https://coolify.example.com"   # behind the proxy

[factory]
name = "factory"
address = "192.0.2.10"

# the first one, in the cellar
[[muscles]]
name = "s1"
address = "192.0.2.21"
host_key = '''
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexamplekeyofthefirstserver
'''
# bought in May

[[ muscles ]] # the big one
name = "s2"
address = "192.0.2.22"

[access]
admin = ["198.51.100.7"]
"""


def test_a_muscle_is_added_at_the_end() -> None:
    """The file is what it was, and behind it stands the table of the new one with what is not as by default."""
    assert muscle_text(THIRD) == THIRD_TEXT
    assert with_muscle(FILE, THIRD) == f"{FILE}\n{THIRD_TEXT}"
    assert with_muscle(FILE.rstrip("\n"), THIRD) == f"{FILE}\n{THIRD_TEXT}"


def test_what_was_added_is_taken_out_again() -> None:
    """Taking out leaves the file as before, with the blank line between."""
    assert without_muscle(with_muscle(FILE, THIRD), "s3") == f"{FILE}\n"


def test_a_muscle_is_taken_out_of_the_middle() -> None:
    """Its keys go with its header; what a person noted round it stays."""
    assert without_muscle(FILE, "s1") == FILE.replace(
        """[[muscles]]
name = "s1"
address = "192.0.2.21"
host_key = '''
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexamplekeyofthefirstserver
'''
""",
        "",
    )
    assert without_muscle(FILE, "s2") == FILE.replace(
        '[[ muscles ]] # the big one\nname = "s2"\naddress = "192.0.2.22"\n', ""
    )


def test_a_key_is_written_changed_and_taken_out_and_all_else_stays() -> None:
    """A new line stands at the end of its table, one that is there keeps its comment, and None takes it out."""
    for name, last in (("factory", 'address = "192.0.2.10"'), ("s2", 'address = "192.0.2.22"')):
        written = with_key(FILE, name, "private_address", "10.250.0.2")
        assert written == FILE.replace(last, f'{last}\nprivate_address = "10.250.0.2"')
        noted = written.replace('"10.250.0.2"', '"10.250.0.2" # the inner one')
        assert with_key(noted, name, "private_address", "10.250.0.3") == noted.replace('0.2" #', '0.3" #')
        assert with_key(noted, name, "private_address", None) == FILE


@pytest.mark.parametrize(
    "text",
    [
        'factory = { name = "factory", address = "192.0.2.10" }',
        '[factory]\nname = "factory"\naddress = "192.0.2.10"\n"private_address" = "10.0.0.9"',
        '[factory]\nname = "other"\naddress = "192.0.2.10"',
    ],
)
def test_a_key_that_cannot_be_found_is_left_to_a_person(text: str) -> None:
    """However a table is written: the file says afterwards what was asked for, or nothing is written."""
    with pytest.raises(ConfigError, match="cannot be written"):
        with_key(text, "factory", "private_address", "10.250.0.2")


def test_lines_end_as_they_did() -> None:
    """A file of Windows stays one of Windows."""
    windows = FILE.replace("\n", "\r\n")
    assert with_muscle(windows, THIRD) == f"{FILE}\n{THIRD_TEXT}".replace("\n", "\r\n")
    keyed = with_key(FILE, "s2", "private_address", "10.250.0.3")
    assert with_key(windows, "s2", "private_address", "10.250.0.3") == keyed.replace("\n", "\r\n")
    assert without_muscle(windows, "s2") == without_muscle(FILE, "s2").replace("\n", "\r\n")


@pytest.mark.parametrize("edit", [partial(with_muscle, muscle=THIRD), partial(without_muscle, name="s1")])
def test_muscles_on_one_line_are_left_to_a_person(edit: Callable[[str], str]) -> None:
    """An inline list cannot take another table: nothing is written, and the words to add are said."""
    text = 'muscles = [{ name = "s1", address = "192.0.2.21" }]\n[coolify]\nurl = "https://coolify.example.com"\n'
    with pytest.raises(ConfigError, match="by hand"):
        edit(text)


def test_a_table_inside_a_text_is_none() -> None:
    """What looks like a table in a long string is a text: the real one is taken out, or none."""
    hidden = FILE.replace("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexamplekeyofthefirstserver", '[[muscles]]\nname = "s2"')
    assert [m["name"] for m in tomllib.loads(without_muscle(hidden, "s2"))["muscles"]] == ["s1"]
    with pytest.raises(ConfigError, match="by hand"):
        without_muscle(hidden, "s4")


@given(
    name=st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z"),
    user=st.from_regex(r"\A[a-z_][a-z0-9_-]{0,10}\Z"),
    provider_id=st.text(max_size=20),
    key=st.text(max_size=40),
)
def test_whatever_a_muscle_holds_is_read_back(name: str, user: str, provider_id: str, key: str) -> None:
    """Any text in any field comes back as it was, and leaves the others as they were."""
    muscle = Muscle(
        name=f"x{name}"[:63].rstrip("-"), address="192.0.2.99", ssh_user=user, provider_id=provider_id, host_key=key
    )
    edited = with_muscle(FILE, muscle)
    before, after = tomllib.loads(FILE), tomllib.loads(edited)
    assert after == {**before, "muscles": [*before["muscles"], after["muscles"][-1]]}
    assert Muscle.model_validate(after["muscles"][-1]) == muscle
    assert tomllib.loads(without_muscle(edited, muscle.name)) == before
