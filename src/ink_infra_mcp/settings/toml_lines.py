"""Finds the line of every table, key and list item in a TOML text, which the standard parser does not tell."""

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top of the file, such as ("muscles", 0, "name")."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LINE_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'")
_BLOCK_STRING = re.compile(r'"""(?:\\[\s\S]|(?!""")[\s\S])*"""(?:"{0,2})' + r"|'''(?:(?!''')[\s\S])*'''(?:'{0,2})")
_SCALAR = re.compile(r"[^,\]}#\n]+")


class TomlLines:
    """The lines of a TOML text that `tomllib` has accepted; on any other text the answers mean nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {(): 1}
        self._counts: dict[KeyPath, int] = {}
        self._position = 0
        self._read_document()

    def line_of(self, path: KeyPath) -> int:
        """Return the line (from 1) where `path` is written, or that of the nearest table or list around it."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
        return 1

    def _read_document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._position < len(self._text):
            if self._peek("["):
                table = self._read_header()
            else:
                self._read_pair(table)
            self._skip(_BLANK)

    def _read_header(self) -> KeyPath:
        start = self._position
        is_list = self._text.startswith("[[", start)
        self._position += 2 if is_list else 1
        keys = self._read_key()
        self._position += 2 if is_list else 1
        path = (*self._resolve(keys[:-1]), keys[-1])
        if not is_list:
            path = self._resolve(keys)
        self._note(path, start)
        if not is_list:
            return path
        index = self._counts.get(path, -1) + 1
        self._counts[path] = index
        self._note((*path, index), start)
        return (*path, index)

    def _resolve(self, keys: list[str]) -> KeyPath:
        """Return the path that a header means: below a list of tables, it is about the last one."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _read_pair(self, table: KeyPath) -> None:
        start = self._position
        path = table
        for key in self._read_key():
            path = (*path, key)
            self._note(path, start)
        self._position += 1
        self._skip(_SPACE)
        self._read_value(path)

    def _read_key(self) -> list[str]:
        keys = [self._read_key_part()]
        while self._peek("."):
            self._position += 1
            keys.append(self._read_key_part())
        return keys

    def _read_key_part(self) -> str:
        self._skip(_SPACE)
        start = self._position
        self._skip(_LINE_STRING if self._text[start] in "\"'" else _BARE_KEY)
        word = self._text[start : self._position]
        self._skip(_SPACE)
        return str(tomllib.loads(f"key = {word}")["key"]) if word[0] in "\"'" else word

    def _read_value(self, path: KeyPath) -> None:
        if self._peek("["):
            self._read_list(path)
        elif self._peek("{"):
            self._read_inline_table(path)
        elif self._peek('"""') or self._peek("'''"):
            self._skip(_BLOCK_STRING)
        else:
            self._skip(_LINE_STRING if self._text[self._position] in "\"'" else _SCALAR)

    def _read_list(self, path: KeyPath) -> None:
        self._position += 1
        index = 0
        while not self._closed_by("]"):
            self._note((*path, index), self._position)
            self._read_value((*path, index))
            index += 1

    def _read_inline_table(self, path: KeyPath) -> None:
        self._position += 1
        while not self._closed_by("}"):
            self._read_pair(path)

    def _closed_by(self, bracket: str) -> bool:
        """Skip blanks and one comma; return whether the bracket came, and step over it."""
        self._skip(_BLANK)
        if self._peek(","):
            self._position += 1
            self._skip(_BLANK)
        if self._peek(bracket):
            self._position += 1
            return True
        return False

    def _note(self, path: KeyPath, position: int) -> None:
        self._lines.setdefault(path, bisect_right(self._starts, position))

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._position)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self._text, self._position):
            self._position = match.end()
