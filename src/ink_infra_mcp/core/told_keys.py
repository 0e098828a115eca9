"""SSH host keys that a provider tells of a server: exactly which key a server shows may be held against them."""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from pydantic import JsonValue

from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.shapes import table

Kind = Literal["ed25519", "ecdsa", "rsa"]
_KINDS: dict[str, Kind] = {"ED25519": "ed25519", "ECDSA": "ecdsa", "RSA": "rsa"}
"""As Robot names them. DSA is not among them: no OpenSSH since 10.0 has it, and 1024 bits protect nothing."""
_ALGORITHMS: dict[str, tuple[Kind, int]] = {
    "ssh-ed25519": ("ed25519", 256),
    "ecdsa-sha2-nistp256": ("ecdsa", 256),
    "ecdsa-sha2-nistp384": ("ecdsa", 384),
    "ecdsa-sha2-nistp521": ("ecdsa", 521),
    "ssh-rsa": ("rsa", 0),
}
_MD5 = re.compile(r"(?:MD5:)?((?:[0-9a-f]{2}:){15}[0-9a-f]{2})", re.IGNORECASE)
_SHA256 = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class ToldKey(Frozen):
    """A host key as told: `fingerprint` is MD5 in OpenSSH's form (`MD5:c1:e4:...`), or `SHA256:...`.

    An MD5 fingerprint is never a pin by itself: it names, with kind and size, the one key that may become one.
    """

    kind: Kind
    bits: int
    fingerprint: str

    @property
    def words(self) -> str:
        """Return it as `ssh-keygen -l` would: `256 MD5:c1:e4:... (ED25519)`."""
        return f"{self.bits} {self.fingerprint} ({self.kind.upper()})"


def told_key(value: JsonValue) -> ToldKey | None:
    """Return a host key as Robot tells one, None for one that nothing can be held against.

    Orders show `{"key": {"fingerprint": MD5, "type": "ED25519", "size": 256}}`; a whole public key, and a SHA256
    fingerprint in place of the MD5, are understood too.
    """
    if isinstance(value, str):
        return seen_key(value)
    told = table(table(value).get("key")) or table(value)
    kind, bits, print_ = _KINDS.get(str(told.get("type", "")).upper()), told.get("size"), _printed(told)
    if kind is None or print_ is None or isinstance(bits, bool) or not isinstance(bits, int):
        return None
    return ToldKey(kind=kind, bits=bits, fingerprint=print_)


def _printed(told: dict[str, JsonValue]) -> str | None:
    said = str(told.get("fingerprint", ""))
    if _SHA256.fullmatch(said):
        return said
    md5 = _MD5.fullmatch(said)
    return f"MD5:{md5[1].lower()}" if md5 else None


def seen_key(public: str) -> ToldKey | None:
    """Return an OpenSSH public key as one that is told by its SHA256 fingerprint; None when it is none that we take."""
    blob = _blob(public)
    return None if blob is None else _by(public, _sha256(blob))


def md5_fingerprint(public: str) -> str:
    """Return the fingerprint under which Hetzner lists a public key: MD5 of its blob, as 16 pairs with colons.

    Raises:
        ValueError: this is no OpenSSH public key of a kind that we take.
    """
    blob = _blob(public)
    if blob is None:
        raise ValueError("not an OpenSSH public key")
    return _md5(blob)


def trusted(shown: Iterable[str], told: Iterable[ToldKey]) -> str | None:
    """Return that of the shown public keys which is among the told ones, whole and ready to be pinned; else None.

    A key has to have the told kind, size and fingerprint. To pass for a told MD5 one would need a second key with the
    same digest, which nobody can make (only pairs that one makes together collide).
    """
    told = tuple(told)
    return next((" ".join(key.split()[:2]) for key in shown if _is_told(key, told)), None)


def _is_told(public: str, told: tuple[ToldKey, ...]) -> bool:
    blob = _blob(public)
    if blob is None:
        return False
    return any(_by(public, print_) in told for print_ in (_sha256(blob), f"MD5:{_md5(blob)}"))


def _by(public: str, fingerprint: str) -> ToldKey | None:
    blob = _blob(public)
    if blob is None:
        return None
    kind, bits = _ALGORITHMS[public.split()[0]]
    return ToldKey(kind=kind, bits=bits or _rsa_bits(blob), fingerprint=fingerprint)


def _blob(public: str) -> bytes | None:
    """The algorithm stands twice in a key, and both must say the same."""
    words = public.split()
    if len(words) < 2 or words[0] not in _ALGORITHMS:
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except ValueError:
        return None
    name = words[0].encode()
    return blob if blob.startswith(len(name).to_bytes(4, "big") + name) else None


def _rsa_bits(blob: bytes) -> int:
    """Of the three fields algorithm, exponent and modulus (RFC 4253), the last one's length in bits."""
    fields: list[bytes] = []
    rest = blob
    while len(rest) >= 4:
        size = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + size])
        rest = rest[4 + size :]
    return int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0


def _sha256(blob: bytes) -> str:
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _md5(blob: bytes) -> str:
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
