"""Finds in a command line the calls of scripts that the world answers itself, since no pretend command could."""

import re
import shlex

_EXEC = re.compile(r"(?:^|; )exec (?P<line>(?:sh|bash) -s -- .*)$", re.DOTALL)
_FIREWALL = "ink-firewall"
_INSIDE = "ink-inside"


def firewall_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that changes the firewall, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_FIREWALL,) else ()


def knock_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that tries connects: the seconds, then addresses and ports in turn."""
    shell, words = _called(command)
    numbers = all(word.isdigit() for word in (*words[:1], *words[2::2]))
    return words if shell == "bash" and len(words) % 2 and numbers else ()


def inside_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that tries connects from inside a server's networks, its mark first."""
    shell, words = _called(command)
    return words if shell == "bash" and words[:1] == (_INSIDE,) else ()


def _called(command: str) -> tuple[str, tuple[str, ...]]:
    found = _EXEC.search(command)
    if found is None:
        return "", ()
    words = shlex.split(found["line"])
    return words[0], tuple(words[3:])
