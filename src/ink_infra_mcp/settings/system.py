"""The real clock and the real ids; everything else gets them injected."""

import asyncio
import secrets
import string
import time
from datetime import UTC, datetime

from ink_infra_mcp.core.key_pair import KeyPair
from ink_infra_mcp.core.secret import Secret

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 10
_PASSWORD = 32


class SystemClock:
    """The time of this machine. In a pretend world that runs `speed` times as fast, waiting runs as fast too."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait for that many seconds."""
        await asyncio.sleep(seconds / self._speed)


def new_id(prefix: str) -> str:
    """Return a fresh id such as `op-7k2mq9xw4t`: 31^10 choices, no letters that look alike."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"


def new_password() -> str:
    """Return 32 random letters and digits: 190 bits, which every reader of files, URLs and shells takes as they are."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_PASSWORD))


def new_key_pair() -> KeyPair:
    """Return a fresh ed25519 pair, its private half as OpenSSH text without a passphrase."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return KeyPair(private=Secret(private), public=public)
