"""Host keys that a provider tells: which shown key is one of them, and which never is."""

import subprocess
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.told_keys import ToldKey, md5_fingerprint, seen_key, told_key, trusted

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def _as_robot_tells(public: str, **other: JsonValue) -> JsonValue:
    seen = seen_key(public)
    assert seen is not None
    told = {"fingerprint": md5_fingerprint(public), "type": seen.kind.upper(), "size": seen.bits}
    return {"key": {**told, **other}}


def _told(*values: JsonValue) -> list[ToldKey]:
    return [key for value in values if (key := told_key(value))]


def test_a_key_told_as_orders_show_them_is_the_one_that_is_trusted_whole() -> None:
    """Kind, size and MD5 are those of the shown key, whose comment is nobody's business; what is pinned is the key."""
    told = _told(_as_robot_tells(ED25519))
    assert told[0].words == "256 MD5:" + md5_fingerprint(ED25519) + " (ED25519)"
    assert trusted([OTHER, f"{ED25519} root@host"], told) == ED25519
    assert trusted([OTHER], told) is None
    assert trusted([ED25519], []) is None


@pytest.mark.parametrize("other", [{"type": "RSA"}, {"size": 255}, {"fingerprint": md5_fingerprint(OTHER)}])
def test_a_key_that_differs_in_kind_size_or_digest_is_not_trusted(other: dict[str, JsonValue]) -> None:
    """A told MD5 alone is not enough, nor anything else without it."""
    told = _told(_as_robot_tells(ED25519, **other))
    assert (len(told), trusted([ED25519], told)) == (1, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        "",
        "c1:e4:08:73:dd:f7:e9:d1:94:ab:e9:0f:28:b2:d2:ed",
        {"key": {"fingerprint": "c1:e4:08:73:dd:f7:e9:d1:94:ab:e9:0f:28:b2:d2:ed", "type": "DSA", "size": 1024}},
        {"key": {"fingerprint": "c1:e4", "type": "RSA", "size": 2048}},
        {"key": {"fingerprint": md5_fingerprint(ED25519), "type": "ED25519", "size": True}},
        {"key": {"fingerprint": md5_fingerprint(ED25519), "type": "ED25519"}},
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIKh0UWB3vSNdNbxCZ5wCjLyPZiVcOcAdXtHTkHNsc9IU",
    ],
)
def test_what_nothing_can_be_held_against_is_no_told_key(value: JsonValue) -> None:
    """DSA, a digest without kind or size, half a digest, and a key whose two names differ are no keys."""
    assert told_key(value) is None


def test_whole_keys_and_sha256_are_understood_too() -> None:
    """Should Robot tell better than documented, it is held against just as strictly."""
    whole, sha256 = told_key(ED25519), seen_key(ED25519)
    assert whole == sha256
    assert sha256 is not None
    said = told_key({"key": {"fingerprint": sha256.fingerprint, "type": "ED25519", "size": 256}})
    assert said == sha256
    assert trusted([OTHER, ED25519], _told(ED25519)) == ED25519


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
def test_openssh_reads_the_same_kind_size_and_fingerprints(tmp_path: Path, algorithm: str) -> None:
    """`ssh-keygen -l` says of each kind what we say, by MD5 and by SHA256 (skipped where there is none)."""
    key = asyncssh.generate_private_key(algorithm)  # pyright: ignore[reportUnknownMemberType] - its **kwargs
    public = key.export_public_key().decode().strip()
    seen = seen_key(public)
    assert seen is not None
    (tmp_path / "key.pub").write_text(f"{public}\n", encoding="utf-8")
    for digest, print_ in (("md5", f"MD5:{md5_fingerprint(public)}"), ("sha256", seen.fingerprint)):
        try:
            said = subprocess.run(
                ["ssh-keygen", "-l", "-E", digest, "-f", str(tmp_path / "key.pub")],
                capture_output=True,
                text=True,
                check=True,
                timeout=20,
            ).stdout
        except FileNotFoundError:
            pytest.skip("ssh-keygen is not here")
        bits, shown, *_, kind = said.split()
        assert (int(bits), shown, kind) == (seen.bits, print_, f"({seen.kind.upper()})")


@given(st.text(max_size=80), st.binary(max_size=40))
def test_no_text_breaks_the_readers(text: str, blob: bytes) -> None:
    """Whatever a server or a provider says, it is a key of theirs or none; it never stops us, and is never trusted."""
    told = _told(_as_robot_tells(ED25519))
    for public in (text, f"ssh-ed25519 {text}", f"ssh-rsa {blob.hex()}"):
        assert told_key(public) is None or seen_key(public) is not None
        assert trusted([public], told) is None
