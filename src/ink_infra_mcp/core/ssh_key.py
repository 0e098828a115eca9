"""Public SSH keys, and the fingerprint under which Hetzner lists them."""

import base64
import binascii
import hashlib
from typing import Annotated

from pydantic import AfterValidator

from ink_infra_mcp.core.plan import Frozen

KINDS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


def public_line(value: str) -> str:
    """Return an OpenSSH public key as its kind and its base64, without its comment.

    Raises:
        ValueError: it is none, has options before it, or is of a kind that we do not know.
    """
    words = value.split()
    if words[:1] and words[0] in KINDS and "\n" not in value.strip() and _names_its_kind(words):
        return " ".join(words[:2])
    raise ValueError("use one line of an OpenSSH public key, such as `ssh-ed25519 AAAA...`")


def md5_fingerprint(line: str) -> str:
    """Return the MD5 of a public key's blob, with colons.

    Raises:
        ValueError: it is no public key.
    """
    return hashlib.md5(_blob(public_line(line).split()), usedforsecurity=False).digest().hex(":")


class PublicKey(Frozen):
    """A public key, and what the project shall call it."""

    name: str
    line: Annotated[str, AfterValidator(public_line)]

    @property
    def fingerprint(self) -> str:
        """Return its fingerprint, as Hetzner lists it."""
        return md5_fingerprint(self.line)


def _names_its_kind(words: list[str]) -> bool:
    """The blob begins with the kind, as a string of the SSH protocol."""
    try:
        blob = _blob(words)
    except ValueError:
        return False
    kind = words[0].encode()
    return blob.startswith(len(kind).to_bytes(4, "big") + kind)


def _blob(words: list[str]) -> bytes:
    try:
        return base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise ValueError("not an OpenSSH public key") from error
