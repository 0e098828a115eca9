"""The `.env` file that Coolify writes for Docker Compose, and what Compose reads in it.

Sources: EnvironmentVariable.php and escapeEnvVariables of coollabsio/coolify at v4.3.11; the packages dotenv and
template of compose-spec/compose-go at v2.0.2, which Compose 2.26 has.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.sandbox.state_coolify import EnvVar

_PHP_BLANKS = " \n\r\t\v\0"
_GO_BLANKS = "\t\v\f\r \x85\xa0"
"""What compose-go takes for blanks within a line."""
_GO_SPACES = "\n\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))) + _GO_BLANKS
"""Go's unicode.IsSpace."""
_GO_SHORT = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", '"': '"', "\\": "\\"}
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
    reader = _Reader("\n".join(lines))
    while reader.begins():
        reader.take()
    return reader.found


@dataclass(slots=True)
class _Reader:
    """Compose's reader with what is left of the text. Its count of lines passes over one with a bare name."""

    text: str
    line: int = 1
    found: dict[str, str] = field(default_factory=dict[str, str])

    def begins(self) -> bool:
        """Go on to the next name, if there is one."""
        self._drop(len(self.text) - len(self.text.lstrip(_GO_SPACES)))
        while self.text.startswith("#"):
            comment = self.text.partition("\n")[0]
            rest = self.text[len(comment) :]
            self._drop(len(self.text) - len(rest.lstrip(_GO_SPACES)))
        return self.text != ""

    def take(self) -> None:
        """Take a name with its value. A bare name is taken over from the surroundings, which have none."""
        key, has_value = self._key()
        if has_value:
            self.found[key] = self._quoted() if self.text[:1] in ("'", '"') else self._plain()

    def _drop(self, count: int) -> None:
        self.line += self.text[:count].count("\n")
        self.text = self.text[count:]

    def _key(self) -> tuple[str, bool]:
        """The name ends at `=` or `:`, or with its line; where the file ends first, its rest is a value without one."""
        if re.match(r"export[\t\n\f\r ]+", self.text):
            self.text = self.text.removeprefix("export").lstrip(_GO_BLANKS)
        name = _KEY.match(self.text)
        end = name.end() if name else 0
        if end == len(self.text):
            return "", True
        if self.text[end] not in "=:\n":
            head = go_quoted(self.text.partition("\n")[0])
            raise Unreadable(
                f"line {self.line}: unexpected character {go_quoted(self.text[end])} in variable name {head}"
            )
        key, ended_by = self.text[:end].rstrip(_GO_SPACES), self.text[end]
        if " " in key:
            raise Unreadable(f"line {self.line}: key cannot contain a space")
        self.text = self.text[end + 1 :].lstrip(_GO_BLANKS)
        return key, ended_by != "\n"

    def _plain(self) -> str:
        value, _, self.text = self.text.partition("\n")
        self.line += 1
        return substitute(value.partition(" #")[0].rstrip(_GO_SPACES), self.found)

    def _quoted(self) -> str:
        quote, end = self.text[0], _closing(self.text)
        if end < 0:
            head = self.text.partition("\n")[0]
            self._drop(len(self.text))
            raise Unreadable(f"line {self.line}: unterminated quoted value {head}")
        value = self.text[1:end].replace("\\" + quote, quote)
        self._drop(end + 1)
        return value if quote == "'" else substitute(value, self.found)


def go_quoted(text: str) -> str:
    """Return a text as Go's `%q` writes it."""
    return f'"{"".join(map(_in_go, text))}"'


def _in_go(char: str) -> str:
    if (short := _GO_SHORT.get(char)) is not None:
        return f"\\{short}"
    if char.isprintable():
        return char
    number = ord(char)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


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
            raise Unreadable(f"Invalid template: {go_quoted(text)}")
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
