"""What an app would run, as facets: short texts where they may be read, digests under a key of ours where not."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pydantic import GetCoreSchemaHandler, JsonValue
from pydantic_core import CoreSchema, core_schema

from ink_infra_mcp.core.secret import MASK, Secret

UNREADABLE = "unreadable"
"""What stands before the slash of a facet whose value the token may not read."""
Facets = Mapping[str, str]
"""Facet of what would run -> its text or digest. What is empty has no facet."""
_HEX = 16
"""Hex digits kept of a digest: 64 bits, which nobody without the key can search through."""
_DIGEST = re.compile(rf"#[0-9a-f]{{{_HEX}}}")


class Pinning:
    """Makes digests that stand in stored plans.

    A bare SHA-256 of a short value (a PIN, a weak password) could be searched through by whoever reads the state store.
    These are HMACs under a key that is derived from the Coolify token: whoever has that can read the values anyway.
    """

    __slots__ = ("_key",)

    def __init__(self, token: Secret) -> None:
        self._key = hmac.digest(token.reveal().encode(errors="surrogatepass"), b"ink-infra-mcp pins", "sha256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pinning) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def by(self) -> str:
        """Return a name of the key: digests under another one cannot be compared."""
        return self.of("name of the key")

    def of(self, text: str) -> str:
        """Return the digest of a text: `#` and 16 hex digits."""
        return "#" + hmac.new(self._key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:_HEX]

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a token, as facts that are written down have one; the key itself is never written."""
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK)
        )

    @classmethod
    def _validate(cls, value: object) -> "Pinning":
        return value if isinstance(value, Pinning) else cls(Secret(str(value)))

    def of_json(self, value: JsonValue) -> str:
        """Return the digest of a value, whatever the order of its keys."""
        return self.of(json.dumps(value, sort_keys=True, ensure_ascii=True))


def differing(expected: Facets, found: Facets, *, free: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the facets that differ, are missing or came in addition, sorted.

    One of which nothing is expected may be anything where it `matches` the patterns `free`.
    """
    free = tuple(free)
    came = (name for name in found.keys() - expected.keys() if not matches(name, free))
    wrong = (name for name, text in expected.items() if not _agree(text, found.get(name, "")))
    return tuple(sorted({*came, *wrong}))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether the last pattern that fits a name lets it in: `*` stands for any text, a first `!` keeps out."""
    verdict = False
    for pattern in patterns:
        if fnmatchcase(name, pattern.removeprefix("!")):
            verdict = not pattern.startswith("!")
    return verdict


def _agree(expected: str, found: str) -> bool:
    """What a plan sets itself has a digest without flags, and may be something that nobody can read afterwards."""
    if expected == found:
        return True
    return bool(_DIGEST.fullmatch(expected)) and found.partition("/")[0] in (expected, UNREADABLE)
