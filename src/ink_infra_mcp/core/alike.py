"""Lanes of a plan that say the same but for their own names, addresses and keys: found, and told by what differs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from ink_infra_mcp.core.quoting import WIDTH
from ink_infra_mcp.core.untrusted import written_out

MOST_OTHERS = 4
"""Of so many parts of a lane one may be otherwise: a lane with more of them is easier to read in full."""
HEADING = 2
"""Rows that say of which lane the table is."""
SPARED = 2
"""A table takes the place of at least so many times its rows: what is as short as that is read as it is."""
_KEY = r"(?<![\w+/=])(?:AAAA[A-Za-z0-9+/]{32,}={0,3}|SHA256:[A-Za-z0-9+/]{43}=?)(?![\w+/=])"
"""The body of a public key as OpenSSH writes it (RFC 4253, 6.6: its first bytes are a length), or a fingerprint."""
_BEGINS, _ENDS = r"(?:(?<![^\s(\[\"'@,])|(?<=//))", r"(?![^\s)\]\"'/:,;.]|\.\w)"
_ADDRESS = rf"{_BEGINS}(?:(?:\d{{1,3}}\.){{3}}\d{{1,3}}|(?:[0-9a-f]{{0,4}}:){{2,7}}[0-9a-f]{{0,4}}(?!:)){_ENDS}"
"""An address where one is written, and no version: those stand behind `=`, `:` or `-`, or in the path of a URL."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a plan says, before it is broken into rows: a line, or a text under the name that `line` is then."""

    line: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A step of a lane, or several that only read: numbers and kinds, what is said of them, and the rows that are read.

    What is said counts the lane's steps from 1, so that the same is the same in every lane.
    """

    numbers: str
    kinds: tuple[str, ...]
    said: tuple[Said, ...]
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane by the server's name, whole: no text of it is shown elsewhere only."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """A lane is as the lane `of` with the right values of the table for the left ones, but for the parts `others`."""

    of: str
    name: str
    table: Mapping[str, str]
    others: tuple[int, ...]

    def said(self) -> Iterator[Said]:
        """Yield the table: a line for each value that differs, and two that stand alone for a key that is too long.

        All of it are names, addresses and keys in plain letters, so that no words of others stand in it.
        """
        for left, right in self.table.items():
            is_name = left in _names(self.of)
            line = f"      {left} -> {right}{', also inside longer names' if is_name else ''}"
            if is_name or len(line) <= WIDTH:
                yield Said(line)
            else:
                yield from (Said(f"in {self.of}", left), Said(f"in {self.name}", right))


def likenesses(lanes: Iterable[Lane]) -> dict[str, Likeness]:
    """Return each lane that is as an earlier one, by name; the earlier one is none that is itself told so."""
    found: dict[str, Likeness] = {}
    whole: list[Lane] = []
    for lane in lanes:
        if like := next(filter(None, (_likeness(first, lane) for first in whole)), None):
            found[lane.name] = like
        else:
            whole.append(lane)
    return found


def _likeness(first: Lane, other: Lane) -> Likeness | None:
    """A table is believed only when what it makes of one lane is the other, character for character."""
    if _kinds(first) != _kinds(other):
        return None
    one, two = _Finder(first.name), _Finder(other.name)
    pairs = list(zip(first.parts, other.parts, strict=True))
    others = tuple(n for n, (left, right) in enumerate(pairs) if one.outline(left) != two.outline(right))
    same = [pair for n, pair in enumerate(pairs) if n not in others]
    table = _table(one, two, same)
    if table is None or not _holds(one, table, same):
        return None
    like = Likeness(first.name, other.name, {left: right for left, right in table.items() if left != right}, others)
    return like if _is_shorter(like, other) else None


def _kinds(lane: Lane) -> list[tuple[str, ...]]:
    return [part.kinds for part in lane.parts]


def _holds(finder: "_Finder", table: Mapping[str, str], pairs: Iterable[tuple[Part, Part]]) -> bool:
    return all(finder.gives(table, one, two) and finder.is_plain(table, one) for one, two in pairs)


def _is_shorter(like: Likeness, lane: Lane) -> bool:
    spared = sum(len(part.rows) for number, part in enumerate(lane.parts) if number not in like.others)
    few = len(like.others) * MOST_OTHERS <= len(lane.parts)
    return few and spared > SPARED * (len(like.table) + HEADING)


def _table(first: "_Finder", other: "_Finder", pairs: Iterable[tuple[Part, Part]]) -> dict[str, str] | None:
    """Return what stands in one lane for each value of the other, None where that is not one and the same."""
    table: dict[str, str] = {}
    for one, two in pairs:
        for left, right in zip(first.values(one), other.values(two), strict=True):
            if table.setdefault(left, right) != right:
                return None
    return table


class _Finder:
    """Finds the values of a lane that may be its own: its name, as ids have it too, addresses, and keys."""

    def __init__(self, name: str) -> None:
        self._names = _names(name)
        names = "|".join(map(re.escape, self._names))
        # `_` and `-` end a name, as in `ink-s3` and `s3__save`: only a letter or a digit makes it another one
        whole = rf"(?<![^\W_])(?P<name>{names})(?![^\W_])"
        self._pattern = re.compile(f"(?P<key>{_KEY})|(?P<address>{_ADDRESS})|{whole}")

    def outline(self, part: Part) -> list[list[str]]:
        """Return all that is said of a part, with the kind of a value in the place of each."""
        return [self._outline(text) for text in _given(part)]

    def values(self, part: Part) -> list[str]:
        """Return the values in the order in which they stand there."""
        return self._all_in(_given(part))

    def gives(self, table: Mapping[str, str], part: Part, wanted: Part) -> bool:
        """Return whether the table makes of one part the other: as it was given, and as it is read."""
        return all(
            [self._put(table, text) for text in texts(part)] == texts(wanted) and _form(part) == _form(wanted)
            for texts in (_given, _read)
        )

    def is_plain(self, table: Mapping[str, str], part: Part) -> bool:
        """Return whether each value that differs is seen where it is meant, and only there.

        An address or a key inside a longer word, and a name that a row's end makes out of a longer one, would be
        anybody's guess.
        """
        read = _read(part)
        meant, seen = self._all_in(read), self._all_in(part.rows)
        lefts = [left for left, right in table.items() if left != right]
        inside = [left for left in lefts if left not in self._names]
        return all(seen.count(left) <= meant.count(left) for left in lefts) and all(
            sum(text.count(left) for text in read) == meant.count(left) for left in inside
        )

    def _all_in(self, texts: Iterable[str]) -> list[str]:
        return [match[0] for text in texts for match in self._in(text)]

    def _in(self, text: str) -> list[re.Match[str]]:
        return [match for match in self._pattern.finditer(text) if match.lastgroup != "address" or _is_ip(match[0])]

    def _outline(self, text: str) -> list[str]:
        pieces: list[str] = []
        end = 0
        for match in self._in(text):
            pieces += [text[end : match.start()], self._kind(match)]
            end = match.end()
        return [*pieces, text[end:]]

    def _kind(self, match: re.Match[str]) -> str:
        """A name is no id, an address of one family none of the other, and a key no fingerprint."""
        form = self._names.index(match[0]) if match.lastgroup == "name" else ":" in match[0]
        return f"{match.lastgroup} {form}"

    def _put(self, table: Mapping[str, str], text: str) -> str:
        return self._pattern.sub(lambda match: table.get(match[0], match[0]), text)


def _names(lane: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((lane, lane.replace("-", "_"))))


def _form(part: Part) -> list[bool]:
    return [said.text is None for said in part.said]


def _given(part: Part) -> list[str]:
    return [text for said in part.said for text in (said.line, said.text or "")]


def _read(part: Part) -> list[str]:
    """A text is read with its tabs as blanks, and each as it is written out (`core.quoting`)."""
    return [
        text for said in part.said for text in (written_out(said.line), written_out((said.text or "").expandtabs(4)))
    ]


def _is_ip(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True
