"""SSH key pairs as text: a private half that masks itself, and what tells one public half from another."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from ink_infra_mcp.core.secret import Secret

_LINE = re.compile(r"(?P<type>ssh-ed25519) (?P<body>[A-Za-z0-9+/]{68}={0,2})(?: [^\r\n]*)?")
"""An ed25519 key is 51 bytes on the wire: 68 characters of base64."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair: the private half as OpenSSH text, the public half as a line without a comment."""

    private: Secret
    public: str


NewKeyPair = Callable[[], KeyPair]
"""Makes a fresh ed25519 pair."""


def public_key_of(line: str) -> str | None:
    """Return the ed25519 key in an OpenSSH public key line, without its comment; None when it is no such line."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    try:
        body = base64.b64decode(found["body"], validate=True)
    except binascii.Error:
        return None
    own = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
    return f"{found['type']} {found['body']}" if body.startswith(own) and len(body) == len(own) + 32 else None


def fingerprint_of(public: str) -> str:
    """Return the fingerprint of a public key as `ssh-keygen -l` shows it: `SHA256:` and 43 characters.

    Raises:
        ValueError: this is no OpenSSH public key.
    """
    words = public.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise ValueError("not an OpenSSH public key") from error
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"
