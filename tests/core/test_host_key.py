"""Fingerprints of host keys: as OpenSSH shows them, and as a label's value and back."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.host_key import as_label, from_label
from ink_infra_mcp.core.key_pair import fingerprint_of
from ink_infra_mcp.core.ssh_key import PublicKey, md5_fingerprint, public_line

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""A label's value, as Hetzner takes it."""
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj"


@given(st.binary(min_size=1, max_size=200))
def test_a_fingerprint_goes_into_a_label_and_comes_back(blob: bytes) -> None:
    """Every fingerprint is a value that Hetzner takes, and is read back as it was."""
    shown = fingerprint_of(f"ssh-ed25519 {base64.b64encode(blob).decode()}")
    assert shown.encode() == b"SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=")
    assert LABEL.fullmatch(as_label(shown))
    assert from_label(as_label(shown)) == shown


@pytest.mark.parametrize("value", ["", "sha256.", "sha256.short", "MD5:ab", "sha256." + "a" * 44])
def test_what_is_no_fingerprint_is_none(value: str) -> None:
    """A label that somebody wrote by hand stands for no key."""
    assert from_label(value) is None


def test_a_public_key_is_known_by_the_fingerprint_that_the_vendor_lists() -> None:
    """The comment says nothing of a key; the fingerprint is the MD5 that Hetzner shows."""
    key = PublicKey(name="operator", line=f"{PUBLIC} operator@example.com")
    assert (key.line, key.fingerprint) == (PUBLIC, "3c:b8:9f:13:b2:4d:58:51:5f:3a:6e:1a:dd:2e:5e:10")
    assert md5_fingerprint(PUBLIC) == key.fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-dss AAAAB3NzaC1kc3M=",
        f'command="sh" {PUBLIC}',
        f"{PUBLIC}\n{PUBLIC}",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIB9tJuoUlksIC3onGH1XJJiR0Y8gBTrU4oKmizVeJtIj",
    ],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    """No options, no second line, no kind that the blob does not name itself."""
    with pytest.raises(ValueError, match="OpenSSH public key"):
        public_line(text)
