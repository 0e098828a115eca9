"""Splits what `facts.sh` printed into sections, and turns each into a fact or into the reason why there is none."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from ink_infra_mcp.core.untrusted import clean_name

T = TypeVar("T")

NOT_FOUND = 127
OUT_OF_TIME = 124
"""What `timeout` of coreutils and of busybox ends with when it had to stop the command."""
STOPPED, KILLED = 143, 137
"""What a shell says of a command that a signal ended: some of busybox stop it so, and KILL is the last word of all."""
_BEGIN = re.compile(r"begin (\w+)")
_END = re.compile(r"end (\w+) (\d{1,3})")
MISSING = "is not installed, or not in the PATH of this user"
"""How a reason ends that a server has no such program."""
_FAILED = {
    NOT_FOUND: MISSING,
    OUT_OF_TIME: "did not answer in time",
    STOPPED: "did not answer in time",
    KILLED: "was killed: it did not answer in time, or there was no memory",
}


class Unreadable(Exception):
    """A section does not say what it should; the message says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one command said, and the exit status that it ended with."""

    text: str
    status: int


def sections(output: str, marker: str) -> dict[str, Section]:
    """Return the sections by name; one that is cut off, or whose frame is damaged, is left out."""
    found: dict[str, Section] = {}
    name, body = "", list[str]()
    for line in output.split("\n"):
        said = _after(line, f"{marker} ")
        if started := _BEGIN.fullmatch(said):
            name, body = started[1], []
        elif (ended := _END.fullmatch(said)) and ended[1] == name:
            found.setdefault(name, Section("\n".join(body), int(ended[2])))
            name = ""
        else:
            body.append(line)
    return found


def _after(line: str, start: str) -> str:
    """Return what follows `start`. A pattern would have to be compiled for each answer: its marker is new each time."""
    return line[len(start) :] if line.startswith(start) else ""


@dataclass(slots=True)
class Reading:
    """Reads one fact after the other; what cannot be read is None, and `unknown` says why, by the fact's name."""

    found: Mapping[str, Section]
    unknown: dict[str, str] = field(default_factory=dict[str, str])

    def fact(
        self, name: str, section: str, parse: Callable[[str], T], *, good: Collection[int] = frozenset({0})
    ) -> T | None:
        """Return what `parse` makes of a section whose command ended with a `good` status, or None.

        `parse` raises Unreadable, or ValueError (which pydantic's errors are), when it cannot make sense of the text.
        """
        try:
            return parse(_body(self.found.get(section), good))
        except Unreadable as why:
            self.unknown[name] = str(why)
        except (ValueError, RecursionError):
            self.unknown[name] = f"not understood: {clean_name(self.found[section].text, limit=80)}"
        return None


def _body(section: Section | None, good: Collection[int]) -> str:
    if section is None:
        raise Unreadable("the server's answer does not have it")
    if section.status in good:
        return section.text
    failed = f"failed: {clean_name(section.text, limit=160) or section.status}"
    raise Unreadable(f"the command for it {_FAILED.get(section.status, failed)}")
