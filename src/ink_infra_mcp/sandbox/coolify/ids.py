"""Mints the ids of Coolify's rows: numbers, and public ids of 24 lower-case letters and digits."""

import hashlib

from ink_infra_mcp.sandbox.state_coolify import CoolifyState

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LENGTH = 24


def new_id(coolify: CoolifyState) -> int:
    """Return a number that no row has."""
    coolify.last_id += 1
    return coolify.last_id


def new_uuid(coolify: CoolifyState) -> str:
    """Return a public id that no row has; the same world mints the same ids in the same order."""
    return uuid_of(f"row {new_id(coolify)}")


def uuid_of(name: str) -> str:
    """Return the public id that always belongs to `name`."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
    letters: list[str] = []
    for _ in range(LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[rest])
    return "".join(letters)
