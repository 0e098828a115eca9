"""images.toml: the packaged rules, and what an operator may change of them."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.signing import signing_key
from ink_infra_mcp.settings.policy_files import load_images
from tests.signing import Signer

SMALL = (
    generate_private_key(65537, 1024)  # noqa: S505 - what is refused
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
PRIVATE = (
    ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
DIGEST = f"sha256:{'a' * 64}"


def test_as_packaged_any_image_that_a_person_says_yes_to_may_run() -> None:
    """All rules are there, and refuse nothing by themselves."""
    assert load_images(None) == ImageRules(least_age_h=0, digests=())


def test_an_operator_sets_an_age_and_a_list(tmp_path: Path) -> None:
    """The file holds only what is changed."""
    (tmp_path / "images.toml").write_text(f'digests = {{ value = ["{DIGEST}"], why = "released" }}\n')
    assert load_images(tmp_path) == ImageRules(least_age_h=0, digests=(DIGEST,))


def test_keys_are_read_from_the_files_that_are_named(tmp_path: Path) -> None:
    """Beside the file, or anywhere by the whole path; with a key nothing else is another rule."""
    one, two = Signer(), Signer()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ink.pub").write_text(one.pem)
    elsewhere = tmp_path / "two.pem"
    elsewhere.write_text(f"# of the other team\n{two.pem}")
    (tmp_path / "images.toml").write_text(f'signed_by = {{ value = ["keys/ink.pub", "{elsewhere}"], why = "x" }}\n')
    keys = (signing_key("keys/ink.pub", one.pem), signing_key(f"{elsewhere}", two.pem))
    assert load_images(tmp_path) == ImageRules(keys=keys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: no such file"),
        (b"", "has to hold one public key"),
        (b"\xff\xfe", "is no PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds no public key"),
        (Signer().pem.encode() * 2, "has to hold one public key"),
        (b"x" * 2**20 + Signer().pem.encode(), "has to hold one public key"),
        (SMALL.encode(), "holds no key of ECDSA"),
        (PRIVATE.encode(), "holds no public key"),
    ],
    ids=["no file", "empty", "no text", "broken", "two", "long", "RSA 1024", "private"],
)
def test_a_key_that_cannot_be_used_is_an_error_and_never_no_policy(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """A file that is not there, no key, two, a private one, a kind that is not understood: the file is named."""
    if content is not None:
        (tmp_path / "ink.pub").write_bytes(content)
    (tmp_path / "images.toml").write_text('signed_by = { value = ["ink.pub"], why = "x" }\n')
    with pytest.raises(ConfigError) as failed:
        load_images(tmp_path)
    assert (words in str(failed.value), "ink.pub of signed_by" in str(failed.value)) == (True, True), str(failed.value)
    assert "PRIVATE" not in str(failed.value)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("~nobody-of-that-name/ink.pub", "nobody has that home"),
        ("pipe", "no plain file"),
        (".", "no plain file"),
        ("a\\u0000b", "null byte"),
    ],
)
def test_a_name_of_a_key_that_is_no_file_is_told_at_once(tmp_path: Path, named: str, words: str) -> None:
    """A home that nobody has, a pipe that nobody writes into, a folder, a name that no file can have."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "images.toml").write_text(f'signed_by = {{ value = ["{named}"], why = "x" }}\n')
    with pytest.raises(ConfigError, match=words):
        load_images(tmp_path)


def test_one_key_under_two_names_is_an_error(tmp_path: Path) -> None:
    """Who counts two keys there would trust one twice."""
    signer = Signer()
    for name in ("a.pub", "b.pub"):
        (tmp_path / name).write_text(signer.pem)
    (tmp_path / "images.toml").write_text('signed_by = { value = ["a.pub", "b.pub"], why = "x" }\n')
    with pytest.raises(ConfigError, match="names one key twice"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('digests = { value = ["latest"], why = "x" }', "digests.value"),
        ('least_age_h = { value = -1, why = "x" }', "least_age_h.value"),
        ("least_age_h = { value = 24 }", "least_age_h.why"),
        ('signature = { value = true, why = "x" }', "signature"),
        ('signed_by = { value = [""], why = "x" }', "signed_by.value"),
        ("signed_by = { value = [] }", "signed_by.why"),
    ],
)
def test_a_rule_that_would_have_no_effect_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A tag in place of a digest, no age, no reason, or an unknown rule: the file and the key are named."""
    (tmp_path / "images.toml").write_text(f"{text}\n")
    with pytest.raises(ConfigError) as failed:
        load_images(tmp_path)
    assert (words in str(failed.value), "images.toml" in str(failed.value)) == (True, True), str(failed.value)
