"""The `.env` file that Coolify writes for Docker Compose, and what Compose reads in it.

Sources: EnvironmentVariable.php and escapeEnvVariables of coollabsio/coolify at v4.3.11; the packages dotenv and
template of compose-spec/compose-go at v2.0.2, which Compose 2.26 has.
"""

import json
import re
from collections.abc import Iterable, Mapping

from ink_infra_mcp.sandbox.state_coolify import EnvVar

_PHP_BLANKS = " \n\r\t\v\0"
_GO_BLANKS = "\t\v\f\r \x85\xa0"
"""What compose-go takes for blanks within a line."""
_KEY = re.compile(r"[\w.\-\[\]\t\v\f\r \x85\xa0]*")
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z][_a-z0-9]*)|\{(?:(?P<braced>[_a-z][_a-z0-9]*(?::?[-+?].*?)?)\}|(?P<bad>)))",
    re.IGNORECASE | re.DOTALL,
)
_BRACED = re.compile(r"(?P<name>[_a-z][_a-z0-9]*)(?P<how>:?[-+?])?(?P<other>.*)", re.IGNORECASE | re.DOTALL)


class Unreadable(Exception):
    """Compose refuses the file, and with it the whole deployment."""


def line(var: EnvVar) -> str:
    """Return the line of a variable: nothing inside of literal and multi-line ones is escaped, and JSON is bare."""
    value = (var.value or "").strip(_PHP_BLANKS)
    if _is_json(value):
        return f"{var.key}={value}"
    if var.is_literal or var.is_multiline:
        return f"{var.key}='{value}'"
    return f"{var.key}={_escaped(value)}"


def _is_json(value: str) -> bool:
    if not value.startswith(("{", "[")):
        return False
    try:
        json.loads(value, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def _escaped(value: str) -> str:
    pairs = (("\\", "\\\\"), ("\r", "\\r"), ("\t", "\\t"), ("\0", "\\0"), ('"', '\\"'), ("'", "\\'"))
    for search, replacement in pairs:
        value = value.replace(search, replacement)
    return value


def read(lines: Iterable[str]) -> dict[str, str]:
    """Return what Compose finds in a file of these lines, a later one of the same name over an earlier one.

    Raises:
        Unreadable: with Compose's words, from the number of the line on.
    """
    text = "\n".join(lines)
    whole, found = text, dict[str, str]()
    while text := _start(text):
        number = whole[: len(whole) - len(text)].count("\n") + 1
        key, text, has_value = _key(text, number)
        if has_value:
            value, text = _value(text, found, number)
            found[key] = value
    return found


def _start(text: str) -> str:
    text = text.lstrip()
    while text.startswith("#"):
        text = text.partition("\n")[2].lstrip()
    return text


def _key(text: str, number: int) -> tuple[str, str, bool]:
    """The name ends at `=` or `:`, or with its line: then it is taken over from the surroundings, which have none.

    Where the text ends first, all of it is the value of a variable without a name (locateKeyName): Docker refuses it.
    """
    stripped = re.sub(r"^export\s+", "", text)
    match = _KEY.match(stripped)
    end = match.end() if match else 0
    if end == len(stripped):
        return "", stripped, True
    if stripped[end] not in "=:\n":
        head = stripped.split("\n")[0]
        raise Unreadable(f'line {number}: unexpected character "{stripped[end]}" in variable name "{head}"')
    key = stripped[:end].rstrip()
    if " " in key:
        raise Unreadable(f"line {number}: key cannot contain a space")
    return key, stripped[end + 1 :].lstrip(_GO_BLANKS), stripped[end] != "\n"


def _value(text: str, known: Mapping[str, str], number: int) -> tuple[str, str]:
    if text[:1] not in ("'", '"'):
        value, _, rest = text.partition("\n")
        return substitute(value.partition(" #")[0].rstrip(), known), rest
    end = _closing(text)
    if end < 0:
        head = text.split("\n")[0]
        raise Unreadable(f"line {number}: unterminated quoted value {head}")
    value = text[1:end].replace("\\" + text[0], text[0])
    return (value if text[0] == "'" else substitute(value, known)), text[end + 1 :]


def _closing(text: str) -> int:
    """Return where the quotation ends that the text begins with; a quote after an odd number of backslashes goes on."""
    for match in re.finditer(r"\\.|['\"]", text[1:], re.DOTALL):
        if match[0] == text[0]:
            return match.start() + 1
    return -1


def substitute(text: str, known: Mapping[str, str]) -> str:
    """Return the text with its variables put in; unknown ones are empty.

    Raises:
        Unreadable: a brace after a dollar sign holds no variable, or a needed one is missing.
    """

    def put(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if match["named"]:
            return known.get(match["named"], "")
        if match["braced"] is None:
            raise Unreadable(f'Invalid template: "{text}"')
        return _braced(match["braced"], known)

    return _VARIABLE.sub(put, text)


def _braced(inner: str, known: Mapping[str, str]) -> str:
    parts = _BRACED.fullmatch(inner)
    if parts is None or not parts["how"]:
        return known.get(inner, "")
    return _operated(parts, known)


def _operated(parts: re.Match[str], known: Mapping[str, str]) -> str:
    value, how = known.get(parts["name"]), parts["how"]
    there = _is_there(value, how)
    if how.endswith("+"):
        return substitute(parts["other"], known) if there else ""
    return (value or "") if there else _instead(parts, known)


def _is_there(value: str | None, how: str) -> bool:
    """A colon before the operator takes an empty value for a missing one."""
    return bool(value) if how.startswith(":") else value is not None


def _instead(parts: re.Match[str], known: Mapping[str, str]) -> str:
    if parts["how"].endswith("?"):
        raise Unreadable(f"required variable {parts['name']} is missing a value: {parts['other']}")
    return substitute(parts["other"], known)
