"""Public keys are told apart by what OpenSSH reads in them, and their fingerprints are those that it prints."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.key_pair import fingerprint_of, public_key_of
from ink_infra_mcp.settings.system import new_key_pair
from tests.programs import lacking

PAIR = new_key_pair()


@given(st.binary(min_size=32, max_size=32), st.text(alphabet=st.characters(exclude_categories=["C"]), max_size=20))
def test_a_key_is_the_same_with_every_comment(seed: bytes, comment: str) -> None:
    """What follows the key decides nothing of it."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    assert public_key_of(f"{key.decode()} {comment}") == key.decode()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Error loading private key",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-rsa " + PAIR.public.split()[1],
        "ssh-ed25519 " + base64.b64encode(b"\0" * 51).decode(),
        "ssh-ed25519 " + "A" * 67 + "=",
        f'command="x" {PAIR.public}',
        f"{PAIR.public}\nssh-ed25519 AAAA",
    ],
    ids=[f"line {number}" for number in range(1, 10)],
)
def test_what_is_no_such_key_is_none(line: str) -> None:
    """Coolify's own word for a key that it cannot read, other kinds, options, and two lines."""
    assert public_key_of(line) is None


@given(st.text(max_size=120))
def test_no_text_breaks_the_reader(line: str) -> None:
    """Whatever Coolify lists, it is a key or none."""
    found = public_key_of(line)
    assert found is None or line.strip().startswith(found)


def test_a_new_pair_belongs_together_and_is_openssh(tmp_path: Path) -> None:
    """ssh-keygen makes the same public half of the private one, and prints the same fingerprint."""
    if shutil.which("ssh-keygen") is None:
        lacking("ssh-keygen")
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(PAIR.private.reveal(), encoding="utf-8")
    assert _keygen("-y", "-f", str(file)).strip() == PAIR.public
    assert _keygen("-l", "-f", str(file)).split()[1] == fingerprint_of(PAIR.public)


def test_two_pairs_differ_and_hide_their_private_half() -> None:
    """Nothing that prints a pair prints what opens a server."""
    other = new_key_pair()
    assert other.public != PAIR.public
    assert "BEGIN" not in repr(other)


def _keygen(*words: str) -> str:
    return subprocess.run(["ssh-keygen", *words], capture_output=True, text=True, timeout=10, check=True).stdout
