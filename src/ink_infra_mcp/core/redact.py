"""Removes secrets from text: by value (all that this process knows) and by shape (what secrets look like)."""

import re
from collections.abc import Iterable

from ink_infra_mcp.core.secret import MASK, Secret

_MIN_VALUE = 6
_SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    re.compile(r"(?i)(?<=\bbearer )[A-Za-z0-9._~+/|=-]{8,}"),
    re.compile(r"(?i)(?<=\bbasic )[A-Za-z0-9+/=]{8,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    re.compile(r"\b\d{1,6}\|[A-Za-z0-9]{40,}\b"),
    re.compile(r"(?i)(?<=for token ')[A-Za-z0-9]{16,}"),
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s]+(?=@)"),
)
# Text comes from outside, so every expression is linear: a name is tried once, at its start, and never given back.
_ASSIGNED = re.compile(
    r"""(?ix)
    (?<! [\w.-] )
    (?= [\w.-]*? (?: passw(?:or)?d | passphrase | secret | token | api[_-]?key | private[_-]?key | credential ) )
    (?P<name> [\w.-]++ )
    (?P<mid> ["']?+ \s*+ [=:] \s*+ )
    (?P<value> " (?: \\. | [^"\\\n] ){4,}+ "? | ' (?: \\. | [^'\\\n] ){4,}+ '? | [^\s"',;&]{4,} )
    """
)
_MADE = re.compile(r"(?i)(?:token|api[_-]?key|private[_-]?key)$")
"""Ends of names whose values machines make: a plain word is none of these, but may well be a password."""
_PROSE = re.compile(r"[a-z]{1,15} [a-z]")
"""A plain word, and behind it another one: `no token: prices are not known`."""
_REFERENCE = re.compile(r"secret:[A-Z][A-Z0-9_]*")


class Redactor:
    """Masks secrets in text before it leaves the process.

    Values are added as they are read; shapes need no knowledge. Longer values are masked first, so that a secret
    that contains another leaves nothing behind.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._values: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> Secret:
        """Remember the value of `secret` (and the parts of a `<id>|<secret>` token); return it unchanged."""
        value = secret.reveal()
        bare = value.strip()
        parts = {value, bare, bare.rpartition("|")[2]}
        parts.update(line for line in value.splitlines() if len(line) >= 32)
        fresh = {p for p in parts if len(p) >= _MIN_VALUE} - set(self._values)
        self._values = sorted([*self._values, *fresh], key=len, reverse=True)
        return secret

    def by_value(self, text: str) -> str:
        """Return `text` with every known value masked."""
        for value in self._values:
            text = text.replace(value, MASK)
        return text

    def names_in(self, text: str) -> tuple[str, ...]:
        """Return the names of the stored secrets whose value stands in `text`."""
        return tuple("?" for value in self._values if value in text)

    def __call__(self, text: str) -> str:
        """Return `text` with every known value and every secret-shaped run masked."""
        text = self.by_value(text)
        for shape in _SHAPES:
            text = shape.sub(MASK, text)
        return _ASSIGNED.sub(_mask_assigned, text)


def _is_no_secret(value: str) -> bool:
    return value.lower() in {"none", "null", "true", "false"} or value.startswith(MASK)


def _is_prose(match: re.Match[str]) -> bool:
    said = match["mid"] == ": " and _MADE.search(match["name"])
    return bool(said and _PROSE.match(match.string, match.start("value")))


def _may_be_shown(match: re.Match[str]) -> bool:
    bare = match["value"].strip("\"'")
    return bool(_REFERENCE.fullmatch(match[0])) or _is_no_secret(bare) or _is_prose(match)


def _mask_assigned(match: re.Match[str]) -> str:
    value = match["value"]
    if _may_be_shown(match):
        return match[0]
    before = value[0] if value[0] in "\"'" else ""
    after = before if value.endswith(before) else ""
    return f"{match['name']}{match['mid']}{before}{MASK}{after}"
