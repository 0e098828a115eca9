"""What a server's sshd says of its settings and of the files that they come from, as it was read there."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAIN = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/00-ink-infra.conf"
DROP_IN_FOLDER = "/etc/ssh/sshd_config.d/"
FIRST_LINE = f"Include {DROP_IN}"
_PLAIN_OPTIONS = frozenset({"-D", "-e", "-4", "-6", "-u0"})
_DIRECTIVE = re.compile(r"\s*\"?([A-Za-z0-9]+)\"?(?:\s*=\s*|\s+)(.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Directive:
    """One setting in a file, in the order in which sshd reads them; `match` is the condition that it stands under."""

    file: str
    line: int
    keyword: str
    value: str
    match: str = ""

    @property
    def place(self) -> str:
        """Return where it stands, in words."""
        return f"{self.file} line {self.line}" + (f", under `Match {self.match}`" if self.match else "")


@dataclass(frozen=True, slots=True)
class SshdSeen:
    """What a server says of its sshd: `says` to anybody, `says_us` to the user that we log in as, from where we do.

    Keywords of all are in lower case, as sshd says them. `knows` are the algorithms of each list that it would use by
    itself. `changes` are those of ours, by name, and where each one is.
    """

    host: str
    uid: int
    came_from: str
    has: frozenset[str]
    says: Mapping[str, tuple[str, ...]]
    says_us: Mapping[str, tuple[str, ...]]
    knows: Mapping[str, tuple[str, ...]]
    directives: tuple[Directive, ...]
    unread: tuple[str, ...]
    runs: tuple[str, ...]
    units: Mapping[str, str]
    changes: Mapping[str, str]
    drop_in: str = ""
    """The SHA-256 of our own file, empty where there is none."""
    first_line: bool = False

    @property
    def socket(self) -> bool:
        """Return whether systemd listens for sshd, as on Ubuntu since 22.10."""
        return any(state == "active" for unit, state in self.units.items() if unit.endswith(".socket"))

    @property
    def own_options(self) -> tuple[str, ...]:
        """Return the words of listeners that were started with settings or a file of their own, which win over all."""
        return tuple(words for words in self.runs if not _PLAIN_OPTIONS.issuperset(words.split()[1:]))

    def ours_would_win(self, keywords: Iterable[str]) -> bool:
        """Return whether our file among the drop-ins would be read before every other one of these settings.

        Of a setting the first value counts; those under a Match are another matter.
        """
        wanted = {keyword.lower() for keyword in keywords}
        included = False
        for one in self.directives:
            if one.match:
                continue
            if included and ((one.file >= DROP_IN and one.file.startswith(DROP_IN_FOLDER)) or one.file == MAIN):
                return True
            if one.keyword in wanted:
                return False
            included |= one.keyword == "include" and one.file == MAIN and _includes_drop_ins(one.value)
        return included


def _includes_drop_ins(value: str) -> bool:
    return any(pattern in (f"{DROP_IN_FOLDER}*.conf", f"{DROP_IN_FOLDER}*", DROP_IN) for pattern in value.split())


def read_settings(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what `sshd -T` says: each keyword in lower case with its values, one for each line of it."""
    settings: dict[str, list[str]] = {}
    for line in lines:
        keyword, _, value = line.strip().partition(" ")
        if keyword:
            settings.setdefault(keyword.lower(), []).append(value.strip())
    return {keyword: tuple(values) for keyword, values in settings.items()}


@dataclass(slots=True)
class _Open:
    """A file that is being read, and the condition that holds at this point of it."""

    file: str
    match: str
    line: int = 0


def read_files(
    events: Sequence[tuple[str, str]],
) -> tuple[tuple[Directive, ...], tuple[str, ...]]:
    """Return the settings of all files in the order in which sshd reads them, and the files that could not be read.

    A Match block ends with its file, and one that includes a file holds for all that is in that.
    """
    unread: list[str] = []
    return tuple(_directives(events, unread)), tuple(unread)


def _directives(events: Sequence[tuple[str, str]], unread: list[str]) -> Iterator[Directive]:
    stack: list[_Open] = []
    for event, text in events:
        match event:
            case "in":
                stack.append(_Open(text, stack[-1].match if stack else ""))
            case "out":
                stack.pop()
            case "unread":
                unread.append(stack[-1].file)
            case _:
                here = stack[-1]
                here.line += 1
                yield from _directive(text, here)


def _directive(text: str, here: _Open) -> Iterator[Directive]:
    if not text.strip() or text.lstrip().startswith("#"):
        return
    found = _DIRECTIVE.fullmatch(text)
    keyword, value = (found[1].lower(), found[2]) if found else (text.strip(), "")
    if keyword == "match":
        here.match = value
        return
    yield Directive(here.file, here.line, keyword, value.strip('"'), here.match)
