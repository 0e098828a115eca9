"""Tells values that are plainly secrets, so that they are refused before a plan, which is stored and shown, has them.

A guess by name and by form, and a broad one: whoever means a plain value all the same allows its name by policy. What
text that runs holds is judged by form alone, and only what a machine must have made counts there: `postgres` is a
sample that thousands of compose files have.
"""

import base64
import re
from collections.abc import Iterator
from itertools import pairwise

from ink_infra_mcp.core.secret_shapes import (
    ASSIGNED,
    KEY_BEGIN,
    STANDS_FOR,
    URL_PASSWORD,
    VENDOR_TOKENS,
    assigned_in,
    lines_of_keys,
)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TELLING = re.compile(r"[a-z]*passwords?|[a-z]*passwd|pass|pwd|passphrase|secrets?|tokens?|credentials?|apikey")
_MAKES_A_KEY = re.compile(r"api|private|access|secret|encrypt|encryption|signing|master|auth|app|cipher|jwt|session")
"""What makes a secret of a word `key` behind it."""
_HARMLESS = re.compile(
    r"""(?x) ur[il]|file|path|dir|folder|name|ids?|ttl|expir(?:y|es|ed|e|ation)|age|length|min|max|size|alg|algorithm
    |type|enabled?|disabled?|required?|headers?|fields?|prefix|suffix|endpoint|host|port|issuer|audience|mode|policy
    |count|limit|timeout|lifetime|duration|days|hours|minutes|seconds|version|cookie|provider|store|backend|driver
    |rounds|cost|hint|reset|login|format|scopes?|public|symbol|address|subject|charset|encryption|hash(?:ing)?
    |algo|strategy|rotation|label|title|count(?:er)?|template|pattern|regex|field|class|service|style"""
)
"""Last words of names that speak of a secret and hold none: `TOKEN_URL`, `DB_PASSWORD_FILE`, `PASSWORD_MIN_LENGTH`."""
_PUBLIC = re.compile(r"public|publishable|site|vite|anon")
"""Words of names whose values every visitor gets, unless another word says that it is none for visitors."""
_NEVER_PUBLIC = re.compile(r"[a-z]*passwords?|[a-z]*passwd|pass|pwd|passphrase|secrets?|private|credentials?")
_NOTHING = re.compile(r"true|false|yes|no|on|off|none|null|enabled|disabled|required|optional|auto|default")
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]+)?[a-z]{0,2}")
_PATH = re.compile(r"\.{0,2}/[\w./@-]*")
_DEFAULT = re.compile(r"\$\{(?P<name>\w{1,255}+):?-(?P<value>[^}\s]{0,500}+)\}")
"""What a compose file takes where nobody gives a value: `${NAME:-default}`."""
_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_MADE = re.compile(r"[A-Za-z0-9+/_.=~-]{16,}")
_CHANGES = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_OF_A_KEY = 16
"""Characters from which what stands behind BEGIN is a key, and not the text that goes on."""
_LEAST_CHANGES = 3
"""Times that letters and digits take turns in text that a machine made; a name with a version or a year has fewer."""


def sign_in_value(name: str, value: str) -> str:
    """Return by what the value of a variable looks like a secret, in words; empty when it does not.

    What stands for a value (`${NAME}`), numbers, switches and paths are none.
    """
    if _is_plainly_nothing(value):
        return ""
    if KEY_BEGIN.search(value):
        return "it is a private key"
    if by_form := sign_of_form(value):
        return by_form
    if any(not STANDS_FOR.fullmatch(match["value"]) for match in URL_PASSWORD.finditer(value)):
        return "it is a URL with a password"
    if told := next(_given_inside(value), ""):
        return f"it has a value for {told}"
    words = _words_of(name)
    if _tells(words):
        return "its name says so"
    return "it is text that only a machine makes" if _is_opaque(words, value) else ""


def signs_in_text(text: str) -> tuple[str, ...]:
    """Return by what a text that runs plainly holds a secret, in words; what a person could have made up is none."""
    return tuple(dict.fromkeys(_signs(text)))


def sign_of_form(text: str) -> str:
    """Return what kind of secret stands in a text that shows by itself what it is; empty when none does."""
    if KEY_BEGIN.search(text) and any(end - start >= _OF_A_KEY for start, end in lines_of_keys(text)):
        return "it is a private key"
    return "it is a token whose form tells whose it is" if VENDOR_TOKENS.search(text) else ""


def holds_what_a_machine_made(text: str) -> bool:
    """Return whether a word of a text is one that no person would have thought out, or shows by itself what it is."""
    return bool(sign_of_form(text)) or any(map(is_made_by_machine, _MADE.findall(text)))


def is_made_by_machine(text: str) -> bool:
    """Return whether no person would have thought a text out: 16 characters in which letters and digits take turns."""
    return bool(_MADE.fullmatch(text)) and len(_CHANGES.findall(text)) >= _LEAST_CHANGES


def _signs(text: str) -> Iterator[str]:
    if by_form := sign_of_form(text):
        yield by_form
    if any(is_made_by_machine(match["value"]) for match in URL_PASSWORD.finditer(text)):
        yield "it is a URL with a password"
    for name, value in _named(text):
        if _tells(_words_of(name)) and is_made_by_machine(value):
            yield f"{name} has a value that only a machine makes"


def _given_inside(value: str) -> Iterator[str]:
    """Connection strings and JSON carry a password under a name of their own; `password: ` in prose is none."""
    for match in ASSIGNED.finditer(value):
        is_given = "=" in match["mid"] or match["mid"][0] in "\\\"'"
        told = [value[start:end] for start, end in assigned_in(match)] if is_given else []
        if any(not _is_plainly_nothing(text) for text in told) and _tells(_words_of(match["name"])):
            yield match["name"]


def _named(text: str) -> Iterator[tuple[str, str]]:
    for match in ASSIGNED.finditer(text):
        yield from ((match["name"], text[start:end]) for start, end in assigned_in(match))
    yield from ((match["name"], match["value"]) for match in _DEFAULT.finditer(text))


def _is_plainly_nothing(value: str) -> bool:
    bare = value.strip()
    if not bare or _NOTHING.fullmatch(bare.lower()) or STANDS_FOR.fullmatch(bare):
        return True
    return bool(_NUMBER.fullmatch(bare) or _PATH.fullmatch(bare))


def _tells(words: list[str]) -> bool:
    if _is_harmless(words):
        return False
    keys = (first for first, second in pairwise(words) if second == "key")
    return any(map(_TELLING.fullmatch, words)) or any(map(_MAKES_A_KEY.fullmatch, keys))


def _words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _is_harmless(words: list[str]) -> bool:
    if not words:
        return False
    is_public = any(map(_PUBLIC.fullmatch, words)) and not any(map(_NEVER_PUBLIC.fullmatch, words))
    return is_public or _HARMLESS.fullmatch(words[-1]) is not None


def _is_opaque(words: list[str], value: str) -> bool:
    if _is_harmless(words) or not _OPAQUE.fullmatch(value) or _HEX.fullmatch(value) or _encodes_text(value):
        return False
    cases = any(c.isupper() for c in value) and any(c.islower() for c in value)
    return cases and is_made_by_machine(value)


def _encodes_text(value: str) -> bool:
    """Texts that no variable carries as they are go in base64: what such a value says is no secret by its look."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return False
    return text.replace("\n", " ").isprintable() and not sign_of_form(text)
