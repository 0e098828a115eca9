"""Removes secrets from text: by value (all that this process knows) and by shape (what secrets look like)."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.secret_forms import SHORTEST_VALUE, forms_of, is_plain_word, parts_of, wholes_of
from ink_infra_mcp.core.secret_shapes import Span, shapes_in
from ink_infra_mcp.core.secret_signs import holds_what_a_machine_made

_MASK = re.compile(r"\([0-9]{1,12} characters? hidden\)")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,60}-----")
_LINE = re.compile("[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
"""What stands between the characters that end a line for `str.splitlines`."""


def mask(count: int) -> str:
    """Return the text that stands in place of `count` characters."""
    return f"({count} character{'' if count == 1 else 's'} hidden)"


class Redactor:
    """Masks secrets in text before it leaves the process.

    Values are added as they are read, and known in all the forms of `core.secret_forms`; shapes need no knowledge. A
    mask covers what is secret and nothing beside it, says how many characters it hides, and never crosses a line: as
    many lines come out as went in. What is masked already stays as it is.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._known: set[tuple[str, str]] = set()
        self._names: dict[str, set[str]] = {}
        self._forms: dict[str, list[str]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret, *, name: str = "") -> Secret:
        """Remember the value of `secret`, under a name where it has one; return it unchanged."""
        value = secret.reveal()
        if (value, name) not in self._known:
            self._known.add((value, name))
            wholes = wholes_of(value)
            for part in parts_of(value):
                is_telling = not is_plain_word(part) if part in wholes else holds_what_a_machine_made(part)
                told = {name} if name and is_telling else set[str]()
                for form in forms_of(part):
                    self._learn(form, told)
        return secret

    def names_in(self, text: str) -> tuple[str, ...]:
        """Return the names of the secrets whose value stands in a text in any form, sorted.

        A value that is nothing but a plain lower-case word or fewer than 12 digits is not looked for, and of a value of
        several lines a single one only where a machine made something in it: others stand everywhere.
        """
        return tuple(sorted({name for _, _, form in self._found(text) for name in self._names[form]}))

    def by_value(self, text: str) -> str:
        """Return `text` with every known value masked, and nothing else: for text that runs, too."""
        return _masked(text, self._values(text))

    def __call__(self, text: str) -> str:
        """Return `text` with every known value and all that looks like a secret masked: for text that does not run."""
        return _masked(text, [*self._values(text), *shapes_in(text)])

    def _learn(self, form: str, names: set[str]) -> None:
        if form not in self._names:
            self._forms.setdefault(form[:SHORTEST_VALUE], []).append(form)
        self._names.setdefault(form, set()).update(names)

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Every place is looked at once, by its first characters: the time does not rise with the number of secrets."""
        beginning = self._forms.get
        if not self._forms:
            return
        for start in range(len(text) - SHORTEST_VALUE + 1):
            for form in beginning(text[start : start + SHORTEST_VALUE], ()):
                if text.startswith(form, start):
                    yield start, start + len(form), form

    def _values(self, text: str) -> list[Span]:
        """A value that begins or ends inside of a mask is none: what the mask says only looks like it."""
        masks = _Marks(text, _MASK)
        return [(start, end) for start, end, _ in self._found(text) if not masks.cut(start, end)]


class _Marks:
    """Where in a text something stands that is never masked."""

    def __init__(self, text: str, *patterns: re.Pattern[str]) -> None:
        self._spans = sorted(match.span() for pattern in patterns for match in pattern.finditer(text))
        self._ends = [end for _, end in self._spans]

    def cut(self, start: int, end: int) -> bool:
        """Return whether a span begins or ends within one of them."""
        return any((a < start or end < b) for a, b in self._within(start, end))

    def without(self, start: int, end: int) -> Iterator[Span]:
        """Give what of a span is outside of them."""
        for a, b in self._within(start, end):
            if start < a:
                yield start, a
            start = max(start, b)
        if start < end:
            yield start, end

    def _within(self, start: int, end: int) -> Iterator[Span]:
        for index in range(bisect_left(self._ends, start + 1), len(self._spans)):
            if self._spans[index][0] >= end:
                return
            yield self._spans[index]


def _masked(text: str, spans: Iterable[Span]) -> str:
    kept = _Marks(text, _MASK, _ARMOUR)
    parts: list[str] = []
    done = 0
    for span in _joined(spans):
        for start, end in kept.without(*span):
            parts += [text[done:start], _LINE.sub(lambda line: mask(len(line[0])), text[start:end])]
            done = end
    return "".join([*parts, text[done:]])


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Give spans in order, with those that overlap or touch as one."""
    current: Span | None = None
    for start, end in sorted(spans):
        if current and start <= current[1]:
            current = current[0], max(current[1], end)
        else:
            if current:
                yield current
            current = start, end
    if current:
        yield current
