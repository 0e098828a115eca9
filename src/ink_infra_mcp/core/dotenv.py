"""What of a variable's value arrives in a container, by way of Coolify's `.env` file and Docker Compose's reader of it.

Coolify writes one line for each variable, the same for applications and services: `KEY='value'` without any escaping
where the variable is literal or multi-line, the value with some backslashes otherwise, and a JSON object or array bare,
whatever its flags (EnvironmentVariable::getResolvedValueWithServer and escapeEnvVariables, version 4.3.11, and seen).
Compose reads it with compose-go's package dotenv (v2.0.2, which Compose 2.26 has, and v2.9.1 read alike).
"""

import json
import re
from collections.abc import Callable
from typing import cast

_SHARED = re.compile(r"\{\{\s*(?:team|project|environment|server)\.")
"""What Coolify replaces by a variable of the team, the project, the environment or the server, if it has that one."""
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters without ink that Laravel's Str::trim cuts off beside spaces and format characters."""
_PHP_BLANKS = " \n\r\t\v\0"
_ESCAPED = (("\\", "\\\\"), ("\r", "\\r"), ("\t", "\\t"), ("\0", "\\0"), ('"', '\\"'), ("'", "\\'"))
_QUOTED = re.compile(r"(?P<text>(?:[^'\\]|\\.)*+)'(?P<rest>.*)", re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
"""A backslash and what stands behind it."""
_MAX_DEPTH = 500
"""PHP's json_validate gives up at 512 levels."""
_ENCODE = "Encode it, for example with base64, and decode it in the app."
_AGAIN = (
    "the compose file does not name it as `NAME: ${NAME}`, so that Coolify writes it into the file, where Docker "
    "Compose expands its dollar sign. Name it so in the file."
)


def arrived(value: str, *, literal: bool) -> str | None:
    """Return what an app finds in a variable that Coolify has with this value, or None where that is no fixed text:
    the file becomes unreadable, something else is put in, or its end spills over into other lines.

    `literal` says whether the variable is literal or multi-line: both have the same effect on the way to a container.
    """
    if _SHARED.search(value) or value.strip(_PHP_BLANKS) != _trimmed(value):
        return None
    read = {_read(line) for line in _lines(value, literal=literal)}
    return read.pop() if len(read) == 1 else None


def unfit(value: str, *, expanded_again: bool = False) -> str:
    """Return why no flags carry the value exactly into a container, and what to do; empty where it arrives exactly.

    A value that does arrives exactly in builds, too: there Coolify quotes literal values properly. `expanded_again`
    says that it goes through Docker Compose's expansion of a compose file as well.
    """
    if expanded_again and "$" in value:
        return _AGAIN
    return next((why for wrong, why in _FAULTS if wrong(value)), "")


def misread(value: str, *, literal: bool, multiline: bool) -> bool:
    """Return whether a variable with these flags does not carry its value exactly, or breaks a build.

    A line break in a variable that is not multi-line ends the ARG line that Coolify adds to a Dockerfile (source).
    """
    return arrived(value, literal=literal or multiline) != value or ("\n" in value and not multiline)


def _lines(value: str, *, literal: bool) -> list[str]:
    """What Coolify may write after `KEY=`: one text, or two where PHP's idea of JSON is not known for certain."""
    value = _trimmed(value)
    plain = f"'{value}'" if literal else _escaped(value)
    return {"json": [value], "text": [plain], "either": [value, plain]}[_kind(value)]


def _trimmed(value: str) -> str:
    start, end = 0, len(value)
    while start < end and _is_blank(value[start]):
        start += 1
    while end > start and _is_blank(value[end - 1]):
        end -= 1
    return value[start:end]


def _is_blank(letter: str) -> bool:
    """Wider than what Coolify cuts off: neither spaces nor anything that is not shown stand at an end by intention."""
    return not letter.isprintable() or letter.isspace() or letter in _BLANK_LETTERS


def _escaped(value: str) -> str:
    """One pass after the other, as PHP's str_replace does: a backslash that one puts in, no later one touches."""
    for search, replacement in _ESCAPED:
        value = value.replace(search, replacement)
    return value


def _kind(value: str) -> str:
    """Return whether Coolify takes a value for JSON: `json`, `text`, or `either` where only PHP itself could tell."""
    return _kind_in_brackets(value) if value.startswith(("{", "[")) else "text"


def _kind_in_brackets(value: str) -> str:
    try:
        found = _parsed(value)
    except RecursionError:
        return "either"
    except ValueError:
        return "either" if _is_loose_json(value) else "text"
    return "json" if _is_plain(found) else "either"


def _parsed(value: str) -> object:
    """Numbers stay text and keys that come twice stay two: nothing of the document is lost."""
    return json.loads(value, parse_constant=_no_constant, parse_int=str, parse_float=str, object_pairs_hook=_pairs)


def _pairs(pairs: list[tuple[str, object]]) -> list[object]:
    return [part for pair in pairs for part in pair]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_loose_json(value: str) -> bool:
    """PHP reads TRUE and Null as well; Python's own NaN is left in, since being too careful costs nothing."""
    try:
        json.loads(value.lower(), parse_int=str)
    except ValueError:
        return False
    return True


def _is_plain(found: object) -> bool:
    """Return whether a document has nothing that readers of JSON differ about: deep nesting, half a surrogate pair."""
    levels = [(found, 1)]
    while levels:
        value, depth = levels.pop()
        if not _is_read_alike(value, depth):
            return False
        if isinstance(value, list):
            levels += [(part, depth + 1) for part in cast(list[object], value)]
    return True


def _is_read_alike(value: object, depth: int) -> bool:
    return depth <= _MAX_DEPTH and (not isinstance(value, str) or _is_text(value))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(written: str) -> str | None:
    """Return what compose-go's dotenv makes of one line, or None: unreadable, expanded, or more than one line."""
    if written.startswith("'"):
        return _read_quoted(written[1:])
    text, _, rest = written.lstrip("\t\v\f\r \x85\xa0").partition("\n")
    text = text.partition(" #")[0].rstrip()
    return None if rest.strip() or "$" in text else text


def _read_quoted(text: str) -> str | None:
    """The first quote without a backslash before it closes: backslashes count in single quotes, too."""
    found = _QUOTED.fullmatch(text)
    if found is None or found["rest"].strip():
        return None
    return _PAIR.sub(lambda pair: "'" if pair[1] == "'" else pair[0], found["text"])


def _spoils_json(value: str) -> bool:
    return _kind(value) != "text" and _read(value) != value


def _is_not_exact(value: str) -> bool:
    return arrived(value, literal=True) != value


_FAULTS: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda value: not _is_text(value), f"it is no Unicode text. {_ENCODE}"),
    (lambda value: "\0" in value, f"NUL cannot be in a variable. {_ENCODE}"),
    (
        lambda value: _trimmed(value) != value,
        "Coolify cuts off spaces, line breaks and letters without ink at both ends of a value; leave them out.",
    ),
    (
        _SHARED.search,
        "Coolify may put a shared variable in the place of {{team. }}, {{project. }}, {{environment. }} and "
        "{{server. }}. Give the text that is meant.",
    ),
    (
        _spoils_json,
        "Coolify writes JSON without quotes, and neither a dollar sign, a line break nor ' #' in it arrives then. "
        "Write it on one line without those, or encode it and decode it in the app.",
    ),
    (
        lambda value: "'" in value and _is_not_exact(value),
        f"a single quote makes Coolify's file of variables unreadable, and no deployment works any more. {_ENCODE}",
    ),
    (
        lambda value: value.endswith("\\"),
        f"a backslash at its end makes Coolify's file of variables unreadable, and no deployment works any more. "
        f"{_ENCODE}",
    ),
    (_is_not_exact, f"Coolify and Docker Compose do not carry it exactly. {_ENCODE}"),
)
