"""In which forms a known secret can stand in a text: as it is, and as programs write it into JSON, URLs and pages."""

import base64
import json
import re
from collections.abc import Iterator
from html import escape
from itertools import product

from ink_infra_mcp.core.untrusted import clean, written_out

SHORTEST_VALUE = 6
"""Characters from which a whole value is looked for: shorter ones would mask ordinary words."""
SHORTEST = 8
"""Characters from which a line of a value, or another form of it, is looked for."""
LONGEST = 256
"""Characters of the pieces in which a longer form is looked for; they cover it, and a cut text shows no half of it."""
_TWO_PARTS = re.compile(r"[0-9]{1,9}\|(?P<secret>[^|]+)")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,60}-----")
_LETTER = re.compile(r"[^\W_]")
_PLAIN = re.compile(r"[a-z]+|[0-9]{1,11}")
_HEX = re.compile(r"%[0-9A-F]{2}")
_SAFE = ("", "/", "*", "!'()*", "$&+,;=", ";/?:@&=+$,#!'()*")
"""What encoders of URLs leave as it is, beside letters, digits and `_.-~`: Python, PHP, forms, JavaScript, Go."""
_NEVER_ENCODED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"
_SPACES = ("%20", "+")
_TILDES = ("~", "%7E")
_DOUBLE = ('"', "&quot;", "&#34;")
_SINGLE = ("'", "&#039;", "&#39;", "&#x27;", "&apos;")
_ROWS = (64, 76)
"""Characters of a line of base64 as openssl and `base64` write it."""
_UNSETTLED = (0, 2, 3)
"""Characters of base64 that hold bits of what stands before the value as well, for 0, 1 and 2 bytes of it."""


def wholes_of(value: str) -> frozenset[str]:
    """Return a value as it is, without blanks round it, and the second part of a token `<id>|<secret>`."""
    bare = value.strip()
    return frozenset({value, bare, *(m["secret"] for m in [_TWO_PARTS.fullmatch(bare)] if m)})


def parts_of(value: str) -> frozenset[str]:
    """Return the texts by which a value is known: its wholes, and each line of one of several, from 8 characters.

    Lines that every key has (`-----BEGIN ...`), and those without a letter or digit, are none of them.
    """
    wholes = wholes_of(value)
    lines = {line.strip() for line in value.splitlines()} - wholes
    kept = {line for line in lines if len(line) >= SHORTEST and _LETTER.search(line) and not _ARMOUR.fullmatch(line)}
    return frozenset({part for part in wholes if len(part) >= SHORTEST_VALUE} | kept)


def forms_of(part: str) -> frozenset[str]:
    """Return how a part of a value is written: plain, in JSON and percent-encoded once and twice, in HTML, in hex, in
    shells and compose files, in base64 in lines of its own and where it stands in the middle of a longer text. Long
    ones are given in pieces of 256 characters.
    """
    others = {form for form in _written(part) if len(form) >= SHORTEST}
    return frozenset(piece for form in {part, *others} for piece in _pieces(form))


def is_plain_word(part: str) -> bool:
    """Return whether a value is nothing but a lower-case word, or fewer than 12 digits: such stand everywhere."""
    return _PLAIN.fullmatch(part) is not None


def _pieces(form: str) -> Iterator[str]:
    for begin in range(0, max(1, len(form)), LONGEST):
        yield form[begin : begin + LONGEST] if begin + LONGEST <= len(form) else form[-LONGEST:]


def _written(part: str) -> Iterator[str]:
    """The first two are ours: what cannot be seen is written out in whatever we show; then compose files and shells."""
    yield written_out(part)
    yield clean(part, limit=None)
    yield from (part.replace("$", "$$"), part.replace("$", "\\$"), part.replace("'", "''"), part.replace("'", "\\'"))
    for text in _in_json(part):
        yield text
        yield from _in_json(text)
    raw = part.encode(errors="surrogatepass")
    for text in _percent_encoded(raw):
        yield text
        yield text.replace("%", "%25")
    yield from (raw.hex(), raw.hex().upper())
    yield from _in_html(part)
    yield from _in_base64(raw)


def _in_json(part: str) -> Iterator[str]:
    """PHP escapes the slash, Go what could be read as HTML."""
    for ascii_only in (True, False):
        text = json.dumps(part, ensure_ascii=ascii_only)[1:-1]
        for_html = re.sub("[<>&]", lambda m: f"\\u{ord(m[0]):04x}", text)
        for written in (text, for_html):
            yield written
            yield written.replace("/", "\\/")


def _percent_encoded(raw: bytes) -> Iterator[str]:
    for safe, space, tilde in product(_SAFE, _SPACES, _TILDES):
        upper = _percent(raw, safe).replace("%20", space).replace("~", tilde)
        yield upper
        yield _HEX.sub(lambda m: m[0].lower(), upper)


def _in_html(part: str) -> Iterator[str]:
    text = escape(part, quote=False)
    for double, single in product(_DOUBLE, _SINGLE):
        yield text.replace('"', double).replace("'", single)


def _in_base64(raw: bytes) -> Iterator[str]:
    """Of a value inside a longer text, those characters that only the value decides."""
    alone = base64.b64encode(raw).decode()
    found = {alone, alone.rstrip("=")}
    for before, unsettled in enumerate(_UNSETTLED):
        padded = bytes(before) + raw
        settled = len(padded) * 8 // 6
        found.add(base64.b64encode(padded).decode()[unsettled:settled])
    for width in _ROWS:
        found.update(alone[begin : begin + width] for begin in range(0, len(alone), width))
    for text in found:
        yield text
        yield text.translate({ord("+"): "-", ord("/"): "_"})


def _percent(raw: bytes, safe: str) -> str:
    kept = _NEVER_ENCODED + safe.encode()
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in raw)
