"""Which texts of a compose file do not arrive: Coolify writes the file anew, and Docker reads what it wrote.

Coolify's writer (symfony/yaml 7, `Inline::dump`) leaves texts without quotes that go-yaml takes for numbers: `0o022`,
`0b11`, `.inf` and their like. Run with Coolify's own code and Docker Compose 2.26.
"""

import re
import unicodedata
from collections.abc import Iterator

from pydantic import JsonValue

from ink_infra_mcp.core.compose.scalars import go_text, resolved
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.shapes import items
from ink_infra_mcp.core.untrusted import clean_name

_WORDS = frozenset({"", "~", "null", "true", "false", "y", "n", "yes", "no", "on", "off"})
_QUOTED = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"  # what PHP takes for a number
    r"|[0-9][_0-9]*|0[xX][0-9a-fA-F_]+|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
    r"|[-?|<>=!%@`].*|.*[\s'\":{}\[\],&*#?].*",
    re.ASCII | re.DOTALL,
)


_BLANKS_FIRST = re.compile(r"\n* +\n")
_ARRIVE = frozenset("\t\n\r\x07\x08\x0b\x0c\x1b\x7f\x85")
"""Control characters that arrive (run with Coolify's own code and Docker Compose 2.26); of others it makes base64."""


def lost_in_coolify(compose: JsonObject) -> tuple[str, ...]:
    """Return a reason for each text, in keys and values, that Docker would read as something else in the end."""
    return tuple(dict.fromkeys(reason for text in texts_in(compose) if (reason := _loss(text))))


def _loss(text: str) -> str:
    if _is_unwritable(text):
        return f"{clean_name(text)!r} holds a character that no file can"
    if ("\n" in text and not text.strip()) or _BLANKS_FIRST.match(text):
        return f"{text!r} does not arrive: Coolify loses the blanks of its first lines"
    read = _read_back(text)
    if read == text:
        return ""
    return f"{text!r} does not arrive: Coolify writes it without quotes and Docker reads {read}; write it another way"


def _is_unwritable(text: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs") and char not in _ARRIVE for char in text) or any(
        ord(char) & 0xFFFE == 0xFFFE for char in text
    )


def _read_back(text: str) -> str:
    """Return what Docker reads where Coolify wrote the text, in quotes or without."""
    if text.lower() in _WORDS or _QUOTED.fullmatch(text):
        return text
    try:
        return go_text(resolved(text))
    except ValueError:
        return "a number"


def texts_in(value: JsonValue) -> Iterator[str]:
    """Yield every text of a document, its keys among them."""
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        yield from value
    for part in value.values() if isinstance(value, dict) else items(value):
        yield from texts_in(part)
