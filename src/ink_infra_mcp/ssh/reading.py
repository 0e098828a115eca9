"""Which commands only read: a closed list of their words, and of what they are given by standard input."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ink_infra_mcp.ssh.command import HostCommand

Word = str | re.Pattern[str]
"""A word as it is, or a pattern that all of it fits."""
Given = Callable[[bytes], bool]
"""Says of what a command is given by standard input whether it is what the list has."""


def nothing(given: bytes) -> bool:
    """Return whether a command is given nothing."""
    return not given


def whatever(given: bytes) -> bool:
    """Return true: the program only reads, whatever it is given."""
    del given
    return True


def exactly(text: Callable[[], str]) -> Given:
    """Return what holds for one text, to the byte; it is asked for when it is needed."""
    return lambda given: given == text().encode()


@dataclass(frozen=True, slots=True)
class Reading:
    """One command that changes nothing on a server, whoever sends it.

    Its words are `words`, then those of `more`, which may come once, many times or not at all. A program reads what
    follows its name in its own way: a pattern has no word in it that the program would take for something else, such as
    an option.
    """

    words: tuple[Word, ...]
    given: Given = nothing
    more: tuple[Word, ...] = ()

    def fits(self, command: HostCommand) -> bool:
        """Return whether the command is this one."""
        begin, rest = command.words[: len(self.words)], command.words[len(self.words) :]
        parts = [(self.words, begin), *((self.more, part) for part in _parts(rest, len(self.more)))]
        return all(_all_fit(shape, words) for shape, words in parts) and self.given(command.stdin_bytes())


class Readings:
    """The closed list: `command in readings` tells whether it only reads."""

    def __init__(self, *listed: Reading) -> None:
        self._listed = listed

    def __contains__(self, command: object) -> bool:
        # another class could send other words than it shows
        return type(command) is HostCommand and any(reading.fits(command) for reading in self._listed)


def _parts(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Where nothing more may come, what comes all the same is one part that does not fit."""
    step = size or len(words) or 1
    return (words[at : at + step] for at in range(0, len(words), step))


def _all_fit(shape: Sequence[Word], words: Sequence[str]) -> bool:
    return len(shape) == len(words) and all(map(_fits, shape, words))


def _fits(shape: Word, word: str) -> bool:
    return word == shape if isinstance(shape, str) else shape.fullmatch(word) is not None
