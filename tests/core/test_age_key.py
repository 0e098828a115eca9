"""Public keys of age are taken with their checksum, and nothing else is: above all no private key."""

import pytest

from ink_infra_mcp.core.age_key import age_recipient

KEYS = (
    "age1pguvd5gg3gnxxh2ru589xy3qkk28cezwllumayf7eg5xtevdxskqje8qs0",
    "age18h9y340mtgt7nnjsgvldaqdflypzrldj5ev79xcky22eruz5nddq03g4r4",
)
"""As age-keygen 1.1.1 printed them; their pairs were thrown away."""


@pytest.mark.parametrize("key", ["", *KEYS])
def test_what_age_keygen_prints_is_taken_as_it_is(key: str) -> None:
    """And nothing at all, where no copies are wanted."""
    assert age_recipient(key) == key


@pytest.mark.parametrize("place", range(4, 62))
def test_one_wrong_letter_is_found(place: int) -> None:
    """Wherever it is: a copy for a key that nobody has would be worth nothing."""
    key = KEYS[0]
    wrong = key[:place] + ("q" if key[place] != "q" else "p") + key[place + 1 :]
    with pytest.raises(ValueError, match="age-keygen"):
        age_recipient(wrong)


@pytest.mark.parametrize(
    "key",
    [
        KEYS[0].upper(),
        f" {KEYS[0]}",
        f"{KEYS[0]}\n",
        KEYS[0][:-1],
        "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5mDWHpJzUR5n4DsLU0tGLTBgXYoL0Y6mRDYQ0CFC4K",
        "age1pq1qqqq",
    ],
)
def test_every_other_form_is_refused(key: str) -> None:
    """A private key most of all; the words say which form is wanted, and never repeat what was given."""
    with pytest.raises(ValueError, match="use a public key as `age-keygen` prints it") as refused:
        age_recipient(key)
    assert key.strip() not in str(refused.value)
