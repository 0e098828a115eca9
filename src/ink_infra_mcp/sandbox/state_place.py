"""The place off the host that copies of backups go to: a sub-account of a Storage Box, as far as SFTP goes."""

import base64
import hashlib
from datetime import UTC, datetime

from ink_infra_mcp.sandbox.part import Part

BOX, BOX_USER, BOX_PORT = "box.example.com", "u000001-sub1", 23
BOX_FOLDER, BOX_FLEET = "coolify", "coolify.example.com"
AGE_KEY = "age1pguvd5gg3gnxxh2ru589xy3qkk28cezwllumayf7eg5xtevdxskqje8qs0"
"""The public key of a pair that was thrown away: nobody opens the pretend world's copies."""


class BoxFile(Part):
    """A file: its content in base64, and when it was last written."""

    content: str = ""
    at: float = 0.0

    @property
    def data(self) -> bytes:
        """Return what is in it."""
        return base64.b64decode(self.content)


class PlaceState(Part):
    """`folders` and `files` are by their path below the user's own folder. `room_bytes` may still be written.

    A `rotten` place gives back other bytes than it was given.
    """

    host_private_key: str = ""
    host_public_key: str = ""
    folders: list[str] = []
    files: dict[str, BoxFile] = {}
    room_bytes: int = 10 * 2**30
    rotten: bool = False

    def put(self, path: str, data: bytes, *, at: float) -> None:
        """Write a file whole."""
        self.files[path] = BoxFile(content=base64.b64encode(data).decode(), at=at)


def sealed(backup: str, dump_sum: str) -> str:
    """Return what stands for a backup's archive, encrypted: age's first line, and what nobody can read."""
    body = hashlib.sha256(f"{backup} {dump_sum}".encode()).hexdigest()
    return f"age-encryption.org/v1\n-> X25519 {body[:43]}\n{body[:43]}\n--- {body[:43]}\n{body * 512}"


def seed_place(backup: str, dump_sum: str, *, made: float) -> PlaceState:
    """Return a box with a copy of that backup."""
    data = sealed(backup, dump_sum).encode()
    stamp = datetime.fromtimestamp(int(made), UTC).strftime("%Y%m%dT%H%M%SZ")
    place = PlaceState(folders=[BOX_FOLDER])
    name = f"coolify_{stamp}_{BOX_FLEET}_{backup}_{len(data)}_{hashlib.sha256(data).hexdigest()}.tar.age"
    place.put(f"{BOX_FOLDER}/{name}", data, at=made)
    return place
