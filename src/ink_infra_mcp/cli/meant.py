"""What somebody probably meant who wrote a command or a tool that is none."""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ink_infra_mcp.core.untrusted import clean_name

_NAMES = frozenset({"app", "name", "operation", "server"})
"""Arguments that hold a name and no secret."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def hint(word: str, commands: Collection[str], tools: Collection[str]) -> str:
    """Return what is wrong with a first word that is no command, as whole sentences with the next step."""
    if word in tools:
        return f"`{word}` is a tool, not a command: write `ink-infra-mcp call {word}`."
    if close := _close(word, commands):
        return f"There is no command `{clean_name(word)}`; did you mean `{close}`?"
    if close := _close(word, tools):
        return (
            f"There is no command `{clean_name(word)}`; did you mean the tool `{close}`: `ink-infra-mcp call {close}`?"
        )
    return f"There is no command `{clean_name(word)}`. The commands are {', '.join(commands)}."


def tool_hint(word: str, tools: Sequence[str]) -> str:
    """Return what is wrong with the name of a tool that there is not."""
    if close := _close(word, tools):
        return f"There is no tool `{clean_name(word)}`; did you mean `{close}`?"
    return f"There is no tool `{clean_name(word)}`. The tools are {', '.join(tools)}."


def no_tool(tools: Sequence[str]) -> str:
    """Return what is wrong with a call of nothing."""
    return f"`call` needs the name of a tool. The tools are {', '.join(tools)}."


def arguments_meant(text: str, schema: Mapping[str, Any]) -> str:
    """Return the JSON that somebody probably meant who wrote a tool's arguments otherwise, or an example of it.

    `app=shop` and a bare `shop` are taken for what they are, where that is a name; nothing else of it is shown.
    """
    known = [*schema.get("required", ()), *schema.get("properties", ())]
    given, equals, value = text.strip().partition("=")
    name = given if equals and given in known else next(iter(known), "")
    is_shown = name in _NAMES and _PLAIN.fullmatch(value if equals else given)
    return json.dumps({name: (value if equals else given) if is_shown else "..."}) if name else "{}"


def _close(word: str, known: Collection[str]) -> str:
    found = difflib.get_close_matches(word.replace("-", "_"), [*known], n=1, cutoff=0.6)
    return found[0] if found else ""
